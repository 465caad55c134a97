//! What any log must do, without faults: the cases of keylane-log's contract that have a meaning in memory.

use std::time::Duration;

use keylane_log::{
    EventLog, Extent, GroupError, GroupState, LogError, NewRecord, Offset, OffsetKept, Partition, Placed, Position,
    Record, partitioner,
};
use lab::simulated_kafka::{Behaviour, Protocol};

use crate::member::{TestMember, until};
use crate::world::{GROUP, TOPIC, World, append, fill, keyed, partition, placed_at, subscription};

fn refused<T: std::fmt::Debug>(answer: Result<T, LogError>) {
    assert!(matches!(&answer, Err(LogError::Refused(_))), "{answer:?}");
}

#[test]
fn keys_lie_where_java_puts_them_and_come_back_in_order() {
    let (_world, log) = World::calm(4);
    let records = (0..200).map(|n| keyed(&format!("order-{}", n % 7), n.to_string()));
    let placed = append(&log, records.collect());
    for (n, placed) in placed.iter().enumerate() {
        let key = format!("order-{}", n % 7);
        assert_eq!(placed.partition, partitioner::partition_of(key.as_bytes(), 4));
        let read = log
            .read(&partition(placed.partition.0), placed.offset, 1)
            .expect("it is read");
        assert_eq!(read[0].value.as_deref(), Some(n.to_string().as_bytes()));
    }
    let extents = log.extents(TOPIC).expect("extents are told");
    assert_eq!(
        extents.iter().map(|extent| extent.end.0).sum::<u64>(),
        200,
        "offsets rise by one"
    );
}

#[test]
fn a_record_that_is_refused_refuses_no_other() {
    let (_world, log) = World::calm(2);
    let large = placed_at(0, vec![0; 1_000_001]);
    let results = log.append(
        TOPIC,
        vec![placed_at(0, "a"), placed_at(2, "b"), large, placed_at(1, "c")],
        Duration::ZERO,
    );
    let at = |number| {
        Ok(Placed {
            partition: Partition(number),
            offset: Offset(0),
        })
    };
    assert_eq!((&results[0], &results[3]), (&at(0), &at(1)));
    refused(results[1].clone());
    refused(results[2].clone());
    refused(log.append("nowhere", vec![keyed("1", "v")], Duration::ZERO).remove(0));
    refused(
        log.subscribe(&keylane_log::Subscription {
            topics: vec!["nowhere".into()],
            ..subscription("m")
        })
        .map(|_| ()),
    );
    assert_eq!(log.read(&partition(1), Offset(7), 1), Ok(Vec::new()));
    refused(log.read(&partition(2), Offset(0), 1));
}

#[test]
fn topics_are_created_once_and_only_grow() {
    let (world, log) = World::calm(2);
    let other = world.client(0);
    assert_eq!(
        (log.create_topic(TOPIC, 5), other.partitions(TOPIC)),
        (Ok(false), Ok(2))
    );
    [0, 1, 2]
        .into_iter()
        .for_each(|fewer| refused(log.grow_topic(TOPIC, fewer)));
    log.grow_topic(TOPIC, 4).expect("the topic grows");
    assert_eq!((log.partitions(TOPIC), other.partitions(TOPIC)), (Ok(4), Ok(2)));
    // With four partitions this key belongs to partition 2, with two to partition 0.
    let place = |log: &dyn EventLog| append(log, vec![keyed("order-1", "v")])[0].partition;
    assert_eq!(
        (place(&log), place(&other)),
        (Partition(2), Partition(0)),
        "the other's count is older"
    );
    world.pass(Duration::from_secs(2));
    assert_eq!((other.partitions(TOPIC), place(&other)), (Ok(4), Partition(2)));
    assert_eq!(log.topics().expect("topics are listed")[0].partitions.len(), 4);
}

#[test]
fn a_group_reads_everything_once_and_goes_on_where_it_was() {
    let (world, log) = World::calm(3);
    fill(&log, 3, 700);
    assert_eq!(log.committed(GROUP, TOPIC), Ok(vec![None; 3]));
    let mut member = TestMember::join(&log, &subscription("only"));
    until("the backlog is read", &world, &mut [&mut member], |members| {
        members[0].observed.read.len() == 2100
    });
    assert!(
        member
            .observed
            .given
            .iter()
            .all(|given| given.position == Offset(0) && given.metadata.is_empty())
    );
    assert_eq!(member.commit(), []);
    drop(member);
    assert_eq!(log.committed(GROUP, TOPIC), Ok(vec![Some(Offset(700)); 3]));
    let mut heir = TestMember::join(&log, &subscription("heir"));
    fill(&log, 3, 1);
    until("the rest is read", &world, &mut [&mut heir], |members| {
        members[0].observed.read.len() == 3
    });
    assert!(heir.observed.given.iter().all(|given| given.metadata == "done:700"));
}

#[test]
fn partitions_move_without_overlap() {
    for protocol in [Protocol::Cooperative, Protocol::Eager] {
        let world = World::new(
            3,
            Behaviour {
                protocol,
                ..Behaviour::default()
            },
        );
        let log = world.client(0);
        log.create_topic(TOPIC, 4).expect("a topic");
        fill(&log, 4, 50);
        let mut first = TestMember::join(&log, &subscription("first"));
        until("the first has it all", &world, &mut [&mut first], |members| {
            members[0].observed.read.len() == 200
        });
        let mut second = TestMember::join(&log, &subscription("second"));
        first.observed.busy = true;
        for _ in 0..20 {
            second.poll();
            first.poll();
            assert_eq!(
                second.observed.numbers(),
                Vec::<u32>::new(),
                "a revoke waits for the drain"
            );
        }
        first.observed.busy = false;
        until(
            "each has its share",
            &world,
            &mut [&mut first, &mut second],
            |members| members.iter().all(|member| member.observed.owned.len() == 2),
        );
        assert!(
            second
                .observed
                .given
                .iter()
                .all(|given| given.position == Offset(50) && given.metadata == "done:50")
        );
        let back = if protocol == Protocol::Eager { 4 } else { 2 };
        assert_eq!((first.observed.revoked.len(), first.observed.lost.len()), (back, 0));
        fill(&log, 4, 50);
        until("both go on", &world, &mut [&mut first, &mut second], |members| {
            members.iter().map(|member| member.observed.read.len()).sum::<usize>() == 400
        });
        let away = second.observed.numbers()[0];
        let foreign = Position {
            partition: partition(away),
            offset: Offset(1),
            metadata: String::new(),
        };
        assert_eq!(first.consumer.commit(&[foreign]), Ok(vec![partition(away)]));
    }
}

#[test]
fn who_is_silent_for_a_session_is_told_of_its_loss() {
    let (world, log) = World::calm(1);
    fill(&log, 1, 10);
    let mut sleeper = TestMember::join(&log, &subscription("sleeper"));
    sleeper.poll();
    let mut heir = TestMember::join(&log, &subscription("heir"));
    heir.poll();
    world.pass(Duration::from_millis(5999));
    heir.poll();
    assert_eq!(heir.observed.numbers(), Vec::<u32>::new());
    world.pass(Duration::from_millis(1));
    heir.poll();
    assert_eq!(heir.observed.read.len(), 10);
    assert_eq!(heir.commit(), []);
    assert_eq!(sleeper.commit(), [partition(0)], "a zombie commits nothing");
    sleeper.poll();
    assert_eq!(sleeper.observed.lost, [partition(0)]);
    assert_eq!(log.committed(GROUP, TOPIC), Ok(vec![Some(Offset(10))]));
}

#[test]
fn a_drain_too_slow_loses_the_partition() {
    let (world, log) = World::calm(1);
    fill(&log, 1, 10);
    let mut worker = TestMember::join(&log, &subscription("worker"));
    worker.poll();
    worker.observed.busy = true;
    world.kafka.rebalance(GROUP);
    for _ in 0..5 {
        worker.poll();
        world.pass(Duration::from_secs(1));
        assert_eq!(worker.observed.lost, []);
    }
    worker.poll();
    assert_eq!(worker.observed.lost, [partition(0)]);
    assert_eq!(worker.observed.given.len(), 2, "it returned to the same member");
    assert_eq!(worker.observed.given[1].position, Offset(0), "nothing was committed");
    worker.leave();
    assert_eq!(worker.observed.lost.len(), 2, "leaving waits for nothing");
    refused(worker.try_poll());
}

#[test]
fn a_new_partition_is_read_soon_and_from_its_beginning() {
    let (world, log) = World::calm(1);
    let mut member = TestMember::join(&log, &subscription("reader"));
    member.poll();
    world.client(0).grow_topic(TOPIC, 3).expect("the topic grows");
    append(&log, vec![placed_at(2, "at once")]);
    member.poll();
    assert_eq!(member.observed.numbers(), [0], "the group has not looked yet");
    world.pass(Duration::from_secs(2));
    member.poll();
    assert_eq!(
        (member.observed.numbers(), member.observed.read.len()),
        (vec![0, 1, 2], 1)
    );
    assert_eq!(member.observed.revoked, []);
}

#[test]
fn a_paused_partition_is_silent() {
    let (_world, log) = World::calm(2);
    let mut member = TestMember::join(&log, &subscription("reader"));
    member.poll();
    member.consumer.pause(&[partition(0)]).expect("it can be paused");
    fill(&log, 2, 10);
    member.poll();
    let from = |member: &TestMember, number: u32| {
        let of = |record: &&Record| record.partition.0 == number;
        member.observed.read.iter().filter(of).count()
    };
    assert_eq!((from(&member, 0), from(&member, 1)), (0, 10));
    member.consumer.resume(&[partition(0)]).expect("it can be resumed");
    member.poll();
    assert_eq!(from(&member, 0), 10);
}

#[test]
fn who_leaves_is_gone_at_once() {
    let (_world, log) = World::calm(2);
    fill(&log, 2, 10);
    let mut first = TestMember::join(&log, &subscription("first"));
    first.poll();
    first.leave();
    let mut second = TestMember::join(&log, &subscription("second"));
    second.poll();
    assert!(
        second.observed.given.iter().all(|given| given.position == Offset(10)),
        "committed with the leave"
    );
    assert_eq!(second.observed.given.len(), 2);
}

#[test]
fn a_group_is_seen_and_changed_from_outside() {
    let (_world, log) = World::calm(1);
    fill(&log, 1, 5);
    assert_eq!(log.describe_group(GROUP), Ok(None));
    assert_eq!(log.delete_group(GROUP), Err(GroupError::NotFound));
    let mut member = TestMember::join(
        &log,
        &keylane_log::Subscription {
            note: "guard=off".into(),
            ..subscription("m")
        },
    );
    member.poll();
    assert_eq!(member.commit(), []);
    let seen = || {
        log.describe_group(GROUP)
            .expect("the group is described")
            .expect("it is there")
    };
    assert_eq!(seen().state, GroupState::Stable);
    assert_eq!(
        (seen().members[0].client.as_str(), &seen().members[0].partitions[..]),
        ("m,guard=off", &[partition(0)][..])
    );
    let to = |number: u32| [(partition(number), Offset(1))].into();
    refused(log.reset_group(GROUP, &to(0)));
    assert_eq!(log.delete_group(GROUP), Err(GroupError::NotEmpty));
    let outcomes = log
        .delete_offsets(GROUP, &[partition(0), partition(1)].into())
        .expect("the group is there");
    assert_eq!(
        outcomes.into_values().collect::<Vec<_>>(),
        [Err(OffsetKept::Subscribed), Err(OffsetKept::NoPartition)]
    );
    member.leave();
    assert_eq!(
        (seen().state, seen().commits),
        (GroupState::Empty, [(partition(0), Offset(5))].into())
    );
    refused(log.reset_group(GROUP, &to(1)));
    assert_eq!(log.reset_group(GROUP, &to(0)), Ok(()));
    assert_eq!(log.committed(GROUP, TOPIC), Ok(vec![Some(Offset(1))]));
    assert_eq!(
        log.delete_offsets(GROUP, &[partition(0)].into()).map(|all| all.len()),
        Ok(1)
    );
    assert_eq!(
        (log.committed(GROUP, TOPIC), log.delete_group(GROUP)),
        (Ok(vec![None]), Ok(()))
    );
    assert_eq!((log.groups(), log.list_groups()), (Ok(Vec::new()), Ok(Vec::new())));
}

#[test]
fn metadata_that_a_broker_would_not_keep_is_refused() {
    let (_world, log) = World::calm(1);
    let mut member = TestMember::join(&log, &subscription("m"));
    member.poll();
    for metadata in ["é".to_owned(), "x".repeat(4097)] {
        let position = Position {
            partition: partition(0),
            offset: Offset(0),
            metadata,
        };
        refused(member.consumer.commit(&[position]));
    }
    assert_eq!(log.committed(GROUP, TOPIC), Ok(vec![None]));
}

#[test]
fn what_retention_and_elections_take_away_is_passed_over_or_read_anew() {
    let (world, log) = World::calm(1);
    fill(&log, 1, 10);
    let mut member = TestMember::join(&log, &subscription("m"));
    world
        .kafka
        .remove_before(&partition(0), Offset(4))
        .expect("a partition");
    assert_eq!(
        log.extents(TOPIC),
        Ok(vec![Extent {
            start: Offset(4),
            end: Offset(10)
        }])
    );
    let offsets = |records: Vec<Record>| records.iter().map(|record| record.offset.0).collect::<Vec<_>>();
    assert_eq!(
        offsets(member.try_poll().expect("it polls")),
        (4..10).collect::<Vec<_>>()
    );
    world.kafka.cut(&partition(0), Offset(7)).expect("a partition");
    append(&log, (0..5).map(|n| placed_at(0, format!("new {n}"))).collect());
    let anew = member.try_poll().expect("it polls");
    assert_eq!(anew[0].value.as_deref(), Some(&b"new 0"[..]));
    assert_eq!(
        offsets(anew),
        (7..12).collect::<Vec<_>>(),
        "it goes back to where the log was cut"
    );
    assert!(world.kafka.delete_topic(TOPIC));
    assert!(matches!(member.try_poll(), Err(LogError::Unavailable(_))));
    assert_eq!(log.create_topic(TOPIC, 1), Ok(true));
    append(
        &log,
        vec![NewRecord {
            partition: None,
            ..placed_at(0, "again")
        }],
    );
    world.pass(Duration::from_secs(2));
    assert_eq!(offsets(member.try_poll().expect("it polls")), [0]);
}
