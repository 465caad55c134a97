//! The records of one partition.

use std::collections::VecDeque;

use keylane_log::{Extent, Offset, Record};

/// What a partition keeps. Offsets ascend and may leave some out.
#[derive(Debug, Default)]
pub(super) struct PartitionLog {
    start: u64,
    end: u64,
    records: VecDeque<Record>,
    /// Where the log was cut off, each with the number of that event.
    cuts: Vec<(u64, Offset)>,
}

impl PartitionLog {
    /// An empty log that has taken the place of an earlier one by the event of this number.
    pub(super) fn anew(event: u64) -> Self {
        Self {
            cuts: vec![(event, Offset(0))],
            ..Self::default()
        }
    }

    pub(super) fn extent(&self) -> Extent {
        Extent {
            start: Offset(self.start),
            end: Offset(self.end),
        }
    }

    /// Appends a record, which gets the next offset.
    pub(super) fn append(&mut self, record: Record) -> Offset {
        let offset = Offset(self.end);
        self.records.push_back(Record { offset, ..record });
        self.end += 1;
        offset
    }

    /// Leaves one offset without a record.
    pub(super) fn leave_out(&mut self) {
        self.end += 1;
    }

    /// The records from `from` on.
    pub(super) fn read(&self, from: Offset) -> impl Iterator<Item = &Record> {
        let first = self.records.partition_point(|record| record.offset < from);
        self.records.range(first..)
    }

    /// Removes the records before `start`, as retention does.
    pub(super) fn remove_before(&mut self, start: Offset) {
        self.start = start.0.clamp(self.start, self.end);
        let gone = self.records.partition_point(|record| record.offset.0 < self.start);
        self.records.drain(..gone);
    }

    /// Removes the records from `end` on, by the event of this number.
    pub(super) fn cut(&mut self, end: Offset, event: u64) {
        self.end = end.0.clamp(self.start, self.end);
        let kept = self.records.partition_point(|record| record.offset.0 < self.end);
        self.records.truncate(kept);
        self.cuts.push((event, Offset(self.end)));
    }

    /// Where a reader goes on that would read `next`, and knows of all events before number `event`. Brokers tell a
    /// reader where its past ends (KIP-320); from outside of the log it goes on at the start.
    pub(super) fn go_on(&self, next: Offset, event: u64) -> Offset {
        let unknown = self.cuts.iter().filter(|(number, _)| *number >= event);
        let next = unknown.map(|(_, end)| *end).fold(next, Offset::min);
        match (self.start..=self.end).contains(&next.0) {
            true => next,
            false => Offset(self.start),
        }
    }
}
