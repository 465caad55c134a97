//! Which record may start next: one lane per key, one record of a key at a time.
//!
//! ```text
//!   offer ─▶ lane KIM   ▮▮▮  ┐              ┌─▶ take (at most `limit` in flight)
//!            lane PARK  ▮    ├─ ready, fair ┤
//!            lane CHOI  ▮▮   ┘              └── finish: the lane goes to the back of the queue, if it has more,
//!              ▲                                or to its front, if it has more than its share
//!              └── due ── waiting ◀── postpone: its records stand first in their lane again
//! ```
//!
//! A lane with more than its share of the waiting records (1 in `limit`) is *favoured*: when a run of it finishes, it
//! goes to the front of the queue. Such a lane ends last however fast the others are, so that every moment in which it
//! is not in flight makes the whole work longer.
//!
//! # Invariants
//! * Records of a lane start in the order in which they were offered, each only after the one before has finished.
//! * Fewer lanes than `limit` are favoured at once, so that the others always have a place.
//! * A lane is in the ready queue exactly if it has records, none in flight, and is not waiting for its next try.
//! * A waiting lane takes up no place in flight, and none of its records starts before those that were postponed.
//! * A lane stays in flight until its run finishes, even if its partition was taken away meanwhile and has come back.
//!   Records of the newer epoch wait behind that run, so that two workers never have the same key.
//! * There is no clock and no input or output in here; times are passed in.

mod key;
mod lane;
mod queue;
mod run;

use std::collections::{BTreeSet, VecDeque};
use std::hash::BuildHasher;

use foldhash::fast::RandomState;
use hashbrown::HashTable;

pub(crate) use key::LaneKey;
use lane::{InFlight, Lane, Postponed, Queued};
use queue::Places;
pub use run::Epoch;
pub(crate) use run::{LaneId, Run};

/// All lanes, and which of them may start. See the module.
#[derive(Debug)]
pub(crate) struct Scheduler<T> {
    /// The lane of each key that has one. It is only looked into by key, since the order of its entries is random.
    by_key: HashTable<LaneId>,
    /// Differs from process to process, so that nobody can choose keys that collide.
    hasher: RandomState,
    /// Lanes by number.
    lanes: Vec<Lane>,
    /// The records that wait in lanes.
    places: Places<Queued<T>>,
    /// Lanes that were idle when they came in here. One that still is may be given to another key.
    idle: Vec<LaneId>,
    /// Lanes that may start, the next one first.
    ready: VecDeque<LaneId>,
    /// Waiting lanes, each with the time at which it is due, soonest first.
    waiting: BTreeSet<(u64, LaneId)>,
    /// How many lanes may be in flight at once.
    limit: usize,
    in_flight: usize,
    favoured: usize,
    /// How many records wait in all lanes.
    queued: usize,
    /// How many records have been offered so far.
    arrivals: u64,
    /// How many runs have been taken so far.
    taken: u64,
    /// Records started out of order since [`Scheduler::take_violations`] was called last.
    violations: u64,
}

/// How many lanes may be ready before a record whose lane is ready too is taken to wait for long.
const SOON: usize = 4096;
/// How many takes, and how many offers, are looked ahead at most.
const LOOK_AHEAD: usize = 32;

impl<T> Scheduler<T> {
    /// Makes a scheduler with at most `limit` lanes in flight at once.
    pub(crate) fn new(limit: usize) -> Self {
        assert!(limit > 0, "at least one lane must be allowed in flight");
        Self {
            by_key: HashTable::new(),
            hasher: RandomState::default(),
            lanes: Vec::new(),
            places: Places::new(),
            idle: Vec::new(),
            ready: VecDeque::new(),
            waiting: BTreeSet::new(),
            limit,
            in_flight: 0,
            favoured: 0,
            queued: 0,
            arrivals: 0,
            taken: 0,
            violations: 0,
        }
    }

    /// Appends a record to its lane. If it may have to wait for long, `keep` is called with it before.
    pub(crate) fn offer(&mut self, key: LaneKey, epoch: Epoch, mut item: T, keep: impl FnOnce(&mut T)) {
        if self.arrivals.is_multiple_of(LOOK_AHEAD as u64) {
            self.look_at_free();
        }
        let id = self.lane(key);
        self.arrivals += 1;
        let arrival = self.arrivals;
        let lane = &mut self.lanes[id.index()].state;
        let starts_next = lane.is_idle();
        if starts_next {
            self.ready.push_back(id);
        }
        if !starts_next || self.ready.len() > SOON {
            keep(&mut item);
        }
        self.places.push_back(&mut lane.queue, Queued { arrival, epoch, item });
        self.queued += 1;
    }

    /// Makes the lanes ready whose waiting time is over at `now`, a time in the unit of [`take`](Self::take).
    pub(crate) fn wake(&mut self, now: u64) {
        while let Some((due, id)) = self.waiting.first().copied().filter(|(due, _)| *due <= now) {
            self.waiting.remove(&(due, id));
            self.ready.push_back(id);
        }
    }

    /// When the first of the waiting lanes is due.
    pub(crate) fn next_due(&self) -> Option<u64> {
        self.waiting.first().map(|(due, _)| *due)
    }

    /// Starts the lane at the front of the ready queue, with up to `max` records of one epoch, or with exactly those
    /// that were postponed. `now` is a time in any unit.
    pub(crate) fn take(&mut self, max: usize, now: u64) -> Option<Run<T>> {
        if self.in_flight == self.limit {
            return None;
        }
        let id = self.ready.pop_front()?;
        let lane = &mut self.lanes[id.index()].state;
        let (run, violations) = lane.take(&mut self.places, id, (self.taken, now), max);
        self.taken += 1;
        self.in_flight += 1;
        self.queued -= run.items.len();
        self.violations += violations;
        Some(run)
    }

    /// Ends a run that [`take`](Self::take) started, so that its lane may start the next.
    pub(crate) fn finish(&mut self, id: LaneId) {
        self.end_run(id);
        let lane = &mut self.lanes[id.index()].state;
        if lane.queue.is_empty() {
            self.rest(id);
        } else if lane.queue.len().saturating_mul(self.limit) > self.queued && self.favoured + 1 < self.limit {
            lane.favoured = true;
            self.favoured += 1;
            self.ready.push_front(id);
        } else {
            self.ready.push_back(id);
        }
    }

    /// Ends a run that [`take`](Self::take) started and that is to be tried again. `items`, the run's records or those
    /// of them that are still wanted, become the first of their lane again, and no record of the lane starts before
    /// `due`. The run's place in flight is free for other lanes meanwhile.
    pub(crate) fn postpone(&mut self, id: LaneId, epoch: Epoch, items: Vec<T>, due: u64) {
        assert!(!items.is_empty(), "a postponed run has at least one record");
        let ended = self.end_run(id);
        let lane = &mut self.lanes[id.index()].state;
        lane.postponed = Some(Box::new(Postponed {
            since: ended.since,
            attempt: ended.attempt.saturating_add(1),
            records: items.len(),
            due,
        }));
        lane.last_arrival = ended.first_arrival - 1;
        self.queued += items.len();
        // Arrival numbers in a lane ascend by at least one, so counting from the first keeps these below all later
        // ones.
        let numbered = items.into_iter().zip(ended.first_arrival..);
        for (item, arrival) in numbered.collect::<Vec<_>>().into_iter().rev() {
            self.places.push_front(&mut lane.queue, Queued { arrival, epoch, item });
        }
        self.waiting.insert((due, id));
    }

    /// Takes the lane's run out of flight.
    fn end_run(&mut self, id: LaneId) -> InFlight {
        let lane = &mut self.lanes[id.index()].state;
        let ended = lane.current.take().expect("only a lane in flight has a run to end");
        self.in_flight -= 1;
        self.favoured -= usize::from(std::mem::take(&mut lane.favoured));
        ended
    }

    /// How many runs have been taken so far. Runs with a lower [number](Run::number) are these.
    pub(crate) fn taken(&self) -> u64 {
        self.taken
    }

    /// Drops the queued records of this epoch, and passes each to `dropped`. Runs in flight stay.
    pub(crate) fn drop_epoch(&mut self, epoch: Epoch, dropped: impl FnMut(T)) {
        self.drop_some(epoch, |_| true, dropped);
    }

    /// Drops those queued records of this epoch that are `unwanted`, and passes each to `dropped`.
    pub(crate) fn drop_some(&mut self, epoch: Epoch, unwanted: impl Fn(&T) -> bool, mut dropped: impl FnMut(T)) {
        let mut emptied = Vec::new();
        let states = self.lanes.iter_mut().map(|lane| &mut lane.state);
        for (index, lane) in states.enumerate() {
            if lane.queue.is_empty() {
                continue;
            }
            let id = LaneId(index as u32);
            let postponed = lane.postponed.as_ref().map_or(0, |postponed| postponed.records);
            let mut left = 0;
            for (at, queued) in self.places.take(&mut lane.queue).into_iter().enumerate() {
                if queued.epoch == epoch && unwanted(&queued.item) {
                    self.queued -= 1;
                    dropped(queued.item);
                } else {
                    left += usize::from(at < postponed);
                    self.places.push_back(&mut lane.queue, queued);
                }
            }
            if lane
                .left_of_postponed(left)
                .is_some_and(|due| self.waiting.remove(&(due, id)))
            {
                // The postponed records are gone, and those behind them need not wait.
                self.ready.push_back(id);
            }
            if lane.is_idle() {
                emptied.push(id);
            }
        }
        if !emptied.is_empty() {
            let lanes = &self.lanes;
            self.ready.retain(|id| !lanes[id.index()].state.queue.is_empty());
        }
        emptied.into_iter().for_each(|id| self.rest(id));
    }

    /// Reads what the next `count` takes will change, which is mostly in another processor's cache. Such reads go on side by
    /// side, while those of one take wait for each other.
    pub(crate) fn look_ahead(&self, count: usize) {
        let mut firsts = [0; LOOK_AHEAD];
        let ready = self.ready.iter().take(count);
        for (first, id) in firsts.iter_mut().zip(ready) {
            *first = self.lanes[id.index()].state.queue.first();
        }
        for first in &firsts[..count.min(LOOK_AHEAD)] {
            std::hint::black_box(self.places.peek(*first).map(|queued| (queued.arrival, queued.epoch)));
        }
    }

    /// Reads what the next offers will probably change; see [`Self::look_ahead`].
    fn look_at_free(&self) {
        for id in self.idle.iter().rev().take(LOOK_AHEAD) {
            let lane = &self.lanes[id.index()];
            std::hint::black_box((lane.state.listed, lane.hash));
        }
        self.places.look_ahead(LOOK_AHEAD);
    }

    /// How many lanes could start now.
    pub(crate) fn startable(&self) -> usize {
        self.ready.len().min(self.limit - self.in_flight)
    }

    /// How many lanes are in flight.
    pub(crate) fn in_flight(&self) -> usize {
        self.in_flight
    }

    /// How many lanes wait for their next try.
    pub(crate) fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// How many records wait in all lanes.
    pub(crate) fn queued(&self) -> usize {
        self.queued
    }

    /// When the run was first taken that has been in flight longest, waits between its tries included.
    pub(crate) fn oldest(&self) -> Option<u64> {
        let states = || self.lanes.iter().map(|lane| &lane.state);
        let in_flight = states().filter_map(|lane| lane.current).map(|current| current.since);
        let postponed = states().filter_map(|lane| lane.postponed.as_deref());
        in_flight.chain(postponed.map(|postponed| postponed.since)).min()
    }

    /// How many records were started since the last call although a later record of their lane had been started before
    /// them. More than 0 is a defect of this module.
    pub(crate) fn take_violations(&mut self) -> u64 {
        std::mem::take(&mut self.violations)
    }

    /// The lane of `key`; one that has nothing to do is given to it if it has none.
    fn lane(&mut self, key: LaneKey) -> LaneId {
        let hash = self.hasher.hash_one(&key);
        let found = self.by_key.find(hash, |id| self.lanes[id.index()].key == key);
        if let Some(id) = found {
            return *id;
        }
        let id = self.idle_lane();
        let lane = &mut self.lanes[id.index()];
        (lane.state.named, lane.state.long) = (true, key.is_long());
        (lane.key, lane.hash) = (key, hash);
        let lanes = &self.lanes;
        self.by_key.insert_unique(hash, id, |id| lanes[id.index()].hash);
        id
    }

    /// A lane that has nothing to do and no key any more.
    fn idle_lane(&mut self) -> LaneId {
        while let Some(id) = self.idle.pop() {
            let lane = &mut self.lanes[id.index()].state;
            lane.listed = false;
            if lane.is_idle() {
                self.forget_key(id);
                return id;
            }
        }
        self.lanes.push(Lane::new());
        LaneId(self.lanes.len() as u32 - 1)
    }

    /// Notes that a lane has nothing to do. It stays its key's until another one needs a lane, unless the key is long.
    fn rest(&mut self, id: LaneId) {
        let lane = &mut self.lanes[id.index()].state;
        self.favoured -= usize::from(std::mem::take(&mut lane.favoured));
        if !std::mem::replace(&mut lane.listed, true) {
            self.idle.push(id);
        }
        if lane.long {
            self.forget_key(id);
        }
    }

    /// Takes a lane away from its key, if it has one.
    fn forget_key(&mut self, id: LaneId) {
        let lane = &mut self.lanes[id.index()];
        if std::mem::take(&mut lane.state.named) {
            let entry = self.by_key.find_entry(lane.hash, |other| *other == id);
            entry.expect("a lane is found by its key").remove();
            lane.key = LaneKey::INSTANCE;
        }
    }
}

#[cfg(test)]
mod tests;
