//! Which record may start next: one lane per key, one record of a key at a time.
//!
//! ```text
//!   offer ─▶ lane KIM   ▮▮▮  ┐              ┌─▶ take (at most `limit` in flight)
//!            lane PARK  ▮    ├─ ready, fair ┤
//!            lane CHOI  ▮▮   ┘              └── finish: the lane goes to the back of the queue, if it has more,
//!                                               or to its front, if it has more than its share
//! ```
//!
//! A lane that alone has more than its share of what waits (1 in `limit`) would end last however fast the others are, so
//! each moment it is not in flight is added to the whole.
//!
//! # Invariants
//! * Records of a lane start in the order in which they were offered, and the next only after the one before finished.
//! * Fewer lanes than `limit` are favoured at once, so that the others always have a place.
//! * A lane is in the ready queue exactly if it has records and none in flight.
//! * What was started keeps its lane until it finishes, even when its epoch was dropped meanwhile (A22): records of
//!   a newer epoch wait behind it.
//! * No clock and no input or output in here; times are passed in.

use std::collections::{HashMap, VecDeque};

use bytes::Bytes;
use eventlog::TopicPartition;

/// What records have in common that must not overtake each other.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum LaneKey {
    /// The key that the handler named. It is one lane even if its records come from several partitions (A4).
    Key(Bytes),
    /// All of a partition that has no key of its own.
    Partition(TopicPartition),
    /// Everything this instance reads.
    Instance,
}

/// One assignment of one partition; each has a number of its own, and they ascend.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Epoch(pub u64);

/// A lane that is in flight.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LaneId(u32);

/// Records of one lane and one epoch that were taken together, in order.
#[derive(Debug)]
pub struct Run<T> {
    /// What to finish.
    pub lane: LaneId,
    /// The assignment they came with.
    pub epoch: Epoch,
    /// How many runs had been taken before.
    pub number: u64,
    /// One at least.
    pub items: Items<T>,
}

/// One or several items; one is by far the most frequent and costs no allocation.
#[derive(Debug)]
pub enum Items<T> {
    /// Just one.
    One(T),
    /// Several in order.
    Many(Vec<T>),
}

/// Lanes, and which of them may go.
#[derive(Debug)]
pub struct Scheduler<T> {
    by_key: HashMap<LaneKey, LaneId>,
    lanes: Vec<Lane<T>>,
    unused: Vec<LaneId>,
    ready: VecDeque<LaneId>,
    limit: usize,
    in_flight: usize,
    favoured: usize,
    queued: usize,
    arrivals: u64,
    taken: u64,
    violations: u64,
}

#[derive(Debug)]
struct Lane<T> {
    key: LaneKey,
    queue: VecDeque<Queued<T>>,
    /// When what is in flight was taken.
    started: Option<u64>,
    /// It went to the front, and has not ended since.
    favoured: bool,
    last_arrival: u64,
}

#[derive(Debug)]
struct Queued<T> {
    arrival: u64,
    epoch: Epoch,
    item: T,
}

/// A lane that was emptied keeps room for this many records, so that it need not be allocated again.
const KEPT_ROOM: usize = 8;

impl<T> Scheduler<T> {
    /// A scheduler which lets at most `limit` lanes be in flight at once.
    pub fn new(limit: usize) -> Self {
        assert!(limit > 0, "at least one lane must be allowed to go");
        Self {
            by_key: HashMap::new(),
            lanes: Vec::new(),
            unused: Vec::new(),
            ready: VecDeque::new(),
            limit,
            in_flight: 0,
            favoured: 0,
            queued: 0,
            arrivals: 0,
            taken: 0,
            violations: 0,
        }
    }

    /// Puts a record behind all others of its lane.
    pub fn offer(&mut self, key: LaneKey, epoch: Epoch, item: T) {
        let id = self.lane(key);
        self.arrivals += 1;
        let arrival = self.arrivals;
        let lane = &mut self.lanes[id.index()];
        if lane.queue.is_empty() && lane.started.is_none() {
            self.ready.push_back(id);
        }
        lane.queue.push_back(Queued { arrival, epoch, item });
        self.queued += 1;
    }

    /// Starts the lane at the front, with up to `max` records of one epoch; `now` in any unit that ascends.
    pub fn take(&mut self, max: usize, now: u64) -> Option<Run<T>> {
        if self.in_flight == self.limit {
            return None;
        }
        let id = self.ready.pop_front()?;
        let lane = &mut self.lanes[id.index()];
        let (run, violations) = lane.take(id, self.taken, max);
        lane.started = Some(now);
        self.taken += 1;
        self.in_flight += 1;
        self.queued -= run.items.len();
        self.violations += violations;
        Some(run)
    }

    /// Ends what [`take`](Self::take) started: the lane may go on.
    pub fn finish(&mut self, id: LaneId) {
        let lane = &mut self.lanes[id.index()];
        assert!(lane.started.take().is_some(), "only a lane in flight finishes");
        self.in_flight -= 1;
        self.favoured -= usize::from(std::mem::take(&mut lane.favoured));
        if lane.queue.is_empty() {
            self.retire(id);
        } else if lane.queue.len().saturating_mul(self.limit) > self.queued && self.favoured + 1 < self.limit {
            lane.favoured = true;
            self.favoured += 1;
            self.ready.push_front(id);
        } else {
            self.ready.push_back(id);
        }
    }

    /// How many runs have been taken: those with a lower number were taken before now.
    pub fn taken(&self) -> u64 {
        self.taken
    }

    /// Drops what is queued of this epoch and hands it to `dropped`; what is in flight stays.
    pub fn drop_epoch(&mut self, epoch: Epoch, dropped: impl FnMut(T)) {
        self.drop_some(epoch, |_| true, dropped);
    }

    /// The same with only those records that are `unwanted`.
    pub fn drop_some(&mut self, epoch: Epoch, unwanted: impl Fn(&T) -> bool, mut dropped: impl FnMut(T)) {
        let mut emptied = Vec::new();
        for (index, lane) in self.lanes.iter_mut().enumerate() {
            if lane.queue.is_empty() {
                continue;
            }
            for queued in std::mem::take(&mut lane.queue) {
                if queued.epoch == epoch && unwanted(&queued.item) {
                    self.queued -= 1;
                    dropped(queued.item);
                } else {
                    lane.queue.push_back(queued);
                }
            }
            if lane.queue.is_empty() && lane.started.is_none() {
                emptied.push(LaneId(index as u32));
            }
        }
        if !emptied.is_empty() {
            let lanes = &self.lanes;
            self.ready.retain(|id| !lanes[id.index()].queue.is_empty());
        }
        emptied.into_iter().for_each(|id| self.retire(id));
    }

    /// How many lanes could start now.
    pub fn startable(&self) -> usize {
        self.ready.len().min(self.limit - self.in_flight)
    }

    /// How many lanes are in flight.
    pub fn in_flight(&self) -> usize {
        self.in_flight
    }

    /// How many records wait.
    pub fn queued(&self) -> usize {
        self.queued
    }

    /// The `now` of the take that has been in flight longest.
    pub fn oldest(&self) -> Option<u64> {
        self.lanes.iter().filter_map(|lane| lane.started).min()
    }

    /// How often a record was started that had arrived before one of its lane that was started earlier. Never, unless
    /// this file is wrong.
    pub fn violations(&self) -> u64 {
        self.violations
    }

    fn lane(&mut self, key: LaneKey) -> LaneId {
        if let Some(id) = self.by_key.get(&key) {
            return *id;
        }
        let id = self.unused.pop().unwrap_or(LaneId(self.lanes.len() as u32));
        match self.lanes.get_mut(id.index()) {
            Some(lane) => lane.key = key.clone(),
            None => self.lanes.push(Lane::new(key.clone())),
        }
        self.by_key.insert(key, id);
        id
    }

    fn retire(&mut self, id: LaneId) {
        let lane = &mut self.lanes[id.index()];
        let key = std::mem::replace(&mut lane.key, LaneKey::Instance);
        if lane.queue.capacity() > KEPT_ROOM {
            lane.queue = VecDeque::new();
        }
        lane.last_arrival = 0;
        self.favoured -= usize::from(std::mem::take(&mut lane.favoured));
        self.by_key.remove(&key);
        self.unused.push(id);
    }
}

impl<T> Lane<T> {
    fn new(key: LaneKey) -> Self {
        Self {
            key,
            queue: VecDeque::new(),
            started: None,
            favoured: false,
            last_arrival: 0,
        }
    }

    fn take(&mut self, id: LaneId, number: u64, max: usize) -> (Run<T>, u64) {
        let first = self.queue.pop_front().expect("a ready lane has a record");
        let mut violations = self.note(first.arrival);
        let epoch = first.epoch;
        let mut items = Items::One(first.item);
        while items.len() < max && self.queue.front().is_some_and(|next| next.epoch == epoch) {
            let next = self.queue.pop_front().expect("it was just looked at");
            violations += self.note(next.arrival);
            items.push(next.item);
        }
        let run = Run {
            lane: id,
            epoch,
            number,
            items,
        };
        (run, violations)
    }

    fn note(&mut self, arrival: u64) -> u64 {
        let overtaken = arrival <= self.last_arrival;
        self.last_arrival = arrival;
        u64::from(overtaken)
    }
}

impl<T> Items<T> {
    fn push(&mut self, item: T) {
        match std::mem::replace(self, Self::Many(Vec::new())) {
            Self::One(first) => *self = Self::Many(vec![first, item]),
            Self::Many(mut items) => {
                items.push(item);
                *self = Self::Many(items);
            }
        }
    }
}

impl<T> std::ops::Deref for Items<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        match self {
            Self::One(item) => std::slice::from_ref(item),
            Self::Many(items) => items,
        }
    }
}

impl LaneId {
    fn index(self) -> usize {
        self.0 as usize
    }
}

#[cfg(test)]
mod tests;
