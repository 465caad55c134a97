//! What all clients share: who listens to librdkafka's log and errors, and how a client is made.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rdkafka::ClientContext;
use rdkafka::config::{ClientConfig, FromClientConfigAndContext, RDKafkaLogLevel};
use rdkafka::consumer::{BaseConsumer, Consumer as _, ConsumerContext};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};

use crate::kafka::fault::Cause;
use crate::kafka::settings::Settings;
use crate::kafka::{fault, lock};
use crate::port::{LogError, Result};

/// For how long what was heard explains anything. librdkafka repeats an error that lasts every 30 s.
const STILL_TRUE: Duration = Duration::from_secs(40);

/// How long the first tries of a call wait, before one waits for as long as there is time. A refused password is heard of
/// within the first, even though brokers hold such an answer back for a tenth of a second.
pub(super) const FIRST_TRIES: [Duration; 2] = [Duration::from_millis(300), Duration::from_millis(700)];

/// Remembers what a client heard last from its brokers, so that a timeout can be explained.
#[derive(Default)]
pub(super) struct Watch {
    heard: Mutex<Option<Heard>>,
    /// When librdkafka last had anything to say.
    spoke: Mutex<Option<Instant>>,
    /// Every broker that the client knows is down.
    all_down: AtomicBool,
}

#[derive(Clone)]
struct Heard {
    at: Instant,
    cause: Cause,
    reason: String,
}

impl Watch {
    /// Notes an error which librdkafka reported outside of any call.
    pub(super) fn note(&self, error: &KafkaError, reason: &str) {
        tracing::debug!(target: "librdkafka", %error, reason);
        self.speaks();
        if error.rdkafka_error_code() == Some(RDKafkaErrorCode::AllBrokersDown) {
            self.all_down.store(true, Ordering::Relaxed);
        }
        self.hear(reason);
    }

    /// Notes a line of librdkafka's log: a closed connection is told nowhere else.
    pub(super) fn note_log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        log(level, facility, message);
        if facility == "FAIL" {
            self.speaks();
            self.hear(message);
        }
    }

    fn speaks(&self) {
        *lock(&self.spoke) = Some(Instant::now());
    }

    /// For how long librdkafka has told of no trouble.
    pub(super) fn silence(&self) -> Duration {
        lock(&self.spoke).map_or(Duration::MAX, |spoke| spoke.elapsed())
    }

    /// What lasts is not forgotten over what may pass, nor a reason for an end over the end: after a wrong password comes a
    /// closed connection.
    fn hear(&self, reason: &str) {
        let Some(cause) = Cause::told(reason) else {
            return;
        };
        let mut heard = lock(&self.heard);
        let says_more = |before: Cause| before.lasts() || (before, cause) == (Cause::PerhapsListener, Cause::Closed);
        let known = heard.as_ref().filter(|heard| heard.at.elapsed() < STILL_TRUE);
        if cause.lasts() || !known.is_some_and(|heard| says_more(heard.cause)) {
            *heard = Some(Heard {
                at: Instant::now(),
                cause,
                reason: bare(reason).to_owned(),
            });
        }
    }

    /// A call succeeded: what was heard before no longer explains anything.
    pub(super) fn clear(&self) {
        self.all_down.store(false, Ordering::Relaxed);
        lock(&self.heard).take();
    }

    /// What was heard turned out to have another cause.
    pub(super) fn correct(&self, cause: Cause) {
        if let Some(heard) = lock(&self.heard).as_mut() {
            heard.cause = cause;
        }
    }

    /// Whether waiting for an answer is in vain: it won't come, or nobody is there who could give it.
    pub(super) fn in_vain(&self, patience_left: bool) -> bool {
        match self.cause() {
            Some(Cause::Refused | Cause::Unresolved) if self.all_down.load(Ordering::Relaxed) => !patience_left,
            cause => cause.is_some_and(Cause::lasts),
        }
    }

    /// Why the brokers don't answer, as far as it was heard.
    pub(super) fn cause(&self) -> Option<Cause> {
        self.heard_at(Instant::now()).map(|heard| heard.cause)
    }

    /// Sorts `error` in the light of what was heard: behind a mere timeout may stand a wrong password.
    pub(super) fn explain(&self, what: &str, error: &KafkaError) -> LogError {
        self.explain_at(Instant::now(), what, error)
    }

    fn explain_at(&self, now: Instant, what: &str, error: &KafkaError) -> LogError {
        if !error.rdkafka_error_code().is_none_or(fault::is_silence) {
            return fault::sort(what, error);
        }
        let (cause, reason) = match self.heard_at(now) {
            Some(Heard { cause, reason, .. }) => (cause, reason),
            None => (Cause::Silent, error.to_string()),
        };
        let sentence = format!("{what}: {cause} ({reason})");
        if cause.lasts() {
            LogError::Broken(sentence)
        } else {
            LogError::Unavailable(sentence)
        }
    }

    fn heard_at(&self, now: Instant) -> Option<Heard> {
        let heard = lock(&self.heard).clone();
        heard.filter(|heard| now.saturating_duration_since(heard.at) < STILL_TRUE)
    }
}

impl ClientContext for Watch {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        self.note_log(level, facility, message);
    }

    fn stats_raw(&self, _statistics: &[u8]) {}

    fn error(&self, error: KafkaError, reason: &str) {
        self.note(&error, reason);
    }
}

impl ConsumerContext for Watch {}

/// librdkafka repeats itself while a broker is away; whoever calls is told, and logs it once.
fn log(level: RDKafkaLogLevel, facility: &str, message: &str) {
    match level {
        RDKafkaLogLevel::Emerg | RDKafkaLogLevel::Alert | RDKafkaLogLevel::Critical => {
            tracing::warn!(target: "librdkafka", tally = "alarms of librdkafka", facility, "{message}");
        }
        _ => tracing::debug!(target: "librdkafka", facility, "{message}"),
    }
}

/// Without the thread that said it, how long that took, and the guesses of librdkafka's, which are ours to make.
fn bare(reason: &str) -> &str {
    let reason = reason.split(" (after ").next().unwrap_or(reason);
    let reason = reason.split(": broker certificate could not").next().unwrap_or(reason);
    match reason.strip_prefix("[thrd:").and_then(|rest| rest.split_once("]: ")) {
        Some((_, reason)) => reason,
        None => reason,
    }
}

/// Starts a client; it connects by itself, whether a broker is there or not.
pub(super) fn start<C: ClientContext, T: FromClientConfigAndContext<C>>(
    config: &ClientConfig,
    context: C,
) -> Result<T> {
    config
        .create_with_context(context)
        .map_err(|error| fault::misconfigured(&error))
}

/// Whether a certificate that was not trusted is only for another host: OpenSSL says the same of both. A client that
/// doesn't compare names then trusts it; it never sends a password to a host that it has come to by mistake, as it
/// stops behind the handshake.
pub(super) fn only_the_name_differs(settings: &Settings) -> bool {
    let mut config = settings.looker();
    config
        .set("security.protocol", "ssl")
        .set("ssl.endpoint.identification.algorithm", "none");
    let Ok(client) = start::<Watch, BaseConsumer<Watch>>(&config, Watch::default()) else {
        return false;
    };
    for patience in FIRST_TRIES {
        let answer = client.fetch_metadata(None, patience);
        hear_reports(&client);
        match (answer, client.context().cause()) {
            (Ok(_), _) => return true,
            (Err(_), Some(Cause::Certificate)) => return false,
            (Err(_), _) => {}
        }
    }
    // It was heard of nothing but what comes behind a handshake.
    matches!(client.context().cause(), Some(Cause::PerhapsListener | Cause::Closed))
}

/// How many of librdkafka's reports are taken with each call.
const EVENTS_A_CALL: usize = 16;

/// librdkafka reports errors and log lines only to who polls; a client that only looks never gets anything else. Answers
/// with what the brokers have forbidden, which a call then only feels as silence.
pub(super) fn hear_reports(client: &BaseConsumer<Watch>) -> Option<RDKafkaErrorCode> {
    let mut forbidden = None;
    for _ in 0..EVENTS_A_CALL {
        if let Some(Err(error)) = client.poll(Duration::ZERO) {
            forbidden = forbidden.or(error.rdkafka_error_code().filter(|code| fault::forbids(*code)));
        }
    }
    forbidden
}

/// A client that looks at `group` without joining it.
pub(super) fn observer(settings: &Settings, group: &str) -> Result<BaseConsumer<Watch>> {
    start(&settings.observer(group), Watch::default())
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIMEOUT: KafkaError = KafkaError::Global(RDKafkaErrorCode::OperationTimedOut);
    const WRONG: &str =
        "sasl_plaintext://host:9092/1: SASL authentication error: wrong password (after 3ms in state UP)";

    fn is_login(watch: &Watch, later: Duration, error: &KafkaError) -> bool {
        let explained = watch.explain_at(Instant::now() + later, "reading", error);
        matches!(explained, LogError::Broken(why) if why.contains("authentication failed") && why.ends_with("wrong password)"))
    }

    #[test]
    fn what_was_heard_explains_for_a_while_or_until_something_succeeds() {
        let watch = Watch::default();
        watch.note(&KafkaError::Global(RDKafkaErrorCode::Authentication), WRONG);
        assert!(is_login(&watch, Duration::ZERO, &TIMEOUT));
        assert!(
            is_login(&watch, Duration::from_secs(31), &TIMEOUT),
            "librdkafka has not repeated it yet"
        );
        assert!(!is_login(&watch, STILL_TRUE, &TIMEOUT));
        watch.clear();
        assert!(!is_login(&watch, Duration::ZERO, &TIMEOUT));
    }

    #[test]
    fn what_lasts_is_not_forgotten_over_what_follows_from_it() {
        let watch = Watch::default();
        watch.note_log(RDKafkaLogLevel::Error, "FAIL", WRONG);
        watch.note_log(
            RDKafkaLogLevel::Info,
            "FAIL",
            "sasl_plaintext://host:9092/1: Disconnected",
        );
        watch.note(
            &KafkaError::Global(RDKafkaErrorCode::AllBrokersDown),
            "1/1 brokers are down",
        );
        assert!(is_login(&watch, Duration::ZERO, &TIMEOUT));
        let refusal = KafkaError::Global(RDKafkaErrorCode::InvalidTopic);
        assert!(!is_login(&watch, Duration::ZERO, &refusal), "that is an answer");
    }
}
