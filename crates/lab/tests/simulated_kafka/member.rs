//! A member that remembers what it was assigned and what it read, and checks what it is handed.

use std::collections::BTreeMap;
use std::time::Duration;

use keylane_log::{
    Assignment, Consumer, EventLog, Offset, Position, Rebalance, Record, Result, Subscription, TopicPartition,
};

use crate::world::World;

pub struct TestMember {
    pub consumer: Box<dyn Consumer>,
    pub observed: Observed,
}

#[derive(Default)]
pub struct Observed {
    pub read: Vec<Record>,
    /// The owned partitions with the position that each was assigned with.
    pub owned: BTreeMap<TopicPartition, Offset>,
    /// The offset of the next record of each owned partition.
    pub next: BTreeMap<TopicPartition, Offset>,
    pub given: Vec<Assignment>,
    pub revoked: Vec<TopicPartition>,
    /// The positions that revokes have returned.
    pub returned: Vec<Position>,
    pub lost: Vec<TopicPartition>,
    /// Whether records are in flight that a revoke has to wait for.
    pub busy: bool,
}

impl TestMember {
    pub fn join(log: &dyn EventLog, subscription: &Subscription) -> Self {
        Self {
            consumer: log.subscribe(subscription).expect("the group can be joined"),
            observed: Observed::default(),
        }
    }

    /// Polls once. Returns what came.
    pub fn try_poll(&mut self) -> Result<Vec<Record>> {
        let records = self.consumer.poll(Duration::from_secs(1), &mut self.observed)?;
        self.observed.read.extend(records.iter().cloned());
        Ok(records)
    }

    /// Polls once, where nothing goes wrong: records go on where they ended.
    pub fn poll(&mut self) {
        for record in self.try_poll().expect("the poll is answered") {
            let next = self
                .observed
                .next
                .insert(record.topic_partition(), record.offset.next());
            assert_eq!(next, Some(record.offset), "{record:?}");
        }
    }

    /// Commits the positions behind what was read. Returns the refused partitions.
    pub fn commit(&mut self) -> Vec<TopicPartition> {
        let positions = self.observed.positions(|_| true);
        self.consumer.commit(&positions).expect("the commit is answered")
    }

    pub fn leave(&mut self) {
        self.consumer.leave(&mut self.observed).expect("the group can be left");
    }
}

impl Observed {
    pub fn positions(&self, wanted: impl Fn(&TopicPartition) -> bool) -> Vec<Position> {
        let wanted = self.next.iter().filter(|(partition, _)| wanted(partition));
        let position = |(partition, offset): (&TopicPartition, &Offset)| Position {
            partition: partition.clone(),
            offset: *offset,
            metadata: format!("done:{offset}"),
        };
        wanted.map(position).collect()
    }

    /// The numbers of the owned partitions.
    pub fn numbers(&self) -> Vec<u32> {
        self.owned.keys().map(|owned| owned.partition.0).collect()
    }

    fn forget(&mut self, partitions: &[TopicPartition]) {
        for partition in partitions {
            self.owned.remove(partition);
            self.next.remove(partition);
        }
    }
}

impl Rebalance for Observed {
    fn assigned(&mut self, assignments: &[Assignment]) {
        assert!(!assignments.is_empty(), "an assignment names partitions");
        for given in assignments {
            self.next.insert(given.partition.clone(), given.position);
            let before = self.owned.insert(given.partition.clone(), given.position);
            assert_eq!(before, None, "what is owned is not assigned again");
        }
        self.given.extend(assignments.iter().cloned());
    }

    fn revoke(&mut self, partitions: &[TopicPartition], patience: Duration) -> Option<Vec<Position>> {
        assert_eq!(patience, Duration::ZERO, "nothing is waited for");
        assert!(partitions.iter().all(|partition| self.owned.contains_key(partition)));
        if self.busy {
            return None;
        }
        let positions = self.positions(|partition| partitions.contains(partition));
        self.forget(partitions);
        self.revoked.extend(partitions.iter().cloned());
        self.returned.extend(positions.iter().cloned());
        Some(positions)
    }

    fn lost(&mut self, partitions: &[TopicPartition]) {
        self.forget(partitions);
        self.lost.extend(partitions.iter().cloned());
    }
}

/// Polls the members in turn while time passes, until `done` says so.
pub fn until(
    what: &str,
    world: &World,
    members: &mut [&mut TestMember],
    mut done: impl FnMut(&[&mut TestMember]) -> bool,
) {
    for _ in 0..2000 {
        if done(members) {
            return;
        }
        members.iter_mut().for_each(|member| member.poll());
        world.pass(Duration::from_millis(20));
    }
    panic!("waited in vain: {what}");
}
