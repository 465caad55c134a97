//! Promises about members and appends that only the embedded log makes.

#![cfg(feature = "embedded")]

use std::collections::BTreeSet;
use std::path::Path;
use std::time::{Duration, Instant};

use keylane_log::embedded::{EmbeddedLog, EmbeddedOptions};
use keylane_log::turnstile::Turnstile;
use keylane_log::{
    Assignment, Consumer, EventLog, LogError, NewRecord, Partition, Position, Rebalance, Subscription, Timestamp,
    TopicPartition,
};

const DEADLINE: Duration = Duration::from_secs(60);

fn open(dir: &Path) -> EmbeddedLog {
    let log = EmbeddedLog::open(dir, EmbeddedOptions::default()).unwrap();
    log.create_topic("orders", 2).unwrap();
    log
}

fn join(log: &EmbeddedLog) -> Box<dyn Consumer> {
    join_as(log, "delivery")
}

/// Joins a group with a session that is longer than any of these tests.
fn join_as(log: &EmbeddedLog, member: &str) -> Box<dyn Consumer> {
    let subscription = Subscription {
        group: "delivery".into(),
        topics: vec!["orders".into()],
        member: member.into(),
        note: String::new(),
        session_timeout: Duration::from_secs(600),
        drain_timeout: DEADLINE,
    };
    log.subscribe(&subscription).unwrap()
}

/// The partitions that a member holds, and its records in flight.
#[derive(Default)]
struct Held(BTreeSet<TopicPartition>, Work);

/// Whether records are in flight, and which partitions were asked for in revokes.
#[derive(Default)]
struct Work {
    busy: bool,
    asked_for: BTreeSet<TopicPartition>,
}

impl Rebalance for Held {
    fn assigned(&mut self, assignments: &[Assignment]) {
        self.0
            .extend(assignments.iter().map(|assignment| assignment.partition.clone()));
    }

    fn revoke(&mut self, partitions: &[TopicPartition], _: Duration) -> Option<Vec<Position>> {
        self.1.asked_for.extend(partitions.iter().cloned());
        if self.1.busy {
            return None;
        }
        self.lost(partitions);
        Some(Vec::new())
    }

    fn lost(&mut self, partitions: &[TopicPartition]) {
        self.0.retain(|held| !partitions.contains(held));
    }
}

#[track_caller]
fn poll_until(members: &mut [(&mut Box<dyn Consumer>, &mut Held, usize)]) {
    let deadline = Instant::now() + DEADLINE;
    while members.iter().any(|(_, held, wanted)| held.0.len() != *wanted) {
        assert!(
            Instant::now() < deadline,
            "the partitions did not get to their members in time"
        );
        for (consumer, held, _) in &mut *members {
            consumer.poll(Duration::from_millis(1), *held).unwrap();
        }
    }
}

/// A dropped member leaves a free lock file behind, as a killed process does, long before its session ends.
#[test]
fn the_partitions_of_a_dropped_member_move_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(dir.path());
    let (mut one, mut two) = (join(&log), join(&log));
    let (mut held_one, mut held_two) = (Held::default(), Held::default());
    poll_until(&mut [(&mut one, &mut held_one, 1), (&mut two, &mut held_two, 1)]);
    drop(one);
    poll_until(&mut [(&mut two, &mut held_two, 2)]);
}

#[test]
fn a_member_that_has_left_returns_errors() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(dir.path());
    let mut one = join(&log);
    let mut held = Held::default();
    poll_until(&mut [(&mut one, &mut held, 2)]);
    one.leave(&mut held).unwrap();
    assert!(held.0.is_empty());
    assert!(one.poll(Duration::ZERO, &mut held).is_err());
    assert_eq!(std::fs::read_dir(dir.path().join("log.members")).unwrap().count(), 0);
}

/// Two drains are ready when the release of the first fails; neither may be forgotten.
#[test]
fn a_release_that_failed_is_repeated_and_so_are_those_behind_it() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(dir.path());
    log.grow_topic("orders", 4).unwrap();
    let [mut one, mut two, mut three] = ["1", "2", "3"].map(|name| join_as(&log, name));
    let [mut held_one, mut held_two, mut held_three] = [(); 3].map(|()| Held::default());
    poll_until(&mut [(&mut one, &mut held_one, 4)]);
    held_one.1.busy = true;
    let end = Instant::now() + DEADLINE;
    for (consumer, held, surplus) in [(&mut two, &mut held_two, 2), (&mut three, &mut held_three, 3)] {
        while held_one.1.asked_for.len() < surplus {
            assert!(Instant::now() < end, "the surplus partitions are never asked for");
            consumer.poll(Duration::ZERO, held).unwrap();
            one.poll(Duration::ZERO, &mut held_one).unwrap();
        }
    }
    held_one.1.busy = false;
    let mut keeper = Turnstile::open(&dir.path().join("log.db")).unwrap();
    let turn = keeper.enter(DEADLINE).unwrap();
    let kept = one.poll(Duration::ZERO, &mut held_one);
    assert!(matches!(kept, Err(LogError::Unavailable(_))), "{kept:?}");
    drop(turn);
    poll_until(&mut [
        (&mut one, &mut held_one, 2),
        (&mut two, &mut held_two, 1),
        (&mut three, &mut held_three, 1),
    ]);
}

#[test]
fn concurrent_appends_each_keep_their_order() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(dir.path());
    let record = NewRecord {
        partition: Some(Partition(1)),
        timestamp: Timestamp(0),
        key: None,
        value: None,
        headers: Vec::new(),
    };
    let append = || {
        let places = (0..20).flat_map(|_| log.append("orders", vec![record.clone(); 3], DEADLINE));
        places.map(|place| place.unwrap().offset.0).collect::<Vec<u64>>()
    };
    let all: Vec<Vec<u64>> = std::thread::scope(|scope| {
        let callers: Vec<_> = (0..4).map(|_| scope.spawn(append)).collect();
        callers.into_iter().map(|caller| caller.join().unwrap()).collect()
    });
    assert!(
        all.iter().all(|offsets| offsets.is_sorted()),
        "the records of each caller stand in order"
    );
    let all: BTreeSet<u64> = all.into_iter().flatten().collect();
    assert_eq!(all, (0..240).collect());
}
