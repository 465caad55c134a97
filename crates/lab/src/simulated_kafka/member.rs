//! A member of a group.
//!
//! ```text
//!   poll ─▶ given up meanwhile?  lost, and join anew
//!        ─▶ to give back?        revoke … not drained: the next poll asks again ─▶ commit, release
//!        ─▶ to take?             positions ─▶ assigned
//!        ─▶ records
//! ```
//!
//! # Invariants
//! * While a member drains it gets no records at all, as with librdkafka.
//! * Callbacks are made without a lock on the brokers, and records come only after all of them.

use std::collections::BTreeMap;
use std::time::Duration;

use keylane_log::{
    Assignment, Consumer, LogError, Offset, Position, Rebalance, Record, Result, Subscription, TopicPartition,
};

use super::behaviour::Reset;
use super::broker::{Broker, Clock, Shared};
use super::group::{MemberId, Task};

/// The most characters of metadata that a broker keeps with an offset.
const MAX_METADATA: usize = 4096;

/// The most records by which a partition goes back.
const MOST_REPEATS: u64 = 3;

/// A member, as its process has it.
pub(super) struct Member {
    broker: Shared,
    clock: Clock,
    client_id: String,
    subscription: Subscription,
    /// The member's name; `None` while it is in no group.
    id: Option<MemberId>,
    /// What the member believes to hold.
    held: BTreeMap<TopicPartition, Reading>,
    /// What is to be given back, and since when, on the member's clock.
    draining: Option<(Vec<TopicPartition>, Duration)>,
    left: bool,
}

/// How far a partition has been read.
struct Reading {
    /// Where the assignment began.
    begun: Offset,
    next: Offset,
    paused: bool,
    /// The number of the next event of the log that the reader doesn't know of.
    event: u64,
}

impl Member {
    pub(super) fn new(broker: Shared, clock: Clock, client_id: String, subscription: Subscription) -> Self {
        Self {
            broker,
            clock,
            client_id,
            subscription,
            id: None,
            held: BTreeMap::new(),
            draining: None,
            left: false,
        }
    }

    fn check_present(&self) -> Result<()> {
        match self.left {
            true => Err(LogError::Refused("this member has left its group".into())),
            false => Ok(()),
        }
    }

    /// The error of a poll, if there is one, and otherwise a sign of life. A member that the group has given up is told
    /// of its loss, and joins anew.
    fn appear(&mut self, rebalance: &mut dyn Rebalance) -> Result<MemberId> {
        let mut broker = self.broker.enter();
        let faults = broker.behaviour.faults;
        broker.may_fail(faults.polls_unanswered, "the group can't be read")?;
        let now = broker.now();
        let group = broker.groups.get_mut(&self.subscription.group);
        if let Some(id) = self.id.filter(|id| group.is_some_and(|group| group.hear(*id, now))) {
            return Ok(id);
        }
        let id = broker.join(self.client_id.clone(), &self.subscription);
        drop(broker);
        self.lose_all(rebalance);
        self.id = Some(id);
        Ok(id)
    }

    fn lose_all(&mut self, rebalance: &mut dyn Rebalance) {
        self.draining = None;
        let lost: Vec<TopicPartition> = std::mem::take(&mut self.held).into_keys().collect();
        if !lost.is_empty() {
            rebalance.lost(&lost);
        }
    }

    /// Does one task of a rebalance. Returns whether there may be another.
    fn do_task(&mut self, id: MemberId, rebalance: &mut dyn Rebalance) -> Result<bool> {
        if let Some((partitions, since)) = self.draining.take() {
            return Ok(self.give_back(id, partitions, since, rebalance));
        }
        let broker = self.broker.lock();
        let group = broker.groups.get(&self.subscription.group);
        let task = group.map_or(Task::Nothing, |group| group.task(id));
        drop(broker);
        match task {
            Task::Nothing => Ok(false),
            Task::GiveBack(partitions) => {
                let now = (self.clock)();
                Ok(self.give_back(id, partitions, now, rebalance))
            }
            Task::Take(partitions) => self.take(id, &partitions, rebalance).map(|()| true),
        }
    }

    /// Asks for the positions of partitions, commits them, and releases the partitions. Returns `false` if they are not
    /// drained yet.
    fn give_back(
        &mut self,
        id: MemberId,
        partitions: Vec<TopicPartition>,
        since: Duration,
        rebalance: &mut dyn Rebalance,
    ) -> bool {
        let known: Vec<TopicPartition> = partitions
            .iter()
            .filter(|given| self.held.contains_key(given))
            .cloned()
            .collect();
        let drained = match known.is_empty() {
            true => Some(Vec::new()),
            false => rebalance.revoke(&known, Duration::ZERO),
        };
        match drained {
            Some(positions) => self.commit_with_revoke(positions, &known, rebalance),
            None if (self.clock)() < since + self.subscription.drain_timeout => {
                self.draining = Some((partitions, since));
                return false;
            }
            None => rebalance.lost(&known),
        }
        self.held.retain(|held, _| !partitions.contains(held));
        let mut broker = self.broker.lock();
        let now = broker.now();
        if let Some(group) = broker.groups.get_mut(&self.subscription.group) {
            group.give_back(id, &partitions, now);
        }
        true
    }

    /// Commits what a revoke has returned. What is refused is lost; what is not answered is handled again.
    fn commit_with_revoke(
        &mut self,
        positions: Vec<Position>,
        given: &[TopicPartition],
        rebalance: &mut dyn Rebalance,
    ) {
        let positions = positions.into_iter();
        let positions: Vec<Position> = positions
            .filter(|position| given.contains(&position.partition))
            .collect();
        if let Ok(refused) = self.commit(&positions)
            && !refused.is_empty()
        {
            rebalance.lost(&refused);
        }
    }

    /// Takes partitions over, at the positions that the group has committed.
    fn take(&mut self, id: MemberId, partitions: &[TopicPartition], rebalance: &mut dyn Rebalance) -> Result<()> {
        let mut broker = self.broker.lock();
        let faults = broker.behaviour.faults;
        broker.may_fail(faults.assignments_unanswered, "the committed offsets can't be read")?;
        let mut elected = partitions.to_vec();
        elected.retain(|partition| broker.lead_again(partition));
        let group = &self.subscription.group;
        let assignments = partitions.iter().map(|partition| assignment(&broker, group, partition));
        let assignments: Vec<Assignment> = assignments.collect();
        elected.iter().for_each(|partition| broker.forget_notes(partition));
        let event = broker.topics.next_event();
        if let Some(group) = broker.groups.get_mut(group) {
            group.take(id, partitions);
        }
        for reading in self.held.values_mut() {
            reading.stumble(&mut broker);
        }
        drop(broker);
        for Assignment {
            partition, position, ..
        } in &assignments
        {
            let reading = Reading {
                begun: *position,
                next: *position,
                paused: false,
                event,
            };
            self.held.insert(partition.clone(), reading);
        }
        rebalance.assigned(&assignments);
        Ok(())
    }

    /// The next records of the partitions that are not paused, which take turns at being first.
    fn fetch(&mut self, id: MemberId) -> Vec<Record> {
        let mut broker = self.broker.lock();
        let back = broker.take_repeats(&self.subscription.group, id);
        self.held.values_mut().for_each(|reading| reading.go_back(back));
        let mut room = broker.behaviour.poll_records;
        let faults = broker.behaviour.faults;
        if broker.chance(faults.polls_short) {
            room = broker.random.usize(..=room.min(3));
        }
        let first = broker.random.usize(..self.held.len().max(1));
        let mut records = Vec::new();
        let held = self.held.len();
        for turn in 0..held {
            let (partition, reading) = self
                .held
                .iter_mut()
                .nth((first + turn) % held)
                .expect("the index is in range");
            if let Some(log) = broker.topics.log(partition).filter(|_| !reading.paused) {
                reading.next = log.go_on(reading.next, reading.event);
                let fetched = log.read(reading.next).take(room - records.len());
                records.extend(fetched.cloned());
                reading.advance(&records, partition);
            }
            reading.event = broker.topics.next_event();
        }
        records
    }

    /// Fails while a topic is unknown, which may only mean that the broker is behind.
    fn check_topics(&self) -> Result<()> {
        let broker = self.broker.lock();
        let unknown = self
            .subscription
            .topics
            .iter()
            .find_map(|topic| broker.topics.logs(topic).err());
        match unknown {
            Some(error) => Err(LogError::Unavailable(error.to_string())),
            None => Ok(()),
        }
    }

    /// Has the group give this member up now and then, and rebalance without a reason. Nobody is told before the next
    /// poll.
    fn meet_trouble(&mut self, id: MemberId) {
        let mut broker = self.broker.lock();
        let faults = broker.behaviour.faults;
        if broker.chance(faults.sessions_lost) {
            broker.remove(&self.subscription.group, id);
        }
        if broker.chance(faults.rebalances) {
            broker.shuffle(&self.subscription.group);
        }
    }

    fn set_paused(&mut self, partitions: &[TopicPartition], paused: bool) -> Result<()> {
        let mut broker = self.broker.enter();
        let faults = broker.behaviour.faults;
        broker.may_fail(faults.calls_unanswered, "partitions can't be paused or resumed")?;
        for partition in partitions {
            if let Some(reading) = self.held.get_mut(partition) {
                reading.paused = paused;
                reading.stumble(&mut broker);
            }
        }
        Ok(())
    }
}

impl Reading {
    /// Goes on behind the last of `records` that stands in `partition`.
    fn advance(&mut self, records: &[Record], partition: &TopicPartition) {
        if let Some(last) = records.last().filter(|last| last.topic_partition() == *partition) {
            self.next = last.offset.next();
        }
    }

    /// Goes back by some records now and then, but not before the assignment's beginning.
    fn stumble(&mut self, broker: &mut Broker) {
        if broker.chance(broker.behaviour.faults.repeats) {
            self.go_back(broker.random.u64(1..=MOST_REPEATS));
        }
    }

    /// Goes back by so many offsets, but not before the assignment's beginning.
    fn go_back(&mut self, records: u64) {
        self.next = Offset(self.next.0.saturating_sub(records))
            .max(self.begun)
            .min(self.next);
    }
}

/// Begins at the last commit if that lies within the log, or else where the group's members begin.
fn assignment(broker: &Broker, group: &str, partition: &TopicPartition) -> Assignment {
    let extent = broker.topics.log(partition).map(|log| log.extent());
    let commit = broker.groups.get(group).and_then(|group| group.commits.get(partition));
    let inside =
        commit.filter(|commit| extent.is_some_and(|extent| (extent.start..=extent.end).contains(&commit.offset)));
    let begin = match broker.behaviour.reset {
        Reset::Earliest => extent.map(|extent| extent.start),
        Reset::Latest => extent.map(|extent| extent.end),
    };
    Assignment {
        partition: partition.clone(),
        position: inside.map(|commit| commit.offset).or(begin).unwrap_or(Offset(0)),
        metadata: inside.map(|commit| commit.metadata.clone()).unwrap_or_default(),
    }
}

/// Without a call of `leave` the group takes the member for dead after its session, as after a crash.
impl Consumer for Member {
    /// Returns at once, whatever the timeout.
    fn poll(&mut self, _timeout: Duration, rebalance: &mut dyn Rebalance) -> Result<Vec<Record>> {
        self.check_present()?;
        let id = self.appear(rebalance)?;
        while self.do_task(id, rebalance)? {}
        self.check_topics()?;
        let records = match self.draining {
            Some(_) => Vec::new(),
            None => self.fetch(id),
        };
        self.meet_trouble(id);
        Ok(records)
    }

    fn commit(&mut self, positions: &[Position]) -> Result<Vec<TopicPartition>> {
        let (ours, others): (Vec<_>, Vec<_>) = positions
            .iter()
            .cloned()
            .partition(|position| self.held.contains_key(&position.partition));
        if let Some(wrong) = ours.iter().find(|position| !storable(&position.metadata)) {
            let partition = &wrong.partition;
            return Err(LogError::Refused(format!(
                "the metadata of {partition} is not up to {MAX_METADATA} characters of ASCII"
            )));
        }
        let mut refused: Vec<TopicPartition> = others.into_iter().map(|position| position.partition).collect();
        if let Some(id) = self.id.filter(|_| !ours.is_empty()) {
            let mut broker = self.broker.enter();
            refused.extend(broker.answer_commit(&self.subscription.group, id, &ours)?);
        }
        Ok(refused)
    }

    fn pause(&mut self, partitions: &[TopicPartition]) -> Result<()> {
        self.set_paused(partitions, true)
    }

    fn resume(&mut self, partitions: &[TopicPartition]) -> Result<()> {
        self.set_paused(partitions, false)
    }

    /// Asks once for the positions of what is held, because nothing can be waited for here: what is not drained yet is
    /// lost.
    fn leave(&mut self, rebalance: &mut dyn Rebalance) -> Result<()> {
        self.check_present()?;
        self.left = true;
        let Some(id) = self.id.take() else { return Ok(()) };
        let known = {
            let broker = self.broker.enter();
            broker
                .groups
                .get(&self.subscription.group)
                .is_some_and(|group| group.members.contains_key(&id))
        };
        let held: Vec<TopicPartition> = self.held.keys().cloned().collect();
        let drained = match known && !held.is_empty() {
            true => rebalance.revoke(&held, Duration::ZERO),
            false => None,
        };
        match drained {
            Some(positions) => {
                self.id = Some(id);
                self.commit_with_revoke(positions, &held, rebalance);
                self.held.clear();
            }
            None => self.lose_all(rebalance),
        }
        let mut broker = self.broker.lock();
        let faults = broker.behaviour.faults;
        broker.may_fail(
            faults.calls_unanswered,
            "the group was not left in time; it will take this member for dead",
        )?;
        broker.remove(&self.subscription.group, id);
        Ok(())
    }
}

/// Whether brokers keep this metadata as it is.
fn storable(metadata: &str) -> bool {
    metadata.is_ascii() && metadata.len() <= MAX_METADATA
}
