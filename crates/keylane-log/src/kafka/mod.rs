//! The Kafka adapter: [`EventLog`] over librdkafka.
//!
//! ```text
//!   append ─▶ CurrentProducer ─▶ Producer ─▶ librdkafka ─▶ broker    one producer, which is replaced after any failure
//!   read, extents, partitions ─▶ Scanner ───────────────▶ broker    one consumer outside of any group
//!   groups, describe, reset ────────────────────────────▶ broker    a client for each call, since only people make them
//!   subscribe ─▶ Member ─▶ librdkafka ──────────────────▶ broker    one consumer for each membership
//! ```
//!
//! # Invariants
//! * Every call ends in time: within the timeout it is given, or else within five seconds or a session timeout. Only
//!   partitions that were just created are waited for longer, up to half a minute.
//! * An offset is committed only when the caller says so; librdkafka stores and commits none by itself.
//! * Records are handed to librdkafka strictly in order. When a call begins, librdkafka's queues hold no record of a
//!   failed call before, so that no old record can arrive behind a newer one.
//! * No other call is made to librdkafka between a rebalance event and its answer (`member`).

mod admin;
mod bootstrap;
mod cause;
mod client;
mod committer;
mod convert;
mod coordinator;
mod current_producer;
mod fault;
mod first_answer;
mod groups;
mod limits;
mod member;
mod native;
mod page;
mod positions;
mod producer;
mod rebalances;
mod repeats;
mod scan;
mod scan_progress;
mod session;
mod settings;
mod size;
mod timeouts;
mod topic_details;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rdkafka::consumer::BaseConsumer;

use crate::group::{GroupListing, OffsetKept};
use crate::port::{Consumer, EventLog, Extent, GroupError, GroupInfo, GroupMember, LogError, Result, Subscription};
use crate::record::{NewRecord, Offset, Placed, Record, TopicPartition};
use crate::sync::lock;
use crate::topic::{NewTopic, TopicInfo};
pub use cause::Cause;
use client::Watch;
use current_producer::CurrentProducer;
pub use first_answer::FirstAnswer;
use member::Member;
use scan::Scanner;
use settings::Settings;
use timeouts::CALL_TIMEOUT;
pub use topic_details::{TopicDetails, TopicSetting};

/// How long a partition count is used before it is asked for again. A new partition gets records no later than after
/// this time and the producer's own metadata refresh.
const COUNT_KEPT: Duration = Duration::from_secs(2);

/// What is known about the brokers of a Kafka as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cluster {
    /// How many brokers there are at the moment.
    pub brokers: usize,
    /// How many of them keep a copy of what groups have committed; `None` if there is no group yet, or the right to
    /// look is missing.
    pub offset_copies: Option<usize>,
}

/// Apache Kafka as an [`EventLog`].
pub struct KafkaLog {
    settings: Settings,
    scanner: Scanner,
    producer: Mutex<CurrentProducer>,
    /// By topic, its last partition count and when the brokers gave it.
    counts: Mutex<HashMap<String, (Instant, u32)>>,
    /// By group, a client that reads its commits.
    observers: Mutex<HashMap<String, BaseConsumer<Watch>>>,
}

impl KafkaLog {
    /// Prepares the clients for the brokers at `bootstrap` (`host:port`, several separated by commas). `properties` are
    /// librdkafka's, and replace this adapter's choices. To a `group.instance.id` each member adds a hyphen and its own
    /// name, which then must be unique in its group.
    ///
    /// # Errors
    /// [`LogError::Refused`] if a property is unknown, has a wrong value, or would break an invariant; the sentence
    /// names it. If no broker can be reached, that is no error here, but one of each later call.
    pub fn connect(bootstrap: &str, properties: Vec<(String, String)>) -> Result<Self> {
        let settings = Settings::new(bootstrap, properties)?;
        Ok(Self {
            scanner: Scanner::new(&settings)?,
            producer: Mutex::new(CurrentProducer::new(&settings)?),
            settings,
            counts: Mutex::default(),
            observers: Mutex::default(),
        })
    }

    /// The settings of `topic` by Kafka's names, such as `cleanup.policy`, including the brokers' defaults.
    ///
    /// # Errors
    /// [`LogError::Refused`] if there is no such topic, and as in all calls of [`EventLog`].
    pub fn topic_settings(&self, topic: &str) -> Result<BTreeMap<String, String>> {
        admin::topic_settings(&self.settings, topic)
    }

    /// What the brokers tell of topics beside their partitions, in the order of `topics`.
    ///
    /// # Errors
    /// [`LogError::Refused`] if one of them is gone, and as in all calls of [`EventLog`].
    pub fn topic_details(&self, topics: &[&str]) -> Result<Vec<TopicDetails>> {
        admin::topic_details(&self.settings, topics)
    }

    /// Grows `topic` like [`EventLog::grow_topic`], and puts each additional partition onto the nodes that `placement`
    /// names for it, the preferred leader first.
    ///
    /// # Errors
    /// [`LogError::Refused`] also for a placement that the brokers don't take.
    pub fn grow_topic_onto(&self, topic: &str, partitions: u32, placement: &[Vec<i32>]) -> Result<()> {
        admin::grow_topic(&self.settings, topic, partitions, placement)?;
        self.scanner.await_partitions(topic, partitions)?;
        self.count_partitions(topic).map(|_| ())
    }

    /// Deletes `topic` with all its records.
    ///
    /// # Errors
    /// [`LogError::Refused`] if there is no such topic or the brokers delete none, and as in all calls of [`EventLog`].
    pub fn delete_topic(&self, topic: &str) -> Result<()> {
        admin::delete_topic(&self.settings, topic)
    }

    /// Gives `topic` these settings by Kafka's names, such as `max.message.bytes`. All others go back to the brokers'
    /// defaults.
    ///
    /// # Errors
    /// [`LogError::Refused`] if there is no such topic or setting, and as in all calls of [`EventLog`].
    pub fn set_topic_settings(&self, topic: &str, settings: &[(&str, &str)]) -> Result<()> {
        admin::set_topic_settings(&self.settings, topic, settings)
    }

    /// How long the brokers let this client wait for their first answer.
    pub fn first_answer(&self) -> &Arc<FirstAnswer> {
        self.scanner.first_answer()
    }

    /// Checks that the brokers answer.
    ///
    /// # Errors
    /// As in all calls of [`EventLog`], and with the cause as far as it is known.
    pub fn reach(&self) -> Result<(), (LogError, Option<Cause>)> {
        let answer = self.scanner.topics();
        answer.map(|_| ()).map_err(|error| (error, self.scanner.cause()))
    }

    /// How many brokers there are, and how many of them keep a copy of what groups have committed.
    ///
    /// # Errors
    /// As in all calls of [`EventLog`].
    pub fn cluster(&self) -> Result<Cluster> {
        self.scanner.cluster()
    }

    /// Asks the brokers for the number of partitions of `topic`.
    fn count_partitions(&self, topic: &str) -> Result<u32> {
        self.count_partitions_within(topic, CALL_TIMEOUT)
    }

    fn count_partitions_within(&self, topic: &str, patience: Duration) -> Result<u32> {
        let count = self.scanner.partitions(topic, patience)?;
        lock(&self.counts).insert(topic.to_owned(), (Instant::now(), count));
        Ok(count)
    }

    /// The number of partitions of `topic`, if the brokers gave it at most [`COUNT_KEPT`] ago.
    fn recent_count(&self, topic: &str) -> Option<u32> {
        let (asked_at, count) = *lock(&self.counts).get(topic)?;
        (asked_at.elapsed() < COUNT_KEPT).then_some(count)
    }
}

impl EventLog for KafkaLog {
    fn create(&self, topic: &NewTopic) -> Result<bool> {
        // The topic is looked for first, so that an existing one needs no right to create topics.
        match self.scanner.partitions(&topic.name, CALL_TIMEOUT) {
            Ok(_) if topic.partitions != Some(0) => return Ok(false),
            Ok(_) | Err(LogError::Refused(_)) => {}
            Err(error) => return Err(error),
        }
        let created = admin::create_topic(&self.settings, topic)?;
        if created {
            let partitions = topic.partitions.unwrap_or(1);
            self.scanner.await_partitions(&topic.name, partitions)?;
        }
        Ok(created)
    }

    fn grow_topic(&self, topic: &str, partitions: u32) -> Result<()> {
        self.count_partitions(topic)?;
        self.grow_topic_onto(topic, partitions, &[])
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
        let ask = || self.count_partitions_within(topic, patience.min(CALL_TIMEOUT));
        let highest = records.iter().filter_map(|record| record.partition).max();
        let known = match self.recent_count(topic) {
            // The count is asked for anew if a record names a partition beyond it, which may be a new one.
            Some(count) if highest.is_none_or(|highest| highest.0 < count) => Ok(count),
            _ => ask(),
        };
        let count = match known {
            Ok(count) => count,
            Err(error) => return vec![Err(error); records.len()],
        };
        let mut producer = lock(&self.producer);
        if Instant::now() >= deadline {
            // Earlier appends held the producer for all of this call's time. None of its records was or will be sent.
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
        let mut observers = lock(&self.observers);
        if !observers.contains_key(group) {
            observers.insert(group.to_owned(), client::observer(&self.settings, group)?);
        }
        let committed = scan::committed(&observers[group], group, topic, count);
        if committed.is_err() {
            // The client is replaced, because librdkafka reports a missing right to each client only once.
            observers.remove(group);
        }
        committed
    }

    fn groups(&self) -> Result<Vec<String>> {
        self.scanner.groups()
    }

    fn list_groups(&self) -> Result<Vec<GroupListing>> {
        groups::list(&self.settings)
    }

    fn delete_group(&self, group: &str) -> Result<(), GroupError> {
        groups::delete(&self.settings, group)
    }

    fn delete_offsets(
        &self,
        group: &str,
        partitions: &BTreeSet<TopicPartition>,
    ) -> Result<BTreeMap<TopicPartition, Result<(), OffsetKept>>, GroupError> {
        groups::delete_offsets(&self.settings, group, partitions)
    }

    fn describe_group(&self, group: &str) -> Result<Option<GroupInfo>> {
        groups::describe(&self.settings, group)
    }

    fn members(&self, group: &str) -> Result<Vec<GroupMember>> {
        groups::members(&self.settings, group)
    }

    fn client_id(&self, subscription: &Subscription) -> String {
        self.settings.client_id(subscription)
    }

    fn reset_group(&self, group: &str, positions: &BTreeMap<TopicPartition, Offset>) -> Result<()> {
        groups::reset(&self.settings, group, positions)
    }

    fn subscribe(&self, subscription: &Subscription) -> Result<Box<dyn Consumer>> {
        for topic in &subscription.topics {
            self.count_partitions(topic)?;
            // A missing right for the group shows here. Later it would show to a member only once it has partitions.
            self.committed(&subscription.group, topic)?;
        }
        Ok(Box::new(Member::join(&self.settings, subscription)?))
    }
}
