//! Consumes records, with the fence or without it.
//!
//! ```text
//!   --guard version   lanes ─▶ FencedHandler ─▶ Fence ◀─ sweeper, gaps
//!   --guard off       lanes ─▶ NaiveHandler
//! ```

use std::sync::Arc;

use keylane::{Options, Summary};
use keylane_log::{Consumer, EventLog, LogError};
use shop::commit::{CommitMetrics, GroupCommit};
use shop::delivery::{
    DeliveryMetrics, Fence, FencedHandler, Gaps, Instance, ModifyDelay, NaiveHandler, OrderJournal, Sweeper, sweep,
    watch_gaps,
};
use shop::domain::fence::{FenceCommand, FenceOutcome};
use shop::domain::{DeliveryOutcome, DeliveryRequest};
use shop::health::Readiness;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::adapters::Adapters;
use super::relaying::Relaying;
use web::{BaseUrl, order_journal};

use crate::config::{Guard, RoleOptions};
use crate::metrics;

/// How many bytes of records wait in memory when there is one at a time: plenty.
const ONE_BY_ONE_BUFFER: usize = 8 << 20;

/// A delivery instance at work on records.
pub struct Consuming {
    deliveries: GroupCommit<DeliveryRequest, DeliveryOutcome>,
    commands: GroupCommit<FenceCommand, FenceOutcome>,
    lanes: Arc<keylane::Metrics>,
    metrics: Arc<DeliveryMetrics>,
    runner: JoinHandle<Result<Summary, LogError>>,
    /// What the fence has beside the runner.
    beside: Vec<JoinHandle<()>>,
    stop: CancellationToken,
}

impl Consuming {
    /// Starts consuming, until `shutdown`. `name` is the instance's own, unlike that of any other process.
    pub fn start(
        consumer: Box<dyn Consumer>,
        adapters: &Adapters,
        relaying: &Relaying,
        options: &RoleOptions,
        name: String,
        shutdown: CancellationToken,
    ) -> Self {
        let deliveries =
            relaying.group_commit(|store, batch| async move { store.run_deliveries(&batch, super::now()).await });
        let commands = relaying.group_commit(|store, batch| async move { store.run_fence(&batch, super::now()).await });
        let instance = instance(options, name);
        let lanes = lanes_options(adapters, options);
        let (lanes_metrics, metrics) = (lanes.metrics.clone(), instance.metrics.clone());
        // What looks after parked events begins nothing more once the instance is to stop.
        let stop = shutdown.child_token();
        let mut beside = Vec::new();
        let runner = match options.guard {
            Guard::Off => {
                let handler = NaiveHandler::new(deliveries.clone(), commands.clone(), instance);
                tokio::spawn(keylane::run(consumer, handler, lanes, shutdown))
            }
            Guard::Version => {
                let journal = order_journal(options.order_url.clone().unwrap_or_else(|| BaseUrl::local(8081)));
                let fence = Fence::new(commands.clone(), instance, shutdown.clone()).asking(journal.clone());
                let fence = Arc::new(fence);
                beside = fence_tasks(adapters, &relaying.readiness, options, &fence, journal, &stop);
                tokio::spawn(keylane::run(consumer, FencedHandler::new(fence), lanes, shutdown))
            }
        };
        Self {
            deliveries,
            commands,
            lanes: lanes_metrics,
            metrics,
            runner,
            beside,
            stop,
        }
    }

    /// What it tells about its transactions.
    pub fn commits(&self) -> Vec<(&'static str, Arc<CommitMetrics>)> {
        vec![
            ("deliveries", self.deliveries.metrics().clone()),
            ("fence", self.commands.metrics().clone()),
        ]
    }

    /// What it tells about its records.
    pub fn metrics(&self, log: Arc<dyn EventLog>, options: &RoleOptions) -> metrics::Consumer {
        let (lanes, delivery) = (self.lanes.clone(), self.metrics.clone());
        metrics::Consumer::new(lanes, delivery, log, &options.group, &options.topic)
    }

    /// Waits until it has ended, and everything that was begun with it.
    pub async fn finish(self) -> anyhow::Result<Result<Summary, LogError>> {
        let ended = self.runner.await;
        self.stop.cancel();
        for task in self.beside {
            if let Err(error) = task.await {
                tracing::error!("what looks after parked events ended badly: {error}");
            }
        }
        self.deliveries.close().await;
        self.commands.close().await;
        Ok(ended?)
    }
}

fn instance(options: &RoleOptions, name: String) -> Instance {
    Instance {
        name: name.into(),
        group: options.group.as_str().into(),
        delay: ModifyDelay {
            time: options.modify_delay,
            customer: options.modify_delay_customer,
        },
        clock: super::now,
        metrics: Arc::new(DeliveryMetrics::default()),
    }
}

fn lanes_options(adapters: &Adapters, options: &RoleOptions) -> Options {
    let lanes = match options.lanes {
        1 => Options {
            buffer_bytes: ONE_BY_ONE_BUFFER,
            ..Options::one_by_one()
        },
        many => Options::lanes(many),
    };
    Options {
        shutdown_timeout: options.shutdown_timeout,
        ..lanes.with_log(adapters.log.clone())
    }
}

fn fence_tasks(
    adapters: &Adapters,
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
