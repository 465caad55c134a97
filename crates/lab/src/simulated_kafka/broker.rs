//! The brokers: topics, groups, and what is still on its way to them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use keylane_log::{LogError, NewRecord, Offset, Partition, Position, Result, Subscription, TopicPartition};

use super::behaviour::{Behaviour, Protocol};
use super::group::{Group, MemberId};
use super::topics::Topics;

/// Tells how much time has passed since a moment that is the same for all clocks of one simulation, but for their skew.
pub type Clock = Arc<dyn Fn() -> Duration + Send + Sync>;

/// What all clients share.
pub(super) struct Broker {
    pub(super) behaviour: Behaviour,
    pub(super) topics: Topics,
    pub(super) groups: BTreeMap<String, Group>,
    pub(super) random: fastrand::Rng,
    /// Partitions that take no records until the group has assigned them anew.
    pub(super) leaderless: BTreeSet<TopicPartition>,
    clock: Clock,
    late_commits: Vec<LateCommit>,
    late_appends: Vec<LateAppend>,
    /// How many clients there have been.
    clients: u64,
}

/// A commit that its member no longer waits for.
struct LateCommit {
    group: String,
    member: MemberId,
    generation: u64,
    positions: Vec<Position>,
}

/// Records that their client no longer waits for. They are appended together, and before the client's next append.
struct LateAppend {
    client: u64,
    topic: String,
    records: Vec<(Partition, NewRecord)>,
}

/// The shared brokers, which are used by one thread at a time.
#[derive(Clone)]
pub(super) struct Shared(Arc<Mutex<Broker>>);

impl Shared {
    pub(super) fn new(clock: Clock, random: fastrand::Rng, behaviour: Behaviour) -> Self {
        Self(Arc::new(Mutex::new(Broker {
            behaviour,
            topics: Topics::default(),
            groups: BTreeMap::new(),
            random,
            leaderless: BTreeSet::new(),
            clock,
            late_commits: Vec::new(),
            late_appends: Vec::new(),
            clients: 0,
        })))
    }

    /// The brokers as they are.
    pub(super) fn lock(&self) -> MutexGuard<'_, Broker> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The brokers as somebody reaches them now: what was due before has happened.
    pub(super) fn enter(&self) -> MutexGuard<'_, Broker> {
        let mut broker = self.lock();
        broker.catch_up();
        broker
    }
}

impl Broker {
    pub(super) fn now(&self) -> Duration {
        (self.clock)()
    }

    /// Whether something happens that has this probability.
    pub(super) fn chance(&mut self, probability: f64) -> bool {
        probability > 0.0 && self.random.f64() < probability
    }

    /// Fails with this probability.
    ///
    /// # Errors
    /// [`LogError::Unavailable`].
    pub(super) fn may_fail(&mut self, probability: f64, what: &str) -> Result<()> {
        match self.chance(probability) {
            true => Err(LogError::Unavailable(format!(
                "{what}: the brokers have not answered in time"
            ))),
            false => Ok(()),
        }
    }

    /// A number for a new client.
    pub(super) fn new_client(&mut self) -> u64 {
        self.clients += 1;
        self.clients
    }

    /// Lets a member join.
    pub(super) fn join(&mut self, client: String, subscription: &Subscription) -> MemberId {
        let id = MemberId(self.random.u64(..));
        let now = self.now();
        let group = self.groups.entry(subscription.group.clone()).or_default();
        group.join(id, client, subscription, now);
        self.look(&subscription.group);
        self.rebalance(&subscription.group);
        id
    }

    /// Removes a member from its group.
    pub(super) fn remove(&mut self, group: &str, id: MemberId) {
        let left = self.groups.get_mut(group).and_then(|group| group.members.remove(&id));
        if left.is_some() {
            self.rebalance(group);
        }
    }

    fn rebalance(&mut self, group: &str) {
        let now = self.now();
        if let Some(group) = self.groups.get_mut(group) {
            group.rebalance(self.behaviour.protocol, now);
        }
    }

    /// Has a group distribute its partitions again without a reason. In the cooperative protocol one partition is taken
    /// away from its holder.
    pub(super) fn shuffle(&mut self, group: &str) {
        if self.behaviour.protocol == Protocol::Eager {
            return self.rebalance(group);
        }
        let now = self.now();
        let Some(group) = self.groups.get_mut(group) else {
            return;
        };
        let held: Vec<TopicPartition> = group
            .members
            .values()
            .flat_map(|member| member.held.iter().cloned())
            .collect();
        if !held.is_empty() {
            let chosen = self.random.usize(..held.len());
            group.withdraw(&held[chosen], now);
        }
    }

    /// Takes a partition away from its holder. In the eager protocol everybody gives everything back then.
    pub(super) fn withdraw(&mut self, group: &str, partition: &TopicPartition) -> bool {
        let (now, protocol) = (self.now(), self.behaviour.protocol);
        let Some(group) = self.groups.get_mut(group) else {
            return false;
        };
        let held = group.members.values().any(|member| member.held.contains(partition));
        match protocol {
            _ if !held => {}
            Protocol::Eager => group.rebalance(protocol, now),
            Protocol::Cooperative => group.withdraw(partition, now),
        }
        held
    }

    /// A partition that had no leader takes records again. An offset that was committed behind its end is of the past (KIP-320).
    /// Returns whether it had none.
    pub(super) fn lead_again(&mut self, partition: &TopicPartition) -> bool {
        let led_again = self.leaderless.remove(partition);
        if led_again && let Some(end) = self.topics.log(partition).map(|log| log.extent().end) {
            for group in self.groups.values_mut() {
                if let Some(commit) = group.commits.get_mut(partition) {
                    commit.offset = commit.offset.min(end);
                }
            }
        }
        led_again
    }

    /// Forgets what groups have noted beside their offsets in this partition. Such a note names records by their offsets, and
    /// other records come to stand there. Real brokers keep it, and whoever gets the partition first after the election can
    /// tell; if that one dies before it commits, nobody can.
    pub(super) fn forget_notes(&mut self, partition: &TopicPartition) {
        for group in self.groups.values_mut() {
            if let Some(commit) = group.commits.get_mut(partition) {
                commit.metadata.clear();
            }
        }
    }

    /// Removes the members of a client from a group. Returns whether there were any.
    pub(super) fn give_up(&mut self, group: &str, client: &str) -> bool {
        let members = self.groups.get(group).map(|group| group.members_of(client));
        let members = members.unwrap_or_default();
        members.iter().for_each(|id| self.remove(group, *id));
        !members.is_empty()
    }

    /// Has the partitions of a client's members go back at their next poll. Returns whether there are such members.
    pub(super) fn repeat(&mut self, group: &str, client: &str, records: u64) -> bool {
        let group = self.groups.get_mut(group);
        group.is_some_and(|group| group.repeat(client, records))
    }

    /// By how many records a member's partitions are to go back now.
    pub(super) fn take_repeats(&mut self, group: &str, id: MemberId) -> u64 {
        let group = self.groups.get_mut(group);
        let member = group.and_then(|group| group.members.get_mut(&id));
        member.map_or(0, |member| std::mem::take(&mut member.repeats))
    }

    /// Removes a topic, and what groups have committed for it. Returns whether there was one.
    pub(super) fn delete_topic(&mut self, topic: &str) -> bool {
        for group in self.groups.values_mut() {
            group.commits.retain(|partition, _| *partition.topic != *topic);
        }
        self.topics.delete(topic)
    }

    /// Answers a member's commit. Returns the partitions that it does not hold.
    ///
    /// # Errors
    /// [`LogError::Unavailable`]; whether the commit was made is unknown.
    pub(super) fn answer_commit(
        &mut self,
        group: &str,
        id: MemberId,
        positions: &[Position],
    ) -> Result<Vec<TopicPartition>> {
        let faults = self.behaviour.faults;
        self.settle_commits(id);
        for position in positions {
            if self.topics.log(&position.partition).is_none() {
                return Err(LogError::Unavailable(format!(
                    "there is no partition {}",
                    position.partition
                )));
            }
        }
        if self.chance(faults.commits_refused) {
            self.remove(group, id);
        }
        if !self.chance(faults.commits_unanswered) {
            return Ok(self.commit(group, id, positions));
        }
        match self.random.u8(..3) {
            0 => {}
            1 => drop(self.commit(group, id, positions)),
            _ => self.commit_late(group, id, positions),
        }
        Err(LogError::Unavailable("the commit was not answered in time".into()))
    }

    /// Commits for a member. Returns the partitions that it does not hold.
    fn commit(&mut self, group: &str, id: MemberId, positions: &[Position]) -> Vec<TopicPartition> {
        let group = self.groups.get_mut(group);
        group.map_or_else(
            || positions.iter().map(|position| position.partition.clone()).collect(),
            |group| group.commit(id, positions),
        )
    }

    /// Has a commit arrive later, or never.
    fn commit_late(&mut self, group: &str, member: MemberId, positions: &[Position]) {
        let generation = self.groups.get(group).map_or(0, |group| group.generation);
        self.late_commits.push(LateCommit {
            group: group.to_owned(),
            member,
            generation,
            positions: positions.to_vec(),
        });
    }

    /// Decides on the commits of a member that are still on their way: it makes the next one only afterwards.
    fn settle_commits(&mut self, member: MemberId) {
        self.arrive_commits(|late| late.member == member);
    }

    /// Appends to a partition, which exists. One without a leader takes nothing.
    pub(super) fn append(&mut self, topic: &str, partition: Partition, record: NewRecord) -> Option<Offset> {
        if self.leaderless.contains(&TopicPartition::new(topic, partition)) {
            return None;
        }
        let leave_out = self.chance(self.behaviour.faults.offsets_left_out);
        self.topics.append(topic, partition, record, leave_out)
    }

    /// Has records of a client arrive later, or never.
    pub(super) fn append_late(&mut self, client: u64, topic: &str, records: Vec<(Partition, NewRecord)>) {
        self.late_appends.push(LateAppend {
            client,
            topic: topic.to_owned(),
            records,
        });
    }

    /// Decides on the records of a client that are still on their way: it makes the next append only afterwards.
    pub(super) fn settle_appends(&mut self, client: u64) {
        self.arrive_appends(|late| late.client == client);
    }

    /// Does what time has made due, and lets some of what is on its way arrive.
    fn catch_up(&mut self) {
        let now = self.now();
        let names: Vec<String> = self.groups.keys().cloned().collect();
        for name in names {
            let expired = self.groups.get_mut(&name).is_some_and(|group| group.expire(now));
            let changed = self.look(&name);
            if expired || changed {
                self.rebalance(&name);
            }
        }
        if !self.late_commits.is_empty() && self.random.bool() {
            self.arrive_commits(|_| true);
        }
        if !self.late_appends.is_empty() && self.random.bool() {
            self.arrive_appends(|_| true);
        }
    }

    /// Has a group look at its topics if that is due. Returns whether there are more or fewer partitions.
    fn look(&mut self, group: &str) -> bool {
        let now = self.now();
        let topics = self.topics.list().map(|(topic, count)| (topic.clone(), count));
        let group = self.groups.get_mut(group);
        group.is_some_and(|group| group.look(topics, self.behaviour.discovery, now))
    }

    /// Each of these commits arrives with an even chance. One of an older generation is refused, as by Kafka.
    fn arrive_commits(&mut self, mut due: impl FnMut(&LateCommit) -> bool) {
        let (arriving, waiting): (Vec<_>, Vec<_>) = std::mem::take(&mut self.late_commits)
            .into_iter()
            .partition(|late| due(late));
        self.late_commits = waiting;
        for late in arriving {
            let current = self
                .groups
                .get(&late.group)
                .is_some_and(|group| group.generation == late.generation);
            if self.random.bool() && current {
                self.commit(&late.group, late.member, &late.positions);
            }
        }
    }

    /// All records of such an append arrive, or none, with an even chance.
    fn arrive_appends(&mut self, mut due: impl FnMut(&LateAppend) -> bool) {
        let (arriving, waiting): (Vec<_>, Vec<_>) = std::mem::take(&mut self.late_appends)
            .into_iter()
            .partition(|late| due(late));
        self.late_appends = waiting;
        for late in arriving {
            if self.random.bool() {
                for (partition, record) in late.records {
                    self.append(&late.topic, partition, record);
                }
            }
        }
    }
}
