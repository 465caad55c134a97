//! What all clients share: who listens to librdkafka's log and errors, and how a client is made.

use std::sync::Mutex;

use rdkafka::ClientContext;
use rdkafka::config::{ClientConfig, FromClientConfigAndContext, RDKafkaLogLevel};
use rdkafka::consumer::{BaseConsumer, ConsumerContext};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};

use crate::kafka::settings::Settings;
use crate::kafka::{fault, lock};
use crate::port::{LogError, Result};

/// Remembers what a client heard last from its brokers, so that a timeout can be explained.
#[derive(Default)]
pub(super) struct Watch {
    heard: Mutex<Option<(RDKafkaErrorCode, String)>>,
}

impl Watch {
    /// Notes an error which librdkafka reported outside of any call.
    pub(super) fn note(&self, error: &KafkaError, reason: &str) {
        tracing::debug!(target: "librdkafka", %error, reason);
        if let Some(code) = error.rdkafka_error_code() {
            *lock(&self.heard) = Some((code, reason.to_owned()));
        }
    }

    /// A call succeeded: what was heard before no longer explains anything.
    pub(super) fn clear(&self) {
        lock(&self.heard).take();
    }

    /// Sorts `error` in the light of what was heard: behind a mere timeout may stand a wrong password.
    pub(super) fn explain(&self, what: &str, error: &KafkaError) -> LogError {
        let heard = lock(&self.heard).clone();
        match heard {
            Some((code, reason)) if fault::forbids(code) => LogError::Broken(format!("{what}: {reason}")),
            Some((_, reason)) => fault::sort(what, error, Some(&reason)),
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
