//! The port: what a log can do, whoever keeps it.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use crate::record::{NewRecord, Offset, Partition, Placed, Record, TopicPartition};

/// The result of a call to a log.
pub type Result<T, E = LogError> = std::result::Result<T, E>;

/// Why a log did not do what it was asked, named by what the caller does next.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LogError {
    /// It can't be reached, or has not answered in time: try again. Whether the call took effect is unknown.
    #[error("{0}")]
    Unavailable(String),
    /// It will never do this (an unknown topic, a record too large, fewer partitions than there are): don't repeat it.
    #[error("{0}")]
    Refused(String),
    /// It is broken or forbidden (a corrupt file, a read-only folder, a wrong password): stop and tell a person.
    #[error("{0}")]
    Broken(String),
}

/// A log: topics, appends, scans, and consumer groups. Calls block; whoever is asynchronous calls from a thread.
pub trait EventLog: Send + Sync {
    /// Creates `topic` with `partitions` partitions; `false` when it exists already (and is left as it is).
    fn create_topic(&self, topic: &str, partitions: u32) -> Result<bool>;

    /// Grows `topic` to `partitions` partitions in all. Refused unless that is more than it has. The records that are
    /// there stay where they are, while later records of the same key may go to another partition.
    fn grow_topic(&self, topic: &str, partitions: u32) -> Result<()>;

    /// All topics by name, the log's internal ones left out.
    fn topics(&self) -> Result<Vec<TopicInfo>>;

    /// How many partitions `topic` has now. Cheap enough to ask before every batch; no older than five seconds.
    fn partitions(&self, topic: &str) -> Result<u32>;

    /// For each partition of `topic`, in order, the first offset kept and the end (the next offset to be written).
    fn extents(&self, topic: &str) -> Result<Vec<Extent>>;

    /// Appends `records` and waits at most `patience` until they are durable. One answer per record, in order.
    ///
    /// Records of one key keep their order. After an `Unavailable` the record may still appear in the log, but never
    /// behind a record of a later call.
    fn append(&self, topic: &str, records: Vec<NewRecord>, patience: Duration) -> Vec<Result<Placed>>;

    /// Up to `max` records of a partition from `from` on, without a group and without waiting for new ones. An empty
    /// answer means that nothing is there yet; `from` before the first record kept starts at that one.
    fn read(&self, partition: &TopicPartition, from: Offset, max: usize) -> Result<Vec<Record>>;

    /// Shows every record between these extents of `topic`'s first partitions to `see`, each partition in its order; how
    /// partitions take turns is not said. Answers with the next offset of each partition: its end, or less where nothing
    /// stands before the end (markers of transactions, what was removed meanwhile).
    fn scan(&self, topic: &str, extents: &[Extent], see: &mut dyn FnMut(&Record)) -> Result<Vec<Offset>> {
        scan_in_turn(self, topic, extents, see)
    }

    /// What `group` has committed for each partition of `topic`, in order; `None` where it never did.
    fn committed(&self, group: &str, topic: &str) -> Result<Vec<Option<Offset>>>;

    /// The names of all consumer groups, in order.
    fn groups(&self) -> Result<Vec<String>>;

    /// How `group` stands; `None` if nobody has joined it or committed for it.
    fn describe_group(&self, group: &str) -> Result<Option<GroupInfo>>;

    /// Sets the offsets from which `group` goes on, each with empty metadata: what was noted beside the old ones is
    /// forgotten. Refused while the group has members.
    fn reset_group(&self, group: &str, positions: &BTreeMap<TopicPartition, Offset>) -> Result<()>;

    /// Joins a consumer group. Partitions that the group never committed are read from their beginning, so that what
    /// was written to a new partition before the group found it is read as well.
    fn subscribe(&self, subscription: &Subscription) -> Result<Box<dyn Consumer>>;
}

/// Records that a scan reads at once.
const PAGE: usize = 500;

/// One partition after the other, page by page.
fn scan_in_turn<L: EventLog + ?Sized>(
    log: &L,
    topic: &str,
    extents: &[Extent],
    see: &mut dyn FnMut(&Record),
) -> Result<Vec<Offset>> {
    let mut ends = Vec::with_capacity(extents.len());
    for (number, extent) in (0..).zip(extents) {
        let partition = TopicPartition::new(topic, Partition(number));
        let mut next = extent.start;
        while next < extent.end {
            let page = log.read(&partition, next, PAGE)?;
            let Some(last) = page.last() else { break };
            next = last.offset.next();
            page.iter()
                .filter(|record| record.offset < extent.end)
                .for_each(&mut *see);
        }
        ends.push(next.min(extent.end));
    }
    Ok(ends)
}

/// A member of a consumer group. Polling is what keeps it alive; it must never wait for a handler.
pub trait Consumer: Send {
    /// Takes part in the group and returns the records that have come, at most after `timeout`. Rebalances are told to
    /// `rebalance` from within, before any record that follows from them.
    fn poll(&mut self, timeout: Duration, rebalance: &mut dyn Rebalance) -> Result<Vec<Record>>;

    /// Commits positions; returns the partitions whose commit was refused because they are no longer this member's.
    fn commit(&mut self, positions: &[Position]) -> Result<Vec<TopicPartition>>;

    /// Stops fetching from these partitions until they are resumed; a partition newly assigned is not paused.
    fn pause(&mut self, partitions: &[TopicPartition]) -> Result<()>;

    /// Fetches from these partitions again, from where the last record was handed out.
    fn resume(&mut self, partitions: &[TopicPartition]) -> Result<()>;

    /// Gives everything back, as in a revoke, and leaves the group at once.
    fn leave(&mut self, rebalance: &mut dyn Rebalance) -> Result<()>;
}

/// What a member does when partitions come and go. Called on the polling thread, inside [`Consumer::poll`].
pub trait Rebalance {
    /// These partitions are now this member's, to be read from the given positions. Never called with none.
    fn assigned(&mut self, assignments: &[Assignment]);

    /// These partitions are to be given back: nothing more of them may be started. Waits up to `patience` until what was
    /// started is done; then answers with the positions to commit as they are released, or `None` if there is more to
    /// wait for, in which case it is asked again until the log's own deadline for a drain has passed.
    fn revoke(&mut self, partitions: &[TopicPartition], patience: Duration) -> Option<Vec<Position>>;

    /// These partitions were taken away (expired, fenced, drain too slow): another member may own them already, and
    /// nothing of them can be committed any more. Also the end of a revoke whose drain took too long.
    fn lost(&mut self, partitions: &[TopicPartition]);
}

/// How to join a group.
#[derive(Debug, Clone)]
pub struct Subscription {
    /// The group's name.
    pub group: String,
    /// The topics to read.
    pub topics: Vec<String>,
    /// A name for the member, shown by the tools (`delivery-1`); it need not be unique.
    pub member: String,
    /// After how long of silence the group may take a member for dead.
    pub session_timeout: Duration,
    /// How long a revoke may wait for work in flight.
    pub drain_timeout: Duration,
}

/// A partition granted to a member.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assignment {
    /// What was granted.
    pub partition: TopicPartition,
    /// The next record to be read.
    pub position: Offset,
    /// What the last commit of this partition carried beside its offset; empty if there was none.
    pub metadata: String,
}

/// A position to commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Position {
    /// Whose position.
    pub partition: TopicPartition,
    /// The *next* record to be read by whoever continues.
    pub offset: Offset,
    /// Up to 4096 characters of ASCII that go with it, given back in [`Assignment::metadata`].
    pub metadata: String,
}

/// A topic and its partitions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopicInfo {
    /// The topic's name.
    pub name: String,
    /// Its partitions in order.
    pub partitions: Vec<PartitionInfo>,
}

/// Who keeps a partition; on the embedded log always node 0.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartitionInfo {
    /// The partition's number.
    pub partition: Partition,
    /// The node that leads it, or none at the moment.
    pub leader: Option<i32>,
    /// The nodes that hold a copy.
    pub replicas: Vec<i32>,
    /// Those of them that are in sync.
    pub isr: Vec<i32>,
}

/// What a partition holds: `start <= offset < end`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Extent {
    /// The first offset kept (retention moves it).
    pub start: Offset,
    /// The next offset to be written.
    pub end: Offset,
}

/// A consumer group as it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupInfo {
    /// What it is doing.
    pub state: GroupState,
    /// The name of the rule that shares out the partitions (`range`, `cooperative-sticky`), while there is one.
    pub assignor: Option<String>,
    /// The broker that looks after the group; none on the embedded log, where the members do so themselves.
    pub coordinator: Option<Coordinator>,
    /// Who is in it, idle members included.
    pub members: Vec<GroupMember>,
    /// The next record to be read of each partition for which the group has committed.
    pub commits: BTreeMap<TopicPartition, Offset>,
}

/// A member of a group as others see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupMember {
    /// Its unique name.
    pub id: String,
    /// The name that it gave itself; several may have the same.
    pub client: String,
    /// Where it runs, as the log sees it (`/127.0.0.1`).
    pub host: String,
    /// What it reads, in order; empty for an idle one.
    pub partitions: Vec<TopicPartition>,
}

/// A broker that looks after a group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Coordinator {
    /// Its number.
    pub node: i32,
    /// Its address (`host:port`).
    pub address: String,
}

/// What a group is doing, in Kafka's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GroupState {
    /// Nobody is in it.
    Empty,
    /// Every member has its share.
    Stable,
    /// Members are asked to give their partitions back.
    PreparingRebalance,
    /// The partitions are being shared out.
    CompletingRebalance,
    /// The log used a word that this adapter does not know.
    Unknown,
}

impl fmt::Display for GroupState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Empty => "Empty",
            Self::Stable => "Stable",
            Self::PreparingRebalance => "PreparingRebalance",
            Self::CompletingRebalance => "CompletingRebalance",
            Self::Unknown => "Unknown",
        })
    }
}
