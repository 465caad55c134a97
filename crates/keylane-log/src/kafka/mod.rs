//! The Kafka adapter: [`EventLog`] over librdkafka.
//!
//! ```text
//!   append ─▶ Lifeline ─▶ Producer ─▶ librdkafka ─▶ broker      one producer, thrown away at the first doubt
//!   read, extents, partitions ─▶ Scanner ───────▶ broker        one consumer outside of any group
//!   groups, describe, reset ──────────────────────▶ broker      a client for each call; a person asked
//!   subscribe ─▶ Member ─▶ librdkafka ─────────────▶ broker      one consumer for each membership
//! ```
//!
//! # Invariants
//! * Every call is bounded: within its patience, otherwise within five seconds or a session timeout; partitions that are
//!   made are waited for up to half a minute.
//! * An offset is committed only because the caller said so; librdkafka stores and commits none by itself.
//! * Records are handed to librdkafka strictly in order, and nothing of a failed call is still in its queues when the
//!   next call begins, so that no old record can arrive behind a newer one.
//! * Nothing happens between a rebalance event and the answer to it (`member`).

mod admin;
mod append;
mod bootstrap;
mod client;
mod committer;
mod convert;
mod coordinator;
mod fault;
mod groups;
mod limits;
mod member;
mod positions;
mod producer;
mod pulse;
mod rebalances;
mod repeats;
mod scan;
mod settings;
mod size;
mod sweep;

use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rdkafka::consumer::BaseConsumer;

use crate::port::{Consumer, EventLog, Extent, GroupInfo, LogError, Result, Subscription, TopicInfo};
use crate::record::{NewRecord, Offset, Placed, Record, TopicPartition};
use append::Lifeline;
use client::Watch;
pub use fault::Cause;
use member::Member;
use scan::Scanner;
use settings::Settings;

/// How long a call without a patience of its own waits for the brokers.
const ANSWER: Duration = Duration::from_secs(5);

/// How long a partition count is believed; a partition added is used within this time and the producer's own refresh.
const COUNT_KEPT: Duration = Duration::from_secs(2);

/// The brokers of a Kafka, taken together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cluster {
    /// How many there are, at the moment.
    pub brokers: usize,
    /// How many of them hold each group's commits; none as long as there is no group, or nobody may look.
    pub offset_copies: Option<usize>,
}

/// Apache Kafka as an [`EventLog`].
pub struct KafkaLog {
    settings: Settings,
    scanner: Scanner,
    producer: Mutex<Lifeline>,
    counts: Mutex<HashMap<String, (Instant, u32)>>,
    groups: Mutex<HashMap<String, BaseConsumer<Watch>>>,
}

impl KafkaLog {
    /// Prepares the clients for the brokers at `bootstrap` (`host:port`, several separated by commas). `properties` are
    /// librdkafka's and win over this adapter's choices, but for those that would break an invariant. To
    /// `group.instance.id` each member adds a hyphen and its name, which then must be unique in its group.
    ///
    /// # Errors
    /// `Refused` names a property that is unknown, has a wrong value or can't be chosen. A broker that is away is none:
    /// each call says so for itself.
    pub fn connect(bootstrap: &str, properties: Vec<(String, String)>) -> Result<Self> {
        let settings = Settings::new(bootstrap, properties)?;
        Ok(Self {
            scanner: Scanner::new(&settings)?,
            producer: Mutex::new(Lifeline::new(&settings)?),
            settings,
            counts: Mutex::default(),
            groups: Mutex::default(),
        })
    }

    /// What the brokers have set for `topic`, by Kafka's names (`cleanup.policy`), their defaults included.
    ///
    /// # Errors
    /// As for the calls of [`EventLog`]: `Refused` if there is no such topic.
    pub fn topic_settings(&self, topic: &str) -> Result<BTreeMap<String, String>> {
        admin::topic_settings(&self.settings, topic)
    }

    /// Whether the brokers answer, and what can be done if they don't.
    ///
    /// # Errors
    /// As for the calls of [`EventLog`].
    pub fn reach(&self) -> Result<(), (LogError, Option<Cause>)> {
        let answer = self.scanner.topics();
        answer.map(|_| ()).map_err(|error| (error, self.scanner.cause()))
    }

    /// How many brokers there are, and how many copies they keep of what groups have committed.
    ///
    /// # Errors
    /// As for the calls of [`EventLog`].
    pub fn cluster(&self) -> Result<Cluster> {
        self.scanner.cluster()
    }

    /// The number of partitions as the brokers say it now.
    fn count_partitions(&self, topic: &str) -> Result<u32> {
        self.count_partitions_within(topic, ANSWER)
    }

    fn count_partitions_within(&self, topic: &str, patience: Duration) -> Result<u32> {
        let count = self.scanner.partitions(topic, patience)?;
        lock(&self.counts).insert(topic.to_owned(), (Instant::now(), count));
        Ok(count)
    }

    /// The number of partitions, if it was asked for a moment ago.
    fn recent_count(&self, topic: &str) -> Option<u32> {
        let (asked, count) = *lock(&self.counts).get(topic)?;
        (asked.elapsed() < COUNT_KEPT).then_some(count)
    }
}

impl EventLog for KafkaLog {
    fn create_topic(&self, topic: &str, partitions: u32) -> Result<bool> {
        // A topic that is there needs no right to create one.
        match self.scanner.partitions(topic, ANSWER) {
            Ok(_) if partitions > 0 => return Ok(false),
            Ok(_) | Err(LogError::Refused(_)) => {}
            Err(error) => return Err(error),
        }
        let created = admin::create_topic(&self.settings, topic, partitions)?;
        if created {
            self.scanner.await_partitions(topic, partitions)?;
        }
        Ok(created)
    }

    fn grow_topic(&self, topic: &str, partitions: u32) -> Result<()> {
        let now = self.count_partitions(topic)?;
        if partitions <= now {
            return Err(LogError::Refused(format!(
                "topic {topic} has {now} partitions and can only grow: {partitions} is not more"
            )));
        }
        admin::grow_topic(&self.settings, topic, partitions)?;
        self.scanner.await_partitions(topic, partitions)?;
        self.count_partitions(topic).map(|_| ())
    }

    fn topics(&self) -> Result<Vec<TopicInfo>> {
        self.scanner.topics()
    }

    fn partitions(&self, topic: &str) -> Result<u32> {
        self.recent_count(topic)
            .map_or_else(|| self.count_partitions(topic), Ok)
    }

    fn extents(&self, topic: &str) -> Result<Vec<Extent>> {
        let count = self.count_partitions(topic)?;
        self.scanner.extents(topic, count)
    }

    fn append(&self, topic: &str, records: Vec<NewRecord>, patience: Duration) -> Vec<Result<Placed>> {
        let deadline = Instant::now() + patience;
        let ask = || self.count_partitions_within(topic, patience.min(ANSWER));
        let highest = records.iter().filter_map(|record| record.partition).max();
        let known = match self.recent_count(topic) {
            // A partition beyond the count may have been added since it was asked for.
            Some(count) if highest.is_none_or(|highest| highest.0 < count) => Ok(count),
            _ => ask(),
        };
        let count = match known {
            Ok(count) => count,
            Err(error) => return vec![Err(error); records.len()],
        };
        let mut producer = lock(&self.producer);
        if Instant::now() >= deadline {
            // The appends before this one took all of its time. Nothing of it is in the log, nor will be.
            let sentence = format!("topic {topic} was not appended to: earlier appends took too long");
            return vec![Err(LogError::Unavailable(sentence)); records.len()];
        }
        producer.append(topic, count, &records, deadline)
    }

    fn read(&self, partition: &TopicPartition, from: Offset, max: usize) -> Result<Vec<Record>> {
        let count = self.partitions(&partition.topic)?;
        if partition.partition.0 >= count && partition.partition.0 >= self.count_partitions(&partition.topic)? {
            return Err(fault::no_partition(&partition.topic, partition.partition, count));
        }
        self.scanner.read(partition, from, max)
    }

    fn scan(&self, topic: &str, extents: &[Extent], see: &mut dyn FnMut(&Record)) -> Result<Vec<Offset>> {
        self.scanner.scan(topic, extents, see)
    }

    fn committed(&self, group: &str, topic: &str) -> Result<Vec<Option<Offset>>> {
        let count = self.count_partitions(topic)?;
        let mut groups = lock(&self.groups);
        if !groups.contains_key(group) {
            groups.insert(group.to_owned(), client::observer(&self.settings, group)?);
        }
        let committed = scan::committed(&groups[group], group, topic, count);
        if committed.is_err() {
            // librdkafka tells of a missing right once for each client.
            groups.remove(group);
        }
        committed
    }

    fn groups(&self) -> Result<Vec<String>> {
        self.scanner.groups()
    }

    fn describe_group(&self, group: &str) -> Result<Option<GroupInfo>> {
        groups::describe(&self.settings, group, &self.scanner.topics()?)
    }

    fn reset_group(&self, group: &str, positions: &BTreeMap<TopicPartition, Offset>) -> Result<()> {
        groups::reset(&self.settings, group, positions)
    }

    fn subscribe(&self, subscription: &Subscription) -> Result<Box<dyn Consumer>> {
        for topic in &subscription.topics {
            self.count_partitions(topic)?;
            // A right that is missing for the group is told here, and not to a member that has been given nothing.
            self.committed(&subscription.group, topic)?;
        }
        Ok(Box::new(Member::join(&self.settings, subscription)?))
    }
}

/// What the lock guards is whole between any two statements, so a panic elsewhere does not spoil it.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
