//! What a simulated Kafka does beyond what it must, and how often.

use std::time::Duration;

/// How a simulated Kafka behaves. The default is a Kafka without any trouble, used as the real adapter uses it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Behaviour {
    /// How the members of every group change over to another distribution of the partitions.
    pub protocol: Protocol,
    /// For how long a client goes on with a partition count that it has asked for. The adapter asks again after two
    /// seconds; a producer that keeps librdkafka's default goes on for five minutes, and puts records of one key into
    /// two partitions meanwhile (stale metadata).
    pub count_kept: Duration,
    /// After how long at the latest a group learns that a topic has grown. With librdkafka's default of five minutes a
    /// new partition was not seen within ten seconds; the adapter has it look every two.
    pub discovery: Duration,
    /// Where a partition is read from that the group has never committed. The adapter insists on `earliest`.
    pub reset: Reset,
    /// The most bytes of a record's key, value and headers that topics take (`max.message.bytes`).
    pub largest_record: usize,
    /// The most records that one poll returns. The adapter returns 500.
    pub poll_records: usize,
    /// How a client sends.
    pub producer: Producer,
    /// What goes wrong, and how often.
    pub faults: Faults,
}

/// How a group changes over to another distribution.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// Members give back only what moves (`cooperative-sticky`, the adapter's choice).
    Cooperative,
    /// Every member gives everything back, and only then is anything assigned (Java's `range`, librdkafka's default).
    Eager,
}

/// What `auto.offset.reset` says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reset {
    /// From the first record that is kept.
    Earliest,
    /// From the end, as librdkafka and Java do by default: records that were written to a new partition before the
    /// group found it are never read (new partition read from its end).
    Latest,
}

/// How a client sends records.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Producer {
    /// As the adapter does: idempotent, and given up at the first failure, so that nothing stands behind a record that
    /// failed before it.
    Idempotent,
    /// As librdkafka does by default. Of a call with several records, each of them, with these probabilities, …
    Default {
        /// … is overtaken by the record of its partition behind it: its first attempt failed while others were in
        /// flight (reordering by retries), or the local queue was full, and rust-rdkafka's `send` slept and tried again
        /// (overtaking at a full queue).
        overtaken: f64,
        /// … is given up by its message timeout, while those behind it are delivered (hole after a timeout).
        given_up: f64,
    },
}

/// What goes wrong, each as a probability from 0 to 1.
///
/// None of it breaks what the port promises; see the [module](super).
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Faults {
    /// A call about topics, records or groups is not answered, and was not carried out.
    pub calls_unanswered: f64,
    /// A poll says that the brokers are away. Nobody hears from the member by that poll.
    pub polls_unanswered: f64,
    /// A poll returns fewer records than there are, or none.
    pub polls_short: f64,
    /// The offsets of partitions that were just assigned can't be read. The next poll tries again, while the group
    /// takes them for this member's already.
    pub assignments_unanswered: f64,
    /// A commit is not answered in time. It was not carried out, or it was, or it is carried out later: librdkafka's
    /// commit knows no deadline and waits for the coordinator, so the adapter waits for it on a thread of its own.
    pub commits_unanswered: f64,
    /// A commit names a generation that is gone (`ILLEGAL_GENERATION`). librdkafka takes that to mean that the whole
    /// assignment is lost: the commit is refused, and the next poll tells of the loss.
    pub commits_refused: f64,
    /// After a poll the group gives the member up, because its heartbeats came too late or it was fenced. It goes on
    /// with what it holds until its next call, while others get its partitions.
    pub sessions_lost: f64,
    /// A poll makes the group distribute its partitions again although nothing has changed. In the cooperative protocol
    /// one partition is taken away from its owner, and returned to it or given to another (returned partition).
    pub rebalances: f64,
    /// A partition goes back by some records when it is paused, or kept in a rebalance. In every rebalance librdkafka
    /// pauses the partitions that are kept and then goes on behind the last record it has handed out, and a record that
    /// leaves its queue at that moment doesn't count yet. The adapter drops a repeat of the very last record. Here
    /// one record may be repeated too, which is more than a member of the real group meets.
    pub repeats: f64,
    /// An append is not answered. In each partition some of its first records were acknowledged before, some more stand
    /// in the log, and of the rest none ever will, or all do before this client's next append.
    pub appends_unanswered: f64,
    /// A record is followed by an offset without a record, as transactions and compaction leave them.
    pub offsets_left_out: f64,
}

impl Faults {
    /// Everything at once, each at a rate at which a group still gets on with its work.
    pub const MANY: Self = Self {
        calls_unanswered: 0.02,
        polls_unanswered: 0.03,
        polls_short: 0.2,
        assignments_unanswered: 0.1,
        commits_unanswered: 0.1,
        commits_refused: 0.02,
        sessions_lost: 0.01,
        rebalances: 0.03,
        repeats: 0.5,
        appends_unanswered: 0.1,
        offsets_left_out: 0.05,
    };
}

impl Default for Behaviour {
    fn default() -> Self {
        Self {
            protocol: Protocol::Cooperative,
            count_kept: Duration::from_secs(2),
            discovery: Duration::from_secs(2),
            reset: Reset::Earliest,
            largest_record: 1_000_000,
            poll_records: 500,
            producer: Producer::Idempotent,
            faults: Faults::default(),
        }
    }
}
