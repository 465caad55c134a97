//! How far a partition is done: the commit position of records that finish in any order.
//!
//! ```text
//!   delivered  …17 18 19 ── 23 24 25        (20 to 22 don't exist: compaction, transaction markers)
//!   done            ✓  ✓     ·  ✓  ✓   ─▶   position 23; 24 and 25 are done behind it
//! ```
//!
//! A delivered record is *open* until it is done.
//!
//! # Invariants
//! * The position never passes an open record, and never an offset that was not delivered.
//! * Memory grows with the number of open records only, however many are done behind them.
//! * There is no clock and no input or output in here.

use std::collections::VecDeque;
use std::ops::Range;

use keylane_log::Offset;

use crate::metadata;

/// What [`Frontier::deliver`] says about a record that was delivered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Delivery {
    /// The record is to be handled.
    Open,
    /// A former owner of the partition has done the record, as the metadata of its commit says.
    AlreadyDone,
    /// The record stands before or at one that was delivered already: the log was truncated, or repeats itself. The
    /// frontier must be [rewound](Frontier::rewind) before it takes the record.
    Rewound,
}

/// The frontier of one partition during one assignment.
#[derive(Debug)]
pub(crate) struct Frontier {
    /// The delivered records in ascending order. The first is never done, and done ones between others may be left out.
    delivered: VecDeque<Delivered>,
    /// How many of `delivered` are open.
    open: usize,
    /// The offset behind the last delivered one.
    end: u64,
    /// Ranges at or behind `end` that former owners have done, ascending, without overlap.
    inherited: VecDeque<Range<u64>>,
}

#[derive(Debug, Clone, Copy)]
struct Delivered {
    offset: u64,
    done: bool,
}

impl Frontier {
    /// Starts at `position`, the offset of the next record to be read.
    pub(crate) fn new(position: Offset) -> Self {
        Self {
            delivered: VecDeque::new(),
            open: 0,
            end: position.0,
            inherited: VecDeque::new(),
        }
    }

    /// Notes the ranges of offsets that former owners have done. To be called before the first delivery.
    pub(crate) fn inherit(&mut self, done: Vec<Range<u64>>) {
        assert!(
            self.delivered.is_empty(),
            "done ranges must be inherited before the first delivery"
        );
        self.inherited = done.into();
    }

    /// Notes that the log has handed out the record at `offset`.
    pub(crate) fn deliver(&mut self, offset: Offset) -> Delivery {
        let offset = offset.0;
        if offset < self.end {
            return Delivery::Rewound;
        }
        self.end = offset + 1;
        if self.is_inherited(offset) {
            return Delivery::AlreadyDone;
        }
        self.delivered.push_back(Delivered { offset, done: false });
        self.open += 1;
        Delivery::Open
    }

    /// Forgets the records from `offset` on, because the log hands them out again. Records before it are kept.
    pub(crate) fn rewind(&mut self, offset: Offset) {
        let kept = self.delivered.partition_point(|record| record.offset < offset.0);
        self.open -= self.delivered.drain(kept..).filter(|record| !record.done).count();
        self.end = offset.0;
        self.inherited.clear();
    }

    /// Notes that the record at `offset` is done.
    pub(crate) fn complete(&mut self, offset: Offset) {
        let index = self.find(offset.0).expect("only delivered records are completed");
        assert!(!self.delivered[index].done, "a record is completed once");
        self.delivered[index].done = true;
        self.open -= 1;
        while self.delivered.front().is_some_and(|record| record.done) {
            self.delivered.pop_front();
        }
        // Each clean-up at least halves the list, which keeps the cost per record constant.
        if self.delivered.len() > 2 * self.open + 64 {
            self.delivered.retain(|record| !record.done);
        }
    }

    /// The position to commit: the offset of the first open record, or else of the next record to be delivered.
    pub(crate) fn position(&self) -> Offset {
        Offset(self.delivered.front().map_or(self.end, |record| record.offset))
    }

    /// The offset behind the highest that is done; the position if none behind it is.
    pub(crate) fn highest_done(&self) -> Offset {
        self.done_behind()
            .last()
            .map_or(self.position(), |done| Offset(done.end))
    }

    /// The offset behind the last record that was delivered.
    pub(crate) fn end(&self) -> u64 {
        self.end
    }

    /// The metadata to commit beside the position; it names the offsets behind the position that are done.
    pub(crate) fn metadata(&self) -> String {
        metadata::encode(self.position(), self.done_behind())
    }

    /// The ranges of offsets behind the position that are done. Offsets that don't exist between delivered ones count
    /// as done, since they will never be delivered.
    fn done_behind(&self) -> impl Iterator<Item = Range<u64>> {
        let open = || {
            self.delivered
                .iter()
                .filter(|record| !record.done)
                .map(|record| record.offset)
        };
        let ends = open().skip(1).chain([self.end]);
        let between = open().zip(ends).map(|(open, next)| open + 1..next);
        let inherited = self.inherited.iter().map(|range| range.start.max(self.end)..range.end);
        between.chain(inherited).filter(|range| !range.is_empty())
    }

    fn is_inherited(&mut self, offset: u64) -> bool {
        while self.inherited.front().is_some_and(|range| range.end <= offset) {
            self.inherited.pop_front();
        }
        self.inherited.front().is_some_and(|range| range.contains(&offset))
    }

    /// The index of `offset` in `delivered`. If no offset is missing before it, that is its distance from
    /// the first, which is tried first.
    fn find(&self, offset: u64) -> Option<usize> {
        let first = self.delivered.front()?.offset;
        let guess = offset.checked_sub(first)? as usize;
        if self.delivered.get(guess).is_some_and(|record| record.offset == offset) {
            return Some(guess);
        }
        self.delivered
            .binary_search_by_key(&offset, |record| record.offset)
            .ok()
    }
}

#[cfg(test)]
mod tests;
