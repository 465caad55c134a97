//! In which order records start, and which of them wait.

use crate::bench::{bench, bench_with};
use crate::gated::Gated;
use crate::scripted::record;
use keylane::{Options, Outcome, metadata};
use keylane_log::Offset;
use std::time::Duration;

#[test]
fn one_lane_takes_one_record_at_a_time_in_poll_order() {
    let bench = bench(Options::one_by_one());
    bench.script.assign(0, 10);
    bench.script.assign(1, 0);
    bench.handler.hold("0@10");
    bench.script.records(vec![record(0, 10, "a"), record(1, 0, "b")]);
    bench.script.records(vec![record(0, 11, "c"), record(1, 1, "a")]);
    bench.handler.until_started("0@10");
    let polls = bench.script.seen().polls;
    bench
        .script
        .until("the runner has polled on", |seen| seen.polls > polls + 3);
    assert_eq!(
        bench.handler.look(|journal| journal.started.len()),
        1,
        "other records started although one is held"
    );
    bench.handler.release("0@10");
    bench.script.until_committed(0, 12);
    bench.script.until_committed(1, 2);
    let expected = ["0@10", "1@0", "0@11", "1@1"];
    bench.handler.look(|journal| assert_eq!(journal.started, expected));
    let summary = bench.stop().unwrap();
    assert_eq!((summary.done, summary.unfinished), (4, 0));
}

#[test]
fn a_retry_comes_again_in_place_and_a_park_counts_as_done() {
    let bench = bench(Options::one_by_one());
    let again = Outcome::Retry(Duration::from_millis(1));
    bench.handler.set_outcomes(
        "0@0",
        vec![again.clone(), again, Outcome::Park("no such order".to_owned())],
    );
    bench.script.assign(0, 0);
    bench.script.records(vec![record(0, 0, "a"), record(0, 1, "b")]);
    bench.script.until_committed(0, 2);
    let expected = ["0@0", "0@0#2", "0@0#3", "0@1"];
    bench.handler.look(|journal| assert_eq!(journal.started, expected));
    assert_eq!(
        (
            bench.metrics.done.get(),
            bench.metrics.retried.get(),
            bench.metrics.parked.get()
        ),
        (1, 2, 1)
    );
    bench.stop().unwrap();
}

/// With one place in flight and a lane for each key, a thousand records wait for a next try that is an hour away.
#[test]
fn a_record_that_waits_for_its_next_try_holds_up_its_own_key_only() {
    let bench = bench(Options::lanes(1));
    bench.script.assign(0, 0);
    for offset in 0..1000 {
        let later = Outcome::Retry(Duration::from_secs(3600));
        bench.handler.set_outcomes(&format!("0@{offset}"), vec![later]);
    }
    bench
        .script
        .records((0..1000).map(|offset| record(0, offset, &offset.to_string())).collect());
    bench.script.records(vec![record(0, 1000, "7"), record(0, 1001, "new")]);
    bench.handler.until_finished("0@1001");
    let text = bench.script.until_committed(0, 0);
    assert_eq!(
        metadata::decode(Offset(0), Some(Offset(1002)), &text),
        Ok(vec![1001..1002])
    );
    bench.handler.look(|journal| {
        assert!(
            !journal.started.contains(&"0@1000".to_owned()),
            "its key waits for the next try of another record"
        )
    });
    assert_eq!(bench.metrics.retried.get(), 1000);
    assert_eq!(bench.stop().unwrap().unfinished, 0);
}

/// In this mode all records share one lane, so the next try of one record holds up all others.
#[test]
fn one_by_one_a_next_try_comes_before_everything_else() {
    let bench = bench(Options::one_by_one());
    bench.script.assign(0, 0);
    bench.script.assign(1, 0);
    let again = Outcome::Retry(Duration::from_millis(20));
    bench.handler.set_outcomes("0@0", vec![again.clone(), again]);
    bench.script.records(vec![record(0, 0, "a"), record(0, 1, "b")]);
    bench.script.records(vec![record(1, 0, "c")]);
    bench.script.until_committed(0, 2);
    bench.script.until_committed(1, 1);
    let expected = ["0@0", "0@0#2", "0@0#3", "0@1", "1@0"];
    bench.handler.look(|journal| assert_eq!(journal.started, expected));
    bench.stop().unwrap();
}

#[test]
fn a_held_key_holds_up_its_own_records_only() {
    let bench = bench(Options::lanes(8));
    bench.script.assign(0, 0);
    bench.handler.hold("0@0");
    bench.script.records(vec![
        record(0, 0, "a"),
        record(0, 1, "a"),
        record(0, 2, "b"),
        record(0, 3, "c"),
    ]);
    bench.handler.until_finished("0@2");
    bench.handler.until_finished("0@3");
    let text = bench.script.until_committed(0, 0);
    assert_eq!(metadata::decode(Offset(0), Some(Offset(4)), &text), Ok(vec![2..4]));
    bench
        .handler
        .look(|journal| assert!(!journal.started.contains(&"0@1".to_owned())));
    bench.handler.release("0@0");
    assert_eq!(bench.script.until_committed(0, 4), "");
    bench.stop().unwrap();
}

#[test]
fn no_more_lanes_than_allowed_are_in_flight() {
    let bench = bench(Options::lanes(2));
    bench.script.assign(0, 0);
    for place in ["0@0", "0@1", "0@2"] {
        bench.handler.hold(place);
    }
    bench
        .script
        .records(vec![record(0, 0, "a"), record(0, 1, "b"), record(0, 2, "c")]);
    bench.handler.until_started("0@0");
    bench.handler.until_started("0@1");
    bench.handler.look(|journal| assert_eq!(journal.started.len(), 2));
    bench.handler.release("0@1");
    bench.handler.until_started("0@2");
    for place in ["0@0", "0@2"] {
        bench.handler.release(place);
    }
    bench.script.until_committed(0, 3);
    bench.stop().unwrap();
}

#[test]
fn records_without_a_key_keep_the_order_of_their_partition() {
    let bench = bench(Options::lanes(8));
    bench.script.assign(0, 0);
    bench.script.assign(1, 0);
    bench.handler.hold("0@0");
    let keyless = |number, offset| keylane_log::Record {
        key: None,
        ..record(number, offset, "")
    };
    bench.script.records(vec![keyless(0, 0), keyless(0, 1), keyless(1, 0)]);
    bench.handler.until_finished("1@0");
    bench
        .handler
        .look(|journal| assert!(!journal.started.contains(&"0@1".to_owned())));
    bench.handler.release("0@0");
    bench.script.until_committed(0, 2);
    bench.stop().unwrap();
}

#[test]
fn a_key_is_one_lane_even_across_partitions() {
    let bench = bench(Options::lanes(8));
    bench.script.assign(0, 0);
    bench.script.assign(1, 0);
    bench.handler.hold("0@0");
    bench
        .script
        .records(vec![record(0, 0, "a"), record(1, 0, "a"), record(1, 1, "b")]);
    bench.handler.until_finished("1@1");
    bench
        .handler
        .look(|journal| assert!(!journal.started.contains(&"1@0".to_owned())));
    bench.handler.release("0@0");
    bench.handler.until_finished("1@0");
    bench.stop().unwrap();
}

#[test]
fn the_next_record_of_a_key_starts_without_the_polling_thread() {
    let bench = bench(Options::lanes(2));
    bench.script.assign(0, 0);
    for place in ["0@0", "0@1"] {
        bench.handler.hold(place);
    }
    let records = (0..6).map(|offset| record(0, offset, ["a", "b", "a", "c", "d", "b"][offset as usize]));
    bench.script.records(records.collect());
    bench.handler.until_started("0@1");
    let stalled = bench.script.stall();
    bench.script.until("the poll stalls", |seen| seen.stalled);
    bench.handler.release("0@0");
    for place in ["0@2", "0@3", "0@4"] {
        bench.handler.until_finished(place);
    }
    bench.handler.release("0@1");
    bench.handler.until_finished("0@5");
    drop(stalled);
    bench.script.until_committed(0, 6);
    bench.stop().unwrap();
}

#[test]
fn waiting_records_of_a_key_come_in_one_run_if_asked_for() {
    let bench = bench_with(Options::lanes(4), Gated::with_runs_of(3));
    bench.script.assign(0, 0);
    bench.handler.hold("0@0");
    bench.script.records(vec![record(0, 0, "a")]);
    bench.handler.until_started("0@0");
    bench.script.records(
        (1..5)
            .map(|offset| record(0, offset, "a"))
            .chain([record(0, 5, "b")])
            .collect(),
    );
    bench.handler.until_finished("0@5");
    bench.handler.release("0@0");
    bench.script.until_committed(0, 6);
    bench.handler.look(|journal| {
        assert_eq!(journal.started, ["0@0", "0@5", "0@1", "0@2", "0@3", "0@4"]);
        assert_eq!(journal.runs, [1, 1, 3, 1]);
    });
    bench.stop().unwrap();
}

#[test]
fn every_lane_that_may_start_starts_without_anything_else_happening() {
    let bench = bench(Options::lanes(20));
    bench.script.assign(0, 0);
    let keys: Vec<String> = (0..25).map(|key| format!("{key}")).collect();
    (0..25).for_each(|offset| bench.handler.hold(&format!("0@{offset}")));
    let records = keys
        .iter()
        .enumerate()
        .map(|(offset, key)| record(0, offset as u64, key));
    bench.script.records(records.collect());
    (0..20).for_each(|offset| bench.handler.until_started(&format!("0@{offset}")));
    bench.handler.look(|journal| assert_eq!(journal.started.len(), 20));
    (0..25).for_each(|offset| bench.handler.release(&format!("0@{offset}")));
    bench.script.until_committed(0, 25);
    bench.stop().unwrap();
}
