//! Consumer groups: who owns what, and what a commit is worth.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use keylane_log::{EventLog, GroupState, LogError, Offset, Position, Record};

use crate::records::{append, placed_at, topic};
use crate::seat::{Seat, partition, until};
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
    let mut seat = Seat::join(&*log, &subscription(&group, &topic, "only"));
    until("the backlog is read", &mut [&mut seat], |seats| {
        seats[0].books.read.len() >= 300
    });
    fill(&*log, &topic, 3, 10);
    until("new records are read", &mut [&mut seat], |seats| {
        seats[0].books.read.len() >= 330
    });
    assert!(counted(seat.books.read.iter()).values().all(|count| *count == 1));
    let fresh = |given: &keylane_log::Assignment| given.position == Offset(0) && given.metadata.is_empty();
    assert!(seat.books.given.iter().all(fresh), "{:?}", seat.books.given);
    assert_eq!(seat.commit(), []);
    assert_eq!(log.committed(&group, &topic), Ok(vec![Some(Offset(110)); 3]));
}

pub fn partitions_move_without_overlap(world: &dyn World) {
    let log = world.open();
    let (topic, group) = (topic(&*log, "move", 4), unique("move"));
    fill(&*log, &topic, 4, 50);
    let mut first = Seat::join(&*log, &subscription(&group, &topic, "first"));
    until("the first member has it all", &mut [&mut first], |seats| {
        seats[0].books.read.len() >= 200
    });
    let other = world.open();
    let mut second = Seat::join(&*other, &subscription(&group, &topic, "second"));
    until(
        "the second member has its share",
        &mut [&mut first, &mut second],
        |seats| seats.iter().all(|seat| seat.books.owned.len() == 2),
    );
    for given in &second.books.given {
        assert_eq!(
            (given.position, given.metadata.as_str()),
            (Offset(50), "done:50"),
            "{}",
            given.partition
        );
    }
    fill(&*log, &topic, 4, 50);
    until("both go on", &mut [&mut first, &mut second], |seats| {
        seats.iter().map(|seat| seat.books.read.len()).sum::<usize>() >= 400
    });
    let counts = counted(first.books.read.iter().chain(&second.books.read));
    assert_eq!(counts.len(), 400);
    assert!(counts.values().all(|count| *count == 1), "no record is read twice");
    assert_eq!(first.books.lost, []);
    let mut numbers = [first.books.numbers(), second.books.numbers()].concat();
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
        let mut seat = Seat::join(&*log, &subscription(&group, &topic, "before"));
        until("some is read", &mut [&mut seat], |seats| {
            !seats[0].books.read.is_empty()
        });
        let position = |offset, metadata: &str| Position {
            partition: partition(&topic, 0),
            offset: Offset(offset),
            metadata: metadata.to_owned(),
        };
        assert_eq!(seat.commit_at(&[position(5, "")]), []);
        assert_eq!(seat.commit_at(&[position(7, &gaps)]), []);
        // No leave: the process is simply gone.
    }
    let log = world.open();
    assert_eq!(log.committed(&group, &topic), Ok(vec![Some(Offset(7))]));
    let mut seat = Seat::join(&*log, &subscription(&group, &topic, "after"));
    until("the rest is read", &mut [&mut seat], |seats| {
        seats[0].books.read.len() >= 13
    });
    assert_eq!(seat.books.read[0].offset, Offset(7));
    assert_eq!(seat.books.given[0].position, Offset(7));
    assert_eq!(seat.books.given[0].metadata, gaps);
}

pub fn a_commit_for_a_partition_given_back_is_refused(world: &dyn World) {
    let log = world.open();
    let (topic, group) = (topic(&*log, "stale", 2), unique("stale"));
    fill(&*log, &topic, 2, 10);
    let mut first = Seat::join(&*log, &subscription(&group, &topic, "first"));
    until("the first member has it all", &mut [&mut first], |seats| {
        seats[0].books.read.len() >= 20
    });
    let stale = first.books.positions(|_| true);
    let mut second = Seat::join(&*log, &subscription(&group, &topic, "second"));
    until("one partition has moved", &mut [&mut first, &mut second], |seats| {
        seats.iter().all(|seat| seat.books.owned.len() == 1)
    });
    let moved = second.books.owned.keys().next().expect("it owns one").clone();
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
        "what moved is refused, what stayed is not"
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
    let mut sleeper = Seat::join(&*log, &brief("sleeper"));
    until("the sleeper reads", &mut [&mut sleeper], |seats| {
        seats[0].books.read.len() >= 10
    });
    let other = world.open();
    let mut heir = Seat::join(&*other, &brief("heir"));
    until("the heir takes over", &mut [&mut heir], |seats| {
        seats[0].books.read.len() >= 10
    });
    assert_eq!(heir.commit(), []);
    let late = sleeper.books.positions(|_| true);
    let late: Vec<Position> = late
        .into_iter()
        .map(|position| Position {
            offset: Offset(1),
            ..position
        })
        .collect();
    assert_eq!(sleeper.commit_at(&late), [partition(&topic, 0)]);
    assert_eq!(log.committed(&group, &topic), Ok(vec![Some(Offset(10))]));
    until("the sleeper is told", &mut [&mut sleeper, &mut heir], |seats| {
        !seats[0].books.lost.is_empty()
    });
}

pub fn a_revoke_waits_for_the_drain(world: &dyn World) {
    drained_before_it_moves(world, 2, |worker, done| {
        while !done() {
            worker.turn();
        }
    });
}

pub fn leaving_waits_for_the_drain(world: &dyn World) {
    drained_before_it_moves(world, 1, |worker, _| worker.leave());
}

/// A worker gives a partition up, by `giving` it back while another waits for it; but its work takes its time.
fn drained_before_it_moves(world: &dyn World, partitions: u32, giving: fn(&mut Seat, &dyn Fn() -> bool)) {
    let log = world.open();
    let (topic, group) = (topic(&*log, "drain", partitions), unique("drain"));
    fill(&*log, &topic, partitions, 10);
    let patient = |member| keylane_log::Subscription {
        drain_timeout: Duration::from_secs(20),
        ..subscription(&group, &topic, member)
    };
    let mut worker = Seat::join(&*log, &patient("worker"));
    let all = 10 * partitions as usize;
    until("the worker reads", &mut [&mut worker], |seats| {
        seats[0].books.read.len() >= all
    });
    let busy = worker.books.busy.clone();
    busy.store(true, Ordering::Release);
    let other = world.open();
    let mut heir = Seat::join(&*other, &patient("heir"));
    let moved = AtomicBool::new(false);
    thread::scope(|scope| {
        let giving = scope.spawn(|| giving(&mut worker, &|| moved.load(Ordering::Acquire)));
        // Longer than a session: the drain itself must not make the worker look dead.
        let held = Instant::now() + Duration::from_secs(8);
        while Instant::now() < held {
            heir.turn();
            assert!(heir.books.owned.is_empty(), "nothing moves while work is in flight");
        }
        busy.store(false, Ordering::Release);
        until("the heir takes over", &mut [&mut heir], |seats| {
            !seats[0].books.owned.is_empty()
        });
        moved.store(true, Ordering::Release);
        giving.join().expect("the worker gives back");
    });
    assert_eq!(
        heir.books.given[0].position,
        Offset(10),
        "it continues where the drained work ended"
    );
    assert_eq!(worker.books.lost, []);
}

pub fn a_drain_too_slow_loses_the_partition(world: &dyn World) {
    let log = world.open();
    let (topic, group) = (topic(&*log, "slow", 1), unique("slow"));
    fill(&*log, &topic, 1, 10);
    let brief = |member| keylane_log::Subscription {
        drain_timeout: Duration::from_secs(1),
        ..subscription(&group, &topic, member)
    };
    let mut worker = Seat::join(&*log, &brief("worker"));
    until("the worker reads", &mut [&mut worker], |seats| {
        seats[0].books.read.len() >= 10
    });
    worker.books.busy.store(true, Ordering::Release);
    let started = Instant::now();
    worker.leave();
    assert!(started.elapsed() < Duration::from_secs(5), "a drain ends");
    assert_eq!(worker.books.lost, [partition(&topic, 0)]);
    let mut heir = Seat::join(&*log, &brief("heir"));
    until("the heir takes over", &mut [&mut heir], |seats| {
        seats[0].books.read.len() >= 10
    });
    assert_eq!(heir.books.given[0].position, Offset(0), "nothing was committed");
}

pub fn a_new_partition_is_read_soon(world: &dyn World) {
    let log = world.open();
    let (topic, group) = (topic(&*log, "growth", 1), unique("growth"));
    fill(&*log, &topic, 1, 1);
    let mut seat = Seat::join(&*log, &subscription(&group, &topic, "reader"));
    until("the first partition is read", &mut [&mut seat], |seats| {
        seats[0].books.read.len() == 1
    });
    let tools = world.open();
    tools.grow_topic(&topic, 3).expect("the topic grows");
    let grown = Instant::now();
    append(&*log, &topic, vec![placed_at(2, "at once")]);
    let new = |record: &Record| record.partition.0 == 2;
    until("the new partition is read", &mut [&mut seat], |seats| {
        seats[0].books.read.iter().any(new)
    });
    assert!(
        grown.elapsed() < Duration::from_secs(10),
        "it took {:?}",
        grown.elapsed()
    );
    assert_eq!(seat.books.numbers(), [0, 1, 2]);
}

pub fn a_paused_partition_is_silent(world: &dyn World) {
    let log = world.open();
    let (topic, group) = (topic(&*log, "pause", 2), unique("pause"));
    let mut seat = Seat::join(&*log, &subscription(&group, &topic, "reader"));
    until("both partitions are there", &mut [&mut seat], |seats| {
        seats[0].books.owned.len() == 2
    });
    let paused = [partition(&topic, 0)];
    seat.pause(&paused);
    fill(&*log, &topic, 2, 100);
    let from = |seat: &Seat, number| {
        seat.books
            .read
            .iter()
            .filter(|record| record.partition.0 == number)
            .count()
    };
    until("the other is read", &mut [&mut seat], |seats| from(seats[0], 1) == 100);
    // Longer than a fetch takes, so that a partition that is not silent would be heard.
    let quiet = Instant::now() + Duration::from_secs(1);
    while Instant::now() < quiet {
        seat.turn();
    }
    assert_eq!(from(&seat, 0), 0);
    seat.resume(&paused);
    until("the resumed one is read", &mut [&mut seat], |seats| {
        from(seats[0], 0) == 100
    });
}

pub fn who_leaves_is_gone_at_once(world: &dyn World) {
    let log = world.open();
    let (topic, group) = (topic(&*log, "leave", 2), unique("leave"));
    fill(&*log, &topic, 2, 10);
    let mut first = Seat::join(&*log, &subscription(&group, &topic, "first"));
    let mut second = Seat::join(&*log, &subscription(&group, &topic, "second"));
    until("each has one", &mut [&mut first, &mut second], |seats| {
        seats.iter().all(|seat| seat.books.owned.len() == 1)
    });
    until("all is read", &mut [&mut first, &mut second], |seats| {
        seats.iter().map(|seat| seat.books.read.len()).sum::<usize>() >= 20
    });
    let left = Instant::now();
    first.leave();
    assert_eq!(first.books.numbers(), Vec::<u32>::new());
    until("the other has both", &mut [&mut second], |seats| {
        seats[0].books.owned.len() == 2
    });
    assert!(
        left.elapsed() < Duration::from_secs(4),
        "less than a session, but {:?}",
        left.elapsed()
    );
    let given = second.books.given.last().expect("it was given something");
    assert_eq!(
        given.position,
        Offset(10),
        "what the first had read was committed as it left"
    );
}

pub fn a_group_is_seen_from_outside(world: &dyn World) {
    let log = world.open();
    let (topic, group) = (topic(&*log, "seen", 1), unique("seen"));
    fill(&*log, &topic, 1, 5);
    assert_eq!(log.describe_group(&group), Ok(None), "nobody has heard of it");
    assert!(!log.groups().expect("groups are listed").contains(&group));
    let seen = || log.describe_group(&group).expect("the group can be described");
    let mut first = Seat::join(&*log, &subscription(&group, &topic, "first"));
    until("the only partition is read", &mut [&mut first], |seats| {
        seats[0].books.read.len() == 5
    });
    assert_eq!(first.commit(), []);
    let mut second = Seat::join(&*log, &subscription(&group, &topic, "second"));
    let mut both = None;
    until("both members are seen", &mut [&mut first, &mut second], |_| {
        both = seen().filter(|info| info.state == GroupState::Stable && info.members.len() == 2);
        both.is_some()
    });
    let both = both.expect("both members were seen");
    let mut shares: Vec<_> = both.members.iter().map(|member| member.partitions.clone()).collect();
    shares.sort();
    assert_eq!(shares, [vec![], vec![partition(&topic, 0)]], "one has nothing to do");
    let mut clients: Vec<_> = both.members.iter().map(|member| member.client.as_str()).collect();
    clients.sort_unstable();
    assert_eq!(clients, ["first", "second"]);
    assert_eq!(both.commits, [(partition(&topic, 0), Offset(5))].into());
    assert!(log.groups().expect("groups are listed").contains(&group));
    first.leave();
    second.leave();
    // On Kafka a member that leaves in the middle of a rebalance is noticed when that ends.
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
    let mut seat = Seat::join(&*log, &subscription(&group, &topic, "before"));
    until("all is read", &mut [&mut seat], |seats| seats[0].books.read.len() == 10);
    assert_eq!(seat.commit(), []);
    let refused = log.reset_group(&group, &to(1));
    assert!(matches!(refused, Err(LogError::Refused(_))), "{refused:?}");
    assert_eq!(log.committed(&group, &topic), Ok(vec![Some(Offset(5)); 2]));
    seat.leave();
    assert_eq!(log.reset_group(&group, &to(1)), Ok(()));
    assert_eq!(
        log.committed(&group, &topic),
        Ok(vec![Some(Offset(1)), Some(Offset(5))])
    );
    let mut seat = Seat::join(&*log, &subscription(&group, &topic, "after"));
    until("it goes on where it was told", &mut [&mut seat], |seats| {
        seats[0].books.read.len() == 4
    });
    let given = |number| {
        let mut given = seat.books.given.iter();
        let found = given.find(|given| given.partition == partition(&topic, number));
        found.map(|given| (given.position, given.metadata.as_str()))
    };
    assert_eq!(
        given(0),
        Some((Offset(1), "")),
        "what was noted beside the old offset is gone"
    );
    assert_eq!(given(1), Some((Offset(5), "done:5")));
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
