//! Tells a run as it goes on: who did what, when, on which partition@offset.
//!
//! ```text
//!             order                     │ delivery-1                │ delivery-2
//!   ▶ KIM changes the order: address=SEOUL
//!     0.120s  KIM v2 OrderModified      │                           │
//!             → P1@0, no key            │                           │
//!     0.131s                            │ KIM v2 P1@0 …             │
//!                                       │ takes 10.00s              │
//! ```
//! A process has a column where the terminal is wide enough for it, and else its name stands in the line.
//!
//! # Invariants
//! * Pure: the same observations give the same lines.
//! * What says nothing about an order's events, like a delivery instance that sees its own service's events, is left out.

mod layout;
mod sentence;
mod step;

use observe::{Observation, What};
use shop::text;
use shop::text::{Language, Text};

use crate::run::Cast;
use crate::scenario::{Action, Deed, EventName, Gate, Journal, Line, Role, Run, Scenario, Sight, Step};
use layout::Layout;

/// A line that is shown, and how it is meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shown {
    /// The line, without an end of line.
    pub line: String,
    /// How it is meant.
    pub tone: Tone,
}

/// How a line is meant, for whoever gives it a colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tone {
    /// It tells what happened.
    Plain,
    /// It is a step of the scenario, or a heading.
    Step,
    /// It tells of something that took effect out of its turn.
    Bad,
    /// It tells how that was kept from happening.
    Good,
}

/// What is said of a step before it is done. None for what is expected, which is told at the end.
pub fn says_of_step(step: &Step) -> Option<Text> {
    step::step(step)
}

/// What is said of an observation, and how that is meant. None if there is nothing to tell a reader.
pub fn says_of(seen: &Observation, cast: &Cast) -> Option<(Text, Tone)> {
    sentence::sentence(seen, cast)
}

/// Tells one run.
#[derive(Debug)]
pub struct Narrator {
    layout: Layout,
    language: Language,
    /// Whether the delivery service's own events are told too.
    deliveries: bool,
    /// When the first observation was made.
    start: Option<i64>,
}

impl Narrator {
    /// Tells a run of a scenario to a terminal of so many columns.
    pub fn new(scenario: &Scenario, run: Run, language: Language, width: usize) -> Self {
        let steps: Vec<&Step> = scenario.steps(run).map(|line| &line.says).collect();
        Self {
            layout: Layout::new(roles(scenario, run, &steps), width),
            language,
            deliveries: steps.iter().any(|step| is_about_deliveries(step)),
            start: None,
        }
    }

    /// The lines before the first step.
    pub fn heading(&self) -> Vec<Shown> {
        shown(self.layout.heading(), Tone::Step)
    }

    /// A step that comes next.
    pub fn step(&self, line: &Line<Step>) -> Vec<Shown> {
        let says = step::step(&line.says).map(|says| format!("▶ {}", self.read(says)));
        shown(says.into_iter().collect(), Tone::Step)
    }

    /// Something that was observed. Nothing, if that is of no interest.
    pub fn observed(&mut self, observation: &Observation, cast: &Cast) -> Vec<Shown> {
        let start = *self.start.get_or_insert(observation.at);
        if !self.is_of_interest(&observation.what) {
            return Vec::new();
        }
        let Some((says, tone)) = sentence::sentence(observation, cast) else {
            return Vec::new();
        };
        let since = observation.at - start;
        let who = self.read(actor(observation));
        shown(self.layout.entry(since, &who, &self.read(says)), tone)
    }

    fn is_of_interest(&self, what: &What) -> bool {
        let own = |event: &observe::Event| event.delivery.is_some();
        self.deliveries || !what.event().is_some_and(own)
    }

    fn read(&self, text: Text) -> String {
        text.into_language(self.language)
    }
}

/// Who saw it or did it: a process, or what the observations of no process name.
fn actor(observation: &Observation) -> Text {
    match (&observation.what, &*observation.who) {
        (What::Grown { topic, .. }, who) if who == topic.as_str() => text!("the topic", "토픽"),
        (_, "somebody") => text!("somebody", "외부"),
        (_, who) => who.into(),
    }
}

fn shown(lines: Vec<String>, tone: Tone) -> Vec<Shown> {
    lines.into_iter().map(|line| Shown { line, tone }).collect()
}

/// All processes that a run has at one time or another.
fn roles(scenario: &Scenario, run: Run, steps: &[&Step]) -> Vec<Role> {
    let setup = scenario.setup(run);
    let mut roles: Vec<Role> = (1..=setup.relays).map(Role::Order).collect();
    roles.extend((1..=setup.deliveries).map(Role::Delivery));
    roles.extend(steps.iter().filter_map(|step| match step {
        Step::Do(Action::Process(role, Deed::Start(_))) => Some(*role),
        _ => None,
    }));
    roles.sort_unstable();
    roles.dedup();
    roles
}

fn is_about_deliveries(step: &Step) -> bool {
    let of = |event: &EventName| event.of == Journal::Deliveries;
    let seen = |sight: &&Sight| matches!(sight, Sight::Event { event, .. } if of(event));
    match step {
        Step::Do(Action::Publish { event, .. } | Action::Lose(event)) => of(event),
        Step::Do(Action::Hold(Gate::BeforeSend { of, .. } | Gate::BeforeMark { of, .. })) => *of == Journal::Deliveries,
        Step::WaitUntil(sight) => seen(&sight),
        Step::Expect(expectation) => expectation.sights().iter().any(seen),
        _ => false,
    }
}
