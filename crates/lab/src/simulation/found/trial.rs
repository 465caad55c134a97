//! Tries a scenario in the simulated world: as things go by themselves, and in sequences that seeds choose.

use std::collections::BTreeSet;
use std::time::Duration;

use super::super::shuffle::Shuffle;
use super::super::world::SimulatedWorld;
use crate::checker::{Anomaly, Severity};
use crate::run::{Report, run};
use crate::scenario::{Run, Scenario};

/// How long something is waited for before the scenario counts as gone astray, in virtual time: longer than any session,
/// lease or gap.
const PATIENCE: Duration = Duration::from_secs(60);
/// How many sequences are tried that seeds choose.
const SHUFFLES: u64 = 6;

/// In which sequences a scenario came out as its file says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Came {
    /// Not even as things go by themselves.
    Never,
    /// As things go by themselves, but not in each of the others.
    Once,
    /// In each that was tried.
    Always,
}

/// Tries a run of a scenario, of which exactly this harm has to come, or at least what the scenario expects.
pub fn of(scenario: &Scenario, which: Run, harm: Option<&BTreeSet<(Anomaly, String)>>) -> Came {
    let comes = |shuffle| {
        let setup = scenario.setup(which);
        let Ok(mut world) = SimulatedWorld::on_trial(&setup, shuffle, PATIENCE) else {
            return false;
        };
        let report = run(scenario, which, &mut world, &mut |_| {});
        report.is_as_expected() && harm.is_none_or(|harm| *harm == self::harm(&report))
    };
    if !comes(Shuffle::default()) {
        Came::Never
    } else if (1..=SHUFFLES).all(|seed| comes(Shuffle::by(seed))) {
        Came::Always
    } else {
        Came::Once
    }
}

/// The harm that was found, by the names of the orders.
pub fn harm(report: &Report) -> BTreeSet<(Anomaly, String)> {
    let harmful = report.judgement.verdicts.iter();
    let harmful = harmful.filter(|verdict| verdict.severity == Severity::Harm);
    harmful
        .map(|verdict| (verdict.anomaly, report.cast.name(verdict.order)))
        .collect()
}
