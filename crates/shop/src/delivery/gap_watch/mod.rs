//! Decides which gaps are watched, and when the order service is to be asked about each. A gap is a version that has not
//! come, or that can't be handled, while later versions of its order are parked. This module has no clock, store or log:
//! the caller passes in what is parked, where the log stands, and the time.
//!
//! ```text
//!   seen: the log's ends are noted ─▶ committed positions have passed them ─▶ deadline ─▶ asked ─┬▶ closed
//!                                                         ▲                                      │ can't be filled
//!                                                         └────── longer and longer pauses ◀─────┘
//! ```
//!
//! # Invariants
//! * Gaps are handed out in the order in which they became due, so however many gaps can't be filled, every other one is
//!   handed out too; gaps that a person has marked go before all others.
//! * Memory is bounded: a gap that finds no room waits until one that has been asked about makes room for it, and a bounded
//!   number of notes of the log's ends is kept.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::ops::Bound::{Excluded, Included};
use std::time::Duration;

use keylane::Backoff;
use keylane_log::{Extent, Offset};
use tokio::time::Instant;

use crate::domain::fence::ParkedKey;
use crate::domain::{OrderId, Version};

/// The most gaps that are watched at a time; they take some 10 MB of memory.
const WATCHED: usize = 100_000;
/// The most notes of the log's ends that are kept; once there are as many, new gaps join the latest note.
const NOTES: usize = 64;
/// The longest pause between two questions about a gap that can't be filled, unless twice the deadline is longer.
const LONGEST_PAUSE: Duration = Duration::from_secs(600);
/// The pauses between questions about a gap while the order service gives no answer at all.
const UNANSWERED: Backoff = Backoff {
    first: Duration::from_secs(2),
    most: Duration::from_secs(60),
};

/// The gaps that are watched, at most one for each order.
#[derive(Debug)]
pub struct GapWatch {
    deadline: Duration,
    /// The pauses between questions about a gap that the order service can't fill.
    unfillable: Backoff,
    /// The most gaps that are watched at a time.
    most: usize,
    watched: BTreeMap<OrderId, Watched>,
    /// The gaps that wait for a point in time, the soonest first.
    due: BTreeSet<Due>,
    /// Where the log ended when gaps were seen first, the oldest note first.
    notes: VecDeque<Note>,
}

#[derive(Debug)]
struct Watched {
    /// The order's cursor; with another one it would be another gap.
    cursor: Version,
    phase: Phase,
    /// How often the order service has been asked about this gap in vain.
    tries: u32,
}

/// What a watched gap waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// A record in the log may still fill the gap; its order stands in one of the notes.
    Noted,
    /// The gap waits for a point in time and stands in `due`.
    Due(Due),
    /// The gap was handed out by `take_due`, and its ending has not been reported yet.
    HandedOut,
}

/// A gap that waits for a point in time. The derived order is the order in which gaps are handed out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Due {
    /// `false` for a gap that a person has marked, which therefore sorts first and doesn't wait for its time.
    patient: bool,
    at: Instant,
    order: OrderId,
}

/// What each partition held at some time, and the orders whose gaps were first seen at that time.
#[derive(Debug)]
struct Note {
    ends: Vec<Extent>,
    orders: BTreeSet<OrderId>,
}

/// One page of the parked orders: those with numbers above `after` and up to `last`, without exception.
#[derive(Debug, Clone, Copy)]
pub struct Looked<'a> {
    /// The page holds only order numbers above this one; it is lower than `last`.
    pub after: OrderId,
    /// The highest order number that the page covers.
    pub last: OrderId,
    /// The orders of the page of which something is parked.
    pub keys: &'a [ParkedKey],
}

/// What came of asking about a gap.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// The missing events have been handed to the fence, or the gap was gone already.
    Closed,
    /// The order service does not hold the missing event.
    Unfillable,
    /// The order service gave no answer.
    Unanswered,
}

/// Where a topic's partitions end, and up to where a group has handled them.
#[derive(Debug, Clone, Default)]
pub struct Positions {
    /// The start and end offset of each partition, by partition number.
    pub extents: Vec<Extent>,
    /// The offset that the group has committed for each partition, by partition number; none if it has committed none.
    pub committed: Vec<Option<Offset>>,
}

impl GapWatch {
    /// A watch that waits for `deadline` after nothing in the log can fill a gap any more, and then has it asked about.
    pub fn new(deadline: Duration) -> Self {
        Self::with_room(deadline, WATCHED)
    }

    /// Like [`new`](Self::new), for at most `most` gaps at a time.
    pub fn with_room(deadline: Duration, most: usize) -> Self {
        // Half of a pause is jitter, so with twice the deadline the first pause is at least the deadline.
        let first = deadline.max(Duration::from_secs(1)) * 2;
        Self {
            deadline,
            unfillable: Backoff {
                first,
                most: LONGEST_PAUSE.max(first),
            },
            most,
            watched: BTreeMap::new(),
            due: BTreeSet::new(),
            notes: VecDeque::new(),
        }
    }

    /// Begins to watch the new gaps of a page, and forgets those of the page's orders that are gone. A gap whose cursor has
    /// moved counts as gone and as new.
    pub fn observe(&mut self, looked: Looked<'_>, positions: &Positions, now: Instant) {
        let gaps = || looked.keys.iter().filter(|key| key.waits_for_journal());
        let there: BTreeMap<OrderId, Version> = gaps().map(|gap| (gap.order_id, gap.cursor)).collect();
        let known = self.watched.range((Excluded(looked.after), Included(looked.last)));
        let gone = known.filter(|(order, watched)| there.get(order) != Some(&watched.cursor));
        let gone: Vec<OrderId> = gone.map(|(order, _)| *order).collect();
        gone.into_iter().for_each(|order| self.forget(order));
        for gap in gaps() {
            if !self.watched.contains_key(&gap.order_id) && self.make_room() {
                self.note(gap, positions);
            }
        }
        self.pass(positions, now);
    }

    /// Makes the gaps among these orders due at once, because a person has marked them to be retried.
    pub fn hurry<'k>(&mut self, marked: impl IntoIterator<Item = &'k ParkedKey>, now: Instant) {
        for gap in marked.into_iter().filter(|key| key.has_gap()) {
            let known = self.watched.get(&gap.order_id);
            let same = known.filter(|watched| watched.cursor == gap.cursor);
            match same.map(|watched| watched.phase) {
                Some(Phase::HandedOut | Phase::Due(Due { patient: false, .. })) => continue,
                _ => self.forget(gap.order_id),
            }
            if self.watched.len() >= self.most {
                self.evict();
            }
            self.put(gap.order_id, gap.cursor, 0, (false, now));
        }
    }

    /// Hands out up to `most` gaps whose time has come, each as the order and its cursor. The caller
    /// asks about each and reports [how that ended](Self::ended).
    pub fn take_due(&mut self, most: usize, now: Instant) -> Vec<(OrderId, Version)> {
        let mut taken = Vec::new();
        while taken.len() < most {
            let Some(due) = self.due.first().copied().filter(|due| !due.patient || due.at <= now) else {
                break;
            };
            self.due.remove(&due);
            let watched = self.watched.get_mut(&due.order).expect("what is due is watched");
            watched.phase = Phase::HandedOut;
            taken.push((due.order, watched.cursor));
        }
        taken
    }

    /// Takes the report of how asking about a gap ended: a closed gap is forgotten, any other is due again after a pause.
    pub fn ended(&mut self, order: OrderId, cursor: Version, ending: Ending, now: Instant) {
        let Some(watched) = self.watched.get_mut(&order) else {
            return;
        };
        if watched.cursor != cursor || watched.phase != Phase::HandedOut {
            return;
        }
        let tries = watched.tries.saturating_add(1);
        let salt = order.0.cast_unsigned();
        let pause = match ending {
            Ending::Closed => return self.forget(order),
            Ending::Unfillable => self.unfillable.after(tries, salt),
            Ending::Unanswered => UNANSWERED.after(tries, salt),
        };
        self.put(order, cursor, tries, (true, now + pause));
    }

    /// Forgets all gaps.
    pub fn clear(&mut self) {
        *self = Self::with_room(self.deadline, self.most);
    }

    /// Starts the deadline of those gaps that nothing in the log can fill any more, because the group has committed
    /// everything that the log held when they were first seen.
    fn pass(&mut self, positions: &Positions, now: Instant) {
        while (self.notes.front()).is_some_and(|note| positions.have_passed(&note.ends)) {
            let note = self.notes.pop_front().expect("it was just looked at");
            for order in note.orders {
                let watched = &self.watched[&order];
                self.put(order, watched.cursor, watched.tries, (true, now + self.deadline));
            }
        }
    }

    fn put(&mut self, order: OrderId, cursor: Version, tries: u32, (patient, at): (bool, Instant)) {
        let due = Due { patient, at, order };
        let phase = Phase::Due(due);
        self.due.insert(due);
        self.watched.insert(order, Watched { cursor, phase, tries });
    }

    fn note(&mut self, gap: &ParkedKey, positions: &Positions) {
        let full = self.notes.len() >= NOTES;
        match self.notes.back_mut() {
            Some(note) if note.ends == positions.extents => {}
            // The latest note moves to the log's ends of now. Its gaps wait a little longer, and the notes stay bounded.
            Some(note) if full => note.ends.clone_from(&positions.extents),
            _ => self.notes.push_back(Note {
                ends: positions.extents.clone(),
                orders: BTreeSet::new(),
            }),
        }
        let note = self.notes.back_mut().expect("there is one now");
        note.orders.insert(gap.order_id);
        let watched = Watched {
            cursor: gap.cursor,
            phase: Phase::Noted,
            tries: 0,
        };
        self.watched.insert(gap.order_id, watched);
    }

    fn forget(&mut self, order: OrderId) {
        match self.watched.remove(&order).map(|watched| watched.phase) {
            Some(Phase::Due(due)) => {
                self.due.remove(&due);
            }
            Some(Phase::Noted) => self.notes.iter_mut().for_each(|note| {
                note.orders.remove(&order);
            }),
            Some(Phase::HandedOut) | None => {}
        }
    }

    fn make_room(&mut self) -> bool {
        self.watched.len() < self.most || self.evict()
    }

    /// Forgets the gap that is due last, if it has been asked about before. The next look finds it again as a new gap.
    /// Returns whether one was forgotten.
    fn evict(&mut self) -> bool {
        let last = self.due.last().map(|due| due.order);
        let asked = last.filter(|order| self.watched[order].tries > 0);
        asked.map(|order| self.forget(order)).is_some()
    }
}

impl Positions {
    /// Whether the group has handled everything before these ends. If the log was truncated or made anew since, a partition
    /// ends earlier now, and that earlier end counts.
    fn have_passed(&self, ends: &[Extent]) -> bool {
        ends.iter().enumerate().all(|(partition, extent)| {
            let committed = self.committed.get(partition).copied().flatten();
            let now = self.extents.get(partition).map_or(extent.end, |extent| extent.end);
            extent.start == extent.end || committed.is_some_and(|committed| committed >= extent.end.min(now))
        })
    }
}

#[cfg(test)]
mod tests;
