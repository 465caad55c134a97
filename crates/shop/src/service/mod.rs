//! The services, put together from a store and a log: what runs beside the requests of an order service, and what a delivery
//! instance consists of.
//!
//! ```text
//!   order service:      requests ─▶ group commit ─▶ store ─▶ relay ─▶ log        watcher ─▶ readiness
//!   delivery instance:  runner ─▶ DeliveryHandler ─▶ group commits ─▶ store ─▶ relay ─▶ log
//!                                 sweeper, gaps ──────────┘
//! ```
//! HTTP, the consumer and the runner that hands its records to the handler are the caller's: a program runs them on threads,
//! the simulation step by step.
//!
//! # Invariants
//! * What is started here runs on the current Tokio runtime, starts no thread, and calls the log through [`LogCalls`] alone.

mod delivering;

pub use delivering::{Delivering, DeliveringOptions, DeliveryHandler, Guard, Lanes};

use std::sync::Arc;
use std::time::Duration;

use keylane_log::Timestamp;
use observe::Observer;
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::LogCalls;
use crate::commit::GroupCommit;
use crate::domain::fence::{FenceCommand, FenceOutcome};
use crate::domain::{DeliveryOutcome, DeliveryRequest, OrderOutcome, OrderRequest, Source};
use crate::health::{Readiness, Watcher, watch};
use crate::observed;
use crate::relay::{self, Relay, RelayMetrics, RelayOptions};
use crate::store::{Store, StoreError};

/// A service that is running: its relay, the watcher of its database, and what its group commits need.
pub struct Service {
    store: Arc<dyn Store>,
    log: LogCalls,
    source: Source,
    clock: fn() -> Timestamp,
    readiness: Arc<Readiness>,
    observer: Observer,
    relay: Arc<RelayMetrics>,
    /// Notified after each write into the journal, so that the relay reads it at once.
    wake: Arc<Notify>,
    stop: CancellationToken,
    tasks: [(&'static str, JoinHandle<()>); 2],
}

impl Service {
    /// Starts the relay of the journal in `store`, and the watcher of that database. At the end the relay publishes what is
    /// left, for `drain` at most. `observer` gets what happens.
    pub fn start(
        store: Arc<dyn Store>,
        log: LogCalls,
        options: RelayOptions,
        drain: Duration,
        observer: Observer,
    ) -> Self {
        let (source, clock) = (options.source, options.clock);
        let readiness = Arc::new(Readiness::new(clock));
        let (stop, wake) = (CancellationToken::new(), Arc::new(Notify::new()));
        let relay = Relay::new(store.clone(), log.clone(), options).observed_by(observer.clone());
        let metrics = relay.metrics().clone();
        let relaying = relay::run(relay, wake.clone(), readiness.clone(), stop.clone(), drain);
        let watcher = Watcher::new(store.clone(), readiness.clone(), source);
        let tasks = [
            ("the relay", tokio::spawn(relaying)),
            (
                "the watch over the database",
                tokio::spawn(watch(watcher, stop.clone())),
            ),
        ];
        Self {
            store,
            log,
            source,
            clock,
            readiness,
            observer,
            relay: metrics,
            wake,
            stop,
            tasks,
        }
    }

    /// The service whose journal is relayed.
    pub fn source(&self) -> Source {
        self.source
    }

    /// The service's database.
    pub fn store(&self) -> &Arc<dyn Store> {
        &self.store
    }

    /// The facts that the service knows about itself.
    pub fn readiness(&self) -> &Arc<Readiness> {
        &self.readiness
    }

    /// The measures of the relay.
    pub fn relay_metrics(&self) -> &Arc<RelayMetrics> {
        &self.relay
    }

    /// Starts the group commit of an order service's requests.
    pub fn order_commit(&self) -> GroupCommit<OrderRequest, OrderOutcome> {
        let (clock, observer) = (self.clock, self.observer.clone());
        self.group_commit(move |store, batch| {
            let observer = observer.clone();
            async move { observed::run_orders(&*store, &batch, clock(), &observer).await }
        })
    }

    /// Starts the group commit of events that are applied without the fence.
    fn delivery_commit(&self) -> GroupCommit<DeliveryRequest, DeliveryOutcome> {
        let clock = self.clock;
        self.group_commit(move |store, batch| async move { store.run_deliveries(&batch, clock()).await })
    }

    /// Starts the group commit of the fence's commands.
    fn fence_commit(&self) -> GroupCommit<FenceCommand, FenceOutcome> {
        let clock = self.clock;
        self.group_commit(move |store, batch| async move { store.run_fence(&batch, clock()).await })
    }

    /// Starts a group commit that runs its batches on the store. After each batch the relay is notified, and the readiness
    /// learns how the database answered.
    fn group_commit<Q, A, F, R>(&self, run: F) -> GroupCommit<Q, A>
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
        for (what, task) in self.tasks {
            if let Err(error) = task.await {
                tracing::error!("{what} ended badly: {error}");
            }
        }
    }
}
