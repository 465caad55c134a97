//! Starts the relay of a role, and the group commits into the journal that it relays.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use shop::commit::GroupCommit;
use shop::domain::Source;
use shop::health::{Readiness, Watcher, watch};
use shop::relay::{self, KeyMode, Relay, RelayMetrics, RelayOptions};
use shop::store::{Store, StoreError};
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::adapters::Adapters;
use crate::config::{self, RoleOptions};

/// How often a journal is looked at for what other processes have written into it.
const IDLE_POLL: Duration = Duration::from_millis(25);

/// A relay at work.
pub struct Relaying {
    store: Arc<dyn Store>,
    /// What the role knows about itself.
    pub readiness: Arc<Readiness>,
    stop: CancellationToken,
    task: JoinHandle<()>,
    watcher: JoinHandle<()>,
    /// Rung after each write into the journal.
    wake: Arc<Notify>,
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
            readiness.clone(),
            stop.clone(),
            options.shutdown_timeout,
        ));
        let watcher = Watcher::new(adapters.store.clone(), readiness.clone(), source);
        let watcher = tokio::spawn(watch(watcher, stop.clone()));
        Self {
            store: adapters.store.clone(),
            readiness,
            stop,
            task,
            watcher,
            wake,
            metrics,
        }
    }

    /// Starts a group commit that runs its batches on the store, notes what each has shown of the database, and rings the
    /// relay.
    pub fn group_commit<Q, A, F, R>(&self, run: F) -> GroupCommit<Q, A>
    where
        Q: Clone + Send + Sync + 'static,
        A: Send + 'static,
        F: Fn(Arc<dyn Store>, Arc<[Q]>) -> R + Send + Sync + 'static,
        R: Future<Output = Result<Vec<A>, StoreError>> + Send + 'static,
    {
        let (store, readiness, wake) = (self.store.clone(), self.readiness.clone(), self.wake.clone());
        GroupCommit::start(move |batch| {
            let outcomes = run(store.clone(), batch);
            let (readiness, wake) = (readiness.clone(), wake.clone());
            async move {
                let call = readiness.begin();
                let outcomes = outcomes.await;
                call.database(false, &outcomes);
                wake.notify_one();
                outcomes
            }
        })
    }

    /// Publishes what the journal still holds, and ends.
    pub async fn finish(self) {
        self.stop.cancel();
        for (what, task) in [
            ("the relay", self.task),
            ("what looks after the database", self.watcher),
        ] {
            if let Err(error) = task.await {
                tracing::error!("{what} ended badly: {error}");
            }
        }
    }
}
