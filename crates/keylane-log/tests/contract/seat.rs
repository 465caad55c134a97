//! A member of a group as a test sees it: what it was given, what it read, what it will commit.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use keylane_log::{
    Assignment, Consumer, EventLog, Offset, Partition, Position, Rebalance, Record, Subscription, TopicPartition,
};

/// How long anything may take before a case gives up. A member that stops polling is given up after half a minute,
/// and a rebalance that waits for it may take as long again.
pub const PATIENCE: Duration = Duration::from_secs(90);

const TURN: Duration = Duration::from_millis(20);

/// A member and its books.
pub struct Seat {
    consumer: Box<dyn Consumer>,
    pub books: Books,
}

/// What a member knows.
#[derive(Default)]
pub struct Books {
    /// Everything handed out, in order.
    pub read: Vec<Record>,
    /// What is this member's now, as it was assigned.
    pub owned: BTreeMap<TopicPartition, Assignment>,
    /// Every assignment ever.
    pub given: Vec<Assignment>,
    pub lost: Vec<TopicPartition>,
    /// Whether work is in flight that a revoke has to wait for.
    pub busy: Arc<AtomicBool>,
    /// The next record of each owned partition: whatever was read is done.
    next: BTreeMap<TopicPartition, Offset>,
}

impl Seat {
    pub fn join(log: &dyn EventLog, subscription: &Subscription) -> Self {
        Self {
            consumer: log.subscribe(subscription).expect("the group can be joined"),
            books: Books::default(),
        }
    }

    /// Polls once, and keeps the books.
    pub fn turn(&mut self) {
        self.try_turn().expect("polling works");
    }

    pub fn try_turn(&mut self) -> keylane_log::Result<()> {
        for record in self.consumer.poll(TURN, &mut self.books)? {
            let partition = record.topic_partition();
            assert!(
                self.books.owned.contains_key(&partition),
                "{partition} was read without being owned"
            );
            let next = self.books.next.insert(partition.clone(), record.offset.next());
            assert_eq!(next, Some(record.offset), "{partition} goes on where it was");
            self.books.read.push(record);
        }
        Ok(())
    }

    /// Commits where everything read is done; returns what was refused.
    pub fn commit(&mut self) -> Vec<TopicPartition> {
        self.try_commit().expect("the log answers a commit")
    }

    pub fn try_commit(&mut self) -> keylane_log::Result<Vec<TopicPartition>> {
        self.consumer.commit(&self.books.positions(|_| true))
    }

    pub fn commit_at(&mut self, positions: &[Position]) -> Vec<TopicPartition> {
        self.consumer.commit(positions).expect("the log answers a commit")
    }

    pub fn pause(&mut self, partitions: &[TopicPartition]) {
        self.consumer.pause(partitions).expect("partitions can be paused");
    }

    pub fn resume(&mut self, partitions: &[TopicPartition]) {
        self.consumer.resume(partitions).expect("partitions can be resumed");
    }

    pub fn leave(&mut self) {
        self.try_leave().expect("the group can be left");
    }

    pub fn try_leave(&mut self) -> keylane_log::Result<()> {
        self.consumer.leave(&mut self.books)
    }
}

impl Books {
    /// Where the owned partitions stand that `wanted` picks.
    pub fn positions(&self, wanted: impl Fn(&TopicPartition) -> bool) -> Vec<Position> {
        let position = |(partition, offset): (&TopicPartition, &Offset)| Position {
            partition: partition.clone(),
            offset: *offset,
            metadata: format!("done:{offset}"),
        };
        let owned = self.next.iter().filter(|(partition, _)| wanted(partition));
        owned.map(position).collect()
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

impl Rebalance for Books {
    fn assigned(&mut self, assignments: &[Assignment]) {
        assert!(!assignments.is_empty(), "an assignment names partitions");
        for assignment in assignments {
            let partition = assignment.partition.clone();
            self.next.insert(partition.clone(), assignment.position);
            let before = self.owned.insert(partition, assignment.clone());
            assert_eq!(before, None, "what is owned is not assigned again");
            self.given.push(assignment.clone());
        }
    }

    fn revoke(&mut self, partitions: &[TopicPartition], patience: Duration) -> Option<Vec<Position>> {
        if self.busy.load(Ordering::Acquire) {
            std::thread::sleep(patience.min(TURN));
            return None;
        }
        let positions = self.positions(|partition| partitions.contains(partition));
        self.forget(partitions);
        Some(positions)
    }

    fn lost(&mut self, partitions: &[TopicPartition]) {
        self.forget(partitions);
        self.lost.extend(partitions.iter().cloned());
    }
}

/// Polls the seats in turn until `done` says so.
pub fn until(what: &str, seats: &mut [&mut Seat], mut done: impl FnMut(&[&mut Seat]) -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !done(seats) {
        assert!(Instant::now() < deadline, "waited in vain: {what}");
        for seat in seats.iter_mut() {
            seat.turn();
        }
    }
}

/// Names a partition.
pub fn partition(topic: &str, number: u32) -> TopicPartition {
    TopicPartition::new(topic, Partition(number))
}
