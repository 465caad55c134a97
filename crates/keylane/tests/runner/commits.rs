//! What is committed, and which records a restart skips because of it.

use crate::bench::bench;
use crate::scripted::record;
use keylane::{EndsOf, Options, metadata};
use keylane_log::{LogError, Offset};
use std::sync::Arc;
use std::sync::mpsc::channel;

fn log_end(end: u64) -> Option<EndsOf> {
    Some(Arc::new(move |_: &str| Ok(vec![Offset(end)])))
}

fn unknown_end() -> Option<EndsOf> {
    Some(Arc::new(|_: &str| {
        Err(LogError::Unavailable("no broker answers".to_owned()))
    }))
}

#[test]
fn a_restart_behind_one_open_record_repeats_nothing_else() {
    let bench = bench(Options {
        ends_of: log_end(200),
        ..Options::lanes(8)
    });
    bench
        .script
        .assign_with(0, 100, &metadata::encode(Offset(100), [101..200]));
    bench
        .script
        .records((100..200).map(|offset| record(0, offset, "a")).collect());
    bench.script.until_committed(0, 200);
    bench.handler.look(|journal| assert_eq!(journal.started, ["0@100"]));
    let metrics = bench.metrics.clone();
    bench.stop().unwrap();
    assert_eq!(metrics.skipped.get(), 99);
}

#[test]
fn metadata_that_does_not_fit_skips_nothing() {
    let good = metadata::encode(Offset(0), [1..3]);
    let cases = [
        (log_end(2), good.as_str()),
        (log_end(3), &good[..good.len() - 1]),
        (log_end(3), "somebody else's"),
        (None, good.as_str()),
        (unknown_end(), good.as_str()),
    ];
    for (ends_of, text) in cases {
        let bench = bench(Options {
            ends_of,
            ..Options::lanes(8)
        });
        bench.script.assign_with(0, 0, text);
        bench
            .script
            .records((0..3).map(|offset| record(0, offset, "a")).collect());
        bench.script.until_committed(0, 3);
        bench
            .handler
            .look(|journal| assert_eq!(journal.started, ["0@0", "0@1", "0@2"], "{text}"));
        bench.stop().unwrap();
    }
}

#[test]
fn the_ends_of_a_topic_are_asked_for_once() {
    let (asked, counted) = channel();
    let ends_of = move |topic: &str| {
        asked.send(topic.to_owned()).unwrap();
        Ok(vec![Offset(3); 4])
    };
    let bench = bench(Options {
        ends_of: Some(Arc::new(ends_of)),
        ..Options::lanes(8)
    });
    let text = metadata::encode(Offset(0), [1..3]);
    bench.script.assign_all_with(0..4, &text);
    bench
        .script
        .records((0..4).map(|number| record(number, 0, "a")).collect());
    (0..4).for_each(|number| bench.handler.until_finished(&format!("{number}@0")));
    bench.stop().unwrap();
    assert_eq!(counted.iter().collect::<Vec<_>>(), ["orders"]);
}

#[test]
fn a_refused_commit_is_counted() {
    let bench = bench(Options::lanes(8));
    bench.script.assign(0, 0);
    bench.script.assign(1, 0);
    bench.script.refuse_commits(0);
    // One key: the record of partition 1 is committed no earlier than that of partition 0.
    bench.script.records(vec![record(0, 0, "a"), record(1, 0, "a")]);
    bench.script.until_committed(1, 1);
    let metrics = bench.metrics.clone();
    bench.stop().unwrap();
    assert_eq!(metrics.commits_refused.get(), 1);
}
