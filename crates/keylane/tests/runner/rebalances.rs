//! Partitions that are revoked or lost, and runners that shut down.

use crate::bench::bench;
use crate::scripted::{self, partition, record};
use keylane::{Options, Outcome, metadata};
use keylane_log::Offset;
use std::time::Duration;

#[test]
fn a_shutdown_waits_for_what_is_in_flight_and_gives_its_position_back() {
    let bench = bench(Options::one_by_one());
    bench.script.assign(0, 0);
    bench.handler.hold("0@0");
    bench.script.records(vec![record(0, 0, "a"), record(0, 1, "a")]);
    bench.handler.until_started("0@0");
    bench.shut_down();
    bench
        .script
        .until("everything was paused", |seen| seen.pauses.contains(&partition(0)));
    bench.handler.release("0@0");
    let seen = bench.script.until("the runner left the group", |seen| seen.left);
    assert_eq!(seen.released.last().map(|position| position.offset), Some(Offset(1)));
    assert_eq!(
        bench.handler.look(|journal| journal.started.len()),
        1,
        "no queued record may start once the shutdown has begun"
    );
    assert_eq!(bench.end().unwrap().unfinished, 0);
}

#[test]
fn a_revoke_waits_for_what_has_started_and_drops_what_is_queued() {
    let bench = bench(Options::lanes(8));
    bench.script.assign(0, 0);
    bench.script.assign(1, 0);
    bench.handler.hold("0@0");
    bench
        .script
        .records(vec![record(0, 0, "a"), record(0, 1, "a"), record(0, 2, "b")]);
    bench.handler.until_started("0@0");
    bench.handler.until_finished("0@2");
    bench.script.revoke(0, 3 * scripted::TIMEOUT);
    bench.script.until("the revoke waits", |seen| seen.not_yet > 0);
    bench.handler.release("0@0");
    let seen = bench
        .script
        .until("the revoke is answered", |seen| seen.revokes_answered == 1);
    let released = seen.released.last().unwrap();
    assert_eq!(released.offset, Offset(1));
    assert_eq!(
        metadata::decode(Offset(1), Some(Offset(3)), &released.metadata),
        Ok(vec![2..3])
    );
    bench.script.records(vec![record(0, 3, "x"), record(1, 0, "y")]);
    bench.handler.until_finished("1@0");
    // Two workers may start the two keys in either order.
    bench.handler.look(|journal| {
        let mut started = journal.started.clone();
        started.sort();
        assert_eq!(started, ["0@0", "0@2", "1@0"]);
    });
    bench.stop().unwrap();
}

#[test]
fn a_record_done_after_its_partition_was_lost_is_not_committed() {
    let bench = bench(Options::lanes(8));
    bench.script.assign(0, 0);
    bench.script.assign(1, 0);
    bench.handler.hold("0@0");
    bench.script.records(vec![record(0, 0, "a")]);
    bench.handler.until_started("0@0");
    bench.script.lose(0);
    bench.script.until("the partition is lost", |seen| seen.lost == 1);
    bench.handler.release("0@0");
    bench.handler.until_finished("0@0");
    bench.script.records(vec![record(1, 0, "b")]);
    bench.script.until_committed(1, 1);
    let (script, metrics) = (bench.script.clone(), bench.metrics.clone());
    bench.stop().unwrap();
    assert_eq!((metrics.late.get(), metrics.partitions_lost.get()), (1, 1));
    let seen = script.seen();
    assert!(
        seen.commits
            .iter()
            .chain(&seen.released)
            .all(|position| position.partition == partition(1)),
        "{seen:?}"
    );
}

#[test]
fn a_partition_that_is_revoked_and_returned_never_runs_a_key_twice_at_once() {
    let bench = bench(Options::lanes(8));
    bench.script.assign(0, 0);
    bench.handler.hold("0@0");
    bench.script.records(vec![record(0, 0, "a"), record(0, 1, "a")]);
    bench.handler.until_started("0@0");
    bench.script.revoke(0, Duration::ZERO);
    bench
        .script
        .until("the drain took too long", |seen| seen.revokes_given_up == 1);
    bench.script.assign(0, 0);
    bench
        .script
        .records(vec![record(0, 0, "a"), record(0, 1, "a"), record(0, 2, "b")]);
    bench.handler.until_finished("0@2");
    bench
        .handler
        .look(|journal| assert_eq!(journal.started, ["0@0", "0@2"]));
    bench.handler.release("0@0");
    bench.script.until_committed(0, 3);
    bench.handler.look(|journal| {
        assert_eq!(journal.started, ["0@0", "0@2", "0@0", "0@1"]);
        assert_eq!(journal.epochs, [1, 2, 2, 2]);
        assert!(journal.overlaps.is_empty());
    });
    bench.stop().unwrap();
}

#[test]
fn a_retry_that_waits_is_given_up_when_its_partition_is_revoked() {
    let bench = bench(Options::lanes(8));
    bench.script.assign(0, 0);
    bench
        .handler
        .set_outcomes("0@0", vec![Outcome::Retry(Duration::from_secs(3600))]);
    bench.script.records(vec![record(0, 0, "a"), record(0, 1, "b")]);
    bench.script.until_committed(0, 0);
    bench.script.revoke(0, 3 * scripted::TIMEOUT);
    bench
        .script
        .until("the revoke is answered", |seen| seen.revokes_answered == 1);
    assert_eq!(bench.metrics.retried.get(), 1);
    assert_eq!(bench.stop().unwrap().unfinished, 0);
}

#[test]
fn a_shutdown_does_not_wait_for_ever() {
    let bench = bench(Options {
        shutdown_timeout: Duration::ZERO,
        ..Options::lanes(8)
    });
    bench.script.assign(0, 0);
    bench.handler.hold("0@0");
    bench.script.records(vec![record(0, 0, "a"), record(0, 1, "b")]);
    bench.handler.until_started("0@0");
    bench.script.until_committed(0, 0);
    let script = bench.script.clone();
    assert_eq!(bench.stop().unwrap().unfinished, 1);
    assert!(script.seen().left);
}

#[test]
fn a_shutdown_ends_a_revoke_too() {
    let bench = bench(Options {
        shutdown_timeout: Duration::ZERO,
        ..Options::lanes(8)
    });
    bench.script.assign(0, 0);
    bench.handler.hold("0@1");
    // One key: that its second record has started means that the runner has noted the end of the first.
    bench.script.records(vec![record(0, 0, "a"), record(0, 1, "a")]);
    bench.handler.until_started("0@1");
    bench.script.revoke(0, 3 * scripted::TIMEOUT);
    bench.script.until("the revoke waits", |seen| seen.not_yet > 0);
    bench.shut_down();
    let seen = bench.script.until("the runner left the group", |seen| seen.left);
    assert_eq!((seen.revokes_answered, seen.revokes_given_up), (1, 0));
    let last = seen.commits.iter().chain(&seen.released).next_back();
    assert_eq!(last.map(|position| position.offset), Some(Offset(1)));
    assert_eq!(bench.end().unwrap().unfinished, 1);
}
