//! Histories of the simulated mall, on the embedded log and on the simulated Kafka: the same seed gives the same one, those of the modes that ship do no harm, and those of the
//! others do theirs.
#![allow(missing_docs)]

use std::collections::BTreeMap;
use std::thread;

use lab::simulation::minimize::minimize;
use lab::simulation::run::{Counts, Ending, replay};
use lab::simulation::scheduler::{Logs, Mode, conditions, history};

fn ending(mode: Mode, seed: u64) -> Ending {
    history(&conditions(mode, Logs::Both, seed), false).end().0
}

/// The endings of so many histories of each of these modes.
fn endings(modes: &[Mode], seeds: u64) -> Vec<(Mode, u64, Ending)> {
    let all: Vec<(Mode, u64)> = modes
        .iter()
        .flat_map(|mode| (1..=seeds).map(|seed| (*mode, seed)))
        .collect();
    let cores = thread::available_parallelism().map_or(1, usize::from);
    thread::scope(|scope| {
        let parts = all.chunks(all.len().div_ceil(cores));
        let threads: Vec<_> = parts
            .map(|part| {
                scope.spawn(|| {
                    part.iter()
                        .map(|(mode, seed)| (*mode, *seed, ending(*mode, *seed)))
                        .collect::<Vec<_>>()
                })
            })
            .collect();
        threads
            .into_iter()
            .flat_map(|thread| thread.join().expect("no history panics"))
            .collect()
    })
}

#[test]
fn one_seed_gives_the_same_history_on_any_thread() {
    let of = |mode, logs, seed| history(&conditions(mode, logs, seed), false).end().0;
    for mode in Mode::ALL {
        for logs in [Logs::Embedded, Logs::Kafka] {
            for seed in 1..=4 {
                let here = of(mode, logs, seed);
                let there = thread::spawn(move || of(mode, logs, seed)).join().expect("it ends");
                assert_eq!(here, there, "{mode:?} {logs:?} {seed}");
            }
        }
    }
    assert_ne!(ending(Mode::Fixed, 1).hash, ending(Mode::Fixed, 2).hash);
}

#[test]
fn a_history_is_made_again_by_its_steps_alone() {
    for seed in 1..=20 {
        let conditions = conditions(Mode::Naive, Logs::Both, seed);
        let (ending, steps, _) = history(&conditions, false).end();
        assert_eq!(replay(&conditions, &steps), ending, "{seed}");
    }
}

#[test]
fn the_modes_that_ship_do_no_harm_and_meet_all_kinds_of_trouble() {
    let endings = endings(&[Mode::Fixed, Mode::Keyless], 150);
    let mut counts = Counts::default();
    for (mode, seed, ending) in &endings {
        assert!(ending.harm.is_empty(), "{mode:?} {seed}: {:#?}", ending.says);
        counts += ending.counts;
    }
    let Counts {
        commands,
        faults,
        kills,
        stops,
        starts,
        freezes,
        growths,
        removals,
        expiries,
        limits,
        foreign,
        marks,
        poisoned,
        buried,
        resynced,
        moves,
        takeovers,
        unmade,
        unanswered,
        parked,
        duplicates,
        kafka,
        late,
        rebalances,
        losses,
        repeats,
        cuts,
        ..
    } = counts;
    let anywhere = [
        commands, faults, kills, stops, starts, freezes, growths, removals, expiries, limits, foreign, marks, poisoned,
        buried, resynced, moves, takeovers, unmade, unanswered, parked, duplicates,
    ];
    let on_brokers = [kafka, late, rebalances, losses, repeats, cuts];
    for met in anywhere.into_iter().chain(on_brokers) {
        assert!(met > 10, "{counts:?}");
    }
}

#[test]
fn the_modes_of_the_course_do_the_harm_that_they_are_known_for() {
    let mut found: BTreeMap<(&str, String), u64> = BTreeMap::new();
    for (mode, _, ending) in endings(&[Mode::Course, Mode::Naive], 80) {
        for harm in ending.harm {
            *found.entry((mode.name(), harm)).or_default() += 1;
        }
    }
    for (mode, harm) in [
        ("course", "double-apply"),
        ("course", "resurrection"),
        ("naive", "divergence"),
        ("naive", "inversion"),
        ("naive", "resurrection"),
        ("naive", "skip"),
        ("naive", "unseen"),
    ] {
        assert!(
            found.contains_key(&(mode, harm.to_owned())),
            "{mode} {harm} is not among {found:?}"
        );
    }
}

#[test]
fn a_history_that_does_harm_is_made_small() {
    let seeds = 1..;
    let found = seeds
        .map(|seed| conditions(Mode::Naive, Logs::Both, seed))
        .find_map(|conditions| {
            let (ending, steps, _) = history(&conditions, false).end();
            ending.harm.contains("divergence").then_some((conditions, steps))
        });
    let (conditions, steps) = found.expect("a seed");
    let smallest = minimize(&conditions, steps.clone(), "divergence", 2_000);
    assert!(smallest.length() <= 6, "{smallest:#?}");
    assert!(smallest.steps.len() < steps.len() / 4, "{smallest:#?}");
    assert!(
        replay(&smallest.conditions, &smallest.steps)
            .harm
            .contains("divergence")
    );
}
