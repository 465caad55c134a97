//! Defects of the services that are planted are found by the simulation, and their histories can be made small. Without this,
//! histories without harm would prove little. The other defects need a log that goes back or refuses records, or show no harm
//! behind the fence; the tests of `keylane` and `stores` find those.
#![allow(missing_docs)]

use std::collections::BTreeMap;

use lab::simulation::minimize::minimize;
use lab::simulation::run::Conditions;
use lab::simulation::scheduler::{Mode, conditions, history};
use lab::simulation::step::Step;
use planted::Bug;

/// The defects that are looked for.
const LOOKED_FOR: [Bug; 7] = [
    Bug::NoFence,
    Bug::NoSecondCompare,
    Bug::NoCursorRow,
    Bug::HighestOffsetCommit,
    Bug::MarkBeforeAcknowledgement,
    Bug::LeaseNeverExpires,
    Bug::ParkWithoutWakeUp,
];
/// After so many histories in vain, a defect counts as not found.
const MOST_HISTORIES: u64 = 500;
/// How many histories are tried to make one smaller.
const BUDGET: usize = 400;

/// The first history that does harm, its number, and the harm.
fn find() -> Option<(u64, Conditions, Vec<Step>, String)> {
    (1..=MOST_HISTORIES).find_map(|seed| {
        let mode = if seed % 2 == 0 { Mode::Keyless } else { Mode::Fixed };
        let conditions = conditions(mode, seed);
        let (ending, steps, _) = history(&conditions, false).end();
        let harm = ending.harm.first()?.clone();
        Some((seed, conditions, steps, harm))
    })
}

#[test]
fn each_defect_is_found_and_its_history_made_small() {
    let mut missed = BTreeMap::new();
    for bug in LOOKED_FOR {
        let _planted = planted::plant(bug);
        let Some((number, conditions, steps, harm)) = find() else {
            missed.insert(bug.name(), MOST_HISTORIES);
            continue;
        };
        let smallest = minimize(&conditions, steps, &harm, BUDGET);
        let length = smallest.length();
        println!("{bug}: {harm} in history {number}, made small: {length} actions and faults\n{smallest}");
    }
    assert!(missed.is_empty(), "not found: {missed:?}");
}
