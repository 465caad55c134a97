//! A consumer group as its coordinator keeps it.
//!
//! ```text
//!   somebody joins, leaves, is silent ─▶ eager:       nobody is to have anything ─▶ all given back ─▶ share out
//!   the topic grows                   ─▶ cooperative: share out; what moves is given back by the one, then taken by the other
//! ```
//!
//! # Invariants
//! * A partition is held by one member at most. It goes to another only when its holder has given it back or is out of
//!   the group.
//! * An offset is committed only by the member that holds the partition.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use keylane_log::{Offset, Partition, Position, Subscription, TopicPartition};

use super::assignor;
use super::behaviour::Protocol;

/// A member's name in its group, drawn at random as Kafka's are. Its place in the order is therefore random too.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct MemberId(pub(super) u64);

/// What a member is to do in a rebalance.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Task {
    GiveBack(Vec<TopicPartition>),
    Take(Vec<TopicPartition>),
    Nothing,
}

/// An offset that was committed, and its metadata.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Commit {
    pub(super) offset: Offset,
    pub(super) metadata: String,
}

#[derive(Debug)]
pub(super) struct Membership {
    pub(super) client: String,
    pub(super) topics: Vec<String>,
    session: Duration,
    /// How long the member may take to give partitions back.
    rebalance: Duration,
    heard: Duration,
    pub(super) held: BTreeSet<TopicPartition>,
    target: BTreeSet<TopicPartition>,
    /// Since when the member has had something to give back.
    asked: Option<Duration>,
    /// By how many records its partitions go back at its next poll.
    pub(super) repeats: u64,
}

#[derive(Debug, Default)]
pub(super) struct Group {
    /// Counts what ends the validity of commits that are on their way.
    pub(super) generation: u64,
    pub(super) members: BTreeMap<MemberId, Membership>,
    pub(super) commits: BTreeMap<TopicPartition, Commit>,
    /// How many partitions each topic had when the group looked last, and when that was.
    known: BTreeMap<Arc<str>, u32>,
    looked: Option<Duration>,
    /// Whether an eager rebalance waits until everything has been given back.
    gathering: bool,
    /// Partitions that their holders give back, whatever is shared out meanwhile.
    withdrawn: BTreeSet<TopicPartition>,
}

impl Group {
    /// Takes a member in.
    pub(super) fn join(&mut self, id: MemberId, client: String, subscription: &Subscription, now: Duration) {
        // The adapter gives a member a second beyond its drain, and no less than a session.
        let drain = subscription.drain_timeout + Duration::from_secs(1);
        let membership = Membership {
            client,
            topics: subscription.topics.clone(),
            session: subscription.session_timeout,
            rebalance: drain.max(subscription.session_timeout),
            heard: now,
            held: BTreeSet::new(),
            target: BTreeSet::new(),
            asked: None,
            repeats: 0,
        };
        self.members.insert(id, membership);
        self.looked = None;
    }

    /// The members of a client.
    pub(super) fn members_of(&self, client: &str) -> Vec<MemberId> {
        let members = self.members.iter().filter(|(_, member)| member.client == client);
        members.map(|(id, _)| *id).collect()
    }

    /// Has the partitions of a client's members go back at their next poll. Returns whether there are such members.
    pub(super) fn repeat(&mut self, client: &str, records: u64) -> bool {
        let members = self.members.values_mut().filter(|member| member.client == client);
        members.map(|member| member.repeats = records).count() > 0
    }

    /// Notes that a member lives. Returns `false` if it is not in the group any more.
    pub(super) fn hear(&mut self, id: MemberId, now: Duration) -> bool {
        let member = self.members.get_mut(&id);
        member.map(|member| member.heard = now).is_some()
    }

    /// Looks how many partitions the topics have, if the last look is `interval` old. Returns whether that has changed.
    pub(super) fn look(
        &mut self,
        topics: impl Iterator<Item = (Arc<str>, u32)>,
        interval: Duration,
        now: Duration,
    ) -> bool {
        if self.looked.is_some_and(|looked| now < looked + interval) {
            return false;
        }
        self.looked = Some(now);
        let read = |topic: &str| {
            self.members
                .values()
                .any(|member| member.topics.iter().any(|read| read == topic))
        };
        let known: BTreeMap<Arc<str>, u32> = topics.filter(|(topic, _)| read(topic)).collect();
        let changed = known != self.known;
        self.known = known;
        changed
    }

    /// Removes the members that were silent for a session, or did not give back in time. Returns whether there were any.
    pub(super) fn expire(&mut self, now: Duration) -> bool {
        let before = self.members.len();
        self.members.retain(|_, member| {
            let silent = now >= member.heard + member.session;
            let slow = member.asked.is_some_and(|asked| now >= asked + member.rebalance);
            !silent && !slow
        });
        self.members.len() < before
    }

    /// Begins a rebalance.
    pub(super) fn rebalance(&mut self, protocol: Protocol, now: Duration) {
        self.generation += 1;
        match protocol {
            Protocol::Eager => {
                self.gathering = true;
                self.members.values_mut().for_each(|member| member.target.clear());
            }
            Protocol::Cooperative => self.share_out(),
        }
        self.go_on(now);
    }

    /// Takes a partition away from its holder, for nobody yet.
    pub(super) fn withdraw(&mut self, partition: &TopicPartition, now: Duration) {
        self.generation += 1;
        self.withdrawn.insert(partition.clone());
        for member in self.members.values_mut() {
            member.target.remove(partition);
        }
        self.go_on(now);
    }

    /// What the member is to do now.
    pub(super) fn task(&self, id: MemberId) -> Task {
        let Some(member) = self.members.get(&id) else {
            return Task::Nothing;
        };
        let back: Vec<_> = member.held.difference(&member.target).cloned().collect();
        if !back.is_empty() {
            return Task::GiveBack(back);
        }
        let free = |partition: &&TopicPartition| !self.members.values().any(|other| other.held.contains(*partition));
        let take: Vec<_> = member.target.iter().filter(free).cloned().collect();
        match take.is_empty() {
            true => Task::Nothing,
            false => Task::Take(take),
        }
    }

    /// Notes that a member has taken partitions that [`task`](Self::task) gave it.
    pub(super) fn take(&mut self, id: MemberId, partitions: &[TopicPartition]) {
        if let Some(member) = self.members.get_mut(&id) {
            member.held.extend(partitions.iter().cloned());
        }
    }

    /// Notes that a member has given partitions back. It joins anew then, which makes another generation.
    pub(super) fn give_back(&mut self, id: MemberId, partitions: &[TopicPartition], now: Duration) {
        self.generation += 1;
        if let Some(member) = self.members.get_mut(&id) {
            member.held.retain(|held| !partitions.contains(held));
            member.asked = None;
        }
        self.go_on(now);
    }

    /// Whether the member holds the partition.
    pub(super) fn holds(&self, id: MemberId, partition: &TopicPartition) -> bool {
        let member = self.members.get(&id);
        member.is_some_and(|member| member.held.contains(partition))
    }

    /// Commits the positions of partitions that the member holds. Returns the others.
    pub(super) fn commit(&mut self, id: MemberId, positions: &[Position]) -> Vec<TopicPartition> {
        let mut refused = Vec::new();
        for Position {
            partition,
            offset,
            metadata,
        } in positions
        {
            if self.holds(id, partition) {
                let commit = Commit {
                    offset: *offset,
                    metadata: metadata.clone(),
                };
                self.commits.insert(partition.clone(), commit);
            } else {
                refused.push(partition.clone());
            }
        }
        refused
    }

    /// Sets committed offsets, without metadata.
    pub(super) fn reset(&mut self, positions: &BTreeMap<TopicPartition, Offset>) {
        for (partition, offset) in positions {
            let commit = Commit {
                offset: *offset,
                metadata: String::new(),
            };
            self.commits.insert(partition.clone(), commit);
        }
    }

    /// Whether the group is in the middle of a rebalance.
    pub(super) fn is_rebalancing(&self) -> bool {
        self.gathering || self.members.values().any(|member| member.held != member.target)
    }

    /// Shares out what nobody is to have, once that is possible, and notes who has to give something back.
    fn go_on(&mut self, now: Duration) {
        let held = |partition: &TopicPartition| self.members.values().any(|member| member.held.contains(partition));
        self.withdrawn.retain(held);
        let all_given_back = self.members.values().all(|member| member.held.is_empty());
        if self.gathering && all_given_back {
            self.gathering = false;
            self.share_out();
        } else if !self.gathering && self.partitions().iter().any(|partition| self.is_nobodys(partition)) {
            self.share_out();
        }
        for member in self.members.values_mut() {
            let owes = !member.held.is_subset(&member.target);
            member.asked = owes.then(|| member.asked.unwrap_or(now));
        }
    }

    /// Whether nobody holds the partition or is to have it.
    fn is_nobodys(&self, partition: &TopicPartition) -> bool {
        let has = |member: &Membership| member.held.contains(partition) || member.target.contains(partition);
        !self.members.values().any(has)
    }

    fn partitions(&self) -> Vec<TopicPartition> {
        self.known.keys().flat_map(|topic| self.partitions_of(topic)).collect()
    }

    fn partitions_of(&self, topic: &Arc<str>) -> Vec<TopicPartition> {
        let count = self.known.get(topic).copied().unwrap_or(0);
        let of_topic = |number| TopicPartition::new(topic.clone(), Partition(number));
        (0..count).map(of_topic).collect()
    }

    fn share_out(&mut self) {
        self.members.values_mut().for_each(|member| member.target.clear());
        for topic in self.known.keys().cloned().collect::<Vec<_>>() {
            let partitions = self.partitions_of(&topic);
            let reads = |member: &Membership| member.topics.iter().any(|read| **read == *topic);
            let readers = self.members.values_mut().filter(|member| reads(member));
            let mut readers: Vec<&mut Membership> = readers.collect();
            let held: Vec<_> = readers.iter().map(|member| member.held.clone()).collect();
            for (member, share) in readers.iter_mut().zip(assignor::share_out(&partitions, &held)) {
                member.target.extend(share);
                member.target.retain(|partition| !self.withdrawn.contains(partition));
            }
        }
    }
}
