//! Starts the relay of a role.

use std::sync::Arc;
use std::time::Duration;

use shop::domain::Source;
use shop::http::Readiness;
use shop::relay::{self, KeyMode, Relay, RelayMetrics, RelayOptions};
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::adapters::Adapters;
use crate::config::{self, RoleOptions};

/// How often a journal is looked at for what other processes have written into it.
const IDLE_POLL: Duration = Duration::from_millis(25);

/// A relay at work.
pub struct Relaying {
    stop: CancellationToken,
    task: JoinHandle<()>,
    /// To be rung after each write into the journal.
    pub wake: Arc<Notify>,
    /// Where it counts what it does.
    pub metrics: Arc<RelayMetrics>,
}

impl Relaying {
    /// Starts relaying a journal.
    pub fn start(adapters: &Adapters, options: &RoleOptions, source: Source, readiness: Arc<Readiness>) -> Self {
        let relay_options = RelayOptions {
            source,
            topic: options.topic.clone(),
            key: match options.key {
                config::KeyMode::OrderId => KeyMode::OrderId,
                config::KeyMode::None => KeyMode::None,
            },
            holder: format!("{}-{}", std::process::id(), super::now().0),
            idle_poll: IDLE_POLL,
            gather: match source {
                Source::Orders => Duration::from_millis(1),
                // Nobody waits for these.
                Source::Deliveries => Duration::from_millis(10),
            },
            clock: super::now,
        };
        let relay = Relay::new(adapters.store.clone(), adapters.log.clone(), relay_options);
        let metrics = relay.metrics().clone();
        let (stop, wake) = (CancellationToken::new(), Arc::new(Notify::new()));
        let task = tokio::spawn(relay::run(
            relay,
            wake.clone(),
            readiness,
            stop.clone(),
            options.shutdown_timeout,
        ));
        Self {
            stop,
            task,
            wake,
            metrics,
        }
    }

    /// Publishes what the journal still holds, and ends.
    pub async fn finish(self) {
        self.stop.cancel();
        if let Err(error) = self.task.await {
            tracing::error!("the relay ended badly: {error}");
        }
    }
}
