//! A simulated Kafka with a clock that the tests move.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use keylane_log::{EventLog, NewRecord, Partition, Placed, Subscription, Timestamp, TopicPartition};
use lab::simulated_kafka::{Behaviour, Client, Clock, SimulatedKafka};

pub const TOPIC: &str = "orders";
pub const GROUP: &str = "delivery";

pub struct World {
    pub kafka: SimulatedKafka,
    millis: Arc<AtomicU64>,
}

impl World {
    pub fn new(seed: u64, behaviour: Behaviour) -> Self {
        let millis = Arc::new(AtomicU64::new(0));
        let clock = clock(&millis, 0);
        Self {
            kafka: SimulatedKafka::new(clock, fastrand::Rng::with_seed(seed), behaviour),
            millis,
        }
    }

    /// A Kafka without faults, with a topic.
    pub fn calm(partitions: u32) -> (Self, Client) {
        let world = Self::new(1, Behaviour::default());
        let log = world.client(0);
        assert_eq!(log.create_topic(TOPIC, partitions), Ok(true));
        (world, log)
    }

    /// Connects a process whose clock is ahead by `skew` milliseconds.
    pub fn client(&self, skew: u64) -> Client {
        self.kafka.client(clock(&self.millis, skew))
    }

    pub fn pass(&self, time: Duration) {
        self.millis.fetch_add(time.as_millis() as u64, Ordering::Relaxed);
    }
}

fn clock(millis: &Arc<AtomicU64>, skew: u64) -> Clock {
    let millis = millis.clone();
    Arc::new(move || Duration::from_millis(millis.load(Ordering::Relaxed) + skew))
}

pub fn subscription(member: &str) -> Subscription {
    Subscription {
        group: GROUP.into(),
        topics: vec![TOPIC.into()],
        member: member.into(),
        note: String::new(),
        session_timeout: Duration::from_secs(6),
        drain_timeout: Duration::from_secs(5),
    }
}

pub fn keyed(key: &str, value: impl Into<Bytes>) -> NewRecord {
    NewRecord {
        partition: None,
        timestamp: Timestamp(7),
        key: Some(Bytes::copy_from_slice(key.as_bytes())),
        value: Some(value.into()),
        headers: Vec::new(),
    }
}

pub fn placed_at(number: u32, value: impl Into<Bytes>) -> NewRecord {
    NewRecord {
        partition: Some(Partition(number)),
        key: None,
        ..keyed("", value)
    }
}

/// Appends `each` records to every partition.
pub fn fill(log: &dyn EventLog, partitions: u32, each: u32) {
    let records = (0..each).flat_map(|n| (0..partitions).map(move |number| placed_at(number, n.to_string())));
    append(log, records.collect());
}

pub fn append(log: &dyn EventLog, records: Vec<NewRecord>) -> Vec<Placed> {
    let results = log.append(TOPIC, records, Duration::ZERO);
    results
        .into_iter()
        .map(|result| result.expect("the log takes the record"))
        .collect()
}

pub fn partition(number: u32) -> TopicPartition {
    TopicPartition::new(TOPIC, Partition(number))
}
