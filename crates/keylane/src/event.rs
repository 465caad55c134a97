//! What a runner tells a listener of: partitions that come and go, records that are handled, commits.
//!
//! # Invariants
//! * A runner without a listener does not even look at its records for this.
//! * A record is taken in before it is started, and ends before its offset is committed or its partition given back. Only
//!   a partition that is lost, or given back by a shutdown whose time is over, may have records that end later.

use std::sync::Arc;

use keylane_log::{Offset, Position, Record, TopicPartition};

use crate::handler::{Attempt, Outcome};
use crate::scheduler::Epoch;

/// Is told what a runner does, on the thread that does it and often under the runner's lock, so it must be quick and
/// must not wait.
pub type Listener = Arc<dyn Fn(Event<'_>) + Send + Sync>;

/// Something that has happened in a runner.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event<'a> {
    /// A partition was assigned.
    Assigned {
        /// The partition.
        partition: &'a TopicPartition,
        /// The next record to be read.
        position: Offset,
        /// The assignment's number.
        epoch: Epoch,
    },
    /// A partition is given back in good order.
    GivenBack {
        /// The partition.
        partition: &'a TopicPartition,
        /// The number of the assignment that ends.
        epoch: Epoch,
        /// What the log is to commit as it releases the partition; `None` if that is what was committed last.
        position: Option<&'a Position>,
    },
    /// A partition was taken away, and another member may own it.
    Lost {
        /// The partition.
        partition: &'a TopicPartition,
        /// The number of the assignment that has ended.
        epoch: Epoch,
    },
    /// A record was read and waits in its lane.
    TakenIn {
        /// The record.
        record: &'a Record,
        /// The assignment under which it was read.
        epoch: Epoch,
    },
    /// A record was read and is not handled, because the last commit's metadata names it as done.
    Skipped {
        /// The record.
        record: &'a Record,
        /// The assignment under which it was read.
        epoch: Epoch,
    },
    /// The log has gone back, because it was truncated or repeats records. Records from `offset` on that were taken in
    /// are forgotten and taken in anew.
    Rewound {
        /// The partition.
        partition: &'a TopicPartition,
        /// The record that the log has gone back to.
        offset: Offset,
        /// The partition's assignment.
        epoch: Epoch,
    },
    /// The handler is called.
    Started {
        /// The records of the call, which have one key and one partition.
        records: &'a [Record],
        /// Which call for these records it is, and under which assignment they were read.
        attempt: Attempt,
    },
    /// The handler has returned.
    Ended {
        /// The records of the call.
        records: &'a [Record],
        /// Which call for these records it was.
        attempt: Attempt,
        /// What became of them.
        outcome: &'a Outcome,
    },
    /// The log has taken a commit.
    Committed {
        /// What was committed.
        position: &'a Position,
    },
    /// The log has refused a commit, because the partition is no longer this member's.
    CommitRefused {
        /// What was to be committed.
        position: &'a Position,
    },
}
