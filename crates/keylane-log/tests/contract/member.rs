//! A member of a group as the tests use it: it remembers what it was assigned, what it read, and what it would commit.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use keylane_log::{
    Assignment, Consumer, EventLog, LogError, Offset, Partition, Position, Rebalance, Record, Subscription,
    TopicPartition,
};

/// The longest wait before a case fails. The group gives up a member that stops polling after half a minute, and a
/// rebalance that waits for that member may take as long again.
pub const TIMEOUT: Duration = Duration::from_secs(90);

/// The timeout of one poll.
const POLL_TIMEOUT: Duration = Duration::from_millis(20);

/// A member, and what it has observed.
pub struct TestMember {
    consumer: Box<dyn Consumer>,
    pub observed: Observations,
}

/// What a member has observed so far.
#[derive(Default)]
pub struct Observations {
    /// All records that polls returned, in order.
    pub read: Vec<Record>,
    /// The partitions that the member owns, as they were assigned.
    pub owned: BTreeMap<TopicPartition, Assignment>,
    /// All assignments so far.
    pub given: Vec<Assignment>,
    /// All partitions lost so far.
    pub lost: Vec<TopicPartition>,
    /// Whether records are in flight that a revoke has to wait for.
    pub busy: Arc<AtomicBool>,
    /// The offset of the next record of each owned partition. All records that were read count as done.
    next: BTreeMap<TopicPartition, Offset>,
}

impl TestMember {
    pub fn join(log: &dyn EventLog, subscription: &Subscription) -> Self {
        Self {
            consumer: answered(|| log.subscribe(subscription)),
            observed: Observations::default(),
        }
    }

    /// Polls once, and checks that records come only from owned partitions and in order.
    pub fn poll(&mut self) {
        self.try_poll().expect("polling works");
    }

    pub fn try_poll(&mut self) -> keylane_log::Result<()> {
        for record in self.consumer.poll(POLL_TIMEOUT, &mut self.observed)? {
            let partition = record.topic_partition();
            assert!(
                self.observed.owned.contains_key(&partition),
                "{partition} was read without being owned"
            );
            let next = self.observed.next.insert(partition.clone(), record.offset.next());
            assert_eq!(next, Some(record.offset), "{partition} goes on with its next record");
            self.observed.read.push(record);
        }
        Ok(())
    }

    /// Commits the positions behind all records that were read. Returns the refused partitions.
    pub fn commit(&mut self) -> Vec<TopicPartition> {
        self.try_commit().expect("the log answers a commit")
    }

    pub fn try_commit(&mut self) -> keylane_log::Result<Vec<TopicPartition>> {
        self.consumer.commit(&self.observed.positions(|_| true))
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
        answered(|| self.try_leave());
    }

    pub fn try_leave(&mut self) -> keylane_log::Result<()> {
        self.consumer.leave(&mut self.observed)
    }
}

impl Observations {
    /// The positions of the owned partitions that are `wanted`.
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

impl Rebalance for Observations {
    fn assigned(&mut self, assignments: &[Assignment]) {
        assert!(!assignments.is_empty(), "an assignment names partitions");
        for assignment in assignments {
            let partition = assignment.partition.clone();
            self.next.insert(partition.clone(), assignment.position);
            let before = self.owned.insert(partition, assignment.clone());
            assert_eq!(before, None, "a partition that is owned is not assigned again");
            self.given.push(assignment.clone());
        }
    }

    fn revoke(&mut self, partitions: &[TopicPartition], patience: Duration) -> Option<Vec<Position>> {
        if self.busy.load(Ordering::Acquire) {
            std::thread::sleep(patience.min(POLL_TIMEOUT));
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

/// Polls the members one after the other until `done` says so, and fails if that does not come in time.
pub fn until(what: &str, members: &mut [&mut TestMember], mut done: impl FnMut(&[&mut TestMember]) -> bool) {
    let deadline = Instant::now() + TIMEOUT;
    while !done(members) {
        assert!(Instant::now() < deadline, "waited in vain: {what}");
        for member in members.iter_mut() {
            member.poll();
        }
    }
}

/// What the log answers. It gives a call up after five seconds, and a broker that has just started on a busy machine may
/// take longer, so that the call is made again.
pub fn answered<T>(mut call: impl FnMut() -> keylane_log::Result<T>) -> T {
    let deadline = Instant::now() + TIMEOUT;
    loop {
        match call() {
            Err(LogError::Unavailable(_)) if Instant::now() < deadline => {}
            answer => return answer.expect("the log does what is asked"),
        }
    }
}

/// Names a partition.
pub fn partition(topic: &str, number: u32) -> TopicPartition {
    TopicPartition::new(topic, Partition(number))
}
