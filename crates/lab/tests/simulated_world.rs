//! Every scenario that can be shown in a simulated world, in each of its runs: what comes out is what its file expects.
#![allow(missing_docs)]

use std::path::Path;

use lab::run::{Report, Told, run};
use lab::scenario::{Run, Scenario, WorldName, parse};
use lab::simulation::SimulatedWorld;
use lab::simulation::log::{Brokers, LogKind};

fn scenarios() -> Vec<(String, Scenario)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scenarios");
    let mut all = Vec::new();
    for entry in std::fs::read_dir(folder).expect("the folder of scenarios") {
        let path = entry.expect("an entry").path();
        let name = path.file_name().expect("a name").to_string_lossy().into_owned();
        let text = std::fs::read_to_string(&path).expect("a text");
        all.push((
            name.clone(),
            parse(&name, &text).unwrap_or_else(|error| panic!("{error}")),
        ));
    }
    all.sort_by(|(one, _), (other, _)| one.cmp(other));
    all
}

/// The simulated worlds, and the log of each.
fn worlds() -> [(WorldName, LogKind); 2] {
    [
        (WorldName::Simulated, LogKind::Embedded),
        (WorldName::SimulatedKafka, LogKind::Kafka(Brokers::default())),
    ]
}

fn simulated(scenario: &Scenario, which: Run, log: LogKind) -> Report {
    let mut world = SimulatedWorld::new(&scenario.setup(which), log).expect("a world");
    run(scenario, which, &mut world, &mut |_: Told<'_>| {})
}

/// What is wrong with a run, in lines.
fn complaints(name: &str, world: WorldName, report: &Report) -> Vec<String> {
    let run = format!("{}, {world}", report.run);
    let failure = report.failure.iter().map(|failure| {
        let line = failure.line.unwrap_or_default();
        format!("{name}:{line} ({run}): {}", failure.says.english)
    });
    let missed = report.findings.iter().filter(|finding| !finding.met).map(|finding| {
        format!(
            "{name}:{} ({run}): expected {}, observed {}",
            finding.line, finding.expected, finding.observed.english
        )
    });
    failure.chain(missed).collect()
}

#[test]
fn each_run_comes_out_as_its_file_expects() {
    let mut wrong = Vec::new();
    for (name, scenario) in scenarios() {
        for (world, log) in worlds() {
            for which in scenario
                .head
                .runs
                .iter()
                .filter(|_| scenario.head.worlds.contains(&world))
            {
                wrong.extend(complaints(&name, world, &simulated(&scenario, *which, log)));
            }
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn what_is_told_later_did_not_happen_earlier() {
    for (name, scenario) in scenarios() {
        for (world, log) in worlds() {
            let of_world = scenario.head.worlds.contains(&world);
            for which in scenario.head.runs.iter().filter(|_| of_world) {
                let observations = simulated(&scenario, *which, log).observations;
                for pair in observations.windows(2) {
                    assert!(pair[0].at <= pair[1].at, "{name} ({which}, {world}): {pair:#?}");
                }
            }
        }
    }
}

#[test]
fn a_run_is_the_same_each_time() {
    let text = include_str!("../../../scenarios/a21-zombie.lab");
    let scenario = parse("a21-zombie.lab", text).expect("a scenario");
    for (_, log) in worlds() {
        let once = simulated(&scenario, Run::Broken, log).observations;
        assert_eq!(once, simulated(&scenario, Run::Broken, log).observations);
        assert!(once.len() > 10);
    }
}

/// Where nobody can be asked what version 2 was, a person decides: it is tried once more, in vain, and then passed over.
const DECIDED: &str = "\
place KIM qty=3
settle
retry KIM
expect refused
discard KIM v7
expect refused
hold relay
modify KIM qty=4
forge KIM v2 unreadable
kill order
release relay
wait until KIM v2 poison by delivery-1
retry KIM
wait until KIM v2 poison by delivery-1
discard KIM v2
wait until KIM v2 passed-over by delivery-1
discard KIM v2
expect refused
start order
modify KIM qty=5
settle
expect times 2 KIM v2 poison
expect never KIM v2 applied
expect delivery KIM \"DELIVERY MODIFIED\" qty=5
";

#[test]
fn a_person_decides_about_what_is_parked() {
    let scenario = parse("decided.lab", DECIDED).unwrap_or_else(|error| panic!("{error}"));
    for (world, log) in worlds() {
        let report = simulated(&scenario, Run::Fixed, log);
        let wrong = complaints("decided.lab", world, &report);
        assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
    }
}
