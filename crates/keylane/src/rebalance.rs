//! The answers to the log's rebalances.

use std::sync::Arc;
use std::time::{Duration, Instant};

use keylane_log::{Assignment, Position, Rebalance, TopicPartition};
use tokio_util::sync::CancellationToken;

use crate::handler::Handler;
use crate::pool::Pool;

pub(crate) struct PoolRebalance<H: Handler> {
    pool: Arc<Pool<H>>,
    shutdown: CancellationToken,
    /// How long a shutdown waits for what is in flight, in a revoke and behind it taken together.
    timeout: Duration,
    deadline: Option<Instant>,
}

/// How late a revoke may notice that a shutdown has begun.
const LOOK_UP: Duration = Duration::from_millis(100);

impl<H: Handler> PoolRebalance<H> {
    pub fn new(pool: Arc<Pool<H>>, shutdown: CancellationToken, timeout: Duration) -> Self {
        Self {
            pool,
            shutdown,
            timeout,
            deadline: None,
        }
    }

    /// Begins to close, if a revoke has not noticed already that it is time to; when nothing more is waited for.
    pub fn closing(&mut self) -> Instant {
        *self.deadline.get_or_insert_with(|| Instant::now() + self.timeout)
    }

    /// How long a revoke may wait now.
    fn bounded(&mut self, patience: Duration) -> Duration {
        if self.deadline.is_none() && !self.shutdown.is_cancelled() {
            return patience.min(LOOK_UP);
        }
        let left = self.closing().saturating_duration_since(Instant::now());
        if left.is_zero() {
            self.pool.lock().leaving = true;
        }
        patience.min(LOOK_UP).min(left)
    }
}

impl<H: Handler> Rebalance for PoolRebalance<H> {
    fn assigned(&mut self, assignments: &[Assignment]) {
        let mut state = self.pool.lock();
        for assignment in assignments {
            tracing::info!(partition = %assignment.partition, position = %assignment.position, "assigned");
            state.engine.assign(assignment);
        }
    }

    fn revoke(&mut self, partitions: &[TopicPartition], patience: Duration) -> Option<Vec<Position>> {
        let patience = self.bounded(patience);
        let positions = self.pool.drain(partitions, patience)?;
        for partition in partitions {
            tracing::info!(%partition, "given back");
        }
        Some(positions)
    }

    fn lost(&mut self, partitions: &[TopicPartition]) {
        let mut state = self.pool.lock();
        for partition in partitions {
            state.engine.lose(partition);
        }
        drop(state);
        tracing::warn!(
            partitions = names(partitions),
            "lost: another member may own it, and what is in flight of it is not committed"
        );
        self.pool.metrics.partitions_lost.inc_by(partitions.len() as u64);
    }
}

/// The names of partitions, for one line about all of them.
pub(crate) fn names(partitions: &[TopicPartition]) -> String {
    let names: Vec<String> = partitions.iter().map(ToString::to_string).collect();
    names.join(", ")
}
