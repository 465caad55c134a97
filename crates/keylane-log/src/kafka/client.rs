//! What all clients share: listening to librdkafka's log and errors, and making clients.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rdkafka::ClientContext;
use rdkafka::config::{ClientConfig, FromClientConfigAndContext, RDKafkaLogLevel};
use rdkafka::consumer::{BaseConsumer, Consumer as _, ConsumerContext};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};

use crate::kafka::cause::Cause;
use crate::kafka::fault;
use crate::kafka::settings::Settings;
use crate::kafka::timeouts::FIRST_TRIES;
use crate::port::{LogError, Result};
use crate::sync::lock;

/// For how long a reported reason explains later failures. librdkafka repeats an error that lasts every 30 s.
const REASON_KEPT: Duration = Duration::from_secs(40);

/// Remembers the last reason that librdkafka reported for a failure, to explain later timeouts with it.
#[derive(Default)]
pub(super) struct Watch {
    last_reason: Mutex<Option<Reason>>,
    /// When librdkafka last reported a failure.
    last_report: Mutex<Option<Instant>>,
    /// Whether every broker that the client knows is down.
    all_down: AtomicBool,
}

/// A reason for failures, as librdkafka reported it.
#[derive(Clone)]
struct Reason {
    at: Instant,
    cause: Cause,
    text: String,
}

impl Watch {
    /// Notes an error that librdkafka reported outside of any call.
    pub(super) fn note(&self, error: &KafkaError, reason: &str) {
        tracing::debug!(target: "librdkafka", %error, reason);
        self.note_report();
        if error.rdkafka_error_code() == Some(RDKafkaErrorCode::AllBrokersDown) {
            self.all_down.store(true, Ordering::Relaxed);
        }
        self.note_reason(reason);
    }

    /// Notes a line of librdkafka's log. Closed connections are reported only there.
    pub(super) fn note_log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        log(level, facility, message);
        if facility == "FAIL" {
            self.note_report();
            self.note_reason(message);
        }
    }

    fn note_report(&self) {
        *lock(&self.last_report) = Some(Instant::now());
    }

    /// For how long librdkafka has reported no failure.
    pub(super) fn silence(&self) -> Duration {
        lock(&self.last_report).map_or(Duration::MAX, |reported_at| reported_at.elapsed())
    }

    /// Notes a reason, unless the last one explains more. A cause that lasts is not replaced by one that may pass:
    /// after a wrong password, for example, the connection is closed, which is reported as well.
    fn note_reason(&self, reason: &str) {
        let Some(cause) = Cause::recognise(reason) else {
            return;
        };
        let mut last = lock(&self.last_reason);
        let explains_more =
            |before: Cause| before.lasts() || (before, cause) == (Cause::PerhapsListener, Cause::Closed);
        let known = last.as_ref().filter(|reason| reason.at.elapsed() < REASON_KEPT);
        if cause.lasts() || !known.is_some_and(|known| explains_more(known.cause)) {
            *last = Some(Reason {
                at: Instant::now(),
                cause,
                text: essence(reason).to_owned(),
            });
        }
    }

    /// Forgets the last reason, because a call has succeeded.
    pub(super) fn clear(&self) {
        self.all_down.store(false, Ordering::Relaxed);
        lock(&self.last_reason).take();
    }

    /// Replaces the cause of the last reason, which turned out to be another.
    pub(super) fn correct(&self, cause: Cause) {
        if let Some(reason) = lock(&self.last_reason).as_mut() {
            reason.cause = cause;
        }
    }

    /// Whether waiting for an answer is in vain, because of a cause that lasts, or because every broker is down and the
    /// first tries are over.
    pub(super) fn in_vain(&self, in_first_tries: bool) -> bool {
        match self.cause() {
            Some(Cause::Refused | Cause::Unresolved) if self.all_down.load(Ordering::Relaxed) => !in_first_tries,
            cause => cause.is_some_and(Cause::lasts),
        }
    }

    /// Why the brokers don't answer, as far as librdkafka has reported it.
    pub(super) fn cause(&self) -> Option<Cause> {
        self.reason_at(Instant::now()).map(|reason| reason.cause)
    }

    /// Turns `error` into one of the log. If it only says that no answer came, the last reason explains it.
    pub(super) fn explain(&self, what: &str, error: &KafkaError) -> LogError {
        self.explain_at(Instant::now(), what, error)
    }

    fn explain_at(&self, now: Instant, what: &str, error: &KafkaError) -> LogError {
        if !error.rdkafka_error_code().is_none_or(fault::is_silence) {
            return fault::sort(what, error);
        }
        let (cause, text) = match self.reason_at(now) {
            Some(Reason { cause, text, .. }) => (cause, text),
            None => (Cause::Silent, error.to_string()),
        };
        let sentence = format!("{what}: {cause} ({text})");
        if cause.lasts() {
            LogError::Broken(sentence)
        } else {
            LogError::Unavailable(sentence)
        }
    }

    fn reason_at(&self, now: Instant) -> Option<Reason> {
        let last = lock(&self.last_reason).clone();
        last.filter(|reason| now.saturating_duration_since(reason.at) < REASON_KEPT)
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

/// Passes on a line of librdkafka's log, most of them for debugging only: librdkafka repeats itself while a broker is
/// away, and the caller of a failed call logs its error once.
fn log(level: RDKafkaLogLevel, facility: &str, message: &str) {
    // This adapter purges the records in flight of a producer that it gives up, which librdkafka reports as fatal.
    let given_up = facility == "FATAL" && message.contains("Local: Purged in flight");
    match level {
        _ if given_up => tracing::debug!(target: "librdkafka", facility, "{message}"),
        RDKafkaLogLevel::Emerg | RDKafkaLogLevel::Alert | RDKafkaLogLevel::Critical => {
            tracing::warn!(target: "librdkafka", tally = "alarms of librdkafka", facility, "{message}");
        }
        _ => tracing::debug!(target: "librdkafka", facility, "{message}"),
    }
}

/// The essential part of a reason: without the name of librdkafka's thread, the time it took, and librdkafka's own
/// guesses.
fn essence(reason: &str) -> &str {
    let reason = reason.split(" (after ").next().unwrap_or(reason);
    let reason = reason.split(": broker certificate could not").next().unwrap_or(reason);
    match reason.strip_prefix("[thrd:").and_then(|rest| rest.split_once("]: ")) {
        Some((_, reason)) => reason,
        None => reason,
    }
}

/// Starts a client. It connects in the background, so this succeeds whether a broker can be reached or not.
pub(super) fn start<C: ClientContext, T: FromClientConfigAndContext<C>>(
    config: &ClientConfig,
    context: C,
) -> Result<T> {
    config
        .create_with_context(context)
        .map_err(|error| fault::misconfigured(&error))
}

/// Whether a certificate that was refused is trusted and only for another host; OpenSSL reports both in the same words.
/// A client that does not compare host names finds out. It sends no password to a wrong host, since it uses TLS without
/// SASL.
pub(super) fn certificate_is_for_another_host(settings: &Settings) -> bool {
    let mut config = settings.looker();
    config
        .set("security.protocol", "ssl")
        .set("ssl.endpoint.identification.algorithm", "none");
    let Ok(client) = start::<Watch, BaseConsumer<Watch>>(&config, Watch::default()) else {
        return false;
    };
    for patience in FIRST_TRIES {
        let answer = client.fetch_metadata(None, patience);
        poll_reports(&client);
        match (answer, client.context().cause()) {
            (Ok(_), _) => return true,
            (Err(_), Some(Cause::Certificate)) => return false,
            (Err(_), _) => {}
        }
    }
    // These causes are only reported once the handshake has succeeded.
    matches!(client.context().cause(), Some(Cause::PerhapsListener | Cause::Closed))
}

/// The most reports of librdkafka that one call of [`poll_reports`] takes.
const MAX_REPORTS: usize = 16;

/// Polls a client that has no partitions, since librdkafka reports errors and log lines only to a client that polls.
/// Returns the code of a missing right, if one is reported; the call that it concerns only times out.
pub(super) fn poll_reports(client: &BaseConsumer<Watch>) -> Option<RDKafkaErrorCode> {
    let mut forbidden = None;
    for _ in 0..MAX_REPORTS {
        if let Some(Err(error)) = client.poll(Duration::ZERO) {
            forbidden = forbidden.or(error.rdkafka_error_code().filter(|code| fault::forbids(*code)));
        }
    }
    forbidden
}

/// Starts a client that reads the offsets of `group` without joining it.
pub(super) fn observer(settings: &Settings, group: &str) -> Result<BaseConsumer<Watch>> {
    start(&settings.observer(group), Watch::default())
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIMEOUT: KafkaError = KafkaError::Global(RDKafkaErrorCode::OperationTimedOut);
    const WRONG: &str =
        "sasl_plaintext://host:9092/1: SASL authentication error: wrong password (after 3ms in state UP)";

    /// Whether `error` is explained by the wrong password, this time later.
    fn is_login(watch: &Watch, later: Duration, error: &KafkaError) -> bool {
        let explained = watch.explain_at(Instant::now() + later, "reading", error);
        matches!(explained, LogError::Broken(why) if why.contains("authentication failed") && why.ends_with("wrong password)"))
    }

    #[test]
    fn a_reason_explains_failures_for_a_while_or_until_a_call_succeeds() {
        let watch = Watch::default();
        watch.note(&KafkaError::Global(RDKafkaErrorCode::Authentication), WRONG);
        assert!(is_login(&watch, Duration::ZERO, &TIMEOUT));
        assert!(
            is_login(&watch, Duration::from_secs(31), &TIMEOUT),
            "librdkafka has not repeated the error yet"
        );
        assert!(!is_login(&watch, REASON_KEPT, &TIMEOUT));
        watch.clear();
        assert!(!is_login(&watch, Duration::ZERO, &TIMEOUT));
    }

    #[test]
    fn a_lasting_cause_is_not_replaced_by_what_follows_from_it() {
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
        assert!(
            !is_login(&watch, Duration::ZERO, &refusal),
            "this error is an answer, so it is not explained otherwise"
        );
    }
}
