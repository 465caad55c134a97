//! One process' access to the simulated Kafka.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use keylane_log::{
    Consumer, EventLog, Extent, GroupError, GroupInfo, GroupKind, GroupListing, GroupMember, GroupState, LogError,
    NewRecord, NewTopic, Offset, OffsetKept, Partition, PartitionInfo, Placed, Record, Result, Subscription, TopicInfo,
    TopicPartition,
};

use super::behaviour::Protocol;
use super::broker::{Broker, Clock, Shared};
use super::group::{Group, MemberId, Membership};
use super::member::Member;
use super::producer;

/// The only node, which keeps and coordinates everything.
const NODE: i32 = 1;

/// One process' access to a simulated Kafka: an [`EventLog`] that answers at once. Dropping it is the end of its process,
/// and members that have not left their groups have crashed with it.
pub struct Client {
    broker: Shared,
    clock: Clock,
    number: u64,
    /// By topic, its last partition count and when it was asked for, on this client's clock.
    counts: Mutex<BTreeMap<String, (Duration, u32)>>,
}

impl Client {
    pub(super) fn new(broker: Shared, clock: Clock) -> Self {
        let number = broker.lock().new_client();
        Self {
            broker,
            clock,
            number,
            counts: Mutex::default(),
        }
    }

    /// Reaches the brokers, or not.
    fn reach(&self) -> Result<MutexGuard<'_, Broker>> {
        let mut broker = self.broker.enter();
        let faults = broker.behaviour.faults;
        broker.may_fail(faults.calls_unanswered, "the call has failed")?;
        Ok(broker)
    }

    fn count(&self, broker: &Broker, topic: &str, needed: Option<Partition>) -> Result<u32> {
        let now = (self.clock)();
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((asked, count)) = counts.get(topic)
            && now < *asked + broker.behaviour.count_kept
            && needed.is_none_or(|needed| needed.0 < *count)
        {
            return Ok(*count);
        }
        let count = broker.topics.partitions(topic)?;
        counts.insert(topic.to_owned(), (now, count));
        Ok(count)
    }
}

/// What is still on its way arrives now or never.
impl Drop for Client {
    fn drop(&mut self) {
        self.broker.lock().settle_appends(self.number);
    }
}

impl EventLog for Client {
    /// Only the number of partitions is looked at.
    fn create(&self, topic: &NewTopic) -> Result<bool> {
        let partitions = topic.partitions.unwrap_or(1);
        if partitions == 0 {
            return Err(LogError::Refused("Number of partitions must be larger than 0.".into()));
        }
        Ok(self.reach()?.topics.create(&topic.name, partitions))
    }

    fn grow_topic(&self, topic: &str, partitions: u32) -> Result<()> {
        self.reach()?.topics.grow(topic, partitions)?;
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        counts.insert(topic.to_owned(), ((self.clock)(), partitions));
        Ok(())
    }

    fn topics(&self) -> Result<Vec<TopicInfo>> {
        let broker = self.reach()?;
        let info = |(topic, count): (&std::sync::Arc<str>, u32)| TopicInfo {
            name: topic.to_string(),
            internal: topic.starts_with("__"),
            partitions: (0..count).map(partition_info).collect(),
        };
        Ok(broker.topics.list().map(info).collect())
    }

    fn partitions(&self, topic: &str) -> Result<u32> {
        let broker = self.reach()?;
        self.count(&broker, topic, None)
    }

    fn extents(&self, topic: &str) -> Result<Vec<Extent>> {
        let broker = self.reach()?;
        let logs = broker.topics.logs(topic)?;
        Ok(logs.iter().map(|log| log.extent()).collect())
    }

    fn append(&self, topic: &str, records: Vec<NewRecord>, _patience: Duration) -> Vec<Result<Placed>> {
        let mut broker = self.broker.enter();
        let highest = records.iter().filter_map(|record| record.partition).max();
        match self.count(&broker, topic, highest) {
            Ok(count) => producer::append(&mut broker, self.number, topic, count, records),
            Err(error) => vec![Err(error); records.len()],
        }
    }

    fn read(&self, partition: &TopicPartition, from: Offset, max: usize) -> Result<Vec<Record>> {
        let broker = self.reach()?;
        let log = broker
            .topics
            .log(partition)
            .ok_or_else(|| broker.topics.no_partition(partition))?;
        Ok(log.read(from).take(max).cloned().collect())
    }

    fn committed(&self, group: &str, topic: &str) -> Result<Vec<Option<Offset>>> {
        let broker = self.reach()?;
        let count = broker.topics.partitions(topic)?;
        let group = broker.groups.get(group);
        let committed = |number| {
            let commit = group?.commits.get(&TopicPartition::new(topic, Partition(number)))?;
            Some(commit.offset)
        };
        Ok((0..count).map(committed).collect())
    }

    fn groups(&self) -> Result<Vec<String>> {
        Ok(self.reach()?.groups.keys().cloned().collect())
    }

    fn list_groups(&self) -> Result<Vec<GroupListing>> {
        let broker = self.reach()?;
        let listing = |(name, group): (&String, &Group)| GroupListing {
            name: name.clone(),
            kind: GroupKind::Classic,
            state: state(group),
        };
        Ok(broker.groups.iter().map(listing).collect())
    }

    fn delete_group(&self, group: &str) -> Result<(), GroupError> {
        let mut broker = self.reach()?;
        match broker.groups.get(group) {
            None => Err(GroupError::NotFound),
            Some(found) if !found.members.is_empty() => Err(GroupError::NotEmpty),
            Some(_) => {
                broker.groups.remove(group);
                Ok(())
            }
        }
    }

    fn delete_offsets(
        &self,
        group: &str,
        partitions: &BTreeSet<TopicPartition>,
    ) -> Result<BTreeMap<TopicPartition, Result<(), OffsetKept>>, GroupError> {
        let mut broker = self.reach()?;
        let exists = |partition: &TopicPartition| broker.topics.log(partition).is_some();
        let existing: Vec<bool> = partitions.iter().map(exists).collect();
        let group = broker.groups.get_mut(group).ok_or(GroupError::NotFound)?;
        let mut forget = |(partition, exists): (&TopicPartition, bool)| {
            let read = group
                .members
                .values()
                .any(|member| member.topics.iter().any(|read| **read == *partition.topic));
            let outcome = match (exists, read) {
                (false, _) => Err(OffsetKept::NoPartition),
                (true, true) => Err(OffsetKept::Subscribed),
                (true, false) => {
                    group.commits.remove(partition);
                    Ok(())
                }
            };
            (partition.clone(), outcome)
        };
        Ok(partitions.iter().zip(existing).map(&mut forget).collect())
    }

    fn describe_group(&self, group: &str) -> Result<Option<GroupInfo>> {
        let broker = self.reach()?;
        let assignor = match broker.behaviour.protocol {
            Protocol::Cooperative => "cooperative-sticky",
            Protocol::Eager => "range",
        };
        let describe = |group: &Group| GroupInfo {
            state: state(group),
            kind: GroupKind::Classic,
            assignor: (!group.members.is_empty()).then(|| assignor.to_owned()),
            coordinator: None,
            generation: i64::try_from(group.generation).ok(),
            members: group.members.iter().map(member_info).collect(),
            commits: group
                .commits
                .iter()
                .map(|(partition, commit)| (partition.clone(), commit.offset))
                .collect(),
            leader_epochs: BTreeMap::new(),
        };
        Ok(broker.groups.get(group).map(describe))
    }

    fn reset_group(&self, group: &str, positions: &BTreeMap<TopicPartition, Offset>) -> Result<()> {
        let mut broker = self.reach()?;
        if broker.groups.get(group).is_some_and(|group| !group.members.is_empty()) {
            return Err(LogError::Refused(format!(
                "the offsets of group {group} can't be reset while members are in it: stop them first"
            )));
        }
        for partition in positions.keys() {
            broker
                .topics
                .log(partition)
                .ok_or_else(|| broker.topics.no_partition(partition))?;
        }
        broker.groups.entry(group.to_owned()).or_default().reset(positions);
        Ok(())
    }

    fn subscribe(&self, subscription: &Subscription) -> Result<Box<dyn Consumer>> {
        let broker = self.reach()?;
        for topic in &subscription.topics {
            broker.topics.partitions(topic)?;
        }
        let client_id = self.client_id(subscription);
        let member = Member::new(self.broker.clone(), self.clock.clone(), client_id, subscription.clone());
        Ok(Box::new(member))
    }
}

fn partition_info(number: u32) -> PartitionInfo {
    PartitionInfo {
        partition: Partition(number),
        leader: Some(NODE),
        replicas: vec![NODE],
        isr: vec![NODE],
    }
}

fn member_info((id, member): (&MemberId, &Membership)) -> GroupMember {
    GroupMember {
        id: format!("{}-{:016x}", member.client, id.0),
        client: member.client.clone(),
        instance: None,
        host: "/127.0.0.1".into(),
        partitions: member.held.iter().cloned().collect(),
        target: None,
    }
}

fn state(group: &Group) -> GroupState {
    match (group.members.is_empty(), group.is_rebalancing()) {
        (true, _) => GroupState::Empty,
        (false, true) => GroupState::PreparingRebalance,
        (false, false) => GroupState::Stable,
    }
}
