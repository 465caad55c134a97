//! A history that was found, as a scenario: a file that tells in which sequence its records take effect, does the same harm
//! in the worlds that it names, and carries the history itself.
//!
//! ```text
//!   history ─▶ chronicle ─▶ draft ─▶ trial ─ same harm? ─▶ scenario
//!                             ▲        │
//!                             └─ no ◀──┘  the next way; if there is none, it is only described
//! ```
//!
//! # Invariants
//! * The same history gives the same bytes.
//! * A world is named only where the scenario came out as its file says: `embedded` if it did in each sequence that was tried.

mod draft;
mod fence;
mod prose;
mod trial;

use std::collections::BTreeSet;

use shop::text;
use shop::text::Text;

use super::chronicle::{self, Chronicle};
use super::minimize::Smallest;
use super::text::carried;
use crate::checker::Anomaly;
use crate::scenario::{Guard, Run, WorldName, parse};
use draft::{Draft, Way, name};
use prose::Told;
use trial::Came;

/// A scenario of a history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// The text of its file.
    pub text: String,
    /// The worlds in which it can be run; none if it is only described.
    pub worlds: Vec<WorldName>,
    /// The runs that it has; none if it is only described.
    pub runs: Vec<Run>,
}

/// The harm that a scenario has to do, by the names of orders.
type Harm = BTreeSet<(Anomaly, String)>;

/// Makes a scenario of a history. `worst` names the harm for which it was made small.
pub fn scenario(history: &Smallest, worst: &str) -> Found {
    match chronicle::of(history) {
        Err(why) => described(
            history,
            worst,
            &text!(
                "Its mall doesn't come to rest, so no scenario can end: {why}.",
                "몰이 멈추지 않으므로 시나리오가 끝날 수 없음: {why}."
            ),
        ),
        Ok(chronicle) => of_chronicle(history, worst, &chronicle),
    }
}

fn of_chronicle(history: &Smallest, worst: &str, chronicle: &Chronicle) -> Found {
    let all: Harm = chronicle
        .harm
        .iter()
        .map(|(harm, order)| (*harm, name(*order)))
        .collect();
    let is_worst = |(harm, _): &&(Anomaly, String)| harm.name() == worst;
    let only: Harm = all.iter().filter(is_worst).cloned().collect();
    if only.is_empty() {
        let why = text!(
            "What went wrong in it is none of the verdicts that a scenario can expect.",
            "이력에서 잘못된 것은 시나리오가 기대할 수 있는 판정이 아님."
        );
        return described(history, worst, &why);
    }
    let try_all = |harm: &Harm, exact| {
        let attempts = Way::ALL
            .into_iter()
            .map(|way| Attempt::at((history, chronicle), way, harm, exact));
        let mut best = None;
        for attempt in attempts {
            if attempt.came == Came::Always {
                return Some(attempt);
            }
            if attempt.came == Came::Once && best.is_none() {
                best = Some(attempt);
            }
        }
        best
    };
    let exact = try_all(&all, true);
    let attempt = match exact {
        Some(attempt) if attempt.came == Came::Always => Some(attempt),
        other => try_all(&only, false)
            .filter(|attempt| attempt.came == Came::Always)
            .or(other),
    };
    match attempt {
        Some(attempt) => attempt.with_the_cure((history, chronicle), worst),
        None => described(
            history,
            worst,
            &text!(
                "None of the scenarios that were tried does the same harm.",
                "시도한 시나리오 중에 같은 피해를 내는 것이 없음."
            ),
        ),
    }
}

/// A way that was tried.
struct Attempt {
    way: Way,
    draft: Draft,
    harm: Harm,
    /// Whether the scenario does no other harm than this.
    exact: bool,
    came: Came,
}

impl Attempt {
    fn at((history, chronicle): (&Smallest, &Chronicle), way: Way, harm: &Harm, exact: bool) -> Self {
        let draft = draft::draft(&history.conditions.setup, chronicle, way, false);
        let mut attempt = Self {
            way,
            draft,
            harm: harm.clone(),
            exact,
            came: Came::Never,
        };
        let text = attempt.steps(&[Run::Broken], WorldName::ALL.as_slice());
        attempt.came = tried(&text, Run::Broken, exact.then_some(harm));
        attempt
    }

    /// The same with a run that shows the cure, if there is one.
    fn with_the_cure(mut self, (history, chronicle): (&Smallest, &Chronicle), worst: &str) -> Found {
        let setup = &history.conditions.setup;
        let worlds: &[WorldName] = match self.came {
            Came::Always => &[WorldName::Simulated, WorldName::Embedded],
            Came::Once | Came::Never => &[WorldName::Simulated],
        };
        let mut runs = vec![Run::Broken];
        if setup.guard == Guard::Off {
            let without = std::mem::replace(&mut self.draft, draft::draft(setup, chronicle, self.way, true));
            let text = self.steps(&Run::ALL, worlds);
            let comes = |run, harm| tried(&text, run, harm) >= self.came;
            match comes(Run::Broken, self.exact.then_some(&self.harm)) && comes(Run::Fixed, None) {
                true => runs = Run::ALL.to_vec(),
                false => self.draft = without,
            }
        }
        let told = Told {
            way: self.way,
            used: self.draft.used,
            exact: self.exact,
            cured: runs.len() > 1,
            always: self.came == Came::Always,
        };
        let head = prose::head(history, worst, told);
        let text = format!(
            "{head}{}\n{}",
            self.steps(&runs, worlds),
            prose::carrying(&carried(history))
        );
        Found {
            text,
            worlds: worlds.to_vec(),
            runs,
        }
    }

    /// The scenario without its texts.
    fn steps(&self, runs: &[Run], worlds: &[WorldName]) -> String {
        let words = |words: Vec<&str>| words.join(" ");
        let mut lines = vec![format!(
            "worlds {}",
            words(worlds.iter().map(|world| world.word()).collect())
        )];
        if runs != Run::ALL {
            lines.push(format!("runs {}", words(runs.iter().map(|run| run.word()).collect())));
        }
        lines.push(String::new());
        lines.extend(self.draft.lines.iter().cloned());
        lines.push(String::new());
        let broken = if runs == Run::ALL { "broken " } else { "" };
        lines.extend(
            self.harm
                .iter()
                .map(|(harm, order)| format!("{broken}expect {harm} {order}")),
        );
        if runs == Run::ALL {
            lines.push("fixed expect clean".to_owned());
        }
        lines.join("\n") + "\n"
    }
}

/// Tries a scenario. One that makes no sense, as a way may have led to, comes to nothing.
fn tried(text: &str, run: Run, harm: Option<&Harm>) -> Came {
    match parse("draft", text) {
        Ok(scenario) => trial::of(&scenario, run, harm),
        Err(_) => Came::Never,
    }
}

/// A scenario that can't be run, for this reason.
fn described(history: &Smallest, worst: &str, why: &Text) -> Found {
    let head = prose::described(history, worst, why);
    Found {
        text: format!("{head}\n{}", prose::carrying(&carried(history))),
        worlds: Vec::new(),
        runs: Vec::new(),
    }
}
