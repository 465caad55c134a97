//! The runner step by step, on one thread: no step waits, and time passes only between them.

use std::time::Duration;

use keylane::{Options, Outcome};
use keylane_log::{LogError, Offset};

use crate::scripted::record;
use crate::stepped::{MS, stepped};

fn away() -> LogError {
    LogError::Unavailable("no broker answers".to_owned())
}

#[test]
fn a_partition_in_flight_is_asked_for_again_at_each_step_until_it_is_given_back() {
    let mut bench = stepped(Options::lanes(4));
    bench.script.assign(0, 10);
    bench.handler.hold("0@10");
    bench
        .script
        .records(vec![record(0, 10, "a"), record(0, 11, "a"), record(0, 12, "b")]);
    (0..2).for_each(|_| bench.step_and_work());
    assert_eq!(bench.started(), ["0@10", "0@12"]);
    bench.script.ask_back(0);
    (0..3).for_each(|_| bench.step_and_work());
    assert_eq!(
        (bench.script.seen().not_yet, bench.script.seen().revokes_answered),
        (3, 0)
    );
    assert_eq!(bench.metrics.draining_partitions.get(), 1);
    bench.handler.release("0@10");
    bench.work();
    bench.step_and_work();
    let seen = bench.script.seen();
    assert_eq!((seen.not_yet, seen.revokes_answered), (3, 1));
    let released: Vec<_> = seen.released.iter().map(|position| position.offset).collect();
    assert_eq!(released, [Offset(11)]);
    assert_eq!(bench.started(), ["0@10", "0@12"], "the queued record was dropped");
}

#[test]
fn a_step_says_when_the_next_one_is_wanted() {
    let mut bench = stepped(Options::lanes(4));
    let idle = bench.step().unwrap();
    bench.script.assign(0, 0);
    bench.step().unwrap();
    bench.script.records(vec![record(0, 0, "a")]);
    bench.handler.hold("0@0");
    assert_eq!(bench.step(), Ok(Duration::ZERO), "there may be more records");
    let busy = bench.step().unwrap();
    assert!(Duration::ZERO < busy && busy < idle, "{busy:?} and {idle:?}");
}

#[test]
fn an_unavailable_log_is_left_alone_for_growing_pauses() {
    let mut bench = stepped(Options::lanes(4));
    bench.script.fail_polls(vec![away(), away(), away()]);
    bench.step().unwrap();
    let pauses = [(); 3].map(|()| bench.step().unwrap());
    assert!(
        Duration::ZERO < pauses[0] && pauses[0] < pauses[1] && pauses[1] < pauses[2],
        "{pauses:?}"
    );
    bench.script.assign(0, 0);
    bench.script.records(vec![record(0, 0, "a")]);
    (0..2).for_each(|_| bench.step_and_work());
    assert_eq!(bench.started(), ["0@0"]);
}

#[test]
fn a_commit_that_was_not_answered_is_made_again_after_a_pause() {
    let mut bench = stepped(Options::lanes(4));
    bench.script.fail_commits(vec![away()]);
    bench.script.assign(0, 0);
    bench.script.records(vec![record(0, 0, "a")]);
    (0..4).for_each(|_| bench.step_and_work());
    assert_eq!(bench.metrics.commits_failed.get(), 0, "it is not due yet");
    bench.pass(20 * MS);
    bench.step_and_work();
    assert_eq!(bench.metrics.commits_failed.get(), 1);
    bench.pass(10 * MS);
    bench.step_and_work();
    assert_eq!(bench.script.seen().commits, [], "it was tried again too soon");
    bench.pass(1000 * MS);
    bench.step_and_work();
    let commits = bench.script.seen().commits;
    assert_eq!(
        commits.iter().map(|position| position.offset).collect::<Vec<_>>(),
        [Offset(1)]
    );
}

#[test]
fn a_next_try_starts_when_it_is_due_without_a_step() {
    let mut bench = stepped(Options::lanes(1));
    bench.handler.set_outcomes("0@0", vec![Outcome::Retry(50 * MS)]);
    bench.script.assign(0, 0);
    bench.script.records(vec![record(0, 0, "a"), record(0, 1, "b")]);
    (0..2).for_each(|_| bench.step_and_work());
    bench.pass(49 * MS);
    assert_eq!(bench.started(), ["0@0", "0@1"]);
    bench.pass(3 * MS);
    assert_eq!(bench.started(), ["0@0", "0@1", "0@0#2"]);
}

#[test]
fn a_runner_is_closed_in_steps_and_gives_back_what_is_done() {
    let mut bench = stepped(Options::lanes(4));
    bench.script.assign(0, 0);
    bench.handler.hold("0@1");
    bench
        .script
        .records(vec![record(0, 0, "a"), record(0, 1, "b"), record(0, 2, "b")]);
    (0..2).for_each(|_| bench.step_and_work());
    bench.begin_close();
    bench.script.records(vec![record(0, 3, "c")]);
    for _ in 0..3 {
        assert_eq!(bench.close_step(), None);
        bench.pass(MS);
    }
    bench.handler.release("0@1");
    bench.work();
    let summary = bench.close_step().unwrap();
    assert_eq!((summary.done, summary.unfinished), (2, 0));
    let seen = bench.script.seen();
    assert_eq!(
        seen.released.iter().map(|position| position.offset).collect::<Vec<_>>(),
        [Offset(2)]
    );
    assert!(seen.left);
    assert_eq!(bench.started(), ["0@0", "0@1"]);
}

#[test]
fn a_close_gives_up_what_takes_longer_than_the_shutdown_may() {
    let mut bench = stepped(Options {
        shutdown_timeout: 30 * MS,
        ..Options::lanes(4)
    });
    bench.script.assign(0, 0);
    bench.handler.hold("0@1");
    bench.script.records(vec![record(0, 0, "a"), record(0, 1, "b")]);
    (0..2).for_each(|_| bench.step_and_work());
    bench.begin_close();
    bench.pass(29 * MS);
    assert_eq!(bench.close_step(), None);
    bench.pass(2 * MS);
    assert_eq!(bench.close_step().unwrap().unfinished, 1);
    let released = bench.script.seen().released;
    assert_eq!(
        released.iter().map(|position| position.offset).collect::<Vec<_>>(),
        [Offset(1)]
    );
}
