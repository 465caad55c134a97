//! Runs the relay of a service, and the group commits that write into the journal which it relays.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use observe::Observer;
use shop::commit::{CommitMetrics, GroupCommit};
use shop::domain::Source;
use shop::health::{Readiness, Watcher, watch};
use shop::relay::{self, KeyMode, Relay, RelayMetrics, RelayOptions};
use shop::store::{Store, StoreError};
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::adapters::RoleAdapters;
use crate::clock;
use crate::config::{self, RoleOptions};
use crate::metrics::ServiceMetrics;
use crate::modes;

/// How often the journal is read for rows that other processes have written into it.
const IDLE_POLL: Duration = Duration::from_millis(25);

/// A relay that is running.
pub struct Relaying {
    source: Source,
    store: Arc<dyn Store>,
    /// The facts that the service knows about itself, for `/readyz`.
    pub readiness: Arc<Readiness>,
    /// Gets what the service does.
    pub observer: Observer,
    stop: CancellationToken,
    task: JoinHandle<()>,
    watcher: JoinHandle<()>,
    /// Notified after each write into the journal, so that the relay reads it at once.
    wake: Arc<Notify>,
    metrics: Arc<RelayMetrics>,
}

impl Relaying {
    /// Starts relaying a journal.
    pub fn start(
        adapters: &RoleAdapters,
        options: &RoleOptions,
        source: Source,
        readiness: Arc<Readiness>,
        observer: Observer,
    ) -> Self {
        let relay_options = RelayOptions {
            source,
            topic: options.topic.clone(),
            key: match options.key {
                config::KeyMode::OrderId => KeyMode::OrderId,
                config::KeyMode::None => KeyMode::None,
            },
            holder: modes::holder(options.key, clock::now()),
            idle_poll: IDLE_POLL,
            gather: match source {
                Source::Orders => Duration::from_millis(1),
                // No client waits for a delivery event.
                Source::Deliveries => Duration::from_millis(10),
            },
            clock: clock::now,
        };
        let relay = Relay::new(adapters.store.clone(), adapters.log.clone(), relay_options);
        let relay = relay.observed_by(observer.clone());
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
            source,
            store: adapters.store.clone(),
            readiness,
            observer,
            stop,
            task,
            watcher,
            wake,
            metrics,
        }
    }

    /// Starts a group commit that runs its batches on the store. After each batch the relay is notified, and the readiness
    /// learns how the database answered.
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

    /// The measures of the service, with those of its group commits.
    pub fn service_metrics(&self, commits: Vec<(&'static str, Arc<CommitMetrics>)>) -> ServiceMetrics {
        ServiceMetrics::new(
            self.source,
            self.store.clone(),
            self.readiness.clone(),
            self.metrics.clone(),
            commits,
        )
    }

    /// Publishes what the journal still holds, and ends.
    pub async fn finish(self) {
        self.stop.cancel();
        for (what, task) in [("the relay", self.task), ("the watch over the database", self.watcher)] {
            if let Err(error) = task.await {
                tracing::error!("{what} ended badly: {error}");
            }
        }
    }
}
