//! Consumer groups: which member owns which partition, and which commits are taken.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use keylane_log::{EventLog, GroupError, GroupKind, GroupState, LogError, Offset, OffsetKept, Position, Record};

use crate::member::{TIMEOUT, TestMember, partition, until};
use crate::records::{append, placed_at, topic};
use crate::world::{World, subscription, unique};

/// Appends `each` records to every partition.
fn fill(log: &dyn EventLog, topic: &str, partitions: u32, each: u32) {
    let records = (0..each).flat_map(|n| (0..partitions).map(move |number| placed_at(number, n.to_string())));
    append(log, topic, records.collect());
}

/// How often each record was read, by partition and offset.
fn counted<'a>(records: impl Iterator<Item = &'a Record>) -> BTreeMap<(u32, u64), u32> {
    let mut counts = BTreeMap::new();
    for record in records {
        *counts.entry((record.partition.0, record.offset.0)).or_default() += 1;
    }
    counts
}

pub fn a_group_reads_everything_once(world: &dyn World) {
    let log = world.open();
    let (topic, group) = (topic(&*log, "once", 3), unique("once"));
    fill(&*log, &topic, 3, 100);
    assert_eq!(log.committed(&group, &topic), Ok(vec![None; 3]));
    let mut member = TestMember::join(&*log, &subscription(&group, &topic, "only"));
    until("the backlog is read", &mut [&mut member], |members| {
        members[0].observed.read.len() >= 300
    });
    fill(&*log, &topic, 3, 10);
    until("new records are read", &mut [&mut member], |members| {
        members[0].observed.read.len() >= 330
    });
    assert!(counted(member.observed.read.iter()).values().all(|count| *count == 1));
    let fresh = |given: &keylane_log::Assignment| given.position == Offset(0) && given.metadata.is_empty();
    assert!(member.observed.given.iter().all(fresh), "{:?}", member.observed.given);
    assert_eq!(member.commit(), []);
    assert_eq!(log.committed(&group, &topic), Ok(vec![Some(Offset(110)); 3]));
}

pub fn partitions_move_without_overlap(world: &dyn World) {
    let log = world.open();
    let (topic, group) = (topic(&*log, "move", 4), unique("move"));
    fill(&*log, &topic, 4, 50);
    let mut first = TestMember::join(&*log, &subscription(&group, &topic, "first"));
    until("the first member has it all", &mut [&mut first], |members| {
        members[0].observed.read.len() >= 200
    });
    let other = world.open();
    let mut second = TestMember::join(&*other, &subscription(&group, &topic, "second"));
    until(
        "the second member has its share",
        &mut [&mut first, &mut second],
        |members| members.iter().all(|member| member.observed.owned.len() == 2),
    );
    for given in &second.observed.given {
        assert_eq!(
            (given.position, given.metadata.as_str()),
            (Offset(50), "done:50"),
            "{}",
            given.partition
        );
    }
    fill(&*log, &topic, 4, 50);
    until("both go on", &mut [&mut first, &mut second], |members| {
        members.iter().map(|member| member.observed.read.len()).sum::<usize>() >= 400
    });
    let counts = counted(first.observed.read.iter().chain(&second.observed.read));
    assert_eq!(counts.len(), 400);
    assert!(counts.values().all(|count| *count == 1), "no record is read twice");
    assert_eq!(first.observed.lost, []);
    let mut numbers = [first.observed.numbers(), second.observed.numbers()].concat();
    numbers.sort_unstable();
    assert_eq!(numbers, [0, 1, 2, 3]);
}

pub fn commits_survive_a_restart(world: &dyn World) {
    let (topic, group);
    let gaps = "7:0-3,5".repeat(585);
    {
        let log = world.open();
        (topic, group) = (self::topic(&*log, "restart", 1), unique("restart"));
        fill(&*log, &topic, 1, 20);
        let mut member = TestMember::join(&*log, &subscription(&group, &topic, "before"));
        until("some is read", &mut [&mut member], |members| {
            !members[0].observed.read.is_empty()
        });
        let position = |offset, metadata: &str| Position {
            partition: partition(&topic, 0),
            offset: Offset(offset),
            metadata: metadata.to_owned(),
        };
        assert_eq!(member.commit_at(&[position(5, "")]), []);
        assert_eq!(member.commit_at(&[position(7, &gaps)]), []);
        // The member does not leave its group, as if its process had been killed.
    }
    let log = world.open();
    assert_eq!(log.committed(&group, &topic), Ok(vec![Some(Offset(7))]));
    let mut member = TestMember::join(&*log, &subscription(&group, &topic, "after"));
    until("the rest is read", &mut [&mut member], |members| {
        members[0].observed.read.len() >= 13
    });
    assert_eq!(member.observed.read[0].offset, Offset(7));
    assert_eq!(member.observed.given[0].position, Offset(7));
    assert_eq!(member.observed.given[0].metadata, gaps);
}

pub fn a_commit_for_a_partition_given_back_is_refused(world: &dyn World) {
    let log = world.open();
    let (topic, group) = (topic(&*log, "stale", 2), unique("stale"));
    fill(&*log, &topic, 2, 10);
    let mut first = TestMember::join(&*log, &subscription(&group, &topic, "first"));
    until("the first member has it all", &mut [&mut first], |members| {
        members[0].observed.read.len() >= 20
    });
    let stale = first.observed.positions(|_| true);
    let mut second = TestMember::join(&*log, &subscription(&group, &topic, "second"));
    until("one partition has moved", &mut [&mut first, &mut second], |members| {
        members.iter().all(|member| member.observed.owned.len() == 1)
    });
    let moved = second.observed.owned.keys().next().expect("it owns one").clone();
    let late: Vec<Position> = stale
        .into_iter()
        .map(|position| Position {
            offset: Offset(3),
            ..position
        })
        .collect();
    assert_eq!(
        first.commit_at(&late),
        std::slice::from_ref(&moved),
        "the commit is refused for the partition that has moved, and taken for the other"
    );
    let committed = log.committed(&group, &topic).expect("committed offsets are read");
    for (number, committed) in committed.into_iter().enumerate() {
        let expected = if number as u32 == moved.partition.0 {
            Offset(10)
        } else {
            Offset(3)
        };
        assert_eq!(committed, Some(expected), "partition {number}");
    }
}

pub fn a_member_that_sleeps_too_long_is_fenced(world: &dyn World) {
    let log = world.open();
    let (topic, group) = (topic(&*log, "zombie", 1), unique("zombie"));
    fill(&*log, &topic, 1, 10);
    let brief = |member| keylane_log::Subscription {
        drain_timeout: Duration::from_secs(1),
        ..subscription(&group, &topic, member)
    };
    let mut sleeper = TestMember::join(&*log, &brief("sleeper"));
    until("the sleeper reads", &mut [&mut sleeper], |members| {
        members[0].observed.read.len() >= 10
    });
    let other = world.open();
    let mut heir = TestMember::join(&*other, &brief("heir"));
    until("the heir takes over", &mut [&mut heir], |members| {
        members[0].observed.read.len() >= 10
    });
    assert_eq!(heir.commit(), []);
    let late = sleeper.observed.positions(|_| true);
    let late: Vec<Position> = late
        .into_iter()
        .map(|position| Position {
            offset: Offset(1),
            ..position
        })
        .collect();
    assert_eq!(sleeper.commit_at(&late), [partition(&topic, 0)]);
    assert_eq!(log.committed(&group, &topic), Ok(vec![Some(Offset(10))]));
    until("the sleeper is told", &mut [&mut sleeper, &mut heir], |members| {
        !members[0].observed.lost.is_empty()
    });
}

pub fn a_revoke_waits_for_the_drain(world: &dyn World) {
    partitions_move_after_the_drain(world, 2, |worker, done| {
        while !done() {
            worker.poll();
        }
    });
}

pub fn leaving_waits_for_the_drain(world: &dyn World) {
    partitions_move_after_the_drain(world, 1, |worker, _| worker.leave());
}

/// A worker gives its partitions back, by the function `giving`, while an heir waits for them. The records in flight
/// take longer than a session.
fn partitions_move_after_the_drain(world: &dyn World, partitions: u32, giving: fn(&mut TestMember, &dyn Fn() -> bool)) {
    let log = world.open();
    let (topic, group) = (topic(&*log, "drain", partitions), unique("drain"));
    fill(&*log, &topic, partitions, 10);
    let patient = |member| keylane_log::Subscription {
        drain_timeout: Duration::from_secs(20),
        ..subscription(&group, &topic, member)
    };
    let mut worker = TestMember::join(&*log, &patient("worker"));
    let all = 10 * partitions as usize;
    until("the worker reads", &mut [&mut worker], |members| {
        members[0].observed.read.len() >= all
    });
    let busy = worker.observed.busy.clone();
    busy.store(true, Ordering::Release);
    let other = world.open();
    let mut heir = TestMember::join(&*other, &patient("heir"));
    let moved = AtomicBool::new(false);
    thread::scope(|scope| {
        let giving = scope.spawn(|| giving(&mut worker, &|| moved.load(Ordering::Acquire)));
        // This is longer than a session: a drain must not make the worker look dead.
        let held = Instant::now() + Duration::from_secs(8);
        while Instant::now() < held {
            heir.poll();
            assert!(
                heir.observed.owned.is_empty(),
                "no partition moves while records are in flight"
            );
        }
        busy.store(false, Ordering::Release);
        until("the heir takes over", &mut [&mut heir], |members| {
            !members[0].observed.owned.is_empty()
        });
        moved.store(true, Ordering::Release);
        giving.join().expect("the worker gives back");
    });
    assert_eq!(
        heir.observed.given[0].position,
        Offset(10),
        "the heir continues where the drained worker ended"
    );
    assert_eq!(worker.observed.lost, []);
}

pub fn a_drain_too_slow_loses_the_partition(world: &dyn World) {
    let log = world.open();
    let (topic, group) = (topic(&*log, "slow", 1), unique("slow"));
    fill(&*log, &topic, 1, 10);
    let brief = |member| keylane_log::Subscription {
        drain_timeout: Duration::from_secs(1),
        ..subscription(&group, &topic, member)
    };
    let mut worker = TestMember::join(&*log, &brief("worker"));
    until("the worker reads", &mut [&mut worker], |members| {
        members[0].observed.read.len() >= 10
    });
    worker.observed.busy.store(true, Ordering::Release);
    let started = Instant::now();
    worker.leave();
    assert!(started.elapsed() < TIMEOUT, "a drain ends");
    assert_eq!(worker.observed.lost, [partition(&topic, 0)]);
    let mut heir = TestMember::join(&*log, &brief("heir"));
    until("the heir takes over", &mut [&mut heir], |members| {
        members[0].observed.read.len() >= 10
    });
    assert_eq!(heir.observed.given[0].position, Offset(0), "nothing was committed");
}

pub fn a_new_partition_is_read_soon(world: &dyn World) {
    let log = world.open();
    let (topic, group) = (topic(&*log, "growth", 1), unique("growth"));
    fill(&*log, &topic, 1, 1);
    let mut member = TestMember::join(&*log, &subscription(&group, &topic, "reader"));
    until("the first partition is read", &mut [&mut member], |members| {
        members[0].observed.read.len() == 1
    });
    let tools = world.open();
    tools.grow_topic(&topic, 3).expect("the topic grows");
    let grown = Instant::now();
    append(&*log, &topic, vec![placed_at(2, "at once")]);
    let new = |record: &Record| record.partition.0 == 2;
    until("the new partition is read", &mut [&mut member], |members| {
        members[0].observed.read.iter().any(new)
    });
    assert!(
        grown.elapsed() < Duration::from_secs(60),
        "it took {:?}",
        grown.elapsed()
    );
    assert_eq!(member.observed.numbers(), [0, 1, 2]);
}

pub fn a_paused_partition_is_silent(world: &dyn World) {
    let log = world.open();
    let (topic, group) = (topic(&*log, "pause", 2), unique("pause"));
    let mut member = TestMember::join(&*log, &subscription(&group, &topic, "reader"));
    until("both partitions are there", &mut [&mut member], |members| {
        members[0].observed.owned.len() == 2
    });
    let paused = [partition(&topic, 0)];
    member.pause(&paused);
    fill(&*log, &topic, 2, 100);
    let from = |member: &TestMember, number| {
        member
            .observed
            .read
            .iter()
            .filter(|record| record.partition.0 == number)
            .count()
    };
    until("the other is read", &mut [&mut member], |members| {
        from(members[0], 1) == 100
    });
    // This is longer than a fetch takes, so that records of a partition that is not paused would come.
    let quiet = Instant::now() + Duration::from_secs(1);
    while Instant::now() < quiet {
        member.poll();
    }
    assert_eq!(from(&member, 0), 0);
    member.resume(&paused);
    until("the resumed one is read", &mut [&mut member], |members| {
        from(members[0], 0) == 100
    });
}

pub fn a_member_that_leaves_is_gone_at_once(world: &dyn World) {
    const SESSION: Duration = Duration::from_secs(60);
    let log = world.open();
    let (topic, group) = (topic(&*log, "leave", 2), unique("leave"));
    fill(&*log, &topic, 2, 10);
    let lasting = |member| keylane_log::Subscription {
        session_timeout: SESSION,
        ..subscription(&group, &topic, member)
    };
    let mut first = TestMember::join(&*log, &lasting("first"));
    let mut second = TestMember::join(&*log, &lasting("second"));
    until("each has one", &mut [&mut first, &mut second], |members| {
        members.iter().all(|member| member.observed.owned.len() == 1)
    });
    until("all is read", &mut [&mut first, &mut second], |members| {
        members.iter().map(|member| member.observed.read.len()).sum::<usize>() >= 20
    });
    let left = Instant::now();
    first.leave();
    assert_eq!(first.observed.numbers(), Vec::<u32>::new());
    until("the other has both", &mut [&mut second], |members| {
        members[0].observed.owned.len() == 2
    });
    assert!(
        left.elapsed() < SESSION / 2,
        "it must be less than a session, but took {:?}",
        left.elapsed()
    );
    let given = second.observed.given.last().expect("it was given something");
    assert_eq!(
        given.position,
        Offset(10),
        "the first member has committed what it had read as it left"
    );
}

pub fn a_group_is_seen_from_outside(world: &dyn World) {
    let log = world.open();
    let (topic, group) = (topic(&*log, "seen", 1), unique("seen"));
    fill(&*log, &topic, 1, 5);
    assert_eq!(
        log.describe_group(&group),
        Ok(None),
        "no member has joined the group yet"
    );
    assert!(!log.groups().expect("groups are listed").contains(&group));
    let seen = || log.describe_group(&group).expect("the group can be described");
    let mut first = TestMember::join(&*log, &subscription(&group, &topic, "first"));
    until("the only partition is read", &mut [&mut first], |members| {
        members[0].observed.read.len() == 5
    });
    assert_eq!(first.commit(), []);
    let noted = keylane_log::Subscription {
        note: "key=none,guard=off".into(),
        ..subscription(&group, &topic, "second")
    };
    let mut second = TestMember::join(&*log, &noted);
    let mut both = None;
    until("both members are seen", &mut [&mut first, &mut second], |_| {
        both = seen().filter(|info| info.state == GroupState::Stable && info.members.len() == 2);
        both.is_some()
    });
    let both = both.expect("both members were seen");
    let mut shares: Vec<_> = both.members.iter().map(|member| member.partitions.clone()).collect();
    shares.sort();
    assert_eq!(
        shares,
        [vec![], vec![partition(&topic, 0)]],
        "the second member has no partition"
    );
    let mut clients: Vec<_> = both.members.iter().map(|member| member.client.as_str()).collect();
    clients.sort_unstable();
    assert_eq!(clients, ["first", "second,key=none,guard=off"]);
    assert_eq!(clients[1], log.client_id(&noted), "which can be told before");
    let members = log.members(&group).expect("its members are listed");
    let clients: BTreeSet<String> = members.into_iter().map(|member| member.client).collect();
    assert_eq!(
        clients,
        both.members.iter().map(|member| member.client.clone()).collect()
    );
    assert_eq!(both.commits, [(partition(&topic, 0), Offset(5))].into());
    assert!(log.groups().expect("groups are listed").contains(&group));
    first.leave();
    second.leave();
    // On Kafka a member that leaves during a rebalance is only removed when that ends.
    until("the group is empty, and stays", &mut [], |_| {
        seen().is_some_and(|info| info.state == GroupState::Empty && info.members.is_empty())
    });
    assert_eq!(seen().map(|info| info.commits), Some(both.commits));
}

pub fn a_reset_waits_for_nobody_to_be_in_the_group(world: &dyn World) {
    let log = world.open();
    let (topic, group) = (topic(&*log, "reset", 2), unique("reset"));
    fill(&*log, &topic, 2, 5);
    let to = |offset| [(partition(&topic, 0), Offset(offset))].into();
    let mut member = TestMember::join(&*log, &subscription(&group, &topic, "before"));
    until("all is read", &mut [&mut member], |members| {
        members[0].observed.read.len() == 10
    });
    assert_eq!(member.commit(), []);
    let refused = log.reset_group(&group, &to(1));
    assert!(matches!(refused, Err(LogError::Refused(_))), "{refused:?}");
    assert_eq!(log.committed(&group, &topic), Ok(vec![Some(Offset(5)); 2]));
    member.leave();
    assert_eq!(log.reset_group(&group, &to(1)), Ok(()));
    assert_eq!(
        log.committed(&group, &topic),
        Ok(vec![Some(Offset(1)), Some(Offset(5))])
    );
    let mut member = TestMember::join(&*log, &subscription(&group, &topic, "after"));
    until(
        "the member goes on from the reset offset",
        &mut [&mut member],
        |members| members[0].observed.read.len() == 4,
    );
    let given = |number| {
        let mut given = member.observed.given.iter();
        let found = given.find(|given| given.partition == partition(&topic, number));
        found.map(|given| (given.position, given.metadata.as_str()))
    };
    assert_eq!(
        given(0),
        Some((Offset(1), "")),
        "the metadata of the old commit is gone"
    );
    assert_eq!(given(1), Some((Offset(5), "done:5")));
}

pub fn a_group_goes_once_nobody_is_in_it(world: &dyn World) {
    let log = world.open();
    let (read, other, group) = (topic(&*log, "read", 1), topic(&*log, "other", 1), unique("goes"));
    let of_group = || {
        log.list_groups()
            .map(|groups| groups.into_iter().find(|listed| listed.name == group))
    };
    let forget = |topic: &str, number| {
        let partition = partition(topic, number);
        log.delete_offsets(&group, &[partition.clone()].into())
            .map(|mut outcomes| outcomes.remove(&partition))
    };
    assert_eq!(of_group(), Ok(None));
    assert_eq!(log.delete_group(&group), Err(GroupError::NotFound));
    assert_eq!(forget(&read, 0), Err(GroupError::NotFound));
    let to_start = |topic: &str| [(partition(topic, 0), Offset(0))].into();
    log.reset_group(&group, &to_start(&other)).expect("a new group");
    let mut member = TestMember::join(&*log, &subscription(&group, &read, "reader"));
    until("it has its partition", &mut [&mut member], |members| {
        !members[0].observed.given.is_empty()
    });
    let listed = of_group().expect("groups are listed").expect("it is there");
    assert_eq!((listed.kind, listed.state), (GroupKind::Classic, GroupState::Stable));
    assert_eq!(log.delete_group(&group), Err(GroupError::NotEmpty));
    assert_eq!(forget(&read, 0), Ok(Some(Err(OffsetKept::Subscribed))));
    assert_eq!(forget(&other, 7), Ok(Some(Err(OffsetKept::NoPartition))));
    assert_eq!(forget(&other, 0), Ok(Some(Ok(()))));
    assert_eq!(log.committed(&group, &other), Ok(vec![None]));
    member.leave();
    assert_eq!(log.delete_group(&group), Ok(()));
    assert_eq!(of_group(), Ok(None));
    assert_eq!(log.describe_group(&group), Ok(None));
}

pub fn a_new_group_can_be_given_offsets(world: &dyn World) {
    let log = world.open();
    let (topic, group) = (topic(&*log, "given", 1), unique("given"));
    fill(&*log, &topic, 1, 5);
    let at = |number| [(partition(&topic, number), Offset(3))].into();
    assert_eq!(log.reset_group(&group, &at(0)), Ok(()));
    let info = log.describe_group(&group).expect("the group can be described");
    let info = info.expect("the group is there");
    assert_eq!((info.state, info.commits), (GroupState::Empty, at(0)));
}
