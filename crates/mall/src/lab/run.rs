//! `mall lab run`: scenarios that happen, told as they go on, and compared with what was expected.

use std::fs::File;
use std::io::{self, BufWriter};
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::Duration;

use anyhow::{Context, Result};
use clap::{ArgGroup, Args, ValueEnum};
use lab::narration::Narrator;
use lab::run::{Failure, Report, Told};
use lab::scenario::{Consumer, Run, Scenario, WorldName};
use lab::world::Trouble;
use shop::text;
use shop::text::Text;

use super::found::{Found, find, shipped};
use super::heading::{ending, heading, legend, settings};
use super::processes::wait_for_groups;
use super::report::{self, Outcome};
use super::screen::{Colour, Screen};
use super::worlds::{self, ServerOptions};
use crate::console;
use crate::exit::{Exit, Usage};
use crate::history::{self, Recording};
use crate::language::LanguageOption;

pub const HELP: &str = "\
Examples:
  mall lab run zombie                  the broken run, and then the fixed one
  mall lab run zombie --fixed --step   waits for Enter before each step
  mall lab run --all --junit results.xml
  mall lab run ./mine.lab              a file of one's own (mall lab show zombie > mine.lab)
  mall lab run zombie --broken --record zombie.jsonl
                                       a file that the live page opens, and goes over forth and back

Exit codes: 0 everything came out as the file expects, 1 something did not, 2 it could not be run, 64 wrong usage.";

/// The options of `mall lab run`.
#[derive(Debug, Args)]
#[command(group = ArgGroup::new("what").required(true).args(["names", "all"]))]
pub struct RunArgs {
    /// Names of scenarios (mall lab list), or paths of files
    #[arg(value_name = "NAME")]
    names: Vec<String>,

    /// Every scenario that the world can show
    #[arg(long)]
    all: bool,

    /// Where it happens [default: the first one of the scenario that this build has]
    #[arg(long, value_enum, value_name = "WORLD")]
    world: Option<World>,

    /// Only the broken run, which shows what goes wrong
    #[arg(long, conflicts_with = "fixed")]
    broken: bool,

    /// Only the fixed run, in which what helps is in place
    #[arg(long)]
    fixed: bool,

    /// In a simulated world: tells it so many times as fast as it happens (1: as it happens) [default: at once]
    #[arg(long, value_name = "N", value_parser = speed, conflicts_with_all = ["json", "all"])]
    speed: Option<f64>,

    /// Waits for Enter before each step
    #[arg(long, conflicts_with_all = ["json", "all", "speed"])]
    step: bool,

    /// Prints one JSON object for each run, and does not tell what happens
    #[arg(long)]
    json: bool,

    /// Writes the results to this file too, as JUnit's XML
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,

    /// Writes the history of the run to this file, which the live page opens; with two runs, --broken or --fixed says which
    #[arg(long, value_name = "FILE", conflicts_with = "all")]
    record: Option<PathBuf>,

    #[command(flatten)]
    servers: ServerOptions,

    #[command(flatten)]
    language: LanguageOption,
}

/// A world, as the command line names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum World {
    /// One thread and virtual time, in memory
    Simulated,
    /// The same on simulated Kafka brokers
    SimulatedKafka,
    /// Real processes on a data folder and ports of their own
    Embedded,
    /// Real processes on Kafka and MySQL
    Real,
}

impl World {
    fn name(self) -> WorldName {
        match self {
            Self::Simulated => WorldName::Simulated,
            Self::SimulatedKafka => WorldName::SimulatedKafka,
            Self::Embedded => WorldName::Embedded,
            Self::Real => WorldName::Real,
        }
    }
}

fn speed(value: &str) -> Result<f64, String> {
    let speed = value.parse().ok().filter(|speed| (0.01..=1000.0).contains(speed));
    speed.ok_or_else(|| "a number from 0.01 to 1000".to_owned())
}

/// No pause of a narration is longer.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// Runs what was asked for.
pub fn run(args: &RunArgs) -> Result<Exit> {
    let chosen = chosen(args)?;
    one_is_recorded(args, &chosen)?;
    let screen = Screen::stdout();
    let mut outcomes = Vec::new();
    for (found, world) in &chosen {
        outcomes.extend(one(args, screen, found, *world)?);
    }
    wait_for_groups();
    if !args.json && outcomes.len() > 2 {
        report::table(&outcomes, screen, args.language);
    }
    if let Some(file) = &args.junit {
        let written = std::fs::write(file, report::junit(&outcomes));
        written.with_context(|| format!("can't write {}", file.display()))?;
    }
    Ok(exit_of(&outcomes))
}

/// A file holds one run.
fn one_is_recorded(args: &RunArgs, chosen: &[(Found, WorldName)]) -> Result<()> {
    let runs: usize = chosen.iter().map(|(found, _)| runs(args, found).len()).sum();
    match args.record {
        Some(_) if runs > 1 => {
            let sentence = "--record takes one run of one scenario; add --broken or --fixed, and name one scenario";
            Err(Usage(sentence.to_owned()).into())
        }
        _ => Ok(()),
    }
}

fn exit_of(outcomes: &[Outcome]) -> Exit {
    let failed = |outcome: &Outcome| outcome.report.failure.as_ref().is_some_and(|failure| !failure.astray);
    if outcomes.iter().any(failed) {
        Exit::COULD_NOT
    } else if outcomes.iter().all(|outcome| outcome.report.is_as_expected()) {
        Exit::DONE
    } else {
        Exit::NO
    }
}

/// The scenarios, each with the world in which it is run.
fn chosen(args: &RunArgs) -> Result<Vec<(Found, WorldName)>> {
    let wanted = args.world.map(World::name);
    if let Some(world) = wanted.filter(|world| !worlds::HERE.contains(world)) {
        return Err(Usage(format!("this build has no world {world}; {}", worlds_here())).into());
    }
    let servers = args.servers.servers().is_some();
    if servers != (wanted == Some(WorldName::Real)) {
        let sentence = "--world real takes a Kafka and a database: --bootstrap-server and --database-url, which no other \
                        world takes";
        return Err(Usage(sentence.to_owned()).into());
    }
    if args.speed.is_some() && wanted.is_some_and(|world| !is_simulated(world)) {
        let sentence = "--speed is for the simulated worlds; real processes take the time that they take";
        return Err(Usage(sentence.to_owned()).into());
    }
    let in_world = |found: &Found| {
        let shown = |world: &&WorldName| found.scenario.head.worlds.contains(world);
        worlds::HERE
            .iter()
            .filter(|world| wanted.is_none_or(|wanted| wanted == **world))
            .filter(|world| servers || **world != WorldName::Real)
            .find(shown)
            .copied()
    };
    if args.all {
        let all = shipped()
            .into_iter()
            .filter_map(|found| in_world(&found).map(|world| (found, world)));
        let all: Vec<_> = all.collect();
        return match all.is_empty() {
            true => Err(Usage(format!("there is nothing to run; {}", worlds_here())).into()),
            false => Ok(all),
        };
    }
    let one = |name: &String| {
        let found = find(name)?;
        match in_world(&found).filter(|_| !runs(args, &found).is_empty()) {
            Some(world) => Ok((found, world)),
            None => Err(Usage(not_runnable(args, &found)).into()),
        }
    };
    args.names.iter().map(one).collect()
}

/// Whether a world's time passes only where nothing else is left to do.
fn is_simulated(world: WorldName) -> bool {
    matches!(world, WorldName::Simulated | WorldName::SimulatedKafka)
}

/// Why a scenario can't be run as it was asked for.
fn not_runnable(args: &RunArgs, Found { name, scenario, .. }: &Found) -> String {
    let head = &scenario.head;
    let listed = |words: Vec<&str>| words.join(", ");
    if let Some(why) = &head.described {
        return format!("{name} is only described: {}", why.english);
    }
    if !head.runs.iter().any(|run| wants(args, *run)) {
        return format!(
            "{name} has only this run: {}",
            listed(head.runs.iter().map(|run| run.word()).collect())
        );
    }
    let worlds = listed(head.worlds.iter().map(|world| world.word()).collect());
    match args.world {
        Some(world) => format!("{name} can't be shown in the world {}, but in: {worlds}", world.name()),
        None => format!("{name} can be shown in: {worlds}; {}", worlds_here()),
    }
}

fn worlds_here() -> String {
    let here: Vec<&str> = worlds::HERE.iter().map(|world| world.word()).collect();
    match here.is_empty() {
        true => "this build has no world yet".to_owned(),
        false => format!("this build has: {}", here.join(", ")),
    }
}

fn wants(args: &RunArgs, run: Run) -> bool {
    match run {
        Run::Broken => !args.fixed,
        Run::Fixed => !args.broken,
    }
}

fn runs(args: &RunArgs, found: &Found) -> Vec<Run> {
    let runs = found.scenario.head.runs.iter().copied();
    runs.filter(|run| wants(args, *run)).collect()
}

/// All runs of one scenario.
fn one(args: &RunArgs, screen: Screen, found: &Found, world: WorldName) -> Result<Vec<Outcome>> {
    let told = !args.json && !args.all;
    let head = &found.scenario.head;
    let read = |text: &Text| args.language.read(text.clone());
    if told {
        screen.line(&read(&head.title), Colour::Bold);
        screen.lines(&read(&head.question), Colour::Plain);
        screen.lines(&read(&legend(found)), Colour::Dim);
    }
    let mut outcomes = Vec::new();
    for run in runs(args, found) {
        if told {
            screen.line("", Colour::Plain);
            for line in heading(found, run, world, !outcomes.is_empty()) {
                screen.line(&read(&line), Colour::Bold);
            }
            for line in settings(found, run) {
                screen.line(&line, Colour::Dim);
            }
            if is_naive(&found.scenario, run) {
                screen.line(&read(&no_guard()), Colour::Dim);
            }
        }
        let outcome = happen(args, screen, found, world, run, told)?;
        match args.json {
            true => {
                let _ = console::print(&report::json(&outcome));
            }
            false => report::tell(&outcome, screen, args.language, told),
        }
        outcomes.push(outcome);
    }
    if told {
        screen.line("", Colour::Plain);
        screen.lines(&read(&ending(found, &outcomes)), Colour::Plain);
    }
    Ok(outcomes)
}

/// Whether another consumer than the one that ships handles the events.
fn is_naive(scenario: &Scenario, run: Run) -> bool {
    scenario.setup(run).consumer != Consumer::Keylane
}

fn no_guard() -> Text {
    text!(
        "  (this consumer has no guard: events take effect as they come)",
        "  (이 컨슈머에는 펜스가 없음: 이벤트가 오는 대로 반영됨)"
    )
}

fn happen(args: &RunArgs, screen: Screen, found: &Found, world: WorldName, run: Run, told: bool) -> Result<Outcome> {
    let scenario = &found.scenario;
    let outcome = |report: Report| Outcome {
        name: found.name.clone(),
        file: found.file.clone(),
        world,
        cure: scenario.head.cure.clone(),
        naive: is_naive(scenario, run),
        report,
    };
    let mut made = match worlds::world(world, &scenario.setup(run), args.servers.servers().as_ref()) {
        Ok(made) => made,
        Err(trouble) => return Ok(outcome(not_made(run, trouble))),
    };
    let mut record = Record::begin(args, found, run, world)?;
    let mut teller = told.then(|| Teller::begin(args, screen, scenario, run));
    let report = lab::run::run(scenario, run, made.as_mut(), &mut |told| {
        record.take(told);
        if let Some(teller) = &mut teller {
            teller.tell(told);
        }
    });
    record.end(&report)?;
    Ok(outcome(report))
}

/// The file into which a run is recorded, if one is wanted.
struct Record<'a> {
    file: Option<(&'a Path, Recording<BufWriter<File>>)>,
    done: io::Result<()>,
}

impl<'a> Record<'a> {
    fn begin(args: &'a RunArgs, found: &Found, run: Run, world: WorldName) -> Result<Self> {
        let file = match args.record.as_deref() {
            None => None,
            Some(path) => {
                let recording = Recording::begin(found, run, world, history::file(path)?);
                Some((path, history::written(path, recording)?))
            }
        };
        Ok(Self { file, done: Ok(()) })
    }

    fn take(&mut self, told: Told<'_>) {
        if let (Some((_, recording)), Ok(())) = (&mut self.file, &self.done) {
            self.done = recording.take(told);
        }
    }

    fn end(self, report: &Report) -> Result<()> {
        let Some((path, recording)) = self.file else {
            return Ok(());
        };
        history::written(path, self.done.and_then(|()| recording.end(report)).map(drop))
    }
}

/// Tells a run to a person while it goes on.
struct Teller {
    narrator: Narrator,
    pace: Pace,
    screen: Screen,
}

impl Teller {
    fn begin(args: &RunArgs, screen: Screen, scenario: &Scenario, run: Run) -> Self {
        let narrator = Narrator::new(scenario, run, args.language.language(), screen.width);
        screen.narrated(&narrator.heading());
        Self {
            narrator,
            pace: Pace::of(args),
            screen,
        }
    }

    fn tell(&mut self, told: Told<'_>) {
        match told {
            Told::Step(line) => {
                self.screen.narrated(&self.narrator.step(line));
                self.pace.step();
            }
            Told::Observed(observation, cast) => {
                let lines = self.narrator.observed(observation, cast);
                if !lines.is_empty() {
                    self.pace.until(observation.at);
                }
                self.screen.narrated(&lines);
            }
        }
    }
}

/// A world that could not be made.
fn not_made(run: Run, trouble: Trouble) -> Report {
    Report {
        run,
        findings: Vec::new(),
        judgement: lab::checker::Judgement::default(),
        deliveries: Vec::new(),
        should: Default::default(),
        cast: lab::run::Cast::default(),
        observations: Vec::new(),
        failure: Some(Failure::of(None, trouble)),
    }
}

/// How fast a run is told.
struct Pace {
    speed: Option<f64>,
    step: bool,
    /// The time of the last observation, in milliseconds.
    last: Option<i64>,
}

impl Pace {
    fn of(args: &RunArgs) -> Self {
        Self {
            speed: args.speed,
            step: args.step,
            last: None,
        }
    }

    /// Waits for Enter. Once nobody can press it any more, goes on.
    fn step(&mut self) {
        let mut line = String::new();
        if self.step {
            self.step = io::stdin().read_line(&mut line).is_ok_and(|read| read > 0);
        }
    }

    /// Lets the time pass in which the mall came to this observation.
    fn until(&mut self, at: i64) {
        let since = self.last.replace(at).map_or(0, |last| at - last);
        if let (Some(speed), Ok(millis)) = (self.speed, u64::try_from(since)) {
            sleep(Duration::from_millis(millis).div_f64(speed).min(LONGEST_PAUSE));
        }
    }
}
