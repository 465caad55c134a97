//! What the engine answers its callers.

use keylane_log::{Offset, TopicPartition};

use crate::scheduler::Epoch;

/// The metadata of a partition's last commit, which came with a grant and has not been read yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct UnreadMetadata {
    /// The grant's number.
    pub(crate) epoch: Epoch,
    /// The grant's partition.
    pub(crate) partition: TopicPartition,
    /// The committed offset, from which the grant reads on.
    pub(crate) position: Offset,
    /// The text that was committed with the offset.
    pub(crate) metadata: String,
}

/// What the end of a run meant for its grant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Finish {
    /// The grant is held, or has more runs in flight.
    Noted,
    /// The run was the last in flight of a grant that is being given back.
    Drained,
    /// The run's grant is no longer held, so its offset will not be committed.
    Late,
}

/// Which partitions to pause and to resume.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Flow {
    pub(crate) pause: Vec<TopicPartition>,
    pub(crate) resume: Vec<TopicPartition>,
}
