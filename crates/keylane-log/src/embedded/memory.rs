//! The embedded log in memory, for simulations: all processes of a simulated machine share one connection in this one.
//!
//! ```text
//!   InMemoryLog::new(clocks) ── one simulated process ──┐
//!   log.process(clocks) ─────── another one ────────────┼─▶ one in-memory database: the core of the embedded log
//!   log.process(clocks) ─────── its restart ────────────┘
//! ```
//!
//! # Invariants
//! * No call waits, whatever its timeout says; there are no threads and no files.
//! * The only times are those of the [`Clocks`] that were passed in, and the only random numbers those of `fastrand` on
//!   the calling thread, so the same calls in the same order have the same results.
//! * As with real processes, nothing tells the others that a process is frozen or has crashed but its silence, unless
//!   its end is shown ([`InMemoryLog::end`]).

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rusqlite::Connection;

use super::append::{Batch, MAX_RECORD_BYTES, RoundRobin, append};
use super::member::{self, Member};
use super::participant::{Ground, Participant};
use super::retention::{Pruned, Retention, prune};
use super::{EmbeddedOptions, cut, groups, records, schema, topics};
use crate::connection::{self, prepare_once};
use crate::group::{GroupListing, OffsetKept};
use crate::port::{
    Consumer, EventLog, Extent, GroupError, GroupInfo, LogError, Position, Rebalance, Result, Subscription,
};
use crate::record::{NewRecord, Offset, Placed, Record, Timestamp, TopicPartition};
use crate::sync::lock;
use crate::topic::{NewTopic, TopicInfo};

/// The clocks of one process. Those of two processes may differ, and run at different speeds.
#[derive(Clone)]
pub struct Clocks {
    /// The time of day, by which records are appended and retention removes them. It may jump.
    pub wall: Arc<dyn Fn() -> Timestamp + Send + Sync>,
    /// The time since any moment, by which heartbeats and drains are measured. It only goes forward.
    pub monotonic: Arc<dyn Fn() -> Duration + Send + Sync>,
}

impl fmt::Debug for Clocks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Clocks").finish_non_exhaustive()
    }
}

/// The log as one simulated process has it open. [`Self::process`] opens it for another process.
///
/// # Members
/// A poll does one round and returns at once. A revoke is called with no patience, once in a poll, until the drain
/// timeout has passed. [`Consumer::leave`] is [`LogError::Unavailable`] while records are in flight; the caller polls or
/// leaves again, until the drain timeout has passed and the partitions are lost.
///
/// A consumer that is dropped has crashed without a trace: others find out after its session timeout, or soon if
/// [`Self::end`] shows that its process has ended.
#[derive(Debug)]
pub struct InMemoryLog {
    shared: Arc<Mutex<Shared>>,
    clocks: Clocks,
    process: u64,
    keyless: Mutex<RoundRobin>,
}

/// What all processes share.
#[derive(Debug)]
struct Shared {
    conn: Connection,
    /// Counts the writes.
    version: i64,
    /// The truncations so far: a partition, and the end it got.
    truncations: Vec<(TopicPartition, Offset)>,
    /// The most bytes of a record's key, value and headers together.
    largest_record: usize,
    /// How many processes have opened the log.
    processes: u64,
    /// The processes that have ended.
    ended: BTreeSet<u64>,
    /// The process of each member.
    members: BTreeMap<String, u64>,
}

impl InMemoryLog {
    /// Makes an empty log, and opens it for a first process.
    ///
    /// # Errors
    /// [`LogError::Broken`] if SQLite has no memory.
    pub fn new(clocks: Clocks) -> Result<Self> {
        let conn = Connection::open_in_memory()?;
        prepare_once(&conn)?;
        schema::create(&conn)?;
        Ok(Self::over(conn, clocks))
    }

    /// Removes everything, and opens the log for a first process again. That takes less time than a new log, whose statements
    /// have to be prepared.
    ///
    /// # Errors
    /// [`LogError::Refused`] if another process still has the log open.
    pub fn emptied(self) -> Result<Self> {
        let Ok(shared) = Arc::try_unwrap(self.shared) else {
            return Err(LogError::Refused("another process has the log open".into()));
        };
        let conn = shared.into_inner().unwrap_or_else(PoisonError::into_inner).conn;
        connection::clear(&conn)?;
        Ok(Self::over(conn, self.clocks))
    }

    fn over(conn: Connection, clocks: Clocks) -> Self {
        let shared = Shared {
            conn,
            version: 0,
            truncations: Vec::new(),
            largest_record: MAX_RECORD_BYTES,
            processes: 0,
            ended: BTreeSet::new(),
            members: BTreeMap::new(),
        };
        Self::open(Arc::new(Mutex::new(shared)), clocks)
    }

    /// Opens the same log for another process, or for the next one of the same name.
    pub fn process(&self, clocks: Clocks) -> Self {
        Self::open(self.shared.clone(), clocks)
    }

    fn open(shared: Arc<Mutex<Shared>>, clocks: Clocks) -> Self {
        let mut locked = lock(&shared);
        locked.processes += 1;
        let process = locked.processes;
        drop(locked);
        Self {
            shared,
            clocks,
            process,
            keyless: Mutex::default(),
        }
    }

    /// Shows to the others that this process has ended, as the lock files of a real one do. Its members are removed by
    /// the next member of their group that looks, and count as gone for whoever asks about the group.
    pub fn end(&self) {
        self.shared().ended.insert(self.process);
    }

    /// Removes all records for which it is time, by this process's clock. Returns how many.
    ///
    /// # Errors
    /// As [`EventLog`].
    pub fn remove_old_records(&self, options: EmbeddedOptions) -> Result<usize> {
        let retention = Retention {
            age: options.retention_age,
            bytes: options.retention_bytes,
        };
        let now = (self.clocks.wall)();
        let mut removed = 0;
        while let Pruned::Removed(some) = self.shared().write(|conn| prune(conn, retention, now))? {
            removed += some;
        }
        Ok(removed)
    }

    /// Removes the records of a partition before `offset`, although groups may have yet to read them, as Kafka's
    /// `kafka-delete-records` does. They go on behind them.
    ///
    /// # Errors
    /// [`LogError::Refused`] if there is no such partition, or `offset` lies behind its end; nothing is removed then.
    pub fn delete_before(&self, partition: &TopicPartition, offset: Offset) -> Result<()> {
        self.shared().write(|conn| cut::delete_before(conn, partition, offset))
    }

    /// Has a partition go back to `end`: later records are gone, the next one gets this offset, and whoever has read or
    /// committed further goes on from there.
    ///
    /// # Errors
    /// As [`Self::delete_before`].
    pub fn truncate(&self, partition: &TopicPartition, end: Offset) -> Result<()> {
        let mut shared = self.shared();
        shared.write(|conn| cut::truncate(conn, partition, end))?;
        shared.truncations.push((partition.clone(), end));
        Ok(())
    }

    /// Refuses records with more bytes of key, value and headers from now on; none means the usual limit.
    pub fn limit(&self, bytes: Option<usize>) {
        self.shared().largest_record = bytes.unwrap_or(MAX_RECORD_BYTES);
    }

    fn shared(&self) -> MutexGuard<'_, Shared> {
        lock(&self.shared)
    }
}

impl Shared {
    fn write<T>(&mut self, work: impl FnOnce(&Connection) -> Result<T>) -> Result<T> {
        self.version += 1;
        work(&self.conn)
    }

    fn ended(&self, member: &str) -> bool {
        self.members
            .get(member)
            .is_some_and(|process| self.ended.contains(process))
    }
}

impl EventLog for InMemoryLog {
    fn create(&self, topic: &NewTopic) -> Result<bool> {
        self.shared().write(|conn| topics::create(conn, topic))
    }

    fn grow_topic(&self, topic: &str, partitions: u32) -> Result<()> {
        self.shared().write(|conn| topics::grow(conn, topic, partitions))
    }

    fn topics(&self) -> Result<Vec<TopicInfo>> {
        topics::describe(&self.shared().conn)
    }

    fn partitions(&self, topic: &str) -> Result<u32> {
        topics::partitions(&self.shared().conn, topic)
    }

    fn extents(&self, topic: &str) -> Result<Vec<Extent>> {
        topics::extents(&self.shared().conn, topic)
    }

    fn append(&self, topic: &str, records: Vec<NewRecord>, _patience: Duration) -> Vec<Result<Placed>> {
        let records = &records[..];
        let now = (self.clocks.wall)();
        let batch = [Batch { topic, records }];
        let mut shared = self.shared();
        let largest = shared.largest_record;
        let results = shared.write(|conn| append(conn, &batch, now, largest, &mut lock(&self.keyless)));
        match results {
            Ok(results) => results.into_iter().flatten().collect(),
            Err(error) => vec![Err(error); records.len()],
        }
    }

    fn read(&self, partition: &TopicPartition, from: Offset, max: usize) -> Result<Vec<Record>> {
        records::read_up_to(&self.shared().conn, partition, from, max)
    }

    fn committed(&self, group: &str, topic: &str) -> Result<Vec<Option<Offset>>> {
        topics::committed(&self.shared().conn, group, topic)
    }

    fn groups(&self) -> Result<Vec<String>> {
        groups::groups(&self.shared().conn)
    }

    fn list_groups(&self) -> Result<Vec<GroupListing>> {
        let shared = self.shared();
        groups::list(&shared.conn, |member| shared.ended(member))
    }

    fn delete_group(&self, group: &str) -> Result<(), GroupError> {
        let mut shared = self.shared();
        shared.version += 1;
        groups::delete(&shared.conn, group, |member| shared.ended(member))?
    }

    fn delete_offsets(
        &self,
        group: &str,
        partitions: &BTreeSet<TopicPartition>,
    ) -> Result<BTreeMap<TopicPartition, Result<(), OffsetKept>>, GroupError> {
        let mut shared = self.shared();
        shared.version += 1;
        groups::delete_offsets(&shared.conn, group, partitions, |member| shared.ended(member))?
    }

    fn describe_group(&self, group: &str) -> Result<Option<GroupInfo>> {
        let shared = self.shared();
        groups::describe(&shared.conn, group, |member| shared.ended(member))
    }

    fn client_id(&self, subscription: &Subscription) -> String {
        member::shown(subscription)
    }

    fn reset_group(&self, group: &str, positions: &BTreeMap<TopicPartition, Offset>) -> Result<()> {
        let mut shared = self.shared();
        shared.version += 1;
        groups::reset(&shared.conn, group, positions, |member| shared.ended(member))
    }

    fn subscribe(&self, subscription: &Subscription) -> Result<Box<dyn Consumer>> {
        let member = Member::new(subscription, fastrand::u64(..));
        let mut shared = self.shared();
        for topic in &subscription.topics {
            topics::partitions(&shared.conn, topic)?;
        }
        shared.members.insert(member.id().to_owned(), self.process);
        let truncations_seen = shared.truncations.len();
        drop(shared);
        let memory = Memory {
            shared: self.shared.clone(),
            clocks: self.clocks.clone(),
        };
        Ok(Box::new(InMemoryConsumer {
            participant: Participant::new(memory, member, subscription.drain_timeout),
            state: State::Member,
            truncations_seen,
        }))
    }
}

/// The shared log, as a member of one process stands on it.
#[derive(Debug)]
struct Memory {
    shared: Arc<Mutex<Shared>>,
    clocks: Clocks,
}

impl Ground for Memory {
    fn now(&self) -> Duration {
        (self.clocks.monotonic)()
    }

    fn write<T>(&mut self, work: impl FnOnce(&Connection, Duration) -> Result<T>) -> Result<T> {
        let now = self.now();
        lock(&self.shared).write(|conn| work(conn, now))
    }

    fn read<T>(&self, work: impl FnOnce(&Connection) -> Result<T>) -> Result<T> {
        work(&lock(&self.shared).conn)
    }

    fn version(&self) -> Result<i64> {
        Ok(lock(&self.shared).version)
    }

    fn ended(&self, member: &str) -> bool {
        lock(&self.shared).ended(member)
    }

    fn clear(&self, member: &str) {
        lock(&self.shared).members.remove(member);
    }
}

/// A member of a group on the log in memory.
#[derive(Debug)]
struct InMemoryConsumer {
    participant: Participant<Memory>,
    state: State,
    /// How many truncations the member knows of.
    truncations_seen: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Member,
    Leaving,
    Left,
}

impl InMemoryConsumer {
    fn check_present(&self) -> Result<()> {
        match self.state {
            State::Member | State::Leaving => Ok(()),
            State::Left => Err(LogError::Refused("this member has left its group".into())),
        }
    }

    /// Goes back in the partitions that were truncated since the last poll.
    fn notice_truncations(&mut self) {
        let shared = self.participant.ground().shared.clone();
        let shared = lock(&shared);
        for (partition, end) in &shared.truncations[self.truncations_seen..] {
            self.participant.go_back(partition, *end);
        }
        self.truncations_seen = shared.truncations.len();
    }
}

impl Consumer for InMemoryConsumer {
    fn poll(&mut self, _timeout: Duration, rebalance: &mut dyn Rebalance) -> Result<Vec<Record>> {
        self.check_present()?;
        self.notice_truncations();
        self.participant.advance(rebalance)
    }

    fn commit(&mut self, positions: &[Position]) -> Result<Vec<TopicPartition>> {
        self.participant.commit(positions)
    }

    fn pause(&mut self, partitions: &[TopicPartition]) -> Result<()> {
        self.participant.pause(partitions);
        Ok(())
    }

    fn resume(&mut self, partitions: &[TopicPartition]) -> Result<()> {
        self.participant.resume(partitions);
        Ok(())
    }

    fn leave(&mut self, rebalance: &mut dyn Rebalance) -> Result<()> {
        self.check_present()?;
        if self.state == State::Member {
            self.participant.begin_to_leave();
            self.state = State::Leaving;
        }
        let held = self.participant.advance_leaving(rebalance)?;
        if !held.is_empty() {
            return Err(LogError::Unavailable(format!(
                "records of {} partitions are in flight: leave again later",
                held.len()
            )));
        }
        self.participant.leave()?;
        self.state = State::Left;
        let ground = self.participant.ground();
        ground.clear(self.participant.id());
        Ok(())
    }
}
