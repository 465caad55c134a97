//! Answers the log's rebalances: takes partitions over, drains them before they are given back, and drops lost ones.

use std::sync::Arc;
use std::time::Duration;

use keylane_log::{Assignment, Position, Rebalance, TopicPartition};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::event::Event;
use crate::handler::Handler;
use crate::pool::Pool;

/// Passes rebalances on to the engine of a pool, and bounds how long they wait once a shutdown has begun.
pub(crate) struct PoolRebalance<H: Handler> {
    pool: Arc<Pool<H>>,
    shutdown: CancellationToken,
    /// How long a shutdown waits for records in flight, within a revoke and after it taken together.
    shutdown_timeout: Duration,
    /// When a shutdown stops to wait for records in flight; `None` while nobody has noticed that one has begun.
    shutdown_deadline: Option<Instant>,
    /// The time when the present step began, and what its revokes have waited since.
    now: Instant,
    /// The longest wait of one call of [`Rebalance::revoke`] in the present step.
    longest: Duration,
}

/// The longest wait of one call of [`Rebalance::revoke`], so that it notices soon when a shutdown begins.
const MAX_REVOKE_WAIT: Duration = Duration::from_millis(100);

impl<H: Handler> PoolRebalance<H> {
    pub(crate) fn new(
        pool: Arc<Pool<H>>,
        shutdown: CancellationToken,
        shutdown_timeout: Duration,
        now: Instant,
    ) -> Self {
        Self {
            pool,
            shutdown,
            shutdown_timeout,
            shutdown_deadline: None,
            now,
            longest: Duration::ZERO,
        }
    }

    /// Notes that a step begins, what time it is, and how long a call of [`Rebalance::revoke`] may wait.
    pub(crate) fn step_begins(&mut self, now: Instant, longest: Duration) {
        self.now = now;
        self.longest = longest.min(MAX_REVOKE_WAIT);
    }

    /// The time when the present step began, and what its revokes have waited since. How long the log itself has waited
    /// in the step is not known here.
    pub(crate) fn now(&self) -> Instant {
        self.now
    }

    /// Begins the shutdown, unless a revoke has noticed it already. Returns when it stops to wait for records in
    /// flight.
    pub(crate) fn begin_shutdown(&mut self) -> Instant {
        *self
            .shutdown_deadline
            .get_or_insert_with(|| self.now + self.shutdown_timeout)
    }

    /// How long a revoke that the log gives `patience` may wait now.
    fn revoke_wait(&mut self, patience: Duration) -> Duration {
        if self.shutdown_deadline.is_none() && !self.shutdown.is_cancelled() {
            return patience.min(self.longest);
        }
        let left = self.begin_shutdown().saturating_duration_since(self.now);
        if left.is_zero() {
            self.pool.lock().leaving = true;
        }
        patience.min(self.longest).min(left)
    }
}

impl<H: Handler> Rebalance for PoolRebalance<H> {
    fn assigned(&mut self, assignments: &[Assignment]) {
        let mut state = self.pool.lock();
        for assignment in assignments {
            tracing::info!(partition = %assignment.partition, position = %assignment.position, "assigned");
            let epoch = state.engine.assign(assignment);
            self.pool.tell(Event::Assigned {
                partition: &assignment.partition,
                position: assignment.position,
                epoch,
            });
        }
    }

    fn revoke(&mut self, partitions: &[TopicPartition], patience: Duration) -> Option<Vec<Position>> {
        let wait = self.revoke_wait(patience);
        let Some(positions) = self.pool.drain(partitions, wait) else {
            self.now += wait;
            return None;
        };
        for partition in partitions {
            tracing::info!(%partition, "given back");
        }
        Some(positions)
    }

    fn lost(&mut self, partitions: &[TopicPartition]) {
        let mut state = self.pool.lock();
        for partition in partitions {
            if let Some(epoch) = state.engine.epoch(partition) {
                state.engine.lose(partition);
                self.pool.tell(Event::Lost { partition, epoch });
            }
        }
        drop(state);
        tracing::warn!(
            partitions = names(partitions),
            "lost: another member may own it, and what is in flight of it is not committed"
        );
        self.pool.metrics.partitions_lost.inc_by(partitions.len() as u64);
    }
}

/// The names of partitions, joined for one log line about all of them.
pub(crate) fn names(partitions: &[TopicPartition]) -> String {
    let names: Vec<String> = partitions.iter().map(ToString::to_string).collect();
    names.join(", ")
}
