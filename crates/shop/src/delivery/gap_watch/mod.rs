//! Which gaps are watched, and when each is to be asked about. No clock, no store and no log in here: what there is and
//! what time it is are passed in.
//!
//! ```text
//!   seen: the log's ends are noted ─▶ committed positions have passed them ─▶ deadline ─▶ asked ─┬▶ closed
//!                                                         ▲                                      │ can't be filled
//!                                                         └────── longer and longer pauses ◀─────┘
//! ```
//!
//! # Invariants
//! * What is due is handed out by how long it has been due, so however many gaps can't be filled, each other one has its
//!   turn; what a person has marked goes before all of them.
//! * Memory is bounded: a gap that finds no place waits until one that has been asked about makes room for it, and the
//!   log's ends are noted so many times at most.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::ops::Bound::{Excluded, Included};
use std::time::Duration;

use keylane::Backoff;
use keylane_log::{Extent, Offset};
use tokio::time::Instant;

use crate::domain::fence::ParkedKey;
use crate::domain::{OrderId, Version};

/// Gaps that are kept in mind; some 10 MB of them.
const WATCHED: usize = 100_000;
/// How often the log's ends are noted at most before the oldest note is over.
const NOTES: usize = 64;
/// The longest pause between two questions about a gap that can't be filled, unless the deadline itself is longer.
const LONGEST: Duration = Duration::from_secs(600);
/// The pauses while the order service gives no answer at all.
const UNANSWERED: Backoff = Backoff {
    first: Duration::from_secs(2),
    most: Duration::from_secs(60),
};

/// The gaps that are kept in mind.
#[derive(Debug)]
pub struct GapWatch {
    deadline: Duration,
    unfillable: Backoff,
    most: usize,
    watched: BTreeMap<OrderId, Watched>,
    /// What waits for a time, soonest first.
    due: BTreeSet<Due>,
    /// Where the log ended when gaps were seen first, oldest first.
    notes: VecDeque<Note>,
}

#[derive(Debug)]
struct Watched {
    cursor: Version,
    state: State,
    /// How often it has been asked about in vain.
    tries: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Something in the log may still fill it; it is among a note's orders.
    Noted,
    /// It stands in `due`.
    Due(Due),
    /// It was handed out, and nobody has said yet what came of it.
    Asked,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Due {
    /// `false` for what a person has marked, which so comes first.
    patient: bool,
    at: Instant,
    order: OrderId,
}

/// The end of each partition, and the gaps that were seen first by then.
#[derive(Debug)]
struct Note {
    ends: Vec<Extent>,
    orders: BTreeSet<OrderId>,
}

/// A part of what is parked: all there is of the orders behind `after`, up to `last`.
#[derive(Debug, Clone, Copy)]
pub struct Looked<'a> {
    /// The order before the first; lower than `last`.
    pub after: OrderId,
    /// The last order that was looked for.
    pub last: OrderId,
    /// What is parked of them.
    pub keys: &'a [ParkedKey],
}

/// What came of asking about a gap.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// What was missing has been handed to the fence, or the gap was gone already.
    Closed,
    /// The order service has no such event.
    Unfillable,
    /// The order service gave no answer.
    Unanswered,
}

/// Where a topic's partitions end, and up to where a group has handled them.
#[derive(Debug, Clone, Default)]
pub struct Positions {
    /// What each partition holds.
    pub extents: Vec<Extent>,
    /// What the group has committed for each of them.
    pub committed: Vec<Option<Offset>>,
}

impl GapWatch {
    /// A watch that waits for `deadline` once nothing in the log can fill a gap any more.
    pub fn new(deadline: Duration) -> Self {
        Self::with_room(deadline, WATCHED)
    }

    /// The same for `most` gaps at a time.
    pub fn with_room(deadline: Duration, most: usize) -> Self {
        // The first pause is the deadline at least: half of the doubled time is jitter.
        let first = deadline.max(Duration::from_secs(1)) * 2;
        Self {
            deadline,
            unfillable: Backoff {
                first,
                most: LONGEST.max(first),
            },
            most,
            watched: BTreeMap::new(),
            due: BTreeSet::new(),
            notes: VecDeque::new(),
        }
    }

    /// Takes note of the gaps among these orders, and forgets those that are gone. A gap whose cursor has moved is
    /// another gap.
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

    /// A person wants these gaps asked about now, however often that was in vain.
    pub fn hurry<'k>(&mut self, marked: impl IntoIterator<Item = &'k ParkedKey>, now: Instant) {
        for gap in marked.into_iter().filter(|key| key.has_gap()) {
            let known = self.watched.get(&gap.order_id);
            let same = known.filter(|watched| watched.cursor == gap.cursor);
            match same.map(|watched| watched.state) {
                Some(State::Asked | State::Due(Due { patient: false, .. })) => continue,
                _ => self.forget(gap.order_id),
            }
            if self.watched.len() >= self.most {
                self.evict();
            }
            self.put(gap.order_id, gap.cursor, 0, (false, now));
        }
    }

    /// Up to `most` gaps whose time has come: the order, and the version that was applied last. Whoever takes one says
    /// what [came of it](Self::ended).
    pub fn take_due(&mut self, most: usize, now: Instant) -> Vec<(OrderId, Version)> {
        let mut taken = Vec::new();
        while taken.len() < most {
            let Some(due) = self.due.first().copied().filter(|due| !due.patient || due.at <= now) else {
                break;
            };
            self.due.remove(&due);
            let watched = self.watched.get_mut(&due.order).expect("what is due is watched");
            watched.state = State::Asked;
            taken.push((due.order, watched.cursor));
        }
        taken
    }

    /// What came of asking about a gap.
    pub fn ended(&mut self, order: OrderId, cursor: Version, ending: Ending, now: Instant) {
        let Some(watched) = self.watched.get_mut(&order) else {
            return;
        };
        if watched.cursor != cursor || watched.state != State::Asked {
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

    /// Forgets everything.
    pub fn clear(&mut self) {
        *self = Self::with_room(self.deadline, self.most);
    }

    /// The deadline begins for those gaps that nothing in the log can fill any more.
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
        let state = State::Due(due);
        self.due.insert(due);
        self.watched.insert(order, Watched { cursor, state, tries });
    }

    fn note(&mut self, gap: &ParkedKey, positions: &Positions) {
        let full = self.notes.len() >= NOTES;
        match self.notes.back_mut() {
            Some(note) if note.ends == positions.extents => {}
            // Whoever is noted already waits a little longer, which is what bounds the notes.
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
            state: State::Noted,
            tries: 0,
        };
        self.watched.insert(gap.order_id, watched);
    }

    fn forget(&mut self, order: OrderId) {
        match self.watched.remove(&order).map(|watched| watched.state) {
            Some(State::Due(due)) => {
                self.due.remove(&due);
            }
            Some(State::Noted) => self.notes.iter_mut().for_each(|note| {
                note.orders.remove(&order);
            }),
            Some(State::Asked) | None => {}
        }
    }

    fn make_room(&mut self) -> bool {
        self.watched.len() < self.most || self.evict()
    }

    /// Forgets the gap whose time is farthest, if it has been asked about before. It comes again as a new one.
    fn evict(&mut self) -> bool {
        let last = self.due.last().map(|due| due.order);
        let asked = last.filter(|order| self.watched[order].tries > 0);
        asked.map(|order| self.forget(order)).is_some()
    }
}

impl Positions {
    /// Whether everything before these ends has been handled. A log that was cut since, or written anew, ends earlier.
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
