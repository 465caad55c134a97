//! Full buffers, outages of the log, and handlers that panic.

use crate::bench::bench;
use crate::scripted::{partition, record};
use keylane::Options;
use keylane_log::{LogError, Offset};

#[test]
fn a_full_buffer_pauses_its_partition_and_not_the_others() {
    let bench = bench(Options {
        buffer_bytes: 100_000,
        ..Options::lanes(8)
    });
    bench.script.assign(0, 0);
    bench.script.assign(1, 0);
    bench.handler.hold("0@0");
    bench
        .script
        .records((0..500).map(|offset| record(0, offset, "a")).collect());
    bench
        .script
        .until("the partition pauses", |seen| seen.pauses == [partition(0)]);
    bench
        .script
        .records((0..50).map(|offset| record(1, offset, "b")).collect());
    bench.script.until_committed(1, 50);
    assert_eq!(bench.script.seen().resumes, []);
    bench.handler.release("0@0");
    bench
        .script
        .until("the partition resumes", |seen| seen.resumes == [partition(0)]);
    bench.script.until_committed(0, 500);
    bench.stop().unwrap();
}

#[test]
fn an_outage_of_the_log_is_sat_out() {
    let bench = bench(Options::lanes(8));
    let away = || LogError::Unavailable("no broker answers".to_owned());
    bench.script.assign(0, 0);
    bench.script.fail_polls(vec![away(), away()]);
    bench.script.fail_commits(vec![away()]);
    bench.script.records(vec![record(0, 0, "a")]);
    bench.script.until_committed(0, 1);
    let metrics = bench.metrics.clone();
    bench.stop().unwrap();
    assert_eq!((metrics.commits_failed.get(), metrics.commits.get()), (1, 1));
}

#[test]
fn a_broken_log_ends_the_runner() {
    let bench = bench(Options::lanes(8));
    bench.script.assign(0, 0);
    let broken = LogError::Broken("the file is damaged".to_owned());
    bench.script.fail_polls(vec![broken.clone()]);
    let script = bench.script.clone();
    assert_eq!(bench.end(), Err(broken));
    assert!(script.seen().left);
}

#[test]
fn a_panic_in_the_handler_stops_the_runner_and_says_where() {
    let bench = bench(Options::lanes(8));
    bench.script.assign(0, 0);
    bench.handler.panic_at("0@1");
    bench
        .script
        .records(vec![record(0, 0, "a"), record(0, 1, "b"), record(0, 2, "b")]);
    let script = bench.script.clone();
    assert_eq!(
        bench.end(),
        Err(LogError::Broken("the handler panicked at orders-0@1".to_owned()))
    );
    let released = script.seen().released;
    assert!(
        released
            .iter()
            .chain(&script.seen().commits)
            .all(|position| position.offset <= Offset(1)),
        "{released:?}"
    );
}
