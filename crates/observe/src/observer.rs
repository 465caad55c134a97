//! Where a process keeps its last observations, for whoever comes to read them.
//!
//! ```text
//!   emit ─▶ number 4098 ─▶ slot 2 ┌──────┬──────┬──────┬─ … ─┬──────┐
//!                                 │ 4097 │ 4098 │   3  │     │ 4096 │   each slot has its own lock
//!                                 └──────┴──────┴──────┴─ … ─┴──────┘
//!                                              ▲ a reader that was at 2 is told that it missed one
//! ```
//!
//! # Invariants
//! * An observation is kept whether anybody reads or not, so a reader can resume. Memory has a bound.
//! * An emitter never waits for a reader, except while that reader copies the very slot that is to be overwritten. It does
//!   not wake readers: they ask when they want to know more.
//! * A reader gets the observations in the order of their numbers, and is told of each one that it could not get.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard};

use crate::{Observation, What};

/// How many observations are kept, unless it is said otherwise.
const KEPT: usize = 4096;

/// A handle of a process to its observations. Clones share them.
#[derive(Debug, Clone, Default)]
pub struct Observer(Option<Arc<Ring>>);

#[derive(Debug)]
struct Ring {
    who: Arc<str>,
    incarnation: u64,
    /// The number of the last observation that was begun.
    last: AtomicU64,
    slots: Box<[Mutex<Slot>]>,
}

#[derive(Debug, Default)]
struct Slot {
    /// The number of the observation in this slot; 0 if there is none.
    seq: u64,
    kept: Option<(i64, What)>,
}

/// Reads the observations of one observer, each once.
#[derive(Debug)]
pub struct Reader {
    ring: Option<Arc<Ring>>,
    /// The number of the next observation to read.
    next: u64,
}

/// What a reader got in one go.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Batch {
    /// How many observations came before these and can't be had any more.
    pub missed: u64,
    /// Observations, in the order of their numbers.
    pub observations: Vec<Observation>,
}

impl Observer {
    /// An observer of the role or instance `who`. The `incarnation` is another one each time that this role is started, so
    /// that nobody takes its numbers for those of its predecessor.
    pub fn new(who: impl Into<Arc<str>>, incarnation: u64) -> Self {
        Self::keeping(KEPT, who, incarnation)
    }

    /// An observer that keeps so many observations, at least one.
    pub fn keeping(kept: usize, who: impl Into<Arc<str>>, incarnation: u64) -> Self {
        Self(Some(Arc::new(Ring {
            who: who.into(),
            incarnation,
            last: AtomicU64::new(0),
            slots: (0..kept.max(1)).map(|_| Mutex::default()).collect(),
        })))
    }

    /// An observer that keeps nothing.
    pub const fn none() -> Self {
        Self(None)
    }

    /// Keeps what has happened `at` this time, in milliseconds since 1970 (UTC).
    pub fn emit(&self, at: i64, what: What) {
        let Some(ring) = &self.0 else { return };
        let seq = ring.last.fetch_add(1, Relaxed) + 1;
        let mut new = Slot {
            seq,
            kept: Some((at, what)),
        };
        let mut slot = ring.slot(seq);
        // Whoever is overtaken by a whole round finds a newer observation in its slot, and leaves that there.
        if slot.seq < seq {
            std::mem::swap(&mut *slot, &mut new);
        }
        // What was in the slot is freed once others may use that.
        drop(slot);
        drop(new);
    }

    /// The role or instance that observes; empty if nothing is kept.
    pub fn who(&self) -> Arc<str> {
        self.0.as_ref().map_or_else(|| Arc::from(""), |ring| ring.who.clone())
    }

    /// The number of this life of the role; 0 if nothing is kept.
    pub fn incarnation(&self) -> u64 {
        self.0.as_ref().map_or(0, |ring| ring.incarnation)
    }

    /// The number of the last observation; 0 if there is none yet.
    pub fn last(&self) -> u64 {
        self.0.as_ref().map_or(0, |ring| ring.last.load(Relaxed))
    }

    /// A reader of all observations after the one with the number `seq` (0: from the first).
    pub fn after(&self, seq: u64) -> Reader {
        Reader {
            ring: self.0.clone(),
            next: seq.saturating_add(1),
        }
    }
}

impl Reader {
    /// The observations that have come since the last read, `most` at most. Empty if there are none; never waits.
    pub fn read(&mut self, most: usize) -> Batch {
        let mut batch = Batch::default();
        let Some(ring) = self.ring.clone() else { return batch };
        let last = ring.last.load(Relaxed);
        let oldest = (last + 1).saturating_sub(ring.slots.len() as u64).max(1);
        while self.next <= last && batch.observations.len() < most {
            if self.next < oldest {
                batch.missed += oldest - self.next;
                self.next = oldest;
            }
            let slot = ring.slot(self.next);
            match &slot.kept {
                Some((at, what)) if slot.seq == self.next => batch.observations.push(Observation {
                    seq: slot.seq,
                    at: *at,
                    who: ring.who.clone(),
                    what: what.clone(),
                }),
                // It was overwritten since. To go on behind some that were read would tell of a gap in the wrong place.
                _ if slot.seq > self.next && batch.observations.is_empty() => batch.missed += 1,
                // It was overwritten since, or its emitter has not written it yet. It is looked at again in the next read.
                _ => return batch,
            }
            self.next += 1;
        }
        batch
    }

    /// The number of the last observation that was read or missed.
    pub fn seq(&self) -> u64 {
        self.next - 1
    }
}

impl Ring {
    fn slot(&self, seq: u64) -> MutexGuard<'_, Slot> {
        let slot = &self.slots[(seq % self.slots.len() as u64) as usize];
        slot.lock().expect("nothing panics while it holds this")
    }
}
