//! Runs a scenario in a world: does its steps one after the other, gathers what is observed, and compares what came out with
//! what was expected.
//!
//! ```text
//!  Scenario ─ steps ─▶ run ─ act, advance, settle ─▶ World
//!                       │ ◀─ observations, history ─┘
//!                       ├─▶ Told      each step and observation, as it comes
//!                       └─▶ Report    expected beside observed, and the checker's judgement
//! ```
//!
//! # Invariants
//! * Nothing here waits or reads a clock; the world lets time pass.
//! * Expectations are judged at the end of the run, by everything that was observed in it. Only a refused request is judged
//!   where it stands.

mod cast;
mod judge;
mod sighting;

pub use cast::Cast;
pub use judge::{Finding, stands_so};

use std::collections::BTreeMap;

use observe::{Observation, What};
use shop::domain::{Delivery, OrderId};
use shop::text;
use shop::text::Text;

use crate::checker::{History, Judgement, check};
use crate::scenario::{Action, Expectation, Line, Request, Run, Scenario, Sight, Step};
use crate::world::{Answer, Progress, Trouble, World};

/// What is told while a run goes on.
#[derive(Debug, Clone, Copy)]
pub enum Told<'a> {
    /// This step comes next.
    Step(&'a Line<Step>),
    /// This was observed.
    Observed(&'a Observation, &'a Cast),
}

/// What came of a run.
#[derive(Debug, Clone)]
pub struct Report {
    /// Which run.
    pub run: Run,
    /// Each expectation, with what was observed of it. Empty if the run was not finished.
    pub findings: Vec<Finding>,
    /// What the checker says.
    pub judgement: Judgement,
    /// The rows of the delivery service at the end.
    pub deliveries: Vec<Delivery>,
    /// The status that the row of each order should have, by the last event in the order journal.
    pub should: BTreeMap<OrderId, &'static str>,
    /// The orders' numbers.
    pub cast: Cast,
    /// Everything that was observed.
    pub observations: Vec<Observation>,
    /// Why the run could not be finished, if it could not.
    pub failure: Option<Failure>,
}

/// Why a run could not be finished.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// The line of the step in which it ended; none behind the last one.
    pub line: Option<usize>,
    /// What happened, in a sentence.
    pub says: Text,
    /// Whether the mall did something else than the scenario says. Otherwise the world itself has failed.
    pub astray: bool,
}

impl Report {
    /// Whether everything came out as expected.
    pub fn is_as_expected(&self) -> bool {
        self.failure.is_none() && self.findings.iter().all(|finding| finding.met)
    }
}

/// Runs one run of a scenario in a world that was made with its setup. `tell` gets each step before it is done, and each
/// observation when it is known.
pub fn run(scenario: &Scenario, run: Run, world: &mut dyn World, tell: &mut dyn FnMut(Told<'_>)) -> Report {
    let mut course = Course {
        world,
        tell,
        cast: Cast::default(),
        observations: Vec::new(),
        waited: Vec::new(),
        findings: Vec::new(),
    };
    let steps: Vec<&Line<Step>> = scenario.steps(run).collect();
    let mut judgement = Judgement::default();
    let (mut deliveries, mut should) = (Vec::new(), BTreeMap::new());
    let failure = match course.play(&steps) {
        Err(failure) => Some(failure),
        Ok(history) => {
            judgement = check(&history);
            should = statuses(&history);
            deliveries = history.deliveries;
            None
        }
    };
    let Course {
        cast,
        observations,
        mut findings,
        ..
    } = course;
    if failure.is_none() {
        let outcome = judge::Outcome {
            cast: &cast,
            observations: &observations,
            judgement: &judgement,
            deliveries: &deliveries,
        };
        findings.extend(outcome.findings(&steps));
        findings.sort_by_key(|finding| finding.line);
    }
    Report {
        run,
        findings,
        judgement,
        deliveries,
        should,
        cast,
        observations,
        failure,
    }
}

/// The status that the last event of each order leads to.
fn statuses(history: &History) -> BTreeMap<OrderId, &'static str> {
    let mut events: Vec<_> = history.written.iter().collect();
    events.sort_by_key(|written| written.version);
    let status = events
        .iter()
        .map(|written| (written.order, written.event_type.delivery_status()));
    status.collect()
}

/// A run on its way.
struct Course<'a> {
    world: &'a mut dyn World,
    tell: &'a mut dyn FnMut(Told<'_>),
    cast: Cast,
    observations: Vec<Observation>,
    /// What was waited for so far.
    waited: Vec<Sight>,
    /// What is known of expectations before the end.
    findings: Vec<Finding>,
}

impl Course<'_> {
    fn play(&mut self, steps: &[&Line<Step>]) -> Result<History, Failure> {
        let next = steps.iter().skip(1).map(|line| Some(*line)).chain([None]);
        for (line, next) in steps.iter().zip(next) {
            self.step(line, next)?;
        }
        self.settle(None)?;
        self.world.history().map_err(|trouble| Failure::of(None, trouble))
    }

    fn step(&mut self, line: &Line<Step>, next: Option<&Line<Step>>) -> Result<(), Failure> {
        if !matches!(line.says, Step::Expect(_)) {
            (self.tell)(Told::Step(line));
        }
        match &line.says {
            Step::Do(action) => self.act(line.number, action, next),
            Step::WaitUntil(sight) => self.wait(line.number, sight),
            Step::Settle => self.settle(Some(line.number)),
            Step::Expect(_) => Ok(()),
        }
    }

    fn act(&mut self, line: usize, action: &Action, next: Option<&Line<Step>>) -> Result<(), Failure> {
        let answer = self.world.act(action);
        let answer = answer.map_err(|trouble| Failure::of(Some(line), trouble))?;
        if let (Answer::Placed(order), Action::Request(Request { order: name, .. })) = (&answer, action) {
            self.cast.placed(name.clone(), *order);
        }
        self.look();
        let refused = match answer {
            Answer::Refused(says) => Some(says),
            Answer::Done | Answer::Placed(_) => None,
        };
        match next.filter(|next| next.says == Step::Expect(Expectation::Refused)) {
            Some(expected) => self.findings.push(judge::refusal(expected.number, refused)),
            None => {
                if let Some(says) = refused {
                    return Err(Failure::astray(line, text!("refused: {says}", "거절됨: \"{says}\"")));
                }
            }
        }
        Ok(())
    }

    /// Each of several waits for the same thing waits for one more of it.
    fn wait(&mut self, line: usize, sight: &Sight) -> Result<(), Failure> {
        self.waited.push(sight.clone());
        let wanted = self.waited.iter().filter(|waited| *waited == sight).count();
        loop {
            self.look();
            if sighting::times_in(sight, &self.cast, &self.observations) >= wanted {
                return Ok(());
            }
            let progress = self.world.advance();
            if progress.map_err(|trouble| Failure::of(Some(line), trouble))? == Progress::Still && !self.look() {
                return Err(Failure::astray(line, self.missed(sight)));
            }
        }
    }

    /// That something never came, and what was seen of its event instead.
    fn missed(&self, sight: &Sight) -> Text {
        let told = sight.told();
        let says = text!(
            "this never came, and nothing moves any more: {told}",
            "오지 않았고 더는 아무것도 움직이지 않음: {told}"; told
        );
        let of_event = |seen: &&Observation| {
            matches!(seen.what, What::Finished { .. } | What::Published { .. })
                && sighting::is_of(sight, &self.cast, &seen.what)
        };
        let Some(seen) = self.observations.iter().rfind(of_event) else {
            return says;
        };
        let (who, what) = (&seen.who, shop::observed::text(&seen.what));
        says + text!("; seen last of it, by {who}: {what}", ". 마지막으로 관찰된 것({who}): {what}"; what)
    }

    fn settle(&mut self, line: Option<usize>) -> Result<(), Failure> {
        let settled = self.world.settle().map_err(|trouble| Failure::of(line, trouble));
        self.look();
        settled
    }

    /// Takes and tells what has been observed since. Whether there was anything.
    fn look(&mut self) -> bool {
        let new = self.world.observations();
        for observation in &new {
            (self.tell)(Told::Observed(observation, &self.cast));
        }
        let some = !new.is_empty();
        self.observations.extend(new);
        some
    }
}

impl Failure {
    /// A world has failed in the step of this line.
    pub fn of(line: Option<usize>, trouble: Trouble) -> Self {
        let says = match trouble {
            Trouble::CannotBeShown(why) => why,
            Trouble::Failed(why) => why.into(),
        };
        Self {
            line,
            says,
            astray: false,
        }
    }

    fn astray(line: usize, says: Text) -> Self {
        Self {
            line: Some(line),
            says,
            astray: true,
        }
    }
}
