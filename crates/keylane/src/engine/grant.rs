//! What the engine keeps of one assignment of one partition, and what of it is to be committed.

use keylane_log::{Assignment, Offset, Position, Record, TopicPartition};
use planted::Bug;

use crate::frontier::Frontier;

/// What is kept of one assignment of one partition.
#[derive(Debug)]
pub(super) struct Grant {
    pub(super) partition: TopicPartition,
    pub(super) frontier: Frontier,
    /// The metadata that came with the assignment, until it has been read.
    pub(super) unread_metadata: Option<String>,
    /// Each time that the log went back: how many runs had been taken by then, and the offset it went back to. A run
    /// taken before says nothing about the records that stand from this offset on now. Offsets ascend.
    pub(super) rewinds: Vec<(u64, Offset)>,
    /// Bytes of all its records that are queued or in flight.
    pub(super) bytes: usize,
    /// Runs in flight.
    pub(super) in_flight: usize,
    pub(super) state: GrantState,
    pub(super) paused: bool,
    /// Whether something has changed since the last commit.
    pub(super) dirty: bool,
    /// The last commit; `None` if the log has not answered it.
    pub(super) last_commit: Option<(Offset, String)>,
}

/// Whether a grant takes records in, and what it waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum GrantState {
    /// The grant takes records in.
    Held,
    /// The grant takes no more records in, and waits for its runs in flight.
    Draining,
}

impl Grant {
    /// Begins a grant at the position that was assigned.
    pub(super) fn new(assignment: &Assignment) -> Self {
        Self {
            partition: assignment.partition.clone(),
            frontier: Frontier::new(assignment.position),
            rewinds: Vec::new(),
            last_commit: Some((assignment.position, assignment.metadata.clone())),
            unread_metadata: Some(assignment.metadata.clone()).filter(|metadata| !metadata.is_empty()),
            bytes: 0,
            in_flight: 0,
            state: GrantState::Held,
            paused: false,
            dirty: false,
        }
    }

    /// Whether the log has gone back before `record` since its run, the one with this number, was taken.
    pub(super) fn is_stale(&self, number: u64, record: &Record) -> bool {
        let stale = |(taken, offset): &(u64, Offset)| number < *taken && record.offset >= *offset;
        self.rewinds.iter().any(stale)
    }

    /// The position to commit, if it differs from the last commit.
    pub(super) fn uncommitted(&self) -> Option<Position> {
        let (offset, metadata) = match planted::is_in(Bug::HighestOffsetCommit) {
            true => (self.frontier.highest_done(), String::new()),
            false => (self.frontier.position(), self.frontier.metadata()),
        };
        // Metadata that has not been read yet is still true, although the frontier does not know what it says.
        let metadata_differs = |last: &str| self.unread_metadata.is_none() && metadata != last;
        let changed = self
            .last_commit
            .as_ref()
            .is_none_or(|(last, carried)| offset != *last || metadata_differs(carried));
        changed.then(|| Position {
            partition: self.partition.clone(),
            offset,
            metadata,
        })
    }
}

/// About how many bytes of memory a record takes.
pub(super) fn weight(record: &Record) -> usize {
    const ALLOCATION: usize = 16;
    let text = |bytes: &Option<bytes::Bytes>| bytes.as_ref().map_or(0, |bytes| bytes.len() + ALLOCATION);
    let header = |header: &keylane_log::Header| header.name.len() + text(&header.value) + 72;
    let headers: usize = record.headers.iter().map(header).sum();
    size_of::<Record>() + 24 + text(&record.key) + text(&record.value) + headers
}
