//! What a scenario says: its head, how its mall is set up, and what happens in it, step by step.

use shop::text::Text;

use super::action::Action;
use super::expectation::{Expectation, Sight};
use super::setup::{Setting, Setup};
use super::words::words;

/// A scenario, as its file tells it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Scenario {
    /// What it is about, for readers.
    pub head: Head,
    /// The lines that set the mall up, in their sequence. The last one about a matter counts.
    pub settings: Vec<Line<Setting>>,
    /// What happens, in its sequence.
    pub steps: Vec<Line<Step>>,
}

/// What a scenario is about. Its texts keep the lines of the file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Head {
    /// A name for readers.
    pub title: Text,
    /// The numbers that `docs/anomalies.md` gives the anomalies that are shown. Ascending.
    pub anomalies: Vec<u32>,
    /// The number of the course's experiment that it is, if it is one.
    pub lesson: Option<u32>,
    /// The worlds in which it can honestly be shown. Empty for a scenario that is only described.
    pub worlds: Vec<WorldName>,
    /// The runs that it has. Empty for a scenario that is only described.
    pub runs: Vec<Run>,
    /// Why nothing can be run, for a scenario that is only described.
    pub described: Option<Text>,
    /// What goes wrong, why, and what helps.
    pub explain: Text,
    /// What the learner is asked before the run.
    pub question: Text,
    /// The answer to that question.
    pub answer: Text,
    /// What helps, in a few words.
    pub cure: Text,
}

/// One of the two ways in which a scenario runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Run {
    /// The way that shows the anomaly.
    Broken,
    /// The way in which it does no harm.
    Fixed,
}

/// A place where scenarios run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum WorldName {
    /// One thread and virtual time: the shipping code on the embedded log's and databases' own code, in memory.
    Simulated,
    /// The same on a simulated Kafka, whose client behaves as librdkafka was found to.
    SimulatedKafka,
    /// Real processes on a data folder and ports of their own.
    Embedded,
    /// Real processes on a real Kafka and a real MySQL or MariaDB.
    Real,
}

/// A line of a scenario, and the run that it belongs to: none means each of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line<T> {
    /// The only run in which the line counts.
    pub run: Option<Run>,
    /// Where the line stands in its file, counted from 1. It is no part of what a scenario says; see [`Scenario::says_the_same_as`].
    pub number: usize,
    /// What it says.
    pub says: T,
}

/// A step of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Something is done to the mall.
    Do(Action),
    /// Waits until something has been observed. Of several waits for the same thing in one run, each waits for one more.
    WaitUntil(Sight),
    /// Lets the mall run until nothing moves any more. The end of each run does the same.
    Settle,
    /// What has to come out. All but [`Expectation::Refused`] is judged at the end of the run, wherever it stands.
    Expect(Expectation),
}

impl Head {
    /// Brings lists into their sequence, and adds what goes without saying: both runs, in the simulated world.
    pub(super) fn complete(&mut self) {
        if self.described.is_none() {
            if self.worlds.is_empty() {
                self.worlds.push(WorldName::Simulated);
            }
            if self.runs.is_empty() {
                self.runs = Run::ALL.to_vec();
            }
        }
        self.anomalies.sort_unstable();
        self.anomalies.dedup();
        self.worlds.sort_unstable();
        self.worlds.dedup();
        self.runs.sort_unstable();
        self.runs.dedup();
    }
}

impl Scenario {
    /// How the mall is set up in this run.
    pub fn setup(&self, run: Run) -> Setup {
        let mut setup = Setup::default();
        for setting in of_run(&self.settings, run) {
            setup.apply(&setting.says);
        }
        setup
    }

    /// What happens in this run, in its sequence.
    pub fn steps(&self, run: Run) -> impl Iterator<Item = &Line<Step>> {
        of_run(&self.steps, run)
    }

    /// Whether both say the same, wherever it stands in their files.
    pub fn says_the_same_as(&self, other: &Self) -> bool {
        self.head == other.head && same(&self.settings, &other.settings) && same(&self.steps, &other.steps)
    }
}

fn of_run<T>(lines: &[Line<T>], run: Run) -> impl Iterator<Item = &Line<T>> {
    lines
        .iter()
        .filter(move |line| line.run.is_none_or(|belongs| belongs == run))
}

fn same<T: PartialEq>(lines: &[Line<T>], others: &[Line<T>]) -> bool {
    let pairs = || lines.iter().zip(others);
    lines.len() == others.len() && pairs().all(|(line, other)| line.run == other.run && line.says == other.says)
}

impl Run {
    /// Both, in the sequence in which they are shown.
    pub const ALL: [Self; 2] = [Self::Broken, Self::Fixed];
}

impl WorldName {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Simulated, Self::SimulatedKafka, Self::Embedded, Self::Real];
}

words!(Run { Run::Broken = "broken", Run::Fixed = "fixed" });
words!(WorldName {
    WorldName::Simulated = "simulated",
    WorldName::SimulatedKafka = "simulated-kafka",
    WorldName::Embedded = "embedded",
    WorldName::Real = "real",
});
