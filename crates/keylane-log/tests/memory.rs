//! The embedded log in memory: crashes, frozen processes, late heartbeats and clocks that disagree, in time that the
//! tests move on.

#![cfg(feature = "embedded")]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use keylane_log::embedded::{Clocks, EmbeddedOptions, InMemoryLog};
use keylane_log::{
    Assignment, Consumer, EventLog, LogError, NewRecord, Offset, Partition, Position, Rebalance, Subscription,
    Timestamp, TopicPartition,
};

const SESSION: u64 = 3000;
const DRAIN: u64 = 1000;
/// The pause between two polls of a member, in milliseconds.
const PACE: u64 = 50;

/// The true time in milliseconds, from which the clocks of processes differ.
#[derive(Clone, Default)]
struct World(Arc<AtomicU64>);

impl World {
    fn log(&self, partitions: u32) -> InMemoryLog {
        let log = InMemoryLog::new(self.clocks(0, 100)).unwrap();
        log.create_topic("orders", partitions).unwrap();
        log
    }

    /// Clocks that are `ahead` by milliseconds, and run at this speed, where 100 is the true one.
    fn clocks(&self, ahead: u64, speed: u64) -> Clocks {
        let (wall, monotonic) = (self.0.clone(), self.0.clone());
        let shown = move |time: &AtomicU64| ahead + time.load(Ordering::Relaxed) * speed / 100;
        Clocks {
            wall: Arc::new(move || Timestamp(shown(&wall) as i64)),
            monotonic: Arc::new(move || Duration::from_millis(shown(&monotonic))),
        }
    }

    fn now(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    fn wait(&self, millis: u64) {
        self.0.fetch_add(millis, Ordering::Relaxed);
    }

    /// Polls the members in turn for this long.
    fn run(&self, millis: u64, members: &mut [&mut Reader]) {
        let end = self.now() + millis;
        while self.now() < end {
            members.iter_mut().for_each(|member| member.poll());
            self.wait(PACE);
        }
    }
}

/// A member that remembers what it owns and has read. What it has read counts as done, unless it is busy.
struct Reader {
    consumer: Box<dyn Consumer>,
    seen: Seen,
}

#[derive(Default)]
struct Seen {
    owned: BTreeMap<u32, u64>,
    lost: Vec<u32>,
    read: Vec<(u32, u64)>,
    revokes: u32,
    busy: bool,
}

impl Reader {
    fn join(log: &InMemoryLog, member: &str) -> Self {
        let subscription = Subscription {
            group: "delivery".into(),
            topics: vec!["orders".into()],
            member: member.into(),
            note: String::new(),
            session_timeout: Duration::from_millis(SESSION),
            drain_timeout: Duration::from_millis(DRAIN),
        };
        Self {
            consumer: log.subscribe(&subscription).unwrap(),
            seen: Seen::default(),
        }
    }

    fn poll(&mut self) {
        // A poll that waited would let the test hang.
        let records = self.consumer.poll(Duration::from_secs(86_400), &mut self.seen).unwrap();
        for record in records {
            let (number, offset) = (record.partition.0, record.offset);
            self.seen.owned.insert(number, offset.next().0);
            self.seen.read.push((number, offset.0));
        }
    }

    fn commit(&mut self) -> Vec<TopicPartition> {
        let positions = self.seen.positions(&self.owned());
        self.consumer.commit(&positions).unwrap()
    }

    fn owned(&self) -> Vec<TopicPartition> {
        self.seen.owned.keys().copied().map(partition).collect()
    }
}

impl Seen {
    fn positions(&self, partitions: &[TopicPartition]) -> Vec<Position> {
        let position = |partition: &TopicPartition| Position {
            partition: partition.clone(),
            offset: Offset(self.owned[&partition.partition.0]),
            metadata: String::new(),
        };
        partitions.iter().map(position).collect()
    }
}

impl Rebalance for Seen {
    fn assigned(&mut self, assignments: &[Assignment]) {
        let place = |given: &Assignment| (given.partition.partition.0, given.position.0);
        self.owned.extend(assignments.iter().map(place));
    }

    fn revoke(&mut self, partitions: &[TopicPartition], patience: Duration) -> Option<Vec<Position>> {
        assert_eq!(patience, Duration::ZERO);
        self.revokes += 1;
        if self.busy {
            return None;
        }
        let positions = self.positions(partitions);
        self.owned.retain(|number, _| !partitions.contains(&partition(*number)));
        Some(positions)
    }

    fn lost(&mut self, partitions: &[TopicPartition]) {
        self.owned.retain(|number, _| !partitions.contains(&partition(*number)));
        self.lost.extend(partitions.iter().map(|lost| lost.partition.0));
    }
}

fn partition(number: u32) -> TopicPartition {
    TopicPartition::new("orders", Partition(number))
}

fn append(log: &InMemoryLog, number: u32, count: usize) {
    let record = NewRecord {
        partition: Some(Partition(number)),
        timestamp: Timestamp(0),
        key: None,
        value: Some("v".into()),
        headers: Vec::new(),
    };
    for placed in log.append("orders", vec![record; count], Duration::ZERO) {
        placed.unwrap();
    }
}

/// Two members with a partition each, which have read and committed one record of each.
fn pair(world: &World) -> (InMemoryLog, InMemoryLog, Reader, Reader) {
    let log = world.log(2);
    let other = log.process(world.clocks(0, 100));
    append(&log, 0, 1);
    append(&log, 1, 1);
    let (mut one, mut two) = (Reader::join(&log, "one"), Reader::join(&other, "two"));
    world.run(500, &mut [&mut one, &mut two]);
    assert_eq!((one.owned(), two.owned()), (vec![partition(0)], vec![partition(1)]));
    assert_eq!((one.commit(), two.commit()), (vec![], vec![]));
    one.seen.read.clear();
    (log, other, one, two)
}

#[test]
fn a_crash_shows_after_the_session_and_not_before() {
    let world = World::default();
    let (log, _, one, mut two) = pair(&world);
    append(&log, 0, 1);
    drop(one);
    world.run(SESSION - 500, &mut [&mut two]);
    assert_eq!(two.owned(), [partition(1)]);
    world.run(600, &mut [&mut two]);
    assert_eq!(two.owned(), [partition(0), partition(1)]);
    assert_eq!(two.seen.read.last(), Some(&(0, 1)), "it goes on behind the commit");
}

#[test]
fn the_end_of_a_process_shows_soon() {
    let world = World::default();
    let (log, other, one, mut two) = pair(&world);
    drop(one);
    log.end();
    let info = other.describe_group("delivery").unwrap().unwrap();
    assert_eq!(info.members.len(), 1, "whoever asks about the group sees it at once");
    world.run(200, &mut [&mut two]);
    assert_eq!(two.owned().len(), 2);

    let restarted = log.process(world.clocks(0, 100));
    let mut one = Reader::join(&restarted, "one");
    world.run(500, &mut [&mut one, &mut two]);
    assert_eq!(
        one.owned().len(),
        1,
        "the next process of that name is not taken for dead"
    );
}

#[test]
fn a_frozen_member_wakes_without_its_partitions() {
    let world = World::default();
    let (log, _, mut one, mut two) = pair(&world);
    append(&log, 0, 2);
    one.poll();
    world.run(SESSION + 500, &mut [&mut two]);
    assert_eq!(two.owned().len(), 2);
    assert_eq!(one.commit(), [partition(0)], "a late commit is refused");
    assert_eq!(log.committed("delivery", "orders").unwrap()[0], Some(Offset(1)));
    one.poll();
    assert_eq!((one.owned(), &one.seen.lost), (vec![], &vec![0]));
    world.run(1500, &mut [&mut one, &mut two]);
    assert_eq!((one.owned().len(), two.owned().len()), (1, 1), "it joins again");
}

#[test]
fn late_heartbeats_lose_nothing_while_they_come_within_the_session() {
    let world = World::default();
    let (_, _, mut one, mut two) = pair(&world);
    for _ in 0..20 {
        one.poll();
        world.run(SESSION - 2 * PACE, &mut [&mut two]);
    }
    assert_eq!(one.seen.lost, [0; 0]);
    world.run(2 * SESSION, &mut [&mut two]);
    one.poll();
    assert_eq!(one.seen.lost, [0]);
}

#[test]
fn members_whose_clocks_disagree_live_together() {
    let world = World::default();
    let log = world.log(3);
    let skewed = [(0, 100), (86_400_000, 50), (7, 200)];
    let processes = skewed.map(|(ahead, speed)| log.process(world.clocks(ahead, speed)));
    let mut members = processes.each_ref().map(|process| Reader::join(process, "member"));
    world.run(60_000, &mut members.each_mut());
    for member in &members {
        assert_eq!((member.owned().len(), &member.seen.lost), (1, &vec![]));
    }
    // The third member's clock runs at twice the speed, so to it a session is over after half the time.
    let [one, _, three] = &mut members;
    world.run(SESSION / 2 + 500, &mut [one, three]);
    assert_eq!(one.owned().len() + three.owned().len(), 3);
}

#[test]
fn a_revoke_is_asked_again_until_the_drain_has_lasted_too_long() {
    let world = World::default();
    let log = world.log(2);
    let mut one = Reader::join(&log, "one");
    one.poll();
    one.seen.busy = true;
    let mut two = Reader::join(&log, "two");
    world.run(DRAIN / 2, &mut [&mut two, &mut one]);
    assert_eq!(one.seen.revokes as u64, DRAIN / 2 / PACE, "once in each poll");
    assert_eq!((two.owned(), &one.seen.lost), (vec![], &vec![]));
    world.run(DRAIN, &mut [&mut two, &mut one]);
    assert_eq!((two.owned(), &one.seen.lost), (vec![partition(1)], &vec![1]));
}

#[test]
fn leaving_is_repeated_until_nothing_is_in_flight() {
    let world = World::default();
    let (log, _, mut one, mut two) = pair(&world);
    one.seen.busy = true;
    let early = one.consumer.leave(&mut one.seen);
    assert!(matches!(early, Err(LogError::Unavailable(_))), "{early:?}");
    world.run(DRAIN / 2, &mut [&mut one, &mut two]);
    assert_eq!(
        one.owned(),
        [partition(0)],
        "a member that leaves keeps what is in flight"
    );
    one.seen.busy = false;
    assert_eq!(one.consumer.leave(&mut one.seen), Ok(()));
    assert!(matches!(one.consumer.leave(&mut one.seen), Err(LogError::Refused(_))));
    two.poll();
    assert_eq!(two.owned().len(), 2);
    assert_eq!(log.members("delivery").unwrap().len(), 1);

    two.seen.busy = true;
    assert!(two.consumer.leave(&mut two.seen).is_err());
    world.wait(DRAIN);
    assert_eq!(two.consumer.leave(&mut two.seen), Ok(()), "a drain ends");
    assert_eq!(two.seen.lost, [0, 1]);
}

#[test]
fn a_new_partition_is_read_from_its_beginning() {
    let world = World::default();
    let (log, _, mut one, mut two) = pair(&world);
    log.grow_topic("orders", 3).unwrap();
    append(&log, 2, 2);
    world.run(PACE, &mut [&mut one, &mut two]);
    assert_eq!(one.seen.read, [(2, 0), (2, 1)]);
}

#[test]
fn retention_goes_by_the_clock_of_its_process_and_keeps_what_is_unread() {
    let world = World::default();
    let (log, _, mut one, mut two) = pair(&world);
    append(&log, 0, 2);
    let days = |days: u64| EmbeddedOptions {
        retention_age: Some(Duration::from_secs(days * 86_400)),
        retention_bytes: None,
    };
    assert_eq!(log.remove_old_records(days(1)), Ok(0));
    let ahead = log.process(world.clocks(2 * 86_400_000, 100));
    assert_eq!(ahead.remove_old_records(days(1)), Ok(2));
    world.run(PACE, &mut [&mut one, &mut two]);
    assert_eq!(one.seen.read, [(0, 1), (0, 2)]);
}

#[test]
fn records_that_are_deleted_unread_are_passed_over() {
    let world = World::default();
    let (log, _, mut one, _) = pair(&world);
    append(&log, 0, 3);
    log.delete_before(&partition(0), Offset(3)).unwrap();
    one.poll();
    assert_eq!(one.seen.read, [(0, 3)]);
    for (number, offset) in [(0, 5), (2, 0)] {
        let refused = log.delete_before(&partition(number), Offset(offset));
        assert!(matches!(refused, Err(LogError::Refused(_))), "{refused:?}");
    }
}

#[test]
fn a_log_that_goes_back_is_read_again_from_there() {
    let world = World::default();
    let (log, _, mut one, mut two) = pair(&world);
    append(&log, 0, 3);
    one.poll();
    one.commit();
    log.truncate(&partition(0), Offset(2)).unwrap();
    assert_eq!(log.committed("delivery", "orders").unwrap()[0], Some(Offset(2)));
    append(&log, 0, 4);
    world.run(PACE, &mut [&mut one, &mut two]);
    let offsets: Vec<u64> = one.seen.read.iter().map(|read| read.1).collect();
    assert_eq!(offsets, [1, 2, 3, 2, 3, 4, 5]);
    assert!(log.truncate(&partition(0), Offset(7)).is_err());
}

#[test]
fn the_same_calls_have_the_same_results() {
    let transcript = || {
        fastrand::seed(7);
        let world = World::default();
        let log = world.log(5);
        let mut members = ["c", "a", "b"].map(|name| Reader::join(&log, name));
        for number in 0..5 {
            append(&log, number, 3);
            world.run(700, &mut members.each_mut());
        }
        let read: Vec<_> = members.iter().map(|member| member.seen.read.clone()).collect();
        format!("{:?} {read:?}", log.describe_group("delivery"))
    };
    assert_eq!(transcript(), transcript());
}

#[test]
fn a_log_that_was_emptied_begins_anew_once_nobody_else_has_it_open() {
    let world = World::default();
    let mut log = world.log(2);
    for _ in 0..2 {
        append(&log, 0, 1);
        assert_eq!(log.extents("orders").unwrap()[0].end, Offset(1));
        let member = Reader::join(&log, "one");
        let (other, empty) = (log.process(world.clocks(0, 100)), log.emptied());
        assert!(
            matches!(empty, Err(LogError::Refused(_))),
            "a process and a member have it open"
        );
        drop(member);
        log = other.emptied().expect("nobody else has it open");
        assert_eq!(log.topics(), Ok(vec![]));
        assert_eq!(log.groups(), Ok(vec![]));
        log.create_topic("orders", 2).unwrap();
    }
}

#[test]
fn a_limit_holds_for_every_process_until_it_is_taken_back() {
    let world = World::default();
    let log = world.log(1);
    let other = log.process(world.clocks(0, 100));
    let record = |bytes: usize| NewRecord {
        partition: Some(Partition(0)),
        timestamp: Timestamp(0),
        key: None,
        value: Some(vec![0; bytes].into()),
        headers: Vec::new(),
    };
    log.limit(Some(10));
    let answers = other.append("orders", vec![record(11), record(10)], Duration::ZERO);
    assert!(matches!(&answers[0], Err(LogError::Refused(why)) if why.contains("11") && why.contains("10")));
    assert_eq!(answers[1].as_ref().map(|placed| placed.offset), Ok(Offset(0)));
    other.limit(None);
    assert!(log.append("orders", vec![record(11)], Duration::ZERO)[0].is_ok());
}
