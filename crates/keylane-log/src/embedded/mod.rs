//! The embedded log: a SQLite file that any number of processes of one machine share.
//!
//! ```text
//!   append ─▶ appender ─┐                                       ┌─ one thread; calls that wait share a commit
//!                       ├─▶ turnstile ─▶ log.db (WAL) ◀─ reads ─┤
//!   poll ──▶ consumer ──┘                                       └─ short snapshots of up to 500 records
//! ```
//!
//! Its core is a set of functions over a given connection, to which times are passed in: `schema`, `topics`, `append`,
//! `records`, `membership`, `fetch`, `positions`, `groups`, `retention` and `cut`, and the rounds of a `participant`.
//! [`EmbeddedLog`] and its consumers drive the core with threads, clocks and lock files. [`InMemoryLog`] does so with
//! none of these, for simulations.
//!
//! It is a default for one machine and not a broker: there is no server, and each process does its own part.
//!
//! # Invariants
//! * A process takes its turn before it writes, opens or closes the file ([`Turnstile`](crate::turnstile::Turnstile)).
//! * `log.db`, `log.db-wal` and `log.db-shm` are never opened as plain files while the log is open: closing such a
//!   handle drops SQLite's locks of the whole process. For the same reason no process forks without exec.
//! * A record is acknowledged once it is on the disk. Positions and heartbeats may be lost in a power cut.

mod append;
mod appender;
mod consumer;
mod cut;
mod fault;
mod fetch;
mod file;
mod groups;
mod heartbeats;
mod member;
mod membership;
mod memory;
mod participant;
mod positions;
mod presence;
mod records;
mod retention;
mod roster;
mod schema;
mod topics;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use self::appender::Appender;
use self::consumer::EmbeddedConsumer;
use self::file::{LogFile, Purpose};
use self::member::Member;
pub use self::memory::{Clocks, InMemoryLog};
use self::presence::Presences;
use self::retention::Retention;
use crate::group::{GroupListing, OffsetKept};
use crate::port::{Consumer, EventLog, Extent, GroupError, GroupInfo, LogError, Result, Subscription};
use crate::record::{NewRecord, Offset, Placed, Record, TopicPartition};
use crate::sync::lock;
use crate::topic::{NewTopic, TopicInfo};

/// The name of the log's file in its folder.
const FILE_NAME: &str = "log.db";

/// The log in a folder, as an [`EventLog`]. Any number of them, in any number of processes, may have the same folder.
#[derive(Debug)]
pub struct EmbeddedLog {
    path: PathBuf,
    /// `None` if the log was opened for reading.
    appender: Option<Appender>,
    reader: Mutex<LogFile>,
}

/// How to open a log for writing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EmbeddedOptions {
    /// Records that were appended longer ago than this are removed once every group that reads them has read them; with
    /// `None` no record is removed for its age.
    pub retention_age: Option<Duration>,
    /// While the log's file holds more bytes than this, its oldest records are removed once every group that reads them
    /// has read them; with `None` no record is removed for the log's size.
    pub retention_bytes: Option<u64>,
}

impl Default for EmbeddedOptions {
    /// Seven days, whatever the size.
    fn default() -> Self {
        Self {
            retention_age: Some(Duration::from_secs(7 * 24 * 60 * 60)),
            retention_bytes: None,
        }
    }
}

impl EmbeddedLog {
    /// Opens the log in the folder `dir` for reading and writing. Creates the folder and the log when they are missing.
    ///
    /// # Errors
    /// [`LogError::Broken`] if the folder or the file can't be used or the file is not a log; [`LogError::Unavailable`]
    /// if another process keeps the file locked.
    pub fn open(dir: &Path, options: EmbeddedOptions) -> Result<Self> {
        std::fs::create_dir_all(dir)
            .map_err(|error| LogError::Broken(format!("cannot create the folder {}: {error}", dir.display())))?;
        let path = dir.join(FILE_NAME);
        let retention = Retention {
            age: options.retention_age,
            bytes: options.retention_bytes,
        };
        let appender = Appender::start(LogFile::create(&path, Purpose::Records)?, retention)?;
        Ok(Self {
            appender: Some(appender),
            reader: Mutex::new(LogFile::open(&path, Purpose::Reading)?),
            path,
        })
    }

    /// Opens the log in the folder `dir` for reading only, and creates nothing. Calls that would write are refused.
    ///
    /// # Errors
    /// [`LogError::Refused`] if there is no log in the folder; otherwise as [`Self::open`].
    pub fn open_existing(dir: &Path) -> Result<Self> {
        let path = dir.join(FILE_NAME);
        if !path.exists() {
            return Err(LogError::Refused(format!(
                "there is no log in {}: nothing has been started there yet",
                dir.display()
            )));
        }
        Ok(Self {
            appender: None,
            reader: Mutex::new(LogFile::open(&path, Purpose::Reading)?),
            path,
        })
    }

    fn reader(&self) -> MutexGuard<'_, LogFile> {
        lock(&self.reader)
    }

    /// Opens another connection, for a caller that writes.
    fn writer(&self, purpose: Purpose) -> Result<LogFile> {
        self.appender()?;
        LogFile::open(&self.path, purpose)
    }

    fn appender(&self) -> Result<&Appender> {
        let refusal = || LogError::Refused(format!("{} was opened for reading only", self.path.display()));
        self.appender.as_ref().ok_or_else(refusal)
    }
}

impl EventLog for EmbeddedLog {
    fn create(&self, topic: &NewTopic) -> Result<bool> {
        self.writer(Purpose::Records)?.write(|conn| topics::create(conn, topic))
    }

    fn grow_topic(&self, topic: &str, partitions: u32) -> Result<()> {
        self.writer(Purpose::Records)?
            .write(|conn| topics::grow(conn, topic, partitions))
    }

    fn topics(&self) -> Result<Vec<TopicInfo>> {
        self.reader().read(topics::describe)
    }

    fn partitions(&self, topic: &str) -> Result<u32> {
        self.reader().read(|conn| topics::partitions(conn, topic))
    }

    fn extents(&self, topic: &str) -> Result<Vec<Extent>> {
        self.reader().read(|conn| topics::extents(conn, topic))
    }

    fn append(&self, topic: &str, records: Vec<NewRecord>, patience: Duration) -> Vec<Result<Placed>> {
        match self.appender() {
            Ok(appender) => appender.append(topic, records, patience),
            Err(refusal) => vec![Err(refusal); records.len()],
        }
    }

    fn read(&self, partition: &TopicPartition, from: Offset, max: usize) -> Result<Vec<Record>> {
        self.reader()
            .read(|conn| records::read_up_to(conn, partition, from, max))
    }

    fn committed(&self, group: &str, topic: &str) -> Result<Vec<Option<Offset>>> {
        self.reader().read(|conn| topics::committed(conn, group, topic))
    }

    fn groups(&self) -> Result<Vec<String>> {
        self.reader().read(groups::groups)
    }

    fn list_groups(&self) -> Result<Vec<GroupListing>> {
        let presences = Presences::of(&self.path);
        self.reader()
            .read(|conn| groups::list(conn, |member| presences.ended(member)))
    }

    fn delete_group(&self, group: &str) -> Result<(), GroupError> {
        let presences = Presences::of(&self.path);
        self.writer(Purpose::Records)?
            .write(|conn| groups::delete(conn, group, |member| presences.ended(member)))?
    }

    fn delete_offsets(
        &self,
        group: &str,
        partitions: &BTreeSet<TopicPartition>,
    ) -> Result<BTreeMap<TopicPartition, Result<(), OffsetKept>>, GroupError> {
        let presences = Presences::of(&self.path);
        self.writer(Purpose::Records)?
            .write(|conn| groups::delete_offsets(conn, group, partitions, |member| presences.ended(member)))?
    }

    fn describe_group(&self, group: &str) -> Result<Option<GroupInfo>> {
        let presences = Presences::of(&self.path);
        self.reader()
            .read(|conn| groups::describe(conn, group, |member| presences.ended(member)))
    }

    fn client_id(&self, subscription: &Subscription) -> String {
        member::shown(subscription)
    }

    fn reset_group(&self, group: &str, positions: &BTreeMap<TopicPartition, Offset>) -> Result<()> {
        let presences = Presences::of(&self.path);
        self.writer(Purpose::Records)?
            .write(|conn| groups::reset(conn, group, positions, |member| presences.ended(member)))
    }

    fn subscribe(&self, subscription: &Subscription) -> Result<Box<dyn Consumer>> {
        let member = Member::new(subscription, fastrand::u64(..));
        let file = self.writer(Purpose::Positions)?;
        for topic in &subscription.topics {
            file.read(|conn| topics::partitions(conn, topic))?;
        }
        let presences = Presences::of(&self.path);
        Ok(Box::new(EmbeddedConsumer::new(
            file,
            member,
            presences,
            subscription.drain_timeout,
        )?))
    }
}
