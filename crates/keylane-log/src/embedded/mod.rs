//! The embedded log: a SQLite file which any number of processes of one machine share.
//!
//! ```text
//!   append ─▶ appender ─┐                                       ┌─ a thread; calls that wait share a commit
//!                       ├─▶ turnstile ─▶ log.db (WAL) ◀─ reads ─┤
//!   poll ──▶ consumer ──┘                                       └─ short snapshots, pages of 500
//! ```
//!
//! The core is a set of functions over a given connection, with the time passed in: [`schema`], [`topics`],
//! [`append`], [`page`], [`group`], [`fetch`], [`positions`], [`census`], [`retention`]. [`EmbeddedLog`] and its
//! consumers drive it with threads, clocks and lock files.
//!
//! It is a default for one machine and not a broker: there is no server, every process does its own part.
//!
//! # Invariants
//! * Whoever writes, opens or closes the file takes its turn first ([`Turnstile`](crate::turnstile::Turnstile)).
//! * Nobody opens `log.db`, `log.db-wal` or `log.db-shm` as a plain file while it is open: closing such a handle drops
//!   SQLite's locks of the whole process. Nobody forks without exec.
//! * A record is acknowledged once it is on the disk; positions and beats may be lost in a power cut.

pub mod append;
pub mod census;
pub mod fetch;
pub mod group;
pub mod page;
pub mod positions;
pub mod retention;
pub mod schema;
pub mod topics;

mod appender;
mod consumer;
mod fault;
mod file;
mod presence;
mod pulse;
mod roster;

use std::collections::BTreeMap;
use std::hash::{BuildHasher, RandomState};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use self::appender::Appender;
use self::file::{LogFile, Purpose};
use self::presence::Presences;
use crate::port::{Consumer, EventLog, Extent, GroupInfo, LogError, PartitionInfo, Result, Subscription, TopicInfo};
use crate::record::{NewRecord, Offset, Partition, Placed, Record, TopicPartition};

pub use consumer::EmbeddedConsumer;
pub use retention::Retention;

/// The log's name in its folder.
pub const FILE_NAME: &str = "log.db";

/// A log in a folder.
#[derive(Debug)]
pub struct EmbeddedLog {
    path: PathBuf,
    /// `None` if it was opened for reading.
    appender: Option<Appender>,
    reader: Mutex<LogFile>,
}

/// How to open a log for writing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EmbeddedOptions {
    /// Records older than this are removed once every group that reads them has done so; `None` keeps them.
    pub retention_age: Option<Duration>,
    /// The oldest records that have been read are removed while the log holds more bytes than this; `None` lets it grow.
    pub retention_bytes: Option<u64>,
}

impl Default for EmbeddedOptions {
    /// Seven days, of any size.
    fn default() -> Self {
        Self {
            retention_age: Some(Duration::from_secs(7 * 24 * 60 * 60)),
            retention_bytes: None,
        }
    }
}

impl EmbeddedLog {
    /// Opens the log in the folder `dir` for reading and writing, and creates folder and log when missing.
    ///
    /// # Errors
    /// [`LogError::Broken`] if that is not possible or the file is not a log; [`LogError::Unavailable`] if another
    /// process keeps it to itself.
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

    /// Opens the log in the folder `dir` for reading only; creates neither folder nor log. Whatever would write is
    /// refused.
    ///
    /// # Errors
    /// [`LogError::Refused`] if there is no log; otherwise as [`Self::open`].
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
        // A snapshot that a panic cut short ended with it.
        self.reader.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A connection of the caller's own, to write through.
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
    fn create_topic(&self, topic: &str, partitions: u32) -> Result<bool> {
        self.writer(Purpose::Records)?
            .write(|conn| topics::create(conn, topic, partitions))
    }

    fn grow_topic(&self, topic: &str, partitions: u32) -> Result<()> {
        self.writer(Purpose::Records)?
            .write(|conn| topics::grow(conn, topic, partitions))
    }

    fn topics(&self) -> Result<Vec<TopicInfo>> {
        let topics = self.reader().read(topics::list)?;
        Ok(topics
            .into_iter()
            .map(|(name, partitions)| info(name, partitions))
            .collect())
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
        self.reader().read(|conn| page::scan(conn, partition, from, max))
    }

    fn committed(&self, group: &str, topic: &str) -> Result<Vec<Option<Offset>>> {
        self.reader().read(|conn| topics::committed(conn, group, topic))
    }

    fn groups(&self) -> Result<Vec<String>> {
        self.reader().read(census::groups)
    }

    fn describe_group(&self, group: &str) -> Result<Option<GroupInfo>> {
        let presences = Presences::of(&self.path);
        self.reader()
            .read(|conn| census::describe(conn, group, |member| presences.ended(member)))
    }

    fn reset_group(&self, group: &str, positions: &BTreeMap<TopicPartition, Offset>) -> Result<()> {
        let presences = Presences::of(&self.path);
        self.writer(Purpose::Records)?
            .write(|conn| census::reset(conn, group, positions, |member| presences.ended(member)))
    }

    fn subscribe(&self, subscription: &Subscription) -> Result<Box<dyn Consumer>> {
        let member = group::Member::new(subscription, RandomState::new().hash_one(std::process::id()));
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

/// One machine keeps everything: node 0.
fn info(name: String, partitions: u32) -> TopicInfo {
    let partition = |number| PartitionInfo {
        partition: Partition(number),
        leader: Some(0),
        replicas: vec![0],
        isr: vec![0],
    };
    TopicInfo {
        name,
        partitions: (0..partitions).map(partition).collect(),
    }
}
