//! Scheduler and frontiers together: what an instance was granted, what it has buffered, what it may commit.
//!
//! ```text
//!   assign ─▶ Grant (epoch, frontier, bytes) ─▶ drain: queue dropped, waits for runs in flight ─▶ release: position
//!                  ▲ offer    │ finish             └─▶ lose: grant forgotten, runs that end later are not committed
//!                  └ the log has gone back: records from there on are forgotten and taken in anew
//! ```
//!
//! A *grant* is what is kept of one assignment of one partition, and has an epoch as its number.
//!
//! # Invariants
//! * A record belongs to the grant under which it was delivered, and completes in that grant's frontier alone. If the
//!   log has gone back before the record since, it completes nowhere.
//! * A position is only ever given for a grant that is held.
//! * A partition that holds less than its share of half the buffer is never paused, so that a stuck key can't stop
//!   other partitions.
//! * There is no clock and no input or output in here; times are passed in.

mod answers;
mod grant;

use std::collections::BTreeMap;
use std::ops::Range;

pub(crate) use answers::{Finish, Flow, UnreadMetadata};

use keylane_log::{Assignment, Offset, Position, Record, TopicPartition};
use planted::Bug;

use crate::event::Event;
use crate::frontier::Delivery;
use crate::scheduler::{Epoch, LaneKey, Run, Scheduler};

use grant::{Grant, GrantState, weight};

/// The grants of an instance and the records it has in memory. See the module.
#[derive(Debug)]
pub(crate) struct Engine {
    scheduler: Scheduler<Record>,
    grants: BTreeMap<Epoch, Grant>,
    current: BTreeMap<TopicPartition, Epoch>,
    last_epoch: u64,
    buffer_bytes: usize,
    /// Records skipped since [`Engine::take_skipped`] was called last.
    skipped: u64,
    /// Partitions whose log has gone back since [`Engine::rewound`] was called last.
    rewound: Vec<TopicPartition>,
}

impl Engine {
    /// Makes an engine with up to `limit` lanes in flight and about `buffer_bytes` of records in memory.
    pub(crate) fn new(limit: usize, buffer_bytes: usize) -> Self {
        Self {
            scheduler: Scheduler::new(limit),
            grants: BTreeMap::new(),
            current: BTreeMap::new(),
            last_epoch: 0,
            buffer_bytes,
            skipped: 0,
            rewound: Vec::new(),
        }
    }

    /// Begins a grant, and returns its number. An earlier grant of the same partition that was not given back is lost.
    pub(crate) fn assign(&mut self, assignment: &Assignment) -> Epoch {
        let older = self.forget(&assignment.partition);
        self.last_epoch += 1;
        let epoch = Epoch(self.last_epoch);
        self.current.insert(assignment.partition.clone(), epoch);
        let mut grant = Grant::new(assignment);
        if let Some(older) = older.filter(|_| planted::is_in(Bug::EpochNotChecked)) {
            let taken_before = assignment.position.0..older.frontier.end();
            grant.frontier.inherit(std::iter::once(taken_before).collect());
        }
        self.grants.insert(epoch, grant);
        epoch
    }

    /// The number of the partition's grant; `None` if it has none.
    pub(crate) fn epoch(&self, partition: &TopicPartition) -> Option<Epoch> {
        self.current.get(partition).copied()
    }

    /// Takes the metadata of new grants, to be read before their first records are offered.
    pub(crate) fn take_unread_metadata(&mut self) -> Vec<UnreadMetadata> {
        let grants = self.grants.iter_mut();
        grants
            .filter_map(|(epoch, grant)| {
                Some(UnreadMetadata {
                    metadata: grant.unread_metadata.take()?,
                    epoch: *epoch,
                    partition: grant.partition.clone(),
                    position: grant.frontier.position(),
                })
            })
            .collect()
    }

    /// Notes the ranges of offsets behind the position that former owners of the partition have done.
    pub(crate) fn inherit(&mut self, epoch: Epoch, done: Vec<Range<u64>>) {
        if let Some(grant) = self.grants.get_mut(&epoch) {
            grant.frontier.inherit(done);
        }
    }

    /// Takes records in, and tells `listener` of each. Records of partitions that are not held, or are being given back,
    /// are dropped; their next owner reads them again.
    pub(crate) fn offer(
        &mut self,
        records: impl IntoIterator<Item = (LaneKey, Record)>,
        mut listener: impl FnMut(Event<'_>),
    ) {
        let mut last: Option<(TopicPartition, Epoch)> = None;
        for (key, record) in records {
            let known = last.as_ref().filter(|(partition, _)| stands_in(&record, partition));
            let epoch = match known {
                Some((_, epoch)) => *epoch,
                None => {
                    let partition = record.topic_partition();
                    let Some(epoch) = self.epoch(&partition) else {
                        continue;
                    };
                    last = Some((partition, epoch));
                    epoch
                }
            };
            self.offer_one(epoch, key, record, &mut listener);
        }
    }

    fn offer_one(&mut self, epoch: Epoch, key: LaneKey, record: Record, listener: &mut impl FnMut(Event<'_>)) {
        let grant = self.grants.get_mut(&epoch).expect("a current epoch has a grant");
        if grant.state == GrantState::Draining {
            return;
        }
        match grant.frontier.deliver(record.offset) {
            Delivery::Open => {
                listener(Event::TakenIn { record: &record, epoch });
                grant.bytes += weight(&record);
                self.scheduler.offer(key, epoch, record, Record::unshare);
            }
            Delivery::AlreadyDone => {
                listener(Event::Skipped { record: &record, epoch });
                grant.dirty = true;
                self.skipped += 1;
            }
            Delivery::Rewound => {
                let (partition, offset) = (&grant.partition, record.offset);
                listener(Event::Rewound {
                    partition,
                    offset,
                    epoch,
                });
                self.rewind(epoch, offset);
                self.offer_one(epoch, key, record, listener);
            }
        }
    }

    /// Notes that the log hands out its records from `offset` on again, or others in their place. The records before it
    /// are still to be done, since the log does not hand them out again.
    fn rewind(&mut self, epoch: Epoch, offset: Offset) {
        let offset = if planted::is_in(Bug::RewindDropsQueue) {
            Offset(0)
        } else {
            offset
        };
        let grant = self.grants.get_mut(&epoch).expect("a current epoch has a grant");
        grant.frontier.rewind(offset);
        let handed_out_again = |record: &Record| record.offset >= offset;
        self.scheduler
            .drop_some(epoch, handed_out_again, |record| grant.bytes -= weight(&record));
        grant.rewinds.retain(|(_, before)| *before < offset);
        grant.rewinds.push((self.scheduler.taken(), offset));
        grant.dirty = true;
        self.rewound.push(grant.partition.clone());
    }

    /// Takes the partitions whose log has gone back since the last call.
    pub(crate) fn rewound(&mut self) -> Vec<TopicPartition> {
        std::mem::take(&mut self.rewound)
    }

    /// Makes the lanes ready whose waiting time is over at `now`.
    pub(crate) fn wake(&mut self, now: u64) {
        self.scheduler.wake(now);
    }

    /// Starts up to `max` lanes, each with up to `max_run` records, and passes their runs to `taken`.
    pub(crate) fn take(&mut self, max: usize, max_run: usize, now: u64, mut taken: impl FnMut(Run<Record>)) {
        self.scheduler.wake(now);
        self.scheduler.look_ahead(max);
        for _ in 0..max {
            let Some(run) = self.scheduler.take(max_run, now) else {
                return;
            };
            let grant = self.grants.get_mut(&run.epoch);
            grant.expect("a queued record has a grant").in_flight += 1;
            taken(run);
        }
    }

    /// Ends a run. If it was not `done`, its records stay open, so that the partition's next owner reads them again.
    pub(crate) fn finish(&mut self, run: &Run<Record>, done: bool) -> Finish {
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
        if grant.state == GrantState::Draining && grant.in_flight == 0 {
            return Finish::Drained;
        }
        Finish::Noted
    }

    /// Ends a run that is to be tried again. Until `due` its records wait in their lane, hold no place in flight, and
    /// can be dropped like all queued records. Records whose grant is not held, or before which the log has gone back,
    /// are not tried again.
    pub(crate) fn postpone(&mut self, run: Run<Record>, due: u64) -> Finish {
        let held = self
            .grants
            .get(&run.epoch)
            .filter(|grant| grant.state == GrantState::Held);
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
        wanted.iter_mut().for_each(Record::unshare);
        grant.in_flight -= 1;
        if grant.in_flight == 0 {
            grant.rewinds.clear();
        }
        self.scheduler.postpone(lane, epoch, wanted, due);
        Finish::Noted
    }

    /// Stops the intake of a partition and drops its queued records. Returns whether nothing of it is in flight.
    pub(crate) fn drain(&mut self, partition: &TopicPartition) -> bool {
        let Some(epoch) = self.current.get(partition).copied() else {
            return true;
        };
        let grant = self.grants.get_mut(&epoch).expect("a current epoch has a grant");
        if grant.state == GrantState::Held {
            grant.state = GrantState::Draining;
            let bytes = &mut grant.bytes;
            self.scheduler.drop_epoch(epoch, |record| *bytes -= weight(&record));
        }
        grant.in_flight == 0
    }

    /// Ends a grant. Returns its position if that differs from the last commit.
    pub(crate) fn release(&mut self, partition: &TopicPartition) -> Option<Position> {
        self.forget(partition)?.uncommitted()
    }

    /// Ends the grant of a partition that another member may own by now.
    pub(crate) fn lose(&mut self, partition: &TopicPartition) {
        if planted::is_in(Bug::EpochNotChecked) {
            self.drain(partition);
        } else {
            self.forget(partition);
        }
    }

    /// Removes the partition's grant, and drops its queued records.
    fn forget(&mut self, partition: &TopicPartition) -> Option<Grant> {
        let epoch = self.current.remove(partition)?;
        self.scheduler.drop_epoch(epoch, drop);
        self.grants.remove(&epoch)
    }

    /// Whether something has changed since the last commit.
    pub(crate) fn is_dirty(&self) -> bool {
        self.grants.values().any(|grant| grant.dirty)
    }

    /// Whether nothing is queued and nothing in flight.
    pub(crate) fn is_idle(&self) -> bool {
        self.scheduler.queued() == 0 && self.scheduler.in_flight() == 0
    }

    /// Takes the positions to commit now: those that differ from the last commit.
    pub(crate) fn positions(&mut self) -> Vec<Position> {
        let grants = self.grants.values_mut().filter(|grant| grant.dirty);
        grants
            .filter_map(|grant| {
                grant.dirty = false;
                grant.uncommitted()
            })
            .collect()
    }

    /// Notes that a commit was answered. A refused position is not committed again until it changes, since the log is
    /// about to report its partition as lost.
    pub(crate) fn committed(&mut self, positions: Vec<Position>, refused: &[TopicPartition]) {
        for position in positions {
            if refused.contains(&position.partition) {
                continue;
            }
            if let Some(grant) = self.held(&position.partition) {
                grant.last_commit = Some((position.offset, position.metadata));
            }
        }
    }

    /// Notes that a commit was not answered, so that [`positions`](Self::positions) returns its positions again.
    pub(crate) fn not_committed(&mut self, positions: &[Position]) {
        for position in positions {
            if let Some(grant) = self.held(&position.partition) {
                grant.dirty = true;
                grant.last_commit = None;
            }
        }
    }

    /// Which partitions to pause and to resume now. The caller reports what it has done with
    /// [`set_paused`](Self::set_paused).
    ///
    /// Half of the buffer is divided into equal shares, one for each partition. The other half belongs to all: when
    /// what partitions hold beyond their shares exceeds it, the fullest one pauses.
    pub(crate) fn flow(&self) -> Flow {
        let common = self.buffer_bytes / 2;
        let share = common / self.current.len().max(1);
        let used: usize = self
            .grants
            .values()
            .map(|grant| grant.bytes.saturating_sub(share))
            .sum();
        let fetching = self
            .grants
            .values()
            .filter(|grant| !grant.paused && grant.bytes > share);
        let fullest = fetching.max_by_key(|grant| grant.bytes).filter(|_| used > common);
        let calm = used <= common / 2;
        let paused = self.grants.values().filter(|grant| grant.paused);
        let resume = paused.filter(|grant| calm || grant.bytes <= share / 2);
        Flow {
            pause: fullest.map(|grant| grant.partition.clone()).into_iter().collect(),
            resume: resume.map(|grant| grant.partition.clone()).collect(),
        }
    }

    /// Notes that these partitions were paused or resumed.
    pub(crate) fn set_paused(&mut self, partitions: &[TopicPartition], paused: bool) {
        for partition in partitions {
            if let Some(grant) = self.held(partition) {
                grant.paused = paused;
            }
        }
    }

    /// Stops the intake of every partition. Returns the partitions that are held.
    pub(crate) fn close(&mut self) -> Vec<TopicPartition> {
        let partitions: Vec<_> = self.current.keys().cloned().collect();
        partitions.iter().for_each(|partition| {
            self.drain(partition);
        });
        partitions
    }

    /// The scheduler, for its counts.
    pub(crate) fn scheduler(&self) -> &Scheduler<Record> {
        &self.scheduler
    }

    /// Bytes of all records that are queued or in flight.
    pub(crate) fn buffered_bytes(&self) -> usize {
        self.grants.values().map(|grant| grant.bytes).sum()
    }

    /// How many partitions wait for their runs in flight before they are given back.
    pub(crate) fn draining(&self) -> usize {
        self.grants
            .values()
            .filter(|grant| grant.state == GrantState::Draining)
            .count()
    }

    /// How many records were skipped since the last call, because former owners had done them.
    pub(crate) fn take_skipped(&mut self) -> u64 {
        std::mem::take(&mut self.skipped)
    }

    /// How many records were started out of order since the last call; see [`Scheduler::take_violations`].
    pub(crate) fn take_violations(&mut self) -> u64 {
        self.scheduler.take_violations()
    }

    /// How many partitions are paused.
    pub(crate) fn paused(&self) -> usize {
        self.grants.values().filter(|grant| grant.paused).count()
    }

    fn held(&mut self, partition: &TopicPartition) -> Option<&mut Grant> {
        self.grants.get_mut(self.current.get(partition)?)
    }
}

/// Whether `record` stands in `partition`. Comparing avoids the copy that a `TopicPartition` of the record would be.
fn stands_in(record: &Record, partition: &TopicPartition) -> bool {
    record.partition == partition.partition && record.topic == partition.topic
}

#[cfg(test)]
#[allow(clippy::single_range_in_vec_init, reason = "done offsets are given as ranges")]
mod tests;
