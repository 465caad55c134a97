//! Consumes records in a delivery instance, with the fence or without it.
//!
//! ```text
//!   --guard version   lanes ─▶ FencedHandler ─▶ Fence ◀─ sweeper, gaps
//!   --guard off       lanes ─▶ NaiveHandler
//! ```

use std::sync::Arc;

use keylane::{Options, Summary};
use keylane_log::{Consumer, LogError};
use observe::Observer;
use shop::LogCalls;
use shop::commit::{CommitMetrics, GroupCommit};
use shop::delivery::{
    DeliveryMetrics, Fence, FencedHandler, Gaps, Hold, Instance, ModifyDelay, NaiveHandler, OrderJournal, Sweeper,
    sweep, watch_gaps,
};
use shop::domain::fence::{FenceCommand, FenceOutcome};
use shop::domain::{DeliveryOutcome, DeliveryRequest};
use shop::health::Readiness;
use shop::observed;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use web::order_journal;

use super::relaying::Relaying;
use crate::adapters::RoleAdapters;
use crate::clock;
use crate::config::{Guard, RoleOptions};
use crate::metrics::ConsumerMetrics;

/// How many bytes of records may wait in memory where one record is handled at a time, which is slow.
const ONE_BY_ONE_BUFFER: usize = 8 << 20;

/// A delivery instance that is consuming records.
pub struct Consuming {
    deliveries: GroupCommit<DeliveryRequest, DeliveryOutcome>,
    commands: GroupCommit<FenceCommand, FenceOutcome>,
    lanes: Arc<keylane::Metrics>,
    metrics: Arc<DeliveryMetrics>,
    runner: JoinHandle<Result<Summary, LogError>>,
    /// The sweeper and the watch over gaps, which look after parked events. None without the fence.
    parked_tasks: Vec<JoinHandle<()>>,
    stop: CancellationToken,
}

impl Consuming {
    /// Starts consuming, until `shutdown`. No other process has this `name`.
    pub fn start(
        consumer: Box<dyn Consumer>,
        adapters: &RoleAdapters,
        relaying: &Relaying,
        options: &RoleOptions,
        name: String,
        shutdown: CancellationToken,
    ) -> Self {
        let deliveries =
            relaying.group_commit(|store, batch| async move { store.run_deliveries(&batch, clock::now()).await });
        let commands = relaying.group_commit(|store, batch| async move { store.run_fence(&batch, clock::now()).await });
        let instance = instance(options, name, relaying.observer.clone());
        let lanes = lanes_options(adapters, options, relaying.observer.clone());
        let (lanes_metrics, metrics) = (lanes.metrics.clone(), instance.metrics.clone());
        // Cancelled on shutdown, and also when the runner has ended by itself.
        let stop = shutdown.child_token();
        let mut parked_tasks = Vec::new();
        let runner = match options.guard {
            Guard::Off => {
                let handler = NaiveHandler::new(deliveries.clone(), commands.clone(), instance);
                let handler = handler.recalling(adapters.store.clone());
                tokio::spawn(keylane::run(consumer, handler, lanes, shutdown))
            }
            Guard::Version => {
                let journal = order_journal(options.order_url());
                let fence = Fence::new(commands.clone(), instance, shutdown.clone()).asking(journal.clone());
                let fence = Arc::new(fence.recalling(adapters.store.clone()));
                parked_tasks = fence_tasks(adapters, &relaying.readiness, options, &fence, journal, &stop);
                tokio::spawn(keylane::run(consumer, FencedHandler::new(fence), lanes, shutdown))
            }
        };
        Self {
            deliveries,
            commands,
            lanes: lanes_metrics,
            metrics,
            runner,
            parked_tasks,
            stop,
        }
    }

    /// The measures of its transactions.
    pub fn commits(&self) -> Vec<(&'static str, Arc<CommitMetrics>)> {
        vec![
            ("deliveries", self.deliveries.metrics().clone()),
            ("fence", self.commands.metrics().clone()),
        ]
    }

    /// The measures of its records.
    pub fn metrics(&self, log: LogCalls, options: &RoleOptions) -> ConsumerMetrics {
        let (lanes, delivery) = (self.lanes.clone(), self.metrics.clone());
        ConsumerMetrics::new(lanes, delivery, log, &options.group, &options.topic)
    }

    /// Waits until the runner has ended, then ends everything that was started with it.
    pub async fn finish(self) -> anyhow::Result<Result<Summary, LogError>> {
        let ended = self.runner.await;
        self.stop.cancel();
        for task in self.parked_tasks {
            if let Err(error) = task.await {
                tracing::error!("the task that looks after parked events ended badly: {error}");
            }
        }
        self.deliveries.close().await;
        self.commands.close().await;
        Ok(ended?)
    }
}

fn instance(options: &RoleOptions, name: String, observer: Observer) -> Instance {
    Instance {
        name: name.into(),
        group: options.group.as_str().into(),
        delay: ModifyDelay {
            time: options.modify_delay,
            customer: options.modify_delay_customer,
        },
        clock: clock::now,
        metrics: Arc::new(DeliveryMetrics::default()),
        observer,
        hold: Hold::default(),
    }
}

fn lanes_options(adapters: &RoleAdapters, options: &RoleOptions, observer: Observer) -> Options {
    let lanes = match options.lanes {
        1 => Options {
            buffer_bytes: ONE_BY_ONE_BUFFER,
            ..Options::one_by_one()
        },
        many => Options::lanes(many),
    };
    Options {
        shutdown_timeout: options.shutdown_timeout,
        listener: Some(observed::listener(observer, clock::now)),
        ..lanes.with_log(adapters.log.log().clone())
    }
}

fn fence_tasks(
    adapters: &RoleAdapters,
    readiness: &Arc<Readiness>,
    options: &RoleOptions,
    fence: &Arc<Fence>,
    journal: OrderJournal,
    stop: &CancellationToken,
) -> Vec<JoinHandle<()>> {
    let sweeper = Sweeper::new(adapters.store.clone(), fence.clone(), options.lanes);
    let gaps = Gaps::new(
        adapters.store.clone(),
        adapters.log.clone(),
        options.topic.clone(),
        fence.clone(),
        journal,
        (options.gap_deadline, options.lanes),
    );
    vec![
        tokio::spawn(sweep(
            sweeper,
            readiness.clone(),
            stop.clone(),
            options.shutdown_timeout,
        )),
        tokio::spawn(watch_gaps(gaps, readiness.clone(), stop.clone())),
    ]
}
