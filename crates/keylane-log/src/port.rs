//! The port: what a log can do, whichever adapter keeps it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::group::{GroupKind, GroupListing, GroupState, OffsetKept};
use crate::record::{NewRecord, Offset, Partition, Placed, Record, TopicPartition};
use crate::topic::{NewTopic, TopicInfo};

/// The result of a call to a log.
pub type Result<T, E = LogError> = std::result::Result<T, E>;

/// Why a log has not done what a call asked for. The variants are named by what the caller does next.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LogError {
    /// The log can't be reached or has not answered in time. The caller may try again; whether the call took effect is
    /// unknown.
    #[error("{0}")]
    Unavailable(String),
    /// The log will never do this, for example append to an unknown topic or a record that is too large. The caller
    /// must not repeat the call.
    #[error("{0}")]
    Refused(String),
    /// The log is broken or access to it is forbidden, for example by a corrupt file or a wrong password. The caller
    /// stops and tells a person.
    #[error("{0}")]
    Broken(String),
}

/// Why a group was not changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GroupError {
    /// There is no such group.
    NotFound,
    /// The group has members.
    NotEmpty,
    /// Another reason.
    Log(LogError),
}

impl From<LogError> for GroupError {
    fn from(error: LogError) -> Self {
        Self::Log(error)
    }
}

/// A log: topics, appends, scans, and consumer groups. Calls block, so asynchronous code makes them on a thread of its
/// own.
///
/// Every call may fail with [`LogError::Unavailable`] and [`LogError::Broken`].
pub trait EventLog: Send + Sync {
    /// Creates a topic. Returns `false` if it exists already; it is left as it is.
    ///
    /// # Errors
    /// [`LogError::Refused`] for anything about the topic that the log does not take, in the words of Kafka's brokers.
    fn create(&self, topic: &NewTopic) -> Result<bool>;

    /// Creates `topic` with `partitions` partitions, and is otherwise like [`EventLog::create`].
    ///
    /// # Errors
    /// [`LogError::Refused`] for a name or a number of partitions that the log does not take.
    fn create_topic(&self, topic: &str, partitions: u32) -> Result<bool> {
        self.create(&NewTopic::new(topic, partitions))
            .map_err(|error| match error {
                LogError::Refused(why) => LogError::Refused(format!("topic {topic} can't be created: {why}")),
                other => other,
            })
    }

    /// Grows `topic` to `partitions` partitions in all. Its records stay where they are, while later records of the
    /// same key may go to another partition.
    ///
    /// # Errors
    /// [`LogError::Refused`] unless the topic exists and has fewer partitions, in the words of Kafka's brokers.
    fn grow_topic(&self, topic: &str, partitions: u32) -> Result<()>;

    /// Lists all topics in the order of their names, with the log's internal ones.
    ///
    /// # Errors
    /// See [`EventLog`].
    fn topics(&self) -> Result<Vec<TopicInfo>>;

    /// How many partitions `topic` has, as of at most five seconds ago. It is cheap enough to be asked before every
    /// append.
    ///
    /// # Errors
    /// [`LogError::Refused`] if there is no such topic.
    fn partitions(&self, topic: &str) -> Result<u32>;

    /// What each partition of `topic` holds, in order.
    ///
    /// # Errors
    /// [`LogError::Refused`] if there is no such topic.
    fn extents(&self, topic: &str) -> Result<Vec<Extent>>;

    /// Appends `records`, and waits at most `patience` until they are durable. Returns one result for each record, in
    /// order.
    ///
    /// Records of one key keep their order. After [`LogError::Unavailable`] the record may still appear in the log, but
    /// never behind a record of a later call. A record that the log will never take is [`LogError::Refused`] alone.
    fn append(&self, topic: &str, records: Vec<NewRecord>, patience: Duration) -> Vec<Result<Placed>>;

    /// Reads up to `max` records of a partition from `from` on, without a group and without waiting for new ones. None
    /// means that there is no record yet. If the records at `from` are no longer kept, the first kept ones are read.
    ///
    /// # Errors
    /// [`LogError::Refused`] if there is no such partition.
    fn read(&self, partition: &TopicPartition, from: Offset, max: usize) -> Result<Vec<Record>>;

    /// Passes to `see` every record within `extents`, which are those of the first partitions of `topic`. Records of a
    /// partition come in order; how partitions take turns is not defined. Returns for each partition the offset at
    /// which the scan ended: the end of its extent, or less if no record stands before that end (but a transaction
    /// marker, or records that were removed meanwhile).
    ///
    /// # Errors
    /// [`LogError::Refused`] if there is no such topic.
    fn scan(&self, topic: &str, extents: &[Extent], see: &mut dyn FnMut(&Record)) -> Result<Vec<Offset>> {
        scan_in_turn(self, topic, extents, see)
    }

    /// The offset that `group` has committed for each partition of `topic`, in order; `None` where it has committed
    /// none.
    ///
    /// # Errors
    /// [`LogError::Refused`] if there is no such topic.
    fn committed(&self, group: &str, topic: &str) -> Result<Vec<Option<Offset>>>;

    /// The names of all consumer groups, in order.
    ///
    /// # Errors
    /// See [`EventLog`].
    fn groups(&self) -> Result<Vec<String>>;

    /// All consumer groups with their kinds and states, in the order of their names.
    ///
    /// # Errors
    /// See [`EventLog`].
    fn list_groups(&self) -> Result<Vec<GroupListing>>;

    /// Removes `group` with all that it has committed.
    ///
    /// # Errors
    /// [`GroupError::NotEmpty`] while the group has members.
    fn delete_group(&self, group: &str) -> Result<(), GroupError>;

    /// Removes what `group` has committed for these partitions. Returns for each whether that was done, also if nothing
    /// had been committed.
    ///
    /// # Errors
    /// [`GroupError::NotFound`] if there is no such group.
    fn delete_offsets(
        &self,
        group: &str,
        partitions: &BTreeSet<TopicPartition>,
    ) -> Result<BTreeMap<TopicPartition, Result<(), OffsetKept>>, GroupError>;

    /// Describes `group`; `None` if no member has ever joined it or committed for it.
    ///
    /// # Errors
    /// See [`EventLog`].
    fn describe_group(&self, group: &str) -> Result<Option<GroupInfo>>;

    /// The members of `group`, including those without partitions. It asks for less than [`Self::describe_group`].
    ///
    /// # Errors
    /// See [`EventLog`].
    fn members(&self, group: &str) -> Result<Vec<GroupMember>> {
        Ok(self.describe_group(group)?.map_or_else(Vec::new, |info| info.members))
    }

    /// What others will see as [`GroupMember::client`] of a member that subscribes like this. A log that can't show
    /// every character shows others in their place.
    fn client_id(&self, subscription: &Subscription) -> String {
        subscription.client_id()
    }

    /// Sets the offsets from which `group` reads on. The metadata of the earlier commits is removed.
    ///
    /// # Errors
    /// [`LogError::Refused`] while the group has members, or if a partition does not exist.
    fn reset_group(&self, group: &str, positions: &BTreeMap<TopicPartition, Offset>) -> Result<()>;

    /// Joins a consumer group. Partitions that the group has never committed are read from their beginning, so that
    /// records that were written to a new partition before the group found it are read as well.
    ///
    /// # Errors
    /// [`LogError::Refused`] if there is no such topic.
    fn subscribe(&self, subscription: &Subscription) -> Result<Box<dyn Consumer>>;
}

/// How many records [`EventLog::scan`] reads at once.
const SCAN_BATCH: usize = 500;

/// Scans one partition after the other.
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
            let batch = log.read(&partition, next, SCAN_BATCH)?;
            let Some(last) = batch.last() else { break };
            next = last.offset.next();
            batch
                .iter()
                .filter(|record| record.offset < extent.end)
                .for_each(&mut *see);
        }
        ends.push(next.min(extent.end));
    }
    Ok(ends)
}

/// A member of a consumer group. Regular polls keep it in the group, so the polling thread must never wait for a
/// handler.
///
/// Every call may fail with [`LogError::Unavailable`] and [`LogError::Broken`].
pub trait Consumer: Send {
    /// Takes part in the group, and returns records as soon as some have come, or none after `timeout`. Rebalances are
    /// passed to `rebalance` during the call, before any record of newly assigned partitions is returned.
    ///
    /// # Errors
    /// [`LogError::Refused`] if the member has left its group.
    fn poll(&mut self, timeout: Duration, rebalance: &mut dyn Rebalance) -> Result<Vec<Record>>;

    /// Commits positions. Returns the partitions whose commit was refused because they are no longer this member's.
    ///
    /// # Errors
    /// [`LogError::Refused`] for metadata that is not up to 4096 characters of ASCII. Nothing is committed then.
    fn commit(&mut self, positions: &[Position]) -> Result<Vec<TopicPartition>>;

    /// Stops fetching from these partitions until they are resumed. A newly assigned partition is not paused.
    ///
    /// # Errors
    /// See [`Consumer`].
    fn pause(&mut self, partitions: &[TopicPartition]) -> Result<()>;

    /// Fetches from these partitions again, behind the last record that was returned.
    ///
    /// # Errors
    /// See [`Consumer`].
    fn resume(&mut self, partitions: &[TopicPartition]) -> Result<()>;

    /// Gives all partitions back, as in a revoke, and leaves the group at once.
    ///
    /// # Errors
    /// [`LogError::Unavailable`] also from a log that never waits, while records are in flight; the caller leaves again.
    /// [`LogError::Refused`] if the member has left its group already.
    fn leave(&mut self, rebalance: &mut dyn Rebalance) -> Result<()>;
}

/// What a member does when partitions come and go. The log calls it on the polling thread, inside [`Consumer::poll`]
/// and [`Consumer::leave`].
pub trait Rebalance {
    /// Notes that these partitions are now this member's, and are read from the given positions. There is at least one.
    fn assigned(&mut self, assignments: &[Assignment]);

    /// Prepares to give these partitions back: starts no more of their records, and waits up to `patience` for those
    /// that were started. Returns the positions to commit as the partitions are released, or `None` if more time is
    /// needed. Then the log calls again, until [`Subscription::drain_timeout`] has passed.
    fn revoke(&mut self, partitions: &[TopicPartition], patience: Duration) -> Option<Vec<Position>>;

    /// Notes that these partitions were taken away, because the member was silent for too long, was fenced, or took too
    /// long to give them back. Another member may own them already, and no position of theirs can be committed any
    /// more.
    fn lost(&mut self, partitions: &[TopicPartition]);
}

/// Which group to join, and how.
#[derive(Debug, Clone)]
pub struct Subscription {
    /// The group's name.
    pub group: String,
    /// The topics to read.
    pub topics: Vec<String>,
    /// A name for the member, such as `delivery-1`, which tools show. It need not be unique.
    pub member: String,
    /// What the member tells of itself behind its name ([`Self::client_id`]), such as `guard=off`; empty for nothing.
    pub note: String,
    /// After how long a silence the group may take the member for dead.
    pub session_timeout: Duration,
    /// How long a revoke may wait for records in flight.
    pub drain_timeout: Duration,
}

impl Subscription {
    /// What the member calls itself before others: its name and, behind a comma, its note.
    pub fn client_id(&self) -> String {
        match self.note.is_empty() {
            true => self.member.clone(),
            false => format!("{},{}", self.member, self.note),
        }
    }
}

/// A partition that was assigned to a member.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assignment {
    /// The partition.
    pub partition: TopicPartition,
    /// The next record to be read.
    pub position: Offset,
    /// The metadata of the partition's last commit; empty if there was none.
    pub metadata: String,
}

/// A position to commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Position {
    /// The partition.
    pub partition: TopicPartition,
    /// The offset of the *next* record to be read by the partition's next owner.
    pub offset: Offset,
    /// Up to 4096 characters of ASCII that are kept with the offset and returned in [`Assignment::metadata`].
    pub metadata: String,
}

/// The offsets that a partition holds: `start <= offset < end`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Extent {
    /// The first offset that is kept. It moves on as old records are removed.
    pub start: Offset,
    /// The next offset to be written.
    pub end: Offset,
}

/// The state of a consumer group at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupInfo {
    /// What the group is doing.
    pub state: GroupState,
    /// How the group shares out its partitions.
    pub kind: GroupKind,
    /// The name of the rule that shares out the partitions, such as `range`; `None` while there is none.
    pub assignor: Option<String>,
    /// The broker that coordinates the group; `None` on the embedded log, whose members do so themselves.
    pub coordinator: Option<Coordinator>,
    /// A number that rises whenever members or their partitions change; `None` on Kafka, whose admin calls don't tell it.
    pub generation: Option<i64>,
    /// The group's members, including those without partitions.
    pub members: Vec<GroupMember>,
    /// The committed offset of each partition for which the group has committed one.
    pub commits: BTreeMap<TopicPartition, Offset>,
    /// The leader epoch of the record before each committed offset, where the group has committed it as well.
    pub leader_epochs: BTreeMap<TopicPartition, i32>,
}

/// A member of a group as others see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupMember {
    /// The member's unique name.
    pub id: String,
    /// What the member calls itself ([`EventLog::client_id`]). Several members may have the same.
    pub client: String,
    /// The member's static name (`group.instance.id`); `None` if it has none.
    pub instance: Option<String>,
    /// The host that the member runs on, as the log sees it, such as `/127.0.0.1`.
    pub host: String,
    /// The partitions that the member owns, in order.
    pub partitions: Vec<TopicPartition>,
    /// The partitions that the member is to own, in order; `None` if nobody but the members knows that.
    pub target: Option<Vec<TopicPartition>>,
}

/// A broker that coordinates a group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Coordinator {
    /// The broker's number.
    pub node: i32,
    /// The broker's address (`host:port`).
    pub address: String,
}
