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
//! A lane that alone has more than its share of what waits (1 in `limit`) would end last however fast the others are, so
//! each moment it is not in flight is added to the whole.
//!
//! # Invariants
//! * Records of a lane start in the order in which they were offered, and the next only after the one before finished.
//! * Fewer lanes than `limit` are favoured at once, so that the others always have a place.
//! * A lane is in the ready queue exactly if it has records, none in flight, and doesn't wait for a time.
//! * A lane that waits takes no place among those in flight; none of its records starts before those that were postponed.
//! * What was started keeps its lane until it finishes, even when its partition was taken away meanwhile and has come
//!   back: records of the newer epoch wait behind it, so that no key is on two workers.
//! * No clock and no input or output in here; times are passed in.

use std::collections::{BTreeSet, HashMap, VecDeque};

use bytes::Bytes;
use keylane_log::TopicPartition;

/// What records have in common that must not overtake each other.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum LaneKey {
    /// The key that the handler named. It is one lane even if its records come from several partitions, as they do once
    /// the topic has grown.
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
    /// Which try it is, from 1.
    pub attempt: u32,
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
    /// Lanes that wait, and when each is due, soonest first.
    waiting: BTreeSet<(u64, LaneId)>,
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
    /// What is in flight.
    flying: Option<Flying>,
    /// What was postponed, and stands first in the queue.
    postponed: Option<Postponed>,
    /// It went to the front, and has not ended since.
    favoured: bool,
    last_arrival: u64,
}

#[derive(Debug, Clone, Copy)]
struct Flying {
    /// When it was taken for the first time.
    since: u64,
    attempt: u32,
    first_arrival: u64,
}

#[derive(Debug, Clone, Copy)]
struct Postponed {
    /// When it was taken for the first time.
    since: u64,
    /// Which try comes next.
    attempt: u32,
    /// How many records are to be taken together again.
    records: usize,
    /// It stands among those that wait, or its time has come.
    due: u64,
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

    /// Puts a record behind all others of its lane.
    pub fn offer(&mut self, key: LaneKey, epoch: Epoch, item: T) {
        let id = self.lane(key);
        self.arrivals += 1;
        let arrival = self.arrivals;
        let lane = &mut self.lanes[id.index()];
        if lane.queue.is_empty() && lane.flying.is_none() {
            self.ready.push_back(id);
        }
        lane.queue.push_back(Queued { arrival, epoch, item });
        self.queued += 1;
    }

    /// Lets the lanes go whose time has come; `now` in the unit of [`take`](Self::take).
    pub fn wake(&mut self, now: u64) {
        while let Some((due, id)) = self.waiting.first().copied().filter(|(due, _)| *due <= now) {
            self.waiting.remove(&(due, id));
            self.ready.push_back(id);
        }
    }

    /// When the next lane is due that waits for a time.
    pub fn next_due(&self) -> Option<u64> {
        self.waiting.first().map(|(due, _)| *due)
    }

    /// Starts the lane at the front, with up to `max` records of one epoch, or exactly those that were postponed; `now` in
    /// any unit that ascends.
    pub fn take(&mut self, max: usize, now: u64) -> Option<Run<T>> {
        if self.in_flight == self.limit {
            return None;
        }
        let id = self.ready.pop_front()?;
        let lane = &mut self.lanes[id.index()];
        let (run, violations) = lane.take(id, (self.taken, now), max);
        self.taken += 1;
        self.in_flight += 1;
        self.queued -= run.items.len();
        self.violations += violations;
        Some(run)
    }

    /// Ends what [`take`](Self::take) started: the lane may go on.
    pub fn finish(&mut self, id: LaneId) {
        self.land(id);
        let lane = &mut self.lanes[id.index()];
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

    /// Ends what [`take`](Self::take) started for now: these records of it, which are all or what is left of them, stand
    /// first in their lane again, and none of that lane starts before `due`. Its place is free for others.
    pub fn postpone(&mut self, id: LaneId, epoch: Epoch, items: Vec<T>, due: u64) {
        assert!(!items.is_empty(), "what is postponed comes again");
        let flying = self.land(id);
        let lane = &mut self.lanes[id.index()];
        lane.postponed = Some(Postponed {
            since: flying.since,
            attempt: flying.attempt.saturating_add(1),
            records: items.len(),
            due,
        });
        lane.last_arrival = flying.first_arrival - 1;
        self.queued += items.len();
        // Numbers in a lane ascend, so counting from the first keeps them below whatever came later.
        let numbered = items.into_iter().zip(flying.first_arrival..);
        for (item, arrival) in numbered.collect::<Vec<_>>().into_iter().rev() {
            lane.queue.push_front(Queued { arrival, epoch, item });
        }
        self.waiting.insert((due, id));
    }

    /// What was in flight of a lane is so no more.
    fn land(&mut self, id: LaneId) -> Flying {
        let lane = &mut self.lanes[id.index()];
        let flying = lane.flying.take().expect("only a lane in flight ends");
        self.in_flight -= 1;
        self.favoured -= usize::from(std::mem::take(&mut lane.favoured));
        flying
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
            let id = LaneId(index as u32);
            let postponed = lane.postponed.map_or(0, |postponed| postponed.records);
            let mut left = 0;
            for (at, queued) in std::mem::take(&mut lane.queue).into_iter().enumerate() {
                if queued.epoch == epoch && unwanted(&queued.item) {
                    self.queued -= 1;
                    dropped(queued.item);
                } else {
                    left += usize::from(at < postponed);
                    lane.queue.push_back(queued);
                }
            }
            if lane
                .left_of_postponed(left)
                .is_some_and(|due| self.waiting.remove(&(due, id)))
            {
                // What waited is gone; what stood behind it need not wait.
                self.ready.push_back(id);
            }
            if lane.queue.is_empty() && lane.flying.is_none() {
                emptied.push(id);
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

    /// How many lanes wait for a time.
    pub fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// How many records wait.
    pub fn queued(&self) -> usize {
        self.queued
    }

    /// The `now` of the first take of what has been in flight longest, the time between its tries included.
    pub fn oldest(&self) -> Option<u64> {
        let flying = self
            .lanes
            .iter()
            .filter_map(|lane| lane.flying)
            .map(|flying| flying.since);
        let postponed = self.lanes.iter().filter_map(|lane| lane.postponed);
        flying.chain(postponed.map(|postponed| postponed.since)).min()
    }

    /// How many records were started since the last call although a later record of their lane had been started before
    /// them. More than 0 is a defect of this module.
    pub fn take_violations(&mut self) -> u64 {
        std::mem::take(&mut self.violations)
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
            flying: None,
            postponed: None,
            favoured: false,
            last_arrival: 0,
        }
    }

    fn take(&mut self, id: LaneId, (number, now): (u64, u64), max: usize) -> (Run<T>, u64) {
        let again = self.postponed.take();
        let max = again.map_or(max, |again| again.records);
        let first = self.queue.pop_front().expect("a ready lane has a record");
        let mut violations = self.note(first.arrival);
        let flying = Flying {
            since: again.map_or(now, |again| again.since),
            attempt: again.map_or(1, |again| again.attempt),
            first_arrival: first.arrival,
        };
        self.flying = Some(flying);
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
            attempt: flying.attempt,
            items,
        };
        (run, violations)
    }

    /// So many of the postponed records are left; when they were due, if that is none of them.
    fn left_of_postponed(&mut self, left: usize) -> Option<u64> {
        let postponed = self.postponed.as_mut()?;
        postponed.records = left;
        let due = postponed.due;
        (left == 0).then(|| {
            self.postponed = None;
            due
        })
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

impl<T> Items<T> {
    /// All of them.
    pub fn into_vec(self) -> Vec<T> {
        match self {
            Self::One(item) => vec![item],
            Self::Many(items) => items,
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
