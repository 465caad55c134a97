//! A delivery instance, with the fence or without it.
//!
//! ```text
//!   Guard::Version   lanes ─▶ FencedHandler ─▶ Fence ◀─ sweeper, gaps
//!   Guard::Off       lanes ─▶ NaiveHandler
//! ```

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use keylane::{Attempt, Handler, Options, Outcome};
use keylane_log::Record;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::Service;
use crate::commit::{CommitMetrics, GroupCommit};
use crate::delivery::{
    DeliveryMetrics, Fence, FencedHandler, Gaps, Instance, NaiveHandler, OrderJournal, Sweeper, sweep, watch_gaps,
};
use crate::domain::fence::{FenceCommand, FenceOutcome};
use crate::domain::{DeliveryOutcome, DeliveryRequest};
use crate::observed;

/// How many bytes of records may wait in memory where one record is handled at a time, which is slow.
const ONE_BY_ONE_BUFFER: usize = 8 << 20;

/// The rule by which an event takes effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Guard {
    /// By its version: each event takes effect once and in order, and an early one waits.
    Version,
    /// Without a rule: events take effect as they come.
    Off,
}

/// The settings of a delivery instance.
#[derive(Debug, Clone)]
pub struct DeliveringOptions {
    /// The topic that the instance reads.
    pub topic: String,
    /// The rule by which an event takes effect.
    pub guard: Guard,
    /// How many orders are worked on at a time; with 1, one record at a time is handled.
    pub lanes: usize,
    /// How long a version that is missing may still come, before the order service is asked.
    pub gap_deadline: Duration,
    /// How long a shutdown waits for what has been begun.
    pub drain: Duration,
}

/// A delivery instance that is running, but for the runner.
pub struct Delivering {
    deliveries: GroupCommit<DeliveryRequest, DeliveryOutcome>,
    commands: GroupCommit<FenceCommand, FenceOutcome>,
    metrics: Arc<DeliveryMetrics>,
    /// The sweeper and the watch over gaps, which look after parked events. None without the fence.
    parked_tasks: Vec<JoinHandle<()>>,
    stop: CancellationToken,
}

/// What a runner needs besides its consumer.
pub struct Lanes {
    /// Handles the records.
    pub handler: DeliveryHandler,
    /// The runner's settings.
    pub options: Options,
}

impl Delivering {
    /// Starts an instance. The caller then has a runner hand records to the handler of the returned lanes.
    ///
    /// `journal` asks the order service. Once `shutdown` is cancelled, no parked event is begun any more.
    pub fn start(
        service: &Service,
        options: &DeliveringOptions,
        instance: Instance,
        journal: OrderJournal,
        shutdown: &CancellationToken,
    ) -> (Self, Lanes) {
        let (deliveries, commands) = (service.delivery_commit(), service.fence_commit());
        let metrics = instance.metrics.clone();
        let stop = shutdown.child_token();
        let mut parked_tasks = Vec::new();
        let handler = match options.guard {
            Guard::Off => {
                let handler = NaiveHandler::new(deliveries.clone(), commands.clone(), instance);
                DeliveryHandler::Naive(Box::new(handler.recalling(service.store.clone())))
            }
            Guard::Version => {
                let fence = Fence::new(commands.clone(), instance, shutdown.clone()).asking(journal.clone());
                let fence = Arc::new(fence.recalling(service.store.clone()));
                parked_tasks = fence_tasks(service, options, &fence, journal, &stop);
                DeliveryHandler::Fenced(FencedHandler::new(fence))
            }
        };
        let delivering = Self {
            deliveries,
            commands,
            metrics,
            parked_tasks,
            stop,
        };
        let options = lanes_options(service, options);
        (delivering, Lanes { handler, options })
    }

    /// The measures of its transactions.
    pub fn commits(&self) -> Vec<(&'static str, Arc<CommitMetrics>)> {
        vec![
            ("deliveries", self.deliveries.metrics().clone()),
            ("fence", self.commands.metrics().clone()),
        ]
    }

    /// The measures of its events.
    pub fn metrics(&self) -> &Arc<DeliveryMetrics> {
        &self.metrics
    }

    /// Ends everything that was started, once the runner has ended.
    pub async fn finish(self) {
        self.stop.cancel();
        for task in self.parked_tasks {
            if let Err(error) = task.await {
                tracing::error!("the task that looks after parked events ended badly: {error}");
            }
        }
        self.deliveries.close().await;
        self.commands.close().await;
    }
}

fn lanes_options(service: &Service, options: &DeliveringOptions) -> Options {
    let lanes = match options.lanes {
        1 => Options {
            buffer_bytes: ONE_BY_ONE_BUFFER,
            ..Options::one_by_one()
        },
        many => Options::lanes(many),
    };
    Options {
        shutdown_timeout: options.drain,
        listener: Some(observed::listener(service.observer.clone(), service.clock)),
        ..lanes.with_log(service.log.log().clone())
    }
}

fn fence_tasks(
    service: &Service,
    options: &DeliveringOptions,
    fence: &Arc<Fence>,
    journal: OrderJournal,
    stop: &CancellationToken,
) -> Vec<JoinHandle<()>> {
    let sweeper = Sweeper::new(service.store.clone(), fence.clone(), options.lanes);
    let gaps = Gaps::new(
        service.store.clone(),
        service.log.clone(),
        options.topic.clone(),
        fence.clone(),
        journal,
        (options.gap_deadline, options.lanes),
    );
    let readiness = &service.readiness;
    vec![
        tokio::spawn(sweep(sweeper, readiness.clone(), stop.clone(), options.drain)),
        tokio::spawn(watch_gaps(gaps, readiness.clone(), stop.clone())),
    ]
}

/// Handles the records of a delivery instance by its [`Guard`].
pub enum DeliveryHandler {
    /// With the fence.
    Fenced(FencedHandler),
    /// Without it.
    Naive(Box<NaiveHandler>),
}

impl Handler for DeliveryHandler {
    fn key(&self, record: &Record) -> Option<Bytes> {
        match self {
            Self::Fenced(handler) => handler.key(record),
            Self::Naive(handler) => handler.key(record),
        }
    }

    async fn handle(&self, records: &[Record], attempt: Attempt) -> Outcome {
        match self {
            Self::Fenced(handler) => handler.handle(records, attempt).await,
            Self::Naive(handler) => handler.handle(records, attempt).await,
        }
    }
}
