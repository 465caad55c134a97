//! Finds what can't be meant in a scenario, before anything is run: an order that was never placed, a gate that is never
//! opened, a process that isn't there, a run that expects nothing.
//!
//! Each run is walked by itself, since lines may belong to one of them alone.

use std::collections::{BTreeMap, BTreeSet};

use super::action::{Action, Deed, Gate, Request, Wish};
use super::expectation::{Expectation, Sight};
use super::model::{Line, Run, Scenario, Step};
use super::names::{EventName, Name, Role};
use super::setup::{Consumer, Setting};

/// What can't be meant: the number of its line, and a sentence.
pub(super) type Complaint = (usize, String);

/// Looks at each run.
///
/// # Errors
/// The first complaint.
pub(super) fn check(scenario: &Scenario) -> Result<(), Complaint> {
    let lines = || {
        let settings = scenario.settings.iter().map(|line| line.number);
        settings.chain(scenario.steps.iter().map(|line| line.number))
    };
    if scenario.head.described.is_some() {
        return match (
            lines().next(),
            scenario.head.worlds.is_empty() && scenario.head.runs.is_empty(),
        ) {
            (Some(line), _) => Err((
                line,
                "a scenario that is only described has nothing that could be run".to_owned(),
            )),
            (None, false) => Err((1, "a scenario is described, or it has worlds and runs".to_owned())),
            (None, true) => Ok(()),
        };
    }
    does_something(scenario)?;
    let last = lines().max().unwrap_or(1);
    scenario.head.runs.iter().try_for_each(|run| {
        Walk::of(scenario, *run)
            .judge_to_the_end(last)
            .map_err(|(line, says)| (line, format!("in the {run} run, {says}")))
    })
}

/// Refuses a line that changes none of the runs it belongs to: a naive consumer has no guard, no lanes, and asks for no event.
fn does_something(scenario: &Scenario) -> Result<(), Complaint> {
    let naive = |run: &Run| scenario.setup(*run).consumer != Consumer::Keylane;
    let idle = scenario.settings.iter().find(|line| {
        let runs = scenario.head.runs.iter();
        let mut runs = runs
            .filter(|run| line.run.is_none_or(|belongs| belongs == **run))
            .peekable();
        let of_keylane = matches!(
            line.says,
            Setting::Guard(_) | Setting::Lanes(_) | Setting::GapDeadline(_)
        );
        of_keylane && runs.peek().is_some() && runs.all(naive)
    });
    match idle {
        None => Ok(()),
        Some(line) => Err((line.number, format!("{} does nothing here: {NAIVE}", line.says))),
    }
}

/// What a naive consumer lacks.
const NAIVE: &str =
    "a naive consumer has no guard, no lanes and no gap deadline; leave it out, or take consumer keylane";

/// What is known of a run after some of its steps.
struct Walk<'a> {
    naive: bool,
    steps: Vec<&'a Line<Step>>,
    placed: BTreeSet<&'a Name>,
    roles: BTreeMap<Role, State>,
    partitions: u32,
    /// The gates at which work stops, each with the line of its `hold`.
    held: BTreeMap<&'a Gate, usize>,
    /// Whether the last step was one that may be refused: a request, or what a person decides.
    refusable: bool,
    expects: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Running,
    Frozen,
    Ended,
}

impl<'a> Walk<'a> {
    fn of(scenario: &'a Scenario, run: Run) -> Self {
        let setup = scenario.setup(run);
        let orders = (1..=setup.relays).map(Role::Order);
        let roles = orders.chain((1..=setup.deliveries).map(Role::Delivery));
        Self {
            naive: setup.consumer != Consumer::Keylane,
            steps: scenario.steps(run).collect(),
            placed: BTreeSet::new(),
            roles: roles.map(|role| (role, State::Running)).collect(),
            partitions: setup.partitions,
            held: BTreeMap::new(),
            refusable: false,
            expects: false,
        }
    }

    fn judge_to_the_end(mut self, last: usize) -> Result<(), Complaint> {
        for line in std::mem::take(&mut self.steps) {
            self.step(line.number, &line.says).map_err(|says| (line.number, says))?;
        }
        self.nothing_is_held()?;
        match self.expects {
            true => Ok(()),
            false => Err((last, "nothing is expected; expect clean, for example".to_owned())),
        }
    }

    fn nothing_is_held(&self) -> Result<(), Complaint> {
        match self.held.iter().next() {
            None => Ok(()),
            Some((gate, line)) => Err((
                *line,
                format!("{gate} is still held where the mall has to come to rest; release it"),
            )),
        }
    }

    fn step(&mut self, number: usize, step: &'a Step) -> Result<(), String> {
        let refusable = std::mem::take(&mut self.refusable);
        match step {
            Step::Do(action) => self.action(number, action),
            Step::WaitUntil(sight) => self.sight(sight),
            Step::Settle => self.nothing_is_held().map_err(|(_, says)| says),
            Step::Expect(Expectation::Refused) if !refusable => {
                Err("only a request, retry or discard of the line before can be refused".to_owned())
            }
            Step::Expect(expectation) => {
                self.expects = true;
                expectation.order().map_or(Ok(()), |order| self.known(order))?;
                expectation.sights().into_iter().try_for_each(|sight| self.sight(sight))
            }
        }
    }

    fn action(&mut self, number: usize, action: &'a Action) -> Result<(), String> {
        match action {
            Action::Request(request) => self.request(request),
            Action::Publish { event, .. } | Action::Lose(event) | Action::Forge { event, .. } => self.event(event),
            Action::Hold(gate) => {
                self.gate(gate)?;
                match self.held.insert(gate, number) {
                    None => Ok(()),
                    Some(_) => Err(format!("{gate} is held already")),
                }
            }
            Action::Release(gate) => match self.held.remove(gate) {
                Some(_) => Ok(()),
                None => Err(format!("{gate} is not held; {}", self.what_is_held())),
            },
            Action::Process(role, deed) => self.deed(*role, deed),
            Action::Grow(partitions) if *partitions <= self.partitions => Err(format!(
                "grow needs more than {}, which the topic has already",
                self.partitions
            )),
            Action::Grow(partitions) => {
                self.partitions = *partitions;
                Ok(())
            }
            Action::Seek(_) if self.runs_a_delivery() => {
                Err("the group's position can be set only while no delivery instance runs".to_owned())
            }
            Action::Truncate(spot) | Action::Seek(spot) if spot.partition.0 >= self.partitions => {
                Err(format!("the topic has {} partitions, counted from P0", self.partitions))
            }
            Action::Truncate(_) | Action::Seek(_) | Action::Limit(_) => Ok(()),
            Action::Retry(order) | Action::Discard(EventName { order, .. }) => {
                self.refusable = true;
                self.known(order)
            }
        }
    }

    fn request(&mut self, request: &'a Request) -> Result<(), String> {
        self.refusable = true;
        request.via.map_or(Ok(()), |role| self.role(role))?;
        let order = &request.order;
        match request.wish {
            Wish::Place(_) if self.placed.insert(order) => Ok(()),
            Wish::Place(_) => Err(format!("{order} has been placed already")),
            Wish::Modify(_) | Wish::Cancel => self.known(order),
        }
    }

    fn deed(&mut self, role: Role, deed: &Deed) -> Result<(), String> {
        use State::{Ended, Frozen, Running};
        let state = self.roles.get(&role).copied().unwrap_or(Ended);
        let next = match (deed, state) {
            (Deed::Freeze, Running) => Frozen,
            (Deed::Wake, Frozen) => Running,
            (Deed::Kill, Running | Frozen) | (Deed::Stop, Running) => Ended,
            (Deed::Start(with), Ended) if self.naive && (with.guard.is_some() || with.lanes.is_some()) => {
                return Err(NAIVE.to_owned());
            }
            (Deed::Start(_), Ended) => Running,
            (_, Running) => return Err(format!("{role} runs already")),
            (_, Frozen) => return Err(format!("{role} is frozen; wake or kill it")),
            (_, Ended) => return Err(format!("{role} doesn't run; start it")),
        };
        self.roles.insert(role, next);
        Ok(())
    }

    fn runs_a_delivery(&self) -> bool {
        let live = |(role, state): (&Role, &State)| matches!(role, Role::Delivery(_)) && *state != State::Ended;
        self.roles.iter().any(live)
    }

    fn what_is_held(&self) -> String {
        match self.held.is_empty() {
            true => "nothing is".to_owned(),
            false => {
                let gates: Vec<String> = self.held.keys().map(ToString::to_string).collect();
                format!("held is: {}", gates.join("; "))
            }
        }
    }

    fn gate(&self, gate: &Gate) -> Result<(), String> {
        if let Gate::Work { event, .. } = gate {
            self.event(event)?;
        }
        gate.within().map_or(Ok(()), |role| self.role(role))
    }

    fn sight(&self, sight: &Sight) -> Result<(), String> {
        match sight {
            Sight::Event { event, by, .. } => {
                self.event(event)?;
                by.map_or(Ok(()), |role| self.role(role))
            }
            Sight::Process { role, .. } => self.role(*role),
        }
    }

    fn event(&self, event: &EventName) -> Result<(), String> {
        self.known(&event.order)
    }

    fn known(&self, order: &Name) -> Result<(), String> {
        if self.placed.contains(order) {
            return Ok(());
        }
        let names = self.placed.iter().map(|name| name.0.as_str());
        match shop::spelling::nearest(&order.0, names) {
            Some(meant) => Err(format!("no order {order} has been placed; did you mean {meant}?")),
            None => Err(format!("no order {order} has been placed")),
        }
    }

    fn role(&self, role: Role) -> Result<(), String> {
        match self.roles.contains_key(&role) {
            true => Ok(()),
            false => Err(format!("there is no {role}; start it, or set deliveries or relays")),
        }
    }
}
