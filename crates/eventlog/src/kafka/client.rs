//! What all clients share: who listens to librdkafka's log and errors, and how a client is made.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use rdkafka::ClientContext;
use rdkafka::config::{ClientConfig, FromClientConfigAndContext, RDKafkaLogLevel};
use rdkafka::consumer::{BaseConsumer, ConsumerContext};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};

use crate::kafka::settings::Settings;
use crate::kafka::{fault, lock};
use crate::port::{LogError, Result};

/// For how long what was heard explains anything. librdkafka repeats an error that lasts every 30 s.
const STILL_TRUE: Duration = Duration::from_secs(40);

/// Remembers what a client heard last from its brokers, so that a timeout can be explained.
#[derive(Default)]
pub(super) struct Watch {
    heard: Mutex<Option<Heard>>,
}

#[derive(Clone)]
struct Heard {
    at: Instant,
    code: RDKafkaErrorCode,
    reason: String,
}

impl Watch {
    /// Notes an error which librdkafka reported outside of any call.
    pub(super) fn note(&self, error: &KafkaError, reason: &str) {
        tracing::debug!(target: "librdkafka", %error, reason);
        if let Some(code) = error.rdkafka_error_code() {
            *lock(&self.heard) = Some(Heard {
                at: Instant::now(),
                code,
                reason: reason.to_owned(),
            });
        }
    }

    /// A call succeeded: what was heard before no longer explains anything.
    pub(super) fn clear(&self) {
        lock(&self.heard).take();
    }

    /// Sorts `error` in the light of what was heard: behind a mere timeout may stand a wrong password.
    pub(super) fn explain(&self, what: &str, error: &KafkaError) -> LogError {
        self.explain_at(Instant::now(), what, error)
    }

    fn explain_at(&self, now: Instant, what: &str, error: &KafkaError) -> LogError {
        let heard = lock(&self.heard).clone();
        let heard = heard.filter(|heard| now.saturating_duration_since(heard.at) < STILL_TRUE);
        match heard {
            Some(Heard { code, reason, .. }) if fault::forbids(code) => LogError::Broken(format!("{what}: {reason}")),
            Some(Heard { reason, .. }) => fault::sort(what, error, Some(&reason)),
            None => fault::sort(what, error, None),
        }
    }
}

impl ClientContext for Watch {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        log(level, facility, message);
    }

    fn stats_raw(&self, _statistics: &[u8]) {}

    fn error(&self, error: KafkaError, reason: &str) {
        self.note(&error, reason);
    }
}

impl ConsumerContext for Watch {}

/// librdkafka repeats itself while a broker is away; whoever calls is told, and logs it once.
pub(super) fn log(level: RDKafkaLogLevel, facility: &str, message: &str) {
    match level {
        RDKafkaLogLevel::Emerg | RDKafkaLogLevel::Alert | RDKafkaLogLevel::Critical => {
            tracing::warn!(target: "librdkafka", facility, "{message}");
        }
        _ => tracing::debug!(target: "librdkafka", facility, "{message}"),
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

/// A client that looks at `group` without joining it.
pub(super) fn observer(settings: &Settings, group: &str) -> Result<BaseConsumer<Watch>> {
    start(&settings.observer(group), Watch::default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_heard_explains_for_a_while_or_until_something_succeeds() {
        let watch = Watch::default();
        let timeout = KafkaError::Global(RDKafkaErrorCode::OperationTimedOut);
        let broken = |later: Duration| {
            let explained = watch.explain_at(Instant::now() + later, "reading", &timeout);
            matches!(explained, LogError::Broken(why) if why.contains("wrong password"))
        };
        watch.note(&KafkaError::Global(RDKafkaErrorCode::Authentication), "wrong password");
        assert!(broken(Duration::ZERO));
        assert!(broken(Duration::from_secs(31)), "librdkafka has not repeated it yet");
        assert!(!broken(STILL_TRUE));
        watch.clear();
        assert!(!broken(Duration::ZERO));
    }
}
