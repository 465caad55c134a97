//! The answers to the log's rebalances.

use std::sync::Arc;
use std::time::Duration;

use eventlog::{Assignment, Position, Rebalance, TopicPartition};

use crate::handler::Handler;
use crate::shared::Shared;

pub(crate) struct Gate<H: Handler> {
    pub shared: Arc<Shared<H>>,
}

impl<H: Handler> Rebalance for Gate<H> {
    fn assigned(&mut self, assignments: &[Assignment]) {
        let mut state = self.shared.lock();
        for assignment in assignments {
            tracing::info!(partition = %assignment.partition, position = %assignment.position, "assigned");
            state.engine.assign(assignment);
        }
    }

    fn revoke(&mut self, partitions: &[TopicPartition], patience: Duration) -> Option<Vec<Position>> {
        let positions = self.shared.drain(partitions, patience)?;
        for partition in partitions {
            tracing::info!(%partition, "given back");
        }
        Some(positions)
    }

    fn lost(&mut self, partitions: &[TopicPartition]) {
        let mut state = self.shared.lock();
        for partition in partitions {
            tracing::warn!(%partition, "lost: another member may own it, and what is in flight of it is not committed");
            state.engine.lose(partition);
        }
        drop(state);
        self.shared.metrics.partitions_lost.add(partitions.len() as u64);
        self.shared.withdrawn.notify_waiters();
    }
}
