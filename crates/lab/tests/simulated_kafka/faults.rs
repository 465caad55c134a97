//! Each fault by itself, at a rate of one.

use std::time::Duration;

use keylane_log::{EventLog, LogError, NewRecord, Offset, Position};
use lab::simulated_kafka::{Behaviour, Client, Faults, Producer, Reset};

use crate::member::TestMember;
use crate::world::{GROUP, TOPIC, World, append, fill, partition, placed_at, subscription};

/// A Kafka with a topic of two partitions, and ten records in each, that behaves well so far.
fn world(seed: u64) -> (World, Client) {
    let world = World::new(seed, Behaviour::default());
    let log = world.client(0);
    log.create_topic(TOPIC, 2).expect("a topic");
    fill(&log, 2, 10);
    (world, log)
}

fn with(world: &World, faults: Faults) {
    world.kafka.behave(Behaviour {
        faults,
        ..Behaviour::default()
    });
}

fn unavailable<T: std::fmt::Debug>(answer: Result<T, LogError>) {
    assert!(matches!(&answer, Err(LogError::Unavailable(_))), "{answer:?}");
}

/// The numbers that stand in partition 0.
fn numbers(log: &dyn EventLog) -> Vec<u32> {
    let records = log.read(&partition(0), Offset(0), 1000).expect("it is read");
    let value = |record: keylane_log::Record| String::from_utf8(record.value.expect("a value").to_vec());
    records
        .into_iter()
        .map(|record| value(record).expect("text").parse().expect("a number"))
        .collect()
}

/// What `look` sees once all that was on its way has arrived or is gone, for which each look gives a chance.
fn after_a_while<T>(look: impl Fn() -> T) -> T {
    (0..20).for_each(|_| drop(look()));
    look()
}

fn numbered(from: u32, to: u32) -> Vec<NewRecord> {
    (from..to).map(|n| placed_at(0, n.to_string())).collect()
}

#[test]
fn a_partition_that_is_kept_or_paused_goes_back() {
    let (world, log) = world(1);
    let mut member = TestMember::join(&log, &subscription("m"));
    member.poll();
    with(
        &world,
        Faults {
            repeats: 1.0,
            ..Faults::default()
        },
    );
    member.consumer.pause(&[partition(0)]).expect("paused");
    member.consumer.resume(&[partition(0)]).expect("resumed");
    let again = member.try_poll().expect("answered");
    assert!(
        !again.is_empty() && again.len() <= 6 && again.iter().all(|record| record.partition.0 == 0),
        "{again:?}"
    );
    assert_eq!(again.last().map(|record| record.offset), Some(Offset(9)));
    // What returns begins at its commit; what was kept meanwhile goes back.
    world.kafka.rebalance(GROUP);
    let again = member.try_poll().expect("answered");
    assert_eq!((member.observed.revoked.len(), member.observed.given.len()), (1, 3));
    let kept = partition(1 - member.observed.revoked[0].partition.0);
    assert!(again.iter().any(|record| record.topic_partition() == kept), "{again:?}");
}

#[test]
fn a_session_that_is_lost_is_told_by_the_next_poll() {
    let (world, log) = world(1);
    let mut member = TestMember::join(&log, &subscription("m"));
    with(
        &world,
        Faults {
            sessions_lost: 1.0,
            ..Faults::default()
        },
    );
    member.poll();
    assert_eq!((member.observed.owned.len(), member.observed.lost.len()), (2, 0));
    assert_eq!(member.commit(), [partition(0), partition(1)]);
    with(&world, Faults::default());
    member.poll();
    assert_eq!(
        (member.observed.lost.len(), member.observed.given.len()),
        (2, 4),
        "it has joined anew"
    );
}

#[test]
fn a_commit_of_a_generation_that_is_gone_loses_everything() {
    let (world, log) = world(1);
    let mut member = TestMember::join(&log, &subscription("m"));
    member.poll();
    with(
        &world,
        Faults {
            commits_refused: 1.0,
            ..Faults::default()
        },
    );
    assert_eq!(member.commit(), [partition(0), partition(1)]);
    assert_eq!(log.committed(GROUP, TOPIC), Ok(vec![None; 2]));
    member.poll();
    assert_eq!(member.observed.lost.len(), 2);
}

#[test]
fn a_commit_without_an_answer_may_be_made_at_once_or_later_or_never() {
    let (mut at_once, mut later, mut never) = (0, 0, 0);
    for seed in 0..200 {
        let (world, log) = world(seed);
        let mut member = TestMember::join(&log, &subscription("m"));
        member.poll();
        with(
            &world,
            Faults {
                commits_unanswered: 1.0,
                ..Faults::default()
            },
        );
        let to = |offset| {
            [Position {
                partition: partition(0),
                offset: Offset(offset),
                metadata: String::new(),
            }]
        };
        unavailable(member.consumer.commit(&to(3)));
        let committed = || log.committed(GROUP, TOPIC).expect("it is told")[0];
        let first = committed();
        let last = after_a_while(committed);
        match (first, last) {
            (Some(_), _) => at_once += 1,
            (None, Some(_)) => later += 1,
            (None, None) => never += 1,
        }
        unavailable(member.consumer.commit(&to(5)));
        with(&world, Faults::default());
        assert_eq!(member.consumer.commit(&to(7)), Ok(Vec::new()));
        assert!(
            (0..20).all(|_| committed() == Some(Offset(7))),
            "no commit comes behind a later one"
        );
    }
    assert!(at_once > 20 && later > 5 && never > 20, "{at_once} {later} {never}");
}

#[test]
fn no_commit_arrives_once_its_partition_was_lost() {
    let mut in_time = 0;
    for seed in 0..200 {
        let world = World::new(seed, Behaviour::default());
        let log = world.client(0);
        log.create_topic(TOPIC, 1).expect("a topic");
        fill(&log, 1, 10);
        let mut member = TestMember::join(&log, &subscription("m"));
        member.poll();
        member.observed.busy = true;
        world.kafka.rebalance(GROUP);
        member.poll();
        world.pass(Duration::from_secs(5));
        with(
            &world,
            Faults {
                commits_unanswered: 1.0,
                ..Faults::default()
            },
        );
        let late = Position {
            partition: partition(0),
            offset: Offset(3),
            metadata: String::new(),
        };
        unavailable(member.consumer.commit(&[late]));
        with(&world, Faults::default());
        member.poll();
        assert_eq!(member.observed.lost, [partition(0)]);
        let begun = member.observed.given[1].position;
        in_time += u32::from(begun == Offset(3));
        let committed = after_a_while(|| log.committed(GROUP, TOPIC).expect("it is told"));
        assert_eq!(committed[0].unwrap_or(Offset(0)), begun);
    }
    assert!((50..150).contains(&in_time), "{in_time}");
}

#[test]
fn an_append_without_an_answer_leaves_no_hole_and_comes_behind_no_later_one() {
    let (mut more, mut late) = (0, 0);
    for seed in 0..200 {
        let world = World::new(seed, Behaviour::default());
        let log = world.client(0);
        log.create_topic(TOPIC, 1).expect("a topic");
        with(
            &world,
            Faults {
                appends_unanswered: 1.0,
                ..Faults::default()
            },
        );
        let results = log.append(TOPIC, numbered(0, 5), Duration::ZERO);
        let acknowledged = results.iter().take_while(|result| result.is_ok()).count();
        assert!(
            results[acknowledged..]
                .iter()
                .all(|result| matches!(result, Err(LogError::Unavailable(_))))
        );
        let first = world
            .client(0)
            .read(&partition(0), Offset(0), 10)
            .expect("it is read")
            .len();
        let some_later = after_a_while(|| numbers(&log).len());
        more += u32::from(first > acknowledged);
        late += u32::from(some_later > first);
        with(&world, Faults::default());
        append(&log, numbered(5, 8));
        let stand: Vec<u32> = after_a_while(|| numbers(&log));
        let before = stand.len() - 3;
        assert!(before >= acknowledged);
        assert_eq!(stand, (0..before as u32).chain(5..8).collect::<Vec<_>>());
    }
    assert!(more > 20 && late > 5, "{more} {late}");
}

#[test]
fn a_producer_with_default_settings_reorders_and_leaves_holes() {
    let with_default = |overtaken, given_up| {
        let producer = Producer::Default { overtaken, given_up };
        let world = World::new(
            1,
            Behaviour {
                producer,
                ..Behaviour::default()
            },
        );
        let log = world.client(0);
        log.create_topic(TOPIC, 1).expect("a topic");
        let results = log.append(TOPIC, numbered(0, 20), Duration::ZERO);
        let failed = results.iter().filter(|result| result.is_err()).count();
        (numbers(&log), failed)
    };
    assert_eq!(with_default(0.0, 0.0), ((0..20).collect(), 0));
    assert_eq!(
        with_default(1.0, 0.0),
        ((1..20).chain([0]).collect(), 0),
        "each overtakes the first"
    );
    let (stand, failed) = with_default(0.0, 0.3);
    assert!(failed > 0 && stand.len() == 20 - failed && stand.is_sorted());
    assert!(
        stand.last() > Some(&(stand.len() as u32)),
        "there are records behind a hole: {stand:?}"
    );
}

#[test]
fn who_begins_at_the_end_never_reads_what_was_written_before_the_group_looked() {
    for (reset, read) in [(Reset::Earliest, 1), (Reset::Latest, 0)] {
        let world = World::new(
            1,
            Behaviour {
                reset,
                ..Behaviour::default()
            },
        );
        let log = world.client(0);
        log.create_topic(TOPIC, 1).expect("a topic");
        let mut member = TestMember::join(&log, &subscription("m"));
        member.poll();
        log.grow_topic(TOPIC, 2).expect("it grows");
        append(&log, vec![placed_at(1, "0")]);
        world.pass(Duration::from_secs(2));
        member.poll();
        assert_eq!((member.observed.owned.len(), member.observed.read.len()), (2, read));
    }
}

#[test]
fn offsets_may_be_left_out() {
    let (world, log) = world(1);
    with(
        &world,
        Faults {
            offsets_left_out: 1.0,
            ..Faults::default()
        },
    );
    let mut member = TestMember::join(&log, &subscription("m"));
    append(&log, numbered(10, 13));
    let records = member.try_poll().expect("answered");
    let offsets: Vec<u64> = records
        .iter()
        .filter(|record| record.partition.0 == 0)
        .map(|record| record.offset.0)
        .collect();
    assert_eq!(offsets, (0..10).chain([10, 12, 14]).collect::<Vec<_>>());
    assert_eq!(log.extents(TOPIC).expect("extents")[0].end, Offset(16));
}

#[test]
fn calls_polls_and_assignments_may_go_unanswered() {
    let (world, log) = world(1);
    let mut member = TestMember::join(&log, &subscription("m"));
    with(
        &world,
        Faults {
            calls_unanswered: 1.0,
            ..Faults::default()
        },
    );
    unavailable(log.partitions(TOPIC));
    unavailable(log.committed(GROUP, TOPIC));
    with(
        &world,
        Faults {
            polls_unanswered: 1.0,
            ..Faults::default()
        },
    );
    unavailable(member.try_poll());
    with(
        &world,
        Faults {
            assignments_unanswered: 1.0,
            ..Faults::default()
        },
    );
    unavailable(member.try_poll());
    assert_eq!(member.observed.given, []);
    with(
        &world,
        Faults {
            polls_short: 1.0,
            ..Faults::default()
        },
    );
    while member.observed.read.len() < 20 {
        assert!(member.try_poll().expect("answered").len() <= 3);
    }
}
