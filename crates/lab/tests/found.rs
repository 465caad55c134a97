//! Histories that did harm, as scenarios: they do the same harm again where they say so, and carry the history.
#![allow(missing_docs)]

use std::collections::BTreeSet;

use lab::checker::Severity;
use lab::run::run;
use lab::scenario::{Run, WorldName, parse};
use lab::simulation::SimulatedWorld;
use lab::simulation::found::{Found, scenario};
use lab::simulation::log::LogKind;
use lab::simulation::minimize::{Smallest, minimize};
use lab::simulation::run::replay;
use lab::simulation::scheduler::{Logs, Mode, conditions, history};
use lab::simulation::text;

/// The history of this seed, made small, and the harm for which it was; none if it did none.
fn smallest(mode: Mode, seed: u64) -> Option<(Smallest, String)> {
    let conditions = conditions(mode, Logs::Both, seed);
    let (ending, steps, _) = history(&conditions, false).end();
    let worst = ending.worst()?.to_owned();
    Some((minimize(&conditions, steps, &worst, 2_000), worst))
}

/// The harmful histories of these seeds, each with its scenario.
fn found(mode: Mode, seeds: impl Iterator<Item = u64>) -> Vec<(Smallest, String, Found)> {
    let small = seeds.filter_map(|seed| smallest(mode, seed));
    small
        .map(|(history, worst)| {
            let found = scenario(&history, &worst);
            (history, worst, found)
        })
        .collect()
}

/// The harm that the scenario of a file does in the simulated world; it has to come out as the file says.
fn harm_of(text: &str, which: Run) -> BTreeSet<String> {
    let scenario = parse("found.lab", text).unwrap_or_else(|error| panic!("{error}\n{text}"));
    let mut world = SimulatedWorld::new(&scenario.setup(which), LogKind::Embedded).expect("a world");
    let report = run(&scenario, which, &mut world, &mut |_| {});
    assert!(
        report.is_as_expected(),
        "{:?} {:#?}\n{text}",
        report.failure,
        report.findings
    );
    let harmful = report.judgement.verdicts.iter();
    let harmful = harmful.filter(|verdict| verdict.severity == Severity::Harm);
    harmful.map(|verdict| verdict.anomaly.name().to_owned()).collect()
}

#[test]
fn a_history_that_did_harm_is_a_scenario_that_does_the_same() {
    let mut all = found(Mode::Naive, 1..=20);
    all.extend(found(Mode::Course, 1..=18));
    let mut played = 0;
    for (history, worst, found) in &all {
        assert_eq!(text::parse(&found.text).as_ref(), Ok(history), "{}", found.text);
        if found.worlds.is_empty() {
            parse("found.lab", &found.text).unwrap_or_else(|error| panic!("{error}\n{}", found.text));
            continue;
        }
        played += usize::from(found.worlds.contains(&WorldName::Embedded));
        let harm = harm_of(&found.text, Run::Broken);
        assert!(harm.contains(worst), "{harm:?} without {worst}\n{}", found.text);
        assert!(replay(&history.conditions, &history.steps).harm.is_superset(&harm));
        if found.runs.contains(&Run::Fixed) {
            assert_eq!(harm_of(&found.text, Run::Fixed), BTreeSet::new());
        }
    }
    println!("{played} of {} are done again by real processes", all.len());
    assert!(all.len() >= 8, "{}", all.len());
    assert!(played * 10 >= all.len() * 8, "{played} of {}", all.len());
}

#[test]
fn one_history_gives_the_same_bytes_twice() {
    let (history, worst) = (1..).find_map(|seed| smallest(Mode::Naive, seed)).expect("a seed");
    let found = scenario(&history, &worst);
    assert_eq!(found, scenario(&history, &worst));
    assert!(found.text.contains(&format!("#| seed {}", history.conditions.seed)));
}

#[test]
fn a_history_without_a_scenario_is_described_and_can_still_be_run_again() {
    let (history, _) = (1..).find_map(|seed| smallest(Mode::Naive, seed)).expect("a seed");
    // What the simulation alone watches is none of the verdicts that a scenario expects.
    let found = scenario(&history, "violation");
    assert!(found.worlds.is_empty() && found.runs.is_empty(), "{found:?}");
    let described = parse("found.lab", &found.text).unwrap_or_else(|error| panic!("{error}\n{}", found.text));
    let why = described.head.described.expect("it says why");
    assert!(why.english.contains("none of the verdicts"), "{}", why.english);
    assert_eq!(text::parse(&found.text), Ok(history));
}
