//! What is reported: expected beside observed, and what keeps a run from its end.

use lab::run::{Report, Told, run};
use lab::scenario::{Run, parse};
use lab::world::{Answer, Trouble};
use observe::Ending;

use crate::scripted::{Beat, Scripted, answered, assigned, bad, begun, effect, finished, good, on, place, seen};

fn report(lines: &str, beats: Vec<Beat>, history: lab::checker::History) -> Report {
    let scenario = parse("own.lab", lines).expect("a scenario");
    let mut world = Scripted::new(beats, history);
    run(&scenario, Run::Fixed, &mut world, &mut |_: Told<'_>| {})
}

/// What was found of each expectation: the words of the file, `=` or `≠`, what was observed.
fn found(report: &Report) -> Vec<String> {
    let findings = report.findings.iter();
    let told = findings.map(|finding| {
        let sign = if finding.met { '=' } else { '≠' };
        format!("{} {sign} {}", finding.expected, finding.observed.english)
    });
    told.collect()
}

#[test]
fn expected_stands_beside_observed() {
    let lines = "place KIM\nsettle\nexpect clean\nexpect inversion KIM\nexpect orphan KIM\nexpect delivery KIM \"DELIVERY \
                 CANCELLED\"\nexpect delivery KIM \"DELIVERY MODIFIED\" qty=2\nexpect deliveries KIM 1\n";
    let report = report(
        lines,
        vec![on("place KIM", vec![]), on("settle", vec![]), on("settle", vec![])],
        bad(),
    );
    assert_eq!(
        found(&report),
        [
            "clean ≠ divergence KIM, inversion KIM, skip KIM, resurrection KIM, out-inversion KIM",
            "inversion KIM = v2 took effect after v3",
            "orphan KIM ≠ found instead: divergence, inversion, skip, resurrection, out-inversion",
            "delivery KIM \"DELIVERY CANCELLED\" ≠ \"DELIVERY MODIFIED\" qty=2 address=\"1 STREET 2\"",
            "delivery KIM \"DELIVERY MODIFIED\" qty=2 = \"DELIVERY MODIFIED\" qty=2 address=\"1 STREET 2\"",
            "deliveries KIM 1 = 1 row",
        ]
    );
    assert!(!report.is_as_expected());
}

#[test]
fn sights_are_counted_and_compared() {
    let lines = "place KIM\nexpect clean\nexpect seen KIM v2 applied\nexpect never KIM v3 applied\nexpect times 1 KIM v1 \
                 applied by delivery-1\nexpect seen KIM v2 begun before KIM v2 applied\nexpect seen KIM v2 applied before KIM v1 applied\n";
    let here = place(0, 3);
    let seen = vec![
        seen(
            0,
            "delivery-1",
            finished(1, here, Ending::Applied(effect("DELIVERY STARTED"))),
        ),
        seen(1, "delivery-1", begun(2, here)),
        seen(
            2,
            "delivery-1",
            finished(2, here, Ending::OutOfOrder(effect("DELIVERY MODIFIED"))),
        ),
    ];
    let report = report(lines, vec![on("place KIM", vec![]), on("settle", seen)], good());
    assert_eq!(
        found(&report),
        [
            "clean = no harm",
            "seen KIM v2 applied = seen once",
            "never KIM v3 applied = never seen",
            "times 1 KIM v1 applied by delivery-1 = seen once",
            "seen KIM v2 begun before KIM v2 applied = seen in this order",
            "seen KIM v2 applied before KIM v1 applied ≠ seen in the opposite order",
        ]
    );
}

#[test]
fn a_wait_ends_with_what_it_waits_for() {
    let lines = "place KIM\nwait until delivery-1 assigned P0\nwait until delivery-1 assigned P0\nexpect clean\n";
    let beats = |more: Vec<Beat>| {
        let mut beats = vec![
            on("place KIM", vec![seen(0, "delivery-1", assigned(0, 0))]),
            on("advance", vec![seen(1, "delivery-2", assigned(0, 0))]),
            on("advance", vec![seen(2, "delivery-1", assigned(1, 0))]),
        ];
        beats.extend(more);
        beats
    };
    let came = vec![
        on("advance", vec![seen(3, "delivery-1", assigned(0, 7))]),
        on("settle", vec![]),
    ];
    assert!(report(lines, beats(came), good()).is_as_expected());
    let failure = report(lines, beats(vec![]), good()).failure.expect("it never comes");
    assert_eq!((failure.line, failure.astray), (Some(3), true));
    let says = "this never came, and nothing moves any more: delivery-1 is assigned P0";
    assert_eq!(failure.says.english, says);
}

#[test]
fn a_request_is_refused_where_that_is_expected() {
    let refused = || {
        let refused = Answer::Refused("412: the item is of version 2 now".to_owned());
        vec![on("place KIM", vec![]), answered("cancel KIM if v1", Ok(refused))]
    };
    let expected = "place KIM\ncancel KIM if v1\nexpect refused\nexpect clean\n";
    let mut beats = refused();
    beats.push(on("settle", vec![]));
    let good_report = report(expected, beats, good());
    assert_eq!(found(&good_report)[0], "refused = 412: the item is of version 2 now");
    assert!(good_report.is_as_expected());
    let unexpected = report("place KIM\ncancel KIM if v1\nexpect clean\n", refused(), good());
    let failure = unexpected.failure.as_ref().expect("nobody expected that");
    assert_eq!((failure.line, failure.astray), (Some(2), true));
    assert_eq!(failure.says.english, "refused: 412: the item is of version 2 now");
    assert!(!unexpected.is_as_expected());
    let granted = vec![
        on("place KIM", vec![]),
        on("cancel KIM if v1", vec![]),
        on("settle", vec![]),
    ];
    assert_eq!(found(&report(expected, granted, good()))[0], "refused ≠ it was granted");
}

#[test]
fn a_world_that_fails_ends_the_run() {
    let trouble = Trouble::Failed("the port is taken".to_owned());
    let beats = vec![on("place KIM", vec![]), answered("grow 2", Err(trouble))];
    let report = report("place KIM\ngrow 2\nexpect clean\n", beats, good());
    let failure = report.failure.expect("it failed");
    assert_eq!((failure.line, failure.astray), (Some(2), false));
    assert!(report.findings.is_empty());
}
