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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::parse;

    /// Two instances take a record each; nothing says who does first.
    fn tried(expected: &str) -> Came {
        let text = format!(
            "partitions 2\ndeliveries 2\nkey none\nruns broken\n\nhold relay\nplace KIM\nplace PARK\nkill order\n\
             release relay\npublish KIM v1 to P0\npublish PARK v1 to P1\nsettle\nexpect {expected}\n"
        );
        let scenario = parse("trial", &text).unwrap_or_else(|error| panic!("{error}"));
        of(&scenario, Run::Broken, None)
    }

    #[test]
    fn what_only_the_usual_sequence_leads_to_is_told_apart_from_what_always_comes() {
        assert_eq!(tried("clean"), Came::Always);
        assert_eq!(tried("seen KIM v1 applied before PARK v1 applied"), Came::Once);
        assert_eq!(tried("inversion KIM"), Came::Never);
    }

    #[test]
    fn other_harm_than_is_wanted_is_not_the_same() {
        let text = "runs broken\nplace KIM\nsettle\nexpect clean\n";
        let scenario = parse("trial", text).unwrap_or_else(|error| panic!("{error}"));
        let wanted = BTreeSet::from([(Anomaly::Inversion, "KIM".to_owned())]);
        assert_eq!(of(&scenario, Run::Broken, Some(&wanted)), Came::Never);
        assert_eq!(of(&scenario, Run::Broken, Some(&BTreeSet::new())), Came::Always);
    }
}
