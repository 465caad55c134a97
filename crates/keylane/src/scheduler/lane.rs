//! What the scheduler keeps of a lane.

use std::num::NonZeroU32;

use super::key::LaneKey;
use super::queue::{Places, Queue};
use super::run::{Epoch, Items, LaneId, Run};

#[derive(Debug)]
pub(super) struct Lane {
    pub(super) state: State,
    pub(super) key: LaneKey,
    /// The key's hash.
    pub(super) hash: u64,
}

/// What changes of a lane with each run. It lies in one line of the processor's cache, because threads take turns in
/// changing it.
#[derive(Debug)]
#[repr(align(64))]
pub(super) struct State {
    pub(super) queue: Queue,
    /// The run in flight.
    pub(super) current: Option<InFlight>,
    /// The run that is to be tried again; its records stand first in the queue.
    pub(super) postponed: Option<Box<Postponed>>,
    /// Arrival number of the record that was started last.
    pub(super) last_arrival: u64,
    /// Whether the lane was put at the front of the ready queue and its next run has not ended yet.
    pub(super) favoured: bool,
    /// Whether the lane stands in `Scheduler`'s list of idle ones.
    pub(super) listed: bool,
    /// Whether the lane has a key.
    pub(super) named: bool,
    /// Whether the key has memory of its own.
    pub(super) long: bool,
}

const _: () = assert!(size_of::<State>() == 64, "it fits into one line of the cache");

#[derive(Debug, Clone, Copy)]
pub(super) struct InFlight {
    /// When the run was taken for its first try.
    pub(super) since: u64,
    pub(super) attempt: NonZeroU32,
    /// Arrival number of the run's first record.
    pub(super) first_arrival: u64,
}

#[derive(Debug)]
pub(super) struct Postponed {
    /// When the run was taken for its first try.
    pub(super) since: u64,
    /// Which try comes next.
    pub(super) attempt: NonZeroU32,
    /// How many records are to be taken together again.
    pub(super) records: usize,
    /// When the next try is due. Until then the lane stands in the `Scheduler`'s list of waiting ones.
    pub(super) due: u64,
}

#[derive(Debug)]
pub(super) struct Queued<T> {
    /// Arrival number: how many records had been offered when this one was, itself included.
    pub(super) arrival: u64,
    pub(super) epoch: Epoch,
    pub(super) item: T,
}

impl Lane {
    pub(super) fn new() -> Self {
        Self {
            state: State {
                queue: Queue::EMPTY,
                current: None,
                postponed: None,
                last_arrival: 0,
                favoured: false,
                listed: false,
                named: false,
                long: false,
            },
            key: LaneKey::INSTANCE,
            hash: 0,
        }
    }
}

impl State {
    /// Whether nothing of the lane waits or is in flight.
    pub(super) fn is_idle(&self) -> bool {
        self.queue.is_empty() && self.current.is_none()
    }

    pub(super) fn take<T>(
        &mut self,
        places: &mut Places<Queued<T>>,
        id: LaneId,
        (number, now): (u64, u64),
        max: usize,
    ) -> (Run<T>, u64) {
        let again = self.postponed.take();
        let max = again.as_ref().map_or(max, |again| again.records);
        let first = places.pop_front(&mut self.queue).expect("a ready lane has a record");
        let mut violations = self.note(first.arrival);
        let current = InFlight {
            since: again.as_ref().map_or(now, |again| again.since),
            attempt: again.map_or(NonZeroU32::MIN, |again| again.attempt),
            first_arrival: first.arrival,
        };
        self.current = Some(current);
        let epoch = first.epoch;
        let mut items = Items::One(first.item);
        while items.len() < max && places.front(&self.queue).is_some_and(|next| next.epoch == epoch) {
            let next = places.pop_front(&mut self.queue).expect("the queue has a first record");
            violations += self.note(next.arrival);
            items.push(next.item);
        }
        let run = Run {
            lane: id,
            epoch,
            number,
            attempt: current.attempt.get(),
            items,
        };
        (run, violations)
    }

    /// Notes that `left` of the postponed records are left. If none is, returns when they would have been due.
    pub(super) fn left_of_postponed(&mut self, left: usize) -> Option<u64> {
        let postponed = self.postponed.as_mut()?;
        postponed.records = left;
        let due = postponed.due;
        (left == 0).then(|| {
            self.postponed = None;
            due
        })
    }

    /// Notes that the record with this arrival number starts. Returns 1 if a later one has been started before, or else
    /// 0.
    pub(super) fn note(&mut self, arrival: u64) -> u64 {
        let overtaken = arrival <= self.last_arrival;
        self.last_arrival = arrival;
        u64::from(overtaken)
    }
}
