//! The log on which a simulated mall stands: the embedded one, or the simulated Kafka.
//!
//! ```text
//!   LogKind ─▶ Log ─┬─ outside()   as nobody's process: what is judged, and what a person does
//!                   ├─ process()   as one process has it open
//!                   └─ withdraw, give_up, repeat, answer_late: what only brokers do
//! ```
//!
//! # Invariants
//! * The brokers' time is the mall's; a client's is that of its process.
//! * What only brokers do changes nothing on the embedded log, and says so.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use fastrand::Rng;
use keylane_log::embedded::{Clocks, InMemoryLog};
use keylane_log::{EventLog, Offset, Partition, Record, Result, Timestamp, TopicPartition};

use super::process::{monotonic_clock, wall_clock};
use super::roles::{GROUP, TOPIC};
use super::spare;
use crate::scenario::{Assignor, Role, Setup};
use crate::simulated_kafka::{Behaviour, Clock, Faults, Producer, Protocol, SimulatedKafka};

/// More records than a partition of a simulated mall ever has.
pub const MOST_RECORDS: usize = 100_000;

/// The time of day at the beginning.
pub const MORNING: Timestamp = Timestamp(1_700_000_000_000);

/// Which log a simulated mall stands on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogKind {
    /// The embedded log, in memory.
    Embedded,
    /// The simulated Kafka.
    Kafka(Brokers),
}

/// How the brokers and their clients are set up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Brokers {
    /// How long a client goes on with a number of partitions, and the group with those that it knows.
    pub metadata_age: Duration,
    /// The most records that a poll returns.
    pub poll_records: usize,
    /// Whether clients send as librdkafka does by default, and not as Keylane does.
    pub careless_producer: bool,
}

/// The log of a mall.
pub struct Log {
    stand: Stand,
    outside: Arc<dyn EventLog>,
}

enum Stand {
    Embedded(Arc<InMemoryLog>),
    Kafka(Kafka),
}

struct Kafka {
    kafka: SimulatedKafka,
    /// Milliseconds since the beginning.
    now: Arc<AtomicU64>,
    behaviour: Behaviour,
}

/// The log as one process has it open.
pub struct Opened {
    /// The log.
    pub log: Arc<dyn EventLog>,
    embedded: Option<Arc<InMemoryLog>>,
}

impl Default for Brokers {
    fn default() -> Self {
        Self {
            metadata_age: Duration::from_secs(2),
            poll_records: 500,
            careless_producer: false,
        }
    }
}

impl LogKind {
    /// The same log, set up as Keylane uses it.
    #[must_use]
    pub fn simpler(self) -> Self {
        match self {
            Self::Embedded => Self::Embedded,
            Self::Kafka(_) => Self::Kafka(Brokers::default()),
        }
    }

    /// The word for it on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Embedded => "embedded",
            Self::Kafka(_) => "kafka",
        }
    }
}

impl fmt::Display for LogKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl Log {
    /// A log with the topic of a mall that is set up so. What the log draws comes from `random`.
    pub fn new(kind: LogKind, setup: &Setup, random: Rng) -> Self {
        let log = match kind {
            LogKind::Embedded => {
                let log = Arc::new(spare::log(outside));
                Self {
                    stand: Stand::Embedded(log.clone()),
                    outside: log,
                }
            }
            LogKind::Kafka(brokers) => Self::on_kafka(behaviour(brokers, setup.assignor), random),
        };
        let created = log.outside.create_topic(TOPIC, setup.partitions);
        created.expect("a new topic");
        log
    }

    fn on_kafka(behaviour: Behaviour, random: Rng) -> Self {
        let now = Arc::new(AtomicU64::new(0));
        let time = now.clone();
        let clock: Clock = Arc::new(move || Duration::from_millis(time.load(Ordering::Relaxed)));
        let kafka = SimulatedKafka::new(clock.clone(), random, behaviour);
        let outside = Arc::new(kafka.client(clock));
        Self {
            stand: Stand::Kafka(Kafka { kafka, now, behaviour }),
            outside,
        }
    }

    /// Keeps what the next mall can use again. No process has it open any more.
    pub fn keep(self) {
        drop(self.outside);
        if let Stand::Embedded(log) = self.stand {
            spare::keep_log(Arc::into_inner(log).expect("no process has it open"));
        }
    }

    /// The log as nobody's process.
    pub fn outside(&self) -> &dyn EventLog {
        &*self.outside
    }

    /// Opens the log for a process.
    pub fn process(&self) -> Opened {
        match &self.stand {
            Stand::Embedded(log) => {
                let log = Arc::new(log.process(inside()));
                Opened {
                    log: log.clone(),
                    embedded: Some(log),
                }
            }
            Stand::Kafka(Kafka { kafka, .. }) => Opened {
                log: Arc::new(kafka.client(Arc::new(monotonic_clock))),
                embedded: None,
            },
        }
    }

    /// Whether it is the simulated Kafka.
    pub fn is_kafka(&self) -> bool {
        matches!(self.stand, Stand::Kafka(_))
    }

    /// For how long a client goes on with the number of partitions that a topic had.
    pub fn count_kept(&self) -> Duration {
        match &self.stand {
            Stand::Embedded(_) => Duration::ZERO,
            Stand::Kafka(Kafka { behaviour, .. }) => behaviour.count_kept,
        }
    }

    /// Notes how much time has passed in the mall.
    pub fn note_time(&self, now: Duration) {
        if let Stand::Kafka(kafka) = &self.stand {
            kafka.now.store(now.as_millis() as u64, Ordering::Relaxed);
        }
    }

    /// The records of a partition from `from` on. Nothing arrives meanwhile that is on its way.
    pub fn look(&self, partition: Partition, from: Offset) -> Vec<Record> {
        let partition = TopicPartition::new(TOPIC, partition);
        match &self.stand {
            Stand::Embedded(log) => log.read(&partition, from, MOST_RECORDS).unwrap_or_default(),
            Stand::Kafka(Kafka { kafka, .. }) => kafka.look(&partition, from),
        }
    }

    /// Removes the records of a partition before `offset`, whether or not somebody has read them.
    ///
    /// # Errors
    /// There is no such partition, or not so much in it.
    pub fn delete_before(&self, partition: &TopicPartition, offset: Offset) -> Result<()> {
        match &self.stand {
            Stand::Embedded(log) => log.delete_before(partition, offset),
            Stand::Kafka(Kafka { kafka, .. }) => kafka.remove_before(partition, offset),
        }
    }

    /// Takes a partition away from its holder, for nobody in particular. Returns whether somebody holds it.
    pub fn withdraw(&self, partition: &TopicPartition) -> bool {
        self.kafka().is_some_and(|kafka| kafka.withdraw(GROUP, partition))
    }

    /// Removes the records of a partition from `end` on, as an unclean election does. It takes no others until the group has
    /// assigned it anew. Returns whether there are brokers, and such a partition.
    pub fn elect_uncleanly(&self, partition: &TopicPartition, end: Offset) -> bool {
        self.kafka()
            .is_some_and(|kafka| kafka.elect_uncleanly(GROUP, partition, end).is_ok())
    }

    /// Has the group give a process up, which isn't told before its next poll. Returns whether it was in the group.
    pub fn give_up(&self, role: Role) -> bool {
        let client = role.to_string();
        self.kafka().is_some_and(|kafka| kafka.give_up(GROUP, &client))
    }

    /// Has a process get so many records of each of its partitions again. Returns whether it is in the group.
    pub fn repeat(&self, role: Role, records: u64) -> bool {
        let client = role.to_string();
        self.kafka().is_some_and(|kafka| kafka.repeat(GROUP, &client, records))
    }

    /// From now on brokers don't answer in time what they are asked for: it is done, in part, later or never. Or they
    /// answer again. Returns whether there are brokers.
    pub fn answer_late(&mut self, late: bool) -> bool {
        let unanswered = if late { 1.0 } else { 0.0 };
        self.behave(|behaviour| {
            behaviour.faults = Faults {
                assignments_unanswered: unanswered,
                commits_unanswered: unanswered,
                appends_unanswered: unanswered,
                ..Faults::default()
            }
        })
    }

    /// From now on records with more bytes are refused; none means the usual limit.
    pub fn limit(&mut self, bytes: Option<u32>) {
        let bytes = bytes.map(|bytes| bytes as usize);
        if let Stand::Embedded(log) = &self.stand {
            log.limit(bytes);
        }
        let usual = Behaviour::default().largest_record;
        self.behave(|behaviour| behaviour.largest_record = bytes.unwrap_or(usual));
    }

    fn behave(&mut self, change: impl FnOnce(&mut Behaviour)) -> bool {
        let Stand::Kafka(Kafka { kafka, behaviour, .. }) = &mut self.stand else {
            return false;
        };
        change(behaviour);
        kafka.behave(*behaviour);
        true
    }

    fn kafka(&self) -> Option<&SimulatedKafka> {
        match &self.stand {
            Stand::Embedded(_) => None,
            Stand::Kafka(Kafka { kafka, .. }) => Some(kafka),
        }
    }
}

impl Opened {
    /// Shows that the process has ended in good order.
    pub fn end(&self) {
        if let Some(log) = &self.embedded {
            log.end();
        }
    }
}

fn behaviour(brokers: Brokers, assignor: Assignor) -> Behaviour {
    Behaviour {
        protocol: match assignor {
            Assignor::Range | Assignor::RoundRobin => Protocol::Eager,
            Assignor::CooperativeSticky | Assignor::Broker => Protocol::Cooperative,
        },
        count_kept: brokers.metadata_age,
        discovery: brokers.metadata_age,
        poll_records: brokers.poll_records,
        producer: match brokers.careless_producer {
            true => Producer::Default {
                overtaken: 0.2,
                given_up: 0.1,
            },
            false => Producer::Idempotent,
        },
        ..Behaviour::default()
    }
}

/// The clocks of a process.
fn inside() -> Clocks {
    Clocks {
        wall: Arc::new(wall_clock),
        monotonic: Arc::new(monotonic_clock),
    }
}

/// The clocks of somebody who looks on, and writes nothing that has a time.
fn outside() -> Clocks {
    Clocks {
        wall: Arc::new(|| MORNING),
        monotonic: Arc::new(|| Duration::ZERO),
    }
}
