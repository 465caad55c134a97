//! Scheduler and frontiers together: what an instance was granted, what it has buffered, what it may commit.
//!
//! ```text
//!   assign ─▶ Grant (epoch, frontier, bytes) ─▶ revoke: queue dropped, drains ─▶ release: position
//!                     ▲ offer        │ finish        └▶ lose: forgotten, late completions count for nothing
//!                     └ the log has gone back: from there on everything is forgotten and taken anew
//! ```
//!
//! # Invariants
//! * A record belongs to the grant under which it was delivered, and only that grant's frontier hears of it, unless the
//!   log has gone back before it since: then it counts for nothing.
//! * A position is only ever given for a grant that is held.
//! * No partition pauses that holds less than its share of half the buffer: a stuck key can't stop other partitions.
//! * No clock and no input or output in here; times are passed in.

use std::collections::{BTreeMap, HashMap};
use std::ops::Range;

use keylane_log::{Assignment, Offset, Position, Record, TopicPartition};

use crate::frontier::{Delivery, Frontier};
use crate::scheduler::{Epoch, LaneKey, Run, Scheduler};

/// What is known of everything an instance was granted. See the module.
#[derive(Debug)]
pub struct Engine {
    scheduler: Scheduler<Record>,
    grants: BTreeMap<Epoch, Grant>,
    current: HashMap<TopicPartition, Epoch>,
    last_epoch: u64,
    buffer_bytes: usize,
    skipped: u64,
    rewound: Vec<TopicPartition>,
}

#[derive(Debug)]
struct Grant {
    partition: TopicPartition,
    frontier: Frontier,
    /// What came with the assignment, until it was looked into.
    unchecked: Option<String>,
    /// When the log went back, in runs taken by then, and to where: what was in flight from there on says nothing about
    /// what stands there now. Offsets ascend.
    rewinds: Vec<(u64, Offset)>,
    /// Of all records that are queued or in flight.
    bytes: usize,
    in_flight: usize,
    state: State,
    paused: bool,
    /// Something changed since the last commit.
    dirty: bool,
    /// The last commit, unless its fate is unknown.
    landed: Option<(Offset, String)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Held,
    /// Takes nothing more in, and waits for what was started.
    Draining,
}

/// What a grant came with and has not been looked into yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unchecked {
    /// Which grant.
    pub epoch: Epoch,
    /// Of which partition.
    pub partition: TopicPartition,
    /// Where it continues.
    pub position: Offset,
    /// What the last commit carried.
    pub metadata: String,
}

/// What the end of a run meant for its grant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Finish {
    /// It was noted.
    Noted,
    /// It was the last in flight of a grant that is being given back.
    Drained,
    /// Its grant is no longer held, and its offset will not be committed by it.
    Late,
}

/// Which partitions to stop and to start fetching.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Flow {
    /// To be paused.
    pub pause: Vec<TopicPartition>,
    /// To be resumed.
    pub resume: Vec<TopicPartition>,
}

impl Engine {
    /// An engine that has at most `limit` lanes in flight and keeps about `buffer_bytes` of records in memory.
    pub fn new(limit: usize, buffer_bytes: usize) -> Self {
        Self {
            scheduler: Scheduler::new(limit),
            grants: BTreeMap::new(),
            current: HashMap::new(),
            last_epoch: 0,
            buffer_bytes,
            skipped: 0,
            rewound: Vec::new(),
        }
    }

    /// Begins a grant; one of the same partition that was not given back is lost.
    pub fn assign(&mut self, assignment: &Assignment) {
        self.lose(&assignment.partition);
        self.last_epoch += 1;
        let epoch = Epoch(self.last_epoch);
        self.current.insert(assignment.partition.clone(), epoch);
        let grant = Grant {
            partition: assignment.partition.clone(),
            frontier: Frontier::new(assignment.position),
            rewinds: Vec::new(),
            landed: Some((assignment.position, assignment.metadata.clone())),
            unchecked: Some(assignment.metadata.clone()).filter(|metadata| !metadata.is_empty()),
            bytes: 0,
            in_flight: 0,
            state: State::Held,
            paused: false,
            dirty: false,
        };
        self.grants.insert(epoch, grant);
    }

    /// The grants whose metadata nobody has looked into; asked once, before their first records are offered.
    pub fn unchecked(&mut self) -> Vec<Unchecked> {
        let grants = self.grants.iter_mut();
        grants
            .filter_map(|(epoch, grant)| {
                Some(Unchecked {
                    metadata: grant.unchecked.take()?,
                    epoch: *epoch,
                    partition: grant.partition.clone(),
                    position: grant.frontier.position(),
                })
            })
            .collect()
    }

    /// Takes over what a former owner has done behind the position.
    pub fn inherit(&mut self, epoch: Epoch, done: Vec<Range<u64>>) {
        if let Some(grant) = self.grants.get_mut(&epoch) {
            grant.frontier.inherit(done);
        }
    }

    /// Takes records in. Those of partitions that are not held, or are being given back, are dropped: their next owner
    /// reads them again.
    pub fn offer(&mut self, records: impl IntoIterator<Item = (LaneKey, Record)>) {
        let mut last: Option<(TopicPartition, Epoch)> = None;
        for (key, record) in records {
            let known = last.as_ref().filter(|(partition, _)| stands_in(&record, partition));
            let epoch = match known {
                Some((_, epoch)) => *epoch,
                None => {
                    let partition = record.topic_partition();
                    let Some(epoch) = self.current.get(&partition).copied() else {
                        continue;
                    };
                    last = Some((partition, epoch));
                    epoch
                }
            };
            self.offer_one(epoch, key, record);
        }
    }

    fn offer_one(&mut self, epoch: Epoch, key: LaneKey, record: Record) {
        let grant = self.grants.get_mut(&epoch).expect("a current epoch has a grant");
        if grant.state == State::Draining {
            return;
        }
        match grant.frontier.deliver(record.offset) {
            Delivery::Open => {
                grant.bytes += weight(&record);
                self.scheduler.offer(key, epoch, record);
            }
            Delivery::AlreadyDone => {
                grant.dirty = true;
                self.skipped += 1;
            }
            Delivery::Rewound => {
                self.rewind(epoch, record.offset);
                self.offer_one(epoch, key, record);
            }
        }
    }

    /// From `offset` on the log hands out its records again, or others. Those before it are still to be done: nobody
    /// hands them out again.
    fn rewind(&mut self, epoch: Epoch, offset: Offset) {
        let grant = self.grants.get_mut(&epoch).expect("a current epoch has a grant");
        grant.frontier.rewind(offset);
        let behind = |record: &Record| record.offset >= offset;
        self.scheduler
            .drop_some(epoch, behind, |record| grant.bytes -= weight(&record));
        grant.rewinds.retain(|(_, before)| *before < offset);
        grant.rewinds.push((self.scheduler.taken(), offset));
        grant.dirty = true;
        self.rewound.push(grant.partition.clone());
    }

    /// The partitions whose log has gone back since the last call.
    pub fn rewound(&mut self) -> Vec<TopicPartition> {
        std::mem::take(&mut self.rewound)
    }

    /// Lets the lanes go whose time has come.
    pub fn wake(&mut self, now: u64) {
        self.scheduler.wake(now);
    }

    /// Starts up to `max` lanes, each with up to `max_run` records.
    pub fn take(&mut self, max: usize, max_run: usize, now: u64, mut taken: impl FnMut(Run<Record>)) {
        self.scheduler.wake(now);
        for _ in 0..max {
            let Some(run) = self.scheduler.take(max_run, now) else {
                return;
            };
            let grant = self.grants.get_mut(&run.epoch);
            grant.expect("what is queued has a grant").in_flight += 1;
            taken(run);
        }
    }

    /// Ends a run. What was not `done` stays open, for the partition's next owner.
    pub fn finish(&mut self, run: &Run<Record>, done: bool) -> Finish {
        self.scheduler.finish(run.lane);
        let Some(grant) = self.grants.get_mut(&run.epoch) else {
            return Finish::Late;
        };
        grant.in_flight -= 1;
        for record in run.items.iter() {
            grant.bytes -= weight(record);
            if done && !grant.is_stale(run.number, record) {
                grant.frontier.complete(record.offset);
                grant.dirty = true;
            }
        }
        if grant.in_flight == 0 {
            grant.rewinds.clear();
        }
        if grant.state == State::Draining && grant.in_flight == 0 {
            return Finish::Drained;
        }
        Finish::Noted
    }

    /// Ends a run that is to come again: until `due` its records wait in their lane, hold no place, and are dropped like
    /// all that is queued. What is not to be worked for any more, because its grant is not held or the log has gone back
    /// before it, doesn't come again.
    pub fn postpone(&mut self, run: Run<Record>, due: u64) -> Finish {
        let held = self.grants.get(&run.epoch).filter(|grant| grant.state == State::Held);
        if held.is_none_or(|grant| run.items.iter().all(|record| grant.is_stale(run.number, record))) {
            return self.finish(&run, false);
        }
        let Run {
            lane,
            epoch,
            number,
            items,
            ..
        } = run;
        let grant = self.grants.get_mut(&epoch).expect("it is held");
        let mut wanted = items.into_vec();
        wanted.retain(|record| {
            let stale = grant.is_stale(number, record);
            grant.bytes -= if stale { weight(record) } else { 0 };
            !stale
        });
        grant.in_flight -= 1;
        if grant.in_flight == 0 {
            grant.rewinds.clear();
        }
        self.scheduler.postpone(lane, epoch, wanted, due);
        Finish::Noted
    }

    /// Stops the intake of a partition and drops what is queued of it; `true` once nothing of it is in flight.
    pub fn drain(&mut self, partition: &TopicPartition) -> bool {
        let Some(epoch) = self.current.get(partition).copied() else {
            return true;
        };
        let grant = self.grants.get_mut(&epoch).expect("a current epoch has a grant");
        if grant.state == State::Held {
            grant.state = State::Draining;
            let bytes = &mut grant.bytes;
            self.scheduler.drop_epoch(epoch, |record| *bytes -= weight(&record));
        }
        grant.in_flight == 0
    }

    /// Ends a grant; its position, if that isn't what was committed last.
    pub fn release(&mut self, partition: &TopicPartition) -> Option<Position> {
        let epoch = self.current.remove(partition)?;
        self.scheduler.drop_epoch(epoch, drop);
        self.grants.remove(&epoch)?.news()
    }

    /// Ends a grant that somebody else may own by now.
    pub fn lose(&mut self, partition: &TopicPartition) {
        if let Some(epoch) = self.current.remove(partition) {
            self.scheduler.drop_epoch(epoch, drop);
            self.grants.remove(&epoch);
        }
    }

    /// Whether there may be something to commit.
    pub fn is_dirty(&self) -> bool {
        self.grants.values().any(|grant| grant.dirty)
    }

    /// Whether nothing is queued and nothing in flight.
    pub fn is_idle(&self) -> bool {
        self.scheduler.queued() == 0 && self.scheduler.in_flight() == 0
    }

    /// What to commit now: the positions that differ from those committed last.
    pub fn positions(&mut self) -> Vec<Position> {
        let grants = self.grants.values_mut().filter(|grant| grant.dirty);
        grants
            .filter_map(|grant| {
                grant.dirty = false;
                grant.news()
            })
            .collect()
    }

    /// Notes that a commit was answered. What was refused is not asked for again before there is something new: the log
    /// will tell that the partition is lost.
    pub fn committed(&mut self, positions: Vec<Position>, refused: &[TopicPartition]) {
        for position in positions {
            if refused.contains(&position.partition) {
                continue;
            }
            if let Some(grant) = self.held(&position.partition) {
                grant.landed = Some((position.offset, position.metadata));
            }
        }
    }

    /// Notes that a commit got no answer: it is asked for again.
    pub fn not_committed(&mut self, positions: &[Position]) {
        for position in positions {
            if let Some(grant) = self.held(&position.partition) {
                grant.dirty = true;
                grant.landed = None;
            }
        }
    }

    /// Which partitions to pause and to resume now. Whoever has done it says so with [`flowed`](Self::flowed).
    pub fn flow(&self) -> Flow {
        let shared = self.buffer_bytes / 2;
        let share = shared / self.current.len().max(1);
        let used: usize = self
            .grants
            .values()
            .map(|grant| grant.bytes.saturating_sub(share))
            .sum();
        let fetching = self
            .grants
            .values()
            .filter(|grant| !grant.paused && grant.bytes > share);
        let fullest = fetching.max_by_key(|grant| grant.bytes).filter(|_| used > shared);
        let calm = used <= shared / 2;
        let paused = self.grants.values().filter(|grant| grant.paused);
        let resume = paused.filter(|grant| calm || grant.bytes <= share / 2);
        Flow {
            pause: fullest.map(|grant| grant.partition.clone()).into_iter().collect(),
            resume: resume.map(|grant| grant.partition.clone()).collect(),
        }
    }

    /// Notes that these partitions were paused, or resumed.
    pub fn flowed(&mut self, partitions: &[TopicPartition], paused: bool) {
        for partition in partitions {
            if let Some(grant) = self.held(partition) {
                grant.paused = paused;
            }
        }
    }

    /// Drains everything that is held; its partitions.
    pub fn close(&mut self) -> Vec<TopicPartition> {
        let partitions: Vec<_> = self.current.keys().cloned().collect();
        partitions.iter().for_each(|partition| {
            self.drain(partition);
        });
        partitions
    }

    /// Lanes, in flight and ready.
    pub fn scheduler(&self) -> &Scheduler<Record> {
        &self.scheduler
    }

    /// The bytes of all records that are queued or in flight.
    pub fn buffered_bytes(&self) -> usize {
        self.grants.values().map(|grant| grant.bytes).sum()
    }

    /// How many partitions wait for what is in flight, to be given back.
    pub fn draining(&self) -> usize {
        self.grants
            .values()
            .filter(|grant| grant.state == State::Draining)
            .count()
    }

    /// How many records were skipped since the last call, because former owners had done them.
    pub fn take_skipped(&mut self) -> u64 {
        std::mem::take(&mut self.skipped)
    }

    /// How many records were started out of order since the last call; see [`Scheduler::take_violations`].
    pub fn take_violations(&mut self) -> u64 {
        self.scheduler.take_violations()
    }

    /// How many partitions are paused.
    pub fn paused(&self) -> usize {
        self.grants.values().filter(|grant| grant.paused).count()
    }

    fn held(&mut self, partition: &TopicPartition) -> Option<&mut Grant> {
        self.grants.get_mut(self.current.get(partition)?)
    }
}

impl Grant {
    fn is_stale(&self, number: u64, record: &Record) -> bool {
        let stale = |(taken, offset): &(u64, Offset)| number < *taken && record.offset >= *offset;
        self.rewinds.iter().any(stale)
    }

    fn news(&self) -> Option<Position> {
        let (offset, metadata) = (self.frontier.position(), self.frontier.metadata());
        // Metadata that nobody has looked into yet is still true.
        let changed = self
            .landed
            .as_ref()
            .is_none_or(|(landed, carried)| offset != *landed || (self.unchecked.is_none() && metadata != *carried));
        changed.then(|| Position {
            partition: self.partition.clone(),
            offset,
            metadata,
        })
    }
}

fn stands_in(record: &Record, partition: &TopicPartition) -> bool {
    record.partition == partition.partition && record.topic == partition.topic
}

/// What a record takes in memory, roughly.
fn weight(record: &Record) -> usize {
    const ALLOCATION: usize = 16;
    let text = |bytes: &Option<bytes::Bytes>| bytes.as_ref().map_or(0, |bytes| bytes.len() + ALLOCATION);
    let header = |header: &keylane_log::Header| header.name.len() + text(&header.value) + 72;
    let headers: usize = record.headers.iter().map(header).sum();
    size_of::<Record>() + 24 + text(&record.key) + text(&record.value) + headers
}

#[cfg(test)]
#[allow(clippy::single_range_in_vec_init, reason = "what is done is given in ranges")]
mod tests;
