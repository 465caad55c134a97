//! Every defect that can be planted is found by simulating whole malls, and its history can be made small. Without this, histories
//! without harm would prove little.
#![allow(missing_docs)]

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use lab::simulation::minimize::minimize;
use lab::simulation::run::Conditions;
use lab::simulation::scheduler::{Logs, Mode, conditions, history};
use lab::simulation::step::Step;
use planted::Bug;

/// After so many histories in vain, a defect counts as not found.
const MOST_HISTORIES: u64 = 1_000;
/// How many histories are tried to make one smaller.
const BUDGET: usize = 300;
/// The same where the mall doesn't come to rest, which takes it a long time to find out.
const STUCK_BUDGET: usize = 40;

/// What was found of a defect.
struct Found {
    /// After so many histories.
    number: u64,
    conditions: Conditions,
    steps: Vec<Step>,
    /// The first harm by name, and what is said of it first.
    harm: String,
    says: String,
    budget: usize,
}

/// The first history that does harm.
fn find() -> Option<Found> {
    let modes = [Mode::Fixed, Mode::Keyless];
    let mut all = (1..=MOST_HISTORIES).zip((1..).flat_map(|seed| modes.map(|mode| (mode, seed))));
    all.find_map(|(number, (mode, seed))| {
        let conditions = conditions(mode, Logs::Both, seed);
        let (ending, steps, _) = history(&conditions, false).end();
        let harm = ending.harm.first()?.clone();
        let is_stuck = ending.harm.contains("stuck");
        let says = ending.says.first().cloned().unwrap_or_default();
        Some(Found {
            number,
            conditions,
            steps,
            harm,
            says,
            budget: if is_stuck { STUCK_BUDGET } else { BUDGET },
        })
    })
}

/// Finds a defect, and tells of it; none if it is not found.
fn look_for(bug: Bug) -> Option<String> {
    let _planted = planted::plant(bug);
    let Found {
        number,
        conditions,
        steps,
        harm,
        says,
        budget,
    } = find()?;
    let smallest = minimize(&conditions, steps, &harm, budget);
    let length = smallest.length();
    Some(format!(
        "{bug}: {harm} in history {number} ({says}), made small: {length} actions and faults\n{smallest}"
    ))
}

#[test]
fn each_defect_is_found_and_its_history_made_small() {
    let next = AtomicUsize::new(0);
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let missed = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..cores {
            scope.spawn(|| {
                while let Some(bug) = Bug::ALL.get(next.fetch_add(1, Ordering::Relaxed)) {
                    match look_for(*bug) {
                        Some(told) => println!("{told}"),
                        None => missed.lock().expect("no panic").push(bug.name()),
                    }
                }
            });
        }
    });
    let missed = missed.into_inner().expect("no panic");
    assert!(missed.is_empty(), "not found in {MOST_HISTORIES} histories: {missed:?}");
}
