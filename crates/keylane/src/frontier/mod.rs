//! How far a partition is done: the commit position of records that finish in any order.
//!
//! ```text
//!   delivered  …17 18 19 ── 23 24 25        (20 to 22 don't exist: compaction, transaction markers)
//!   done            ✓  ✓     ·  ✓  ✓   ─▶   position 23, and 24 to 25 are done behind it
//! ```
//!
//! # Invariants
//! * The position never passes a delivered record that isn't done, and never an offset that was not delivered.
//! * Only open records take memory, whatever is done behind them.
//! * No clock and no input or output in here.

use std::collections::VecDeque;
use std::ops::Range;

use keylane_log::Offset;

use crate::metadata;

/// What [`Frontier::deliver`] says about a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Delivery {
    /// It is to be handled.
    Open,
    /// A former owner has done it, as the metadata of its commit told.
    AlreadyDone,
    /// It stands before records that came already: the log was truncated, or repeats itself. The frontier must
    /// [go back](Frontier::rewind) first.
    Rewound,
}

/// The frontier of one partition during one assignment.
#[derive(Debug)]
pub struct Frontier {
    /// Ascending; the first is never done.
    delivered: VecDeque<Slot>,
    open: usize,
    /// The offset behind the last delivered one.
    end: u64,
    /// What former owners have done at `end` and behind it, ascending and apart.
    inherited: VecDeque<Range<u64>>,
}

#[derive(Debug, Clone, Copy)]
struct Slot {
    offset: u64,
    done: bool,
}

impl Frontier {
    /// Starts at the next record to be read.
    pub fn new(position: Offset) -> Self {
        Self {
            delivered: VecDeque::new(),
            open: 0,
            end: position.0,
            inherited: VecDeque::new(),
        }
    }

    /// Takes over what former owners have done; before the first delivery.
    pub fn inherit(&mut self, done: Vec<Range<u64>>) {
        assert!(
            self.delivered.is_empty(),
            "done ranges are inherited before the first delivery"
        );
        self.inherited = done.into();
    }

    /// Notes that the log has handed out the record at `offset`.
    pub fn deliver(&mut self, offset: Offset) -> Delivery {
        let offset = offset.0;
        if offset < self.end {
            return Delivery::Rewound;
        }
        self.end = offset + 1;
        if self.is_inherited(offset) {
            return Delivery::AlreadyDone;
        }
        self.delivered.push_back(Slot { offset, done: false });
        self.open += 1;
        Delivery::Open
    }

    /// Forgets everything from `offset` on, which the log hands out again. What stands before it keeps its place.
    pub fn rewind(&mut self, offset: Offset) {
        let kept = self.delivered.partition_point(|slot| slot.offset < offset.0);
        self.open -= self.delivered.drain(kept..).filter(|slot| !slot.done).count();
        self.end = offset.0;
        self.inherited.clear();
    }

    /// Notes that the record at `offset` is done.
    pub fn complete(&mut self, offset: Offset) {
        let index = self.find(offset.0).expect("only delivered records are completed");
        assert!(!self.delivered[index].done, "a record is completed once");
        self.delivered[index].done = true;
        self.open -= 1;
        while self.delivered.front().is_some_and(|slot| slot.done) {
            self.delivered.pop_front();
        }
        // Halving at least each time keeps the cost per record constant.
        if self.delivered.len() > 2 * self.open + 64 {
            self.delivered.retain(|slot| !slot.done);
        }
    }

    /// The position to commit: the first offset that isn't done.
    pub fn position(&self) -> Offset {
        Offset(self.delivered.front().map_or(self.end, |slot| slot.offset))
    }

    /// What is to be committed beside the position.
    pub fn metadata(&self) -> String {
        metadata::encode(self.position(), self.done_behind())
    }

    /// How many delivered records aren't done.
    pub fn open(&self) -> usize {
        self.open
    }

    /// The done ranges behind the position. Offsets that don't exist count as done between those that do: nobody will
    /// ever deliver them.
    fn done_behind(&self) -> impl Iterator<Item = Range<u64>> {
        let open = || self.delivered.iter().filter(|slot| !slot.done).map(|slot| slot.offset);
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

    fn find(&self, offset: u64) -> Option<usize> {
        let first = self.delivered.front()?.offset;
        let guess = offset.checked_sub(first)? as usize;
        if self.delivered.get(guess).is_some_and(|slot| slot.offset == offset) {
            return Some(guess);
        }
        self.delivered.binary_search_by_key(&offset, |slot| slot.offset).ok()
    }
}

#[cfg(test)]
mod tests;
