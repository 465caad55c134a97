//! `mall lab simulate`: runs the code that ships through histories that seeds choose, and shows the smallest one that does harm.
//!
//! # Invariants
//! * The same seeds give the same output, whatever the machine and however many threads it has.
//! * Memory doesn't grow with the number of histories.

use std::collections::BTreeMap;
use std::io::{IsTerminal, Write};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use clap::Args;
use lab::simulation::found::{self, Found};
use lab::simulation::many::in_order;
use lab::simulation::minimize::{Smallest, minimize};
use lab::simulation::run::{Counts, Ending, Run};
use lab::simulation::scheduler::{self, Logs, Mode};
use lab::simulation::text as written;
use serde_json::json;
use shop::text;
use shop::text::Text;
use tokio::signal::unix::{SignalKind, signal};

use crate::console;
use crate::console::shell_word;
use crate::exit::{Exit, Usage};
use crate::language::LanguageOption;

pub const HELP: &str = "\
Ctrl-C ends it with what was found so far.

Exit code: 0 if no history did harm, 1 if one did, 2 if they could not be run, 130 after Ctrl-C if none has done harm so far.

Examples:
  mall lab simulate --seeds 10000
  mall lab simulate --mode naive --seeds 100
  mall lab simulate --mode naive --seeds 100 --save found.lab
  mall lab run found.lab               does the same harm
  mall lab simulate --mode naive --seed 12 --seeds 1 --trace
  mall lab simulate --replay found.lab";

/// How many histories are tried to make one smaller.
const BUDGET: usize = 4_000;
/// How often the progress is shown.
const PROGRESS: Duration = Duration::from_millis(500);
/// The exit code of a command that Ctrl-C has ended.
const INTERRUPTED: u8 = 130;

/// The options of `mall lab simulate`.
#[derive(Debug, Args)]
pub struct SimulateArgs {
    /// Number of histories
    #[arg(long, default_value_t = 1_000, value_name = "N")]
    seeds: u64,

    /// First seed
    #[arg(long, default_value_t = 1, value_name = "SEED")]
    seed: u64,

    /// Kind of mall: fixed (key and fence), keyless (the fence alone), course (key, no fence), naive (neither)
    #[arg(long, default_value = "fixed", value_name = "MODE")]
    mode: String,

    /// Log on which the malls stand: embedded, kafka (simulated brokers), both (the seed says which)
    #[arg(long, default_value = "both", value_name = "LOG")]
    log: String,

    /// Prints each step
    #[arg(long)]
    trace: bool,

    /// Runs the history in this file instead
    #[arg(long, value_name = "FILE", conflicts_with_all = ["seeds", "seed", "mode", "log"])]
    replay: Option<PathBuf>,

    /// Writes the scenario of the smallest history that did harm to this file
    #[arg(long, value_name = "FILE", conflicts_with_all = ["replay", "json"])]
    save: Option<PathBuf>,

    /// Prints one JSON object
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    language: LanguageOption,
}

/// What kind of mall is simulated, and on which logs.
type Kind = (Mode, Logs);

/// What all histories came to.
#[derive(Default)]
struct Outcome {
    counts: Counts,
    /// How many histories did each kind of harm.
    harm: BTreeMap<String, u64>,
    /// How many histories had each hazard.
    hazards: BTreeMap<String, u64>,
    /// The lowest seed of a history that did harm.
    first: Option<u64>,
    /// A hash of all histories.
    hash: u64,
}

/// Runs the histories.
pub fn run(args: &SimulateArgs) -> Result<Exit> {
    if let Some(file) = &args.replay {
        let text = std::fs::read_to_string(file).with_context(|| format!("{} can't be read", file.display()))?;
        let history = written::parse(&text).map_err(|why| Usage(format!("{}: {why}", file.display())))?;
        return Ok(replay(&history, args));
    }
    let Some(mode) = Mode::ALL.into_iter().find(|mode| mode.name() == args.mode) else {
        let names = Mode::ALL.map(Mode::name).join(", ");
        return Err(Usage(format!("--mode {}: one of {names} is allowed", args.mode)).into());
    };
    let Some(logs) = Logs::ALL.into_iter().find(|logs| logs.name() == args.log) else {
        let names = Logs::ALL.map(Logs::name).join(", ");
        return Err(Usage(format!("--log {}: one of {names} is allowed", args.log)).into());
    };
    let kind = (mode, logs);
    let began = Instant::now();
    let stopped = Arc::new(AtomicBool::new(false));
    listen(stopped.clone()).context("Ctrl-C can't be listened to")?;
    let outcome = all_histories(kind, args, &stopped);
    if args.json {
        let _ = console::print(&format!("{}\n", object(kind, &outcome)));
    } else {
        let _ = console::print(&summary(&outcome, args.language));
        rate(&outcome, began.elapsed(), args.language);
        if let Some(seed) = outcome.first {
            let _ = console::print(&smallest(kind, seed, args)?);
        }
    }
    Ok(match outcome.first {
        Some(_) => Exit::NO,
        None if outcome.counts.histories < args.seeds => Exit(INTERRUPTED),
        None => Exit::DONE,
    })
}

/// Runs all histories on as many threads as the machine has, until Ctrl-C, which shows in `stopped`.
fn all_histories(kind: Kind, args: &SimulateArgs, stopped: &AtomicBool) -> Outcome {
    let mut outcome = Outcome::default();
    let mut progress = Progress::new(args.seeds);
    let seed = |number| args.seed.wrapping_add(number);
    let work = |number| one_history(kind, seed(number), args.trace);
    in_order(args.seeds, work, |number, (ending, lines)| {
        outcome.add(seed(number), &ending);
        print_lines(&lines);
        progress.show(&outcome);
        match stopped.load(Ordering::Relaxed) {
            true => ControlFlow::Break(()),
            false => ControlFlow::Continue(()),
        }
    });
    progress.clear();
    outcome
}

/// Notes Ctrl-C, so that what was found so far can be told. A second one ends the program at once.
fn listen(stopped: Arc<AtomicBool>) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    let mut interrupt = {
        let _entered = runtime.enter();
        signal(SignalKind::interrupt())?
    };
    thread::spawn(move || {
        runtime.block_on(interrupt.recv());
        stopped.store(true, Ordering::Relaxed);
        runtime.block_on(interrupt.recv());
        std::process::exit(INTERRUPTED.into());
    });
    Ok(())
}

/// Whoever has stopped reading misses the rest.
fn print_lines(lines: &[String]) {
    for line in lines {
        let _ = console::print(&format!("{line}\n"));
    }
}

fn one_history((mode, logs): Kind, seed: u64, told: bool) -> (Ending, Vec<String>) {
    let run = scheduler::history(&scheduler::conditions(mode, logs, seed), told);
    let (ending, _, lines) = run.end();
    (ending, lines)
}

impl Outcome {
    fn add(&mut self, seed: u64, ending: &Ending) {
        self.counts += ending.counts;
        for name in &ending.harm {
            *self.harm.entry(name.clone()).or_default() += 1;
        }
        for name in &ending.hazards {
            *self.hazards.entry(name.clone()).or_default() += 1;
        }
        if !ending.harm.is_empty() {
            self.first.get_or_insert(seed);
        }
        self.hash = self.hash.rotate_left(7) ^ ending.hash;
    }
}

/// How far it is, on a terminal.
struct Progress {
    all: u64,
    began: Instant,
    shown: Option<Instant>,
}

impl Progress {
    fn new(all: u64) -> Self {
        let now = Instant::now();
        Self {
            all,
            began: now,
            shown: std::io::stderr().is_terminal().then_some(now),
        }
    }

    fn show(&mut self, outcome: &Outcome) {
        if self.shown.is_none_or(|shown| shown.elapsed() < PROGRESS) {
            return;
        }
        self.shown = Some(Instant::now());
        let (done, all) = (outcome.counts.histories, self.all);
        let rate = done as f64 / self.began.elapsed().as_secs_f64();
        let harm = named(&outcome.harm);
        eprint!("\r\x1b[K{done} / {all}   {rate:.0}/s   {harm}");
        let _ = std::io::stderr().flush();
    }

    fn clear(&self) {
        if self.shown.is_some() {
            eprint!("\r\x1b[K");
        }
    }
}

/// Names with their counts.
fn named(names: &BTreeMap<String, u64>) -> String {
    let each: Vec<String> = names.iter().map(|(name, count)| format!("{name} {count}")).collect();
    each.join(", ")
}

fn object((mode, logs): Kind, outcome: &Outcome) -> serde_json::Value {
    let counts: serde_json::Map<_, _> = outcome
        .counts
        .named()
        .map(|(name, count)| (name.to_owned(), count.into()))
        .into_iter()
        .collect();
    json!({
        "mode": mode.name(),
        "log": logs.name(),
        "counts": counts,
        "harm": outcome.harm,
        "hazards": outcome.hazards,
        "firstSeedWithHarm": outcome.first,
        "hash": format!("{:016x}", outcome.hash),
    })
}

fn summary(outcome: &Outcome, language: LanguageOption) -> String {
    let mut lines: Vec<String> = outcome
        .counts
        .named()
        .iter()
        .map(|(name, count)| format!("{count:>10}  {name}\n"))
        .collect();
    let none = || text!("none", "없음");
    for (title, names) in [
        (text!("hazards", "위험 신호"), &outcome.hazards),
        (text!("harm", "피해"), &outcome.harm),
    ] {
        let names = if names.is_empty() { none() } else { named(names).into() };
        lines.push(format!("{}: {}\n", language.read(title), language.read(names)));
    }
    lines.push(format!("hash: {:016x}\n", outcome.hash));
    lines.concat()
}

/// Says how fast it was, beside the output, which is the same each time.
fn rate(outcome: &Outcome, time: Duration, language: LanguageOption) {
    let (histories, seconds) = (outcome.counts.histories, time.as_secs_f64());
    let rate = histories as f64 / seconds.max(0.001);
    let says = text!(
        "{seconds:.1} s, {rate:.0} histories a second",
        "{seconds:.1}초, 초당 이력 {rate:.0}개"
    );
    eprintln!("{}", language.read(says));
}

/// Makes the history of this seed as small as it can be, and a scenario of it.
fn smallest((mode, logs): Kind, seed: u64, args: &SimulateArgs) -> Result<String> {
    let conditions = scheduler::conditions(mode, logs, seed);
    let (ending, steps, _) = scheduler::history(&conditions, false).end();
    let harm = ending.worst().unwrap_or_default();
    let history = minimize(&conditions, steps, harm, BUDGET);
    let found = found::scenario(&history, harm);
    let length = history.length();
    let says = args.language.read(text!(
        "The first history that did harm, made as small as it can be: {harm} after {length} actions and faults",
        "처음으로 피해를 낸 이력을 가장 작게 줄인 것: 행동과 장애 {length}개로 {harm}"
    ));
    let (mode, log) = (mode.name(), logs.name());
    let file = format!(
        "# mall lab simulate --mode {mode} --log {log} --seed {seed} --seeds 1\n\n{}",
        found.text
    );
    let next = args.language.read(next(&found, args.save.as_deref()));
    Ok(match &args.save {
        None => format!("\n# {says}\n{file}\n# {next}\n"),
        Some(path) => {
            std::fs::write(path, file).with_context(|| format!("can't write {}", path.display()))?;
            format!("\n{says}\n{next}\n")
        }
    })
}

/// How the file of a scenario is run.
fn next(found: &Found, saved: Option<&Path>) -> Text {
    let file = match saved {
        Some(path) => shell_word(&path.display().to_string()),
        None => "found.lab".to_owned(),
    };
    let command = match found.worlds.last() {
        Some(world) => format!("mall lab run {file} --world {world}"),
        None => format!("mall lab simulate --replay {file}"),
    };
    match saved {
        Some(_) => text!("To run it: {command}", "실행: {command}"),
        None => text!(
            "To run it, save it (--save {file} does): {command}",
            "저장한 뒤(--save {file}) 실행: {command}"
        ),
    }
}

fn replay(history: &Smallest, args: &SimulateArgs) -> Exit {
    let mut run = Run::begin(&history.conditions);
    if args.trace {
        run = run.told();
    }
    for step in &history.steps {
        run.take(*step);
    }
    let (ending, _, lines) = run.end();
    print_lines(&lines);
    let mut outcome = Outcome::default();
    outcome.add(history.conditions.seed, &ending);
    let _ = console::print(&summary(&outcome, args.language));
    for says in &ending.says {
        let _ = console::print(&format!("{says}\n"));
    }
    match ending.harm.is_empty() {
        true => Exit::DONE,
        false => Exit::NO,
    }
}
