//! Records a scenario's run while it goes on.

use std::collections::BTreeMap;
use std::io::{self, Write};

use lab::narration::{Tone, says_of, says_of_step};
use lab::run::{Finding, Report, Told};
use lab::scenario::{Run, Step, WorldName};
use lab::simulation::log::MORNING;
use observe::Observation;
use serde_json::{Map, Value, json};
use shop::text;
use shop::text::Text;
use web::live::{Acting, Mall, Recorder};

use super::guess::{self, Choice};
use super::scene::{Scene, judged};
use crate::clock;
use crate::lab::found::Found;
use crate::verify::report::both;

/// A run that is being recorded.
pub struct Recording<W> {
    recorder: Recorder<W>,
    scene: Scene,
    /// How far the clocks of processes are ahead, in milliseconds, in a world whose time is not that of day.
    ahead: Option<BTreeMap<String, i64>>,
    choices: Vec<Choice>,
    answer: Text,
    cure: Text,
}

impl<W: Write> Recording<W> {
    /// Begins to record a run of a scenario.
    ///
    /// # Errors
    /// It can't be written.
    pub fn begin(found: &Found, run: Run, world: WorldName, out: W) -> io::Result<Self> {
        let (head, setup) = (&found.scenario.head, found.scenario.setup(run));
        let is_simulated = matches!(world, WorldName::Simulated | WorldName::SimulatedKafka);
        let now = if is_simulated { MORNING.0 } else { clock::now().0 };
        let about = Map::from_iter([
            ("source".to_owned(), "scenario".into()),
            (
                "scenario".to_owned(),
                json!({"name": found.name, "title": both(&head.title)}),
            ),
            ("run".to_owned(), run.word().into()),
            ("world".to_owned(), world.word().into()),
        ]);
        let mut recording = Self {
            recorder: Recorder::begin(out, mall_of(world), about, now)?,
            scene: Scene::of(&setup),
            ahead: is_simulated.then(|| {
                let clocks = setup.clocks.iter();
                clocks.map(|(role, ahead)| (role.to_string(), *ahead)).collect()
            }),
            choices: guess::choices(&found.scenario),
            answer: head.answer.clone(),
            cure: head.cure.clone(),
        };
        recording.scene.begin(now, recording.recorder.picture());
        recording.recorder.moment(now)?;
        Ok(recording)
    }

    /// Records what is told of the run.
    ///
    /// # Errors
    /// It can't be written.
    pub fn take(&mut self, told: Told<'_>) -> io::Result<()> {
        match told {
            Told::Step(line) => {
                self.scene.step(&line.says);
                let says = says_of_step(&line.says).filter(|_| matches!(line.says, Step::Do(_)));
                if let Some(says) = says {
                    self.say(&says, "step", None)?;
                    self.recorder.end_note();
                }
                Ok(())
            }
            Told::Observed(seen, cast) => {
                let seen = self.in_sequence(seen);
                self.recorder.pass(seen.at);
                if let Some((says, tone)) = says_of(&seen, cast) {
                    self.say(&says, word(tone), Some(&seen.who))?;
                }
                self.scene.observe(&seen, self.recorder.picture());
                self.recorder.moment(seen.at)
            }
        }
    }

    fn say(&mut self, says: &Text, tone: &str, who: Option<&str>) -> io::Result<()> {
        let mut says = both(says);
        says["tone"] = tone.into();
        says["who"] = who.into();
        self.recorder.note("says", &says)
    }

    /// In a simulated world things are observed in the sequence in which they happen, many at one time, and the processes' clocks
    /// differ. They get the time of the world, and none that of the one before it, so that a picture by time has their sequence.
    fn in_sequence(&self, seen: &Observation) -> Observation {
        let mut seen = seen.clone();
        if let Some(ahead) = &self.ahead {
            let right = seen.at - ahead.get(&*seen.who).copied().unwrap_or(0);
            seen.at = right.max(self.recorder.now() + 1);
        }
        seen
    }

    /// Ends with what came of the run.
    ///
    /// # Errors
    /// It can't be written.
    pub fn end(mut self, report: &Report) -> io::Result<W> {
        self.scene
            .end(judged(&report.judgement), &report.deliveries, self.recorder.picture());
        let came: Vec<&str> = self
            .choices
            .iter()
            .filter(|choice| report.failure.is_none() && choice.came(report))
            .map(|choice| choice.id.as_str())
            .collect();
        let outcome = json!({
            "asExpected": report.is_as_expected(),
            "harm": report.judgement.harm().next().is_some(),
            "failure": report.failure.as_ref().map(|failure| both(&failure.says)),
            "findings": report.findings.iter().map(finding).collect::<Vec<_>>(),
            "came": came,
            "answer": both(&self.answer),
            "cure": both(&self.cure),
        });
        self.say(&ending(report), "step", None)?;
        self.recorder.end("outcome", &outcome)
    }
}

fn ending(report: &Report) -> Text {
    match (&report.failure, report.judgement.harm().next()) {
        (Some(failure), _) => text!("it ended before its time: ", "도중에 끝남: ") + failure.says.clone(),
        (None, Some(_)) => text!("the end: harm was done", "끝: 피해가 생김"),
        (None, None) => text!("the end: no harm", "끝: 피해 없음"),
    }
}

fn finding(finding: &Finding) -> Value {
    json!({"expected": finding.expected, "observed": both(&finding.observed), "met": finding.met})
}

fn word(tone: Tone) -> &'static str {
    match tone {
        Tone::Plain => "plain",
        Tone::Step => "step",
        Tone::Bad => "bad",
        Tone::Good => "good",
    }
}

/// The mall of a world, as the page names it.
fn mall_of(world: WorldName) -> Mall {
    let (log, database) = match world {
        WorldName::Simulated | WorldName::Embedded => ("embedded", "sqlite"),
        WorldName::SimulatedKafka => ("kafka", "sqlite"),
        WorldName::Real => ("kafka", "mysql"),
    };
    Mall {
        topic: "kafka.scaling".to_owned(),
        group: "delivery".to_owned(),
        log,
        database,
        supervised: false,
        commands: Acting::ReadOnly,
    }
}
