//! Each defect that can be planted into this crate does its harm, and nothing does it without the defect.

use std::sync::Arc;

use keylane::{Options, metadata};
use keylane_log::Offset;
use planted::{Bug, plant};

use crate::scripted::record;
use crate::stepped::{MS, Stepped, stepped};

/// What has become of partition 0, whose records all have keys of their own.
#[derive(Debug, PartialEq, Eq)]
struct End {
    /// The offsets that the handler was called with, in order.
    handled: Vec<u64>,
    /// The offset from which the next owner reads on.
    committed: u64,
}

/// Lets the work that is left be done and committed.
fn end_of(mut bench: Stepped) -> End {
    (0..5).for_each(|_| bench.step_and_work());
    bench.pass(200 * MS);
    bench.step_and_work();
    let seen = bench.script.seen();
    let last = seen.commits.iter().chain(&seen.released).next_back();
    End {
        handled: bench
            .started()
            .iter()
            .map(|place| place[2..].parse().unwrap())
            .collect(),
        committed: last.expect("something was committed").offset.0,
    }
}

fn take_in(bench: &mut Stepped, offsets: impl IntoIterator<Item = u64>) {
    let records = offsets.into_iter().map(|offset| record(0, offset, &offset.to_string()));
    bench.script.records(records.collect());
    (0..2).for_each(|_| bench.step_and_work());
}

/// The end without the bug, and with it.
fn compare(bug: Bug, history: impl Fn() -> End) -> [End; 2] {
    let healthy = history();
    let _planted = plant(bug);
    [healthy, history()]
}

fn end(handled: &[u64], committed: u64) -> End {
    End {
        handled: handled.to_vec(),
        committed,
    }
}

#[test]
fn the_highest_offset_commits_what_is_still_in_flight() {
    let history = || {
        let mut bench = stepped(Options::lanes(4));
        bench.script.assign(0, 0);
        bench.handler.hold("0@1");
        take_in(&mut bench, 0..4);
        end_of(bench)
    };
    let ends = compare(Bug::HighestOffsetCommit, history);
    assert_eq!(ends, [end(&[0, 1, 2, 3], 1), end(&[0, 1, 2, 3], 4)]);
}

#[test]
fn without_a_drain_a_partition_goes_while_its_record_is_in_flight() {
    let history = || {
        let mut bench = stepped(Options::lanes(4));
        bench.script.assign(0, 0);
        bench.handler.hold("0@1");
        take_in(&mut bench, 0..2);
        bench.script.ask_back(0);
        (0..3).for_each(|_| bench.step_and_work());
        let in_flight = bench.handler.look(|journal| journal.finished.len()) == 1;
        in_flight && bench.script.seen().revokes_answered == 1
    };
    assert!(!history());
    let _planted = plant(Bug::NoDrain);
    assert!(history());
}

#[test]
fn records_that_a_lost_assignment_had_queued_are_never_handled_if_they_count_for_the_next_one() {
    let history = || {
        let mut bench = stepped(Options::lanes(1));
        bench.script.assign(0, 0);
        bench.handler.hold("0@0");
        take_in(&mut bench, 0..3);
        bench.script.lose(0);
        bench.step_and_work();
        bench.handler.release("0@0");
        bench.work();
        bench.script.assign(0, 0);
        take_in(&mut bench, 0..5);
        end_of(bench)
    };
    let ends = compare(Bug::EpochNotChecked, history);
    assert_eq!(ends, [end(&[0, 0, 1, 2, 3, 4], 5), end(&[0, 3, 4], 5)]);
}

#[test]
fn metadata_that_is_trusted_skips_the_new_records_of_a_log_that_was_truncated() {
    let history = || {
        let mut bench = stepped(Options {
            ends_of: Some(Arc::new(|_| Ok(vec![Offset(2)]))),
            ..Options::lanes(4)
        });
        bench.script.assign_with(0, 0, &metadata::encode(Offset(0), [1..4]));
        take_in(&mut bench, 0..5);
        end_of(bench)
    };
    let ends = compare(Bug::MetadataTrusted, history);
    assert_eq!(ends, [end(&[0, 1, 2, 3, 4], 5), end(&[0, 4], 5)]);
}

#[test]
fn a_rewind_that_drops_the_whole_queue_loses_what_the_log_does_not_hand_out_again() {
    let history = || {
        let mut bench = stepped(Options::lanes(1));
        bench.script.assign(0, 0);
        bench.handler.hold("0@0");
        take_in(&mut bench, 0..4);
        take_in(&mut bench, 3..5);
        bench.handler.release("0@0");
        end_of(bench)
    };
    let ends = compare(Bug::RewindDropsQueue, history);
    assert_eq!(ends, [end(&[0, 1, 2, 3, 4], 5), end(&[0, 3, 4], 5)]);
}
