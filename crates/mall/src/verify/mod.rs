//! `mall verify`: what the order service wrote, the topic, the apply history and the final rows, held against each other.
//!
//! ```text
//!   orders' journal ─┐
//!   topic, offsets ──┼─ gather ─▶ History ─▶ lab::checker ─▶ Judgement ─▶ report
//!   apply history ───┤
//!   final rows ──────┘
//! ```

mod gather;
mod report;
mod sources;
mod translate;

use std::str::FromStr;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context, Result};
use clap::Args;
use keylane_log::Timestamp;
use lab::checker::{Doubt, Judgement, check, rfc3339};
use shop::domain::OrderId;

use crate::config::{self, Storage};
use crate::exit::{self, Exit};
use crate::{roles, shutdown, tools};

use sources::Sources;

/// What `mall verify` is asked.
#[derive(Debug, Args)]
#[command(after_help = HELP)]
pub struct VerifyArgs {
    /// Lets what is under way come to its end first, for so long at most
    #[arg(long, default_value = "0s", value_parser = config::duration, value_name = "TIME")]
    wait: Duration,

    /// Only orders with an event since then: a time ago (10m) or a moment (2025-06-12T03:05:12Z)
    #[arg(long, value_name = "WHEN")]
    since: Option<Since>,

    /// Only this order
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(i64))]
    order: Option<i64>,

    /// Prints one JSON object
    #[arg(long)]
    json: bool,

    /// Goes on looking, and prints whenever something has changed
    #[arg(long)]
    watch: bool,

    /// Topic of order and delivery events
    #[arg(long, env = "MALL_TOPIC", default_value = "kafka.scaling", value_parser = config::topic)]
    topic: String,

    /// Consumer group of the delivery instances
    #[arg(long, env = "MALL_GROUP", default_value = "delivery", value_parser = config::name)]
    group: String,

    #[command(flatten)]
    storage: Storage,
}

const HELP: &str = "\
Examples:
  mall verify --wait 30s
  mall verify --order 2
  mall verify --since 10m --json

It reads everything into memory: some 800 bytes for each event of an order.

Exit codes: 0 no harm (hazards are named), 1 harm, 2 it can't be told: events are under way, or carry no version, or
there was nothing to compare.";

/// Between two looks.
const PAUSE: Duration = Duration::from_millis(500);

/// A moment, given as such or as a time ago.
#[derive(Debug, Clone, Copy)]
struct Since(Timestamp);

impl FromStr for Since {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Ok(ago) = humantime::parse_duration(text) {
            let ago = i64::try_from(ago.as_millis()).unwrap_or(i64::MAX);
            return Ok(Self(Timestamp(roles::now().0.saturating_sub(ago))));
        }
        let moment: SystemTime = humantime::parse_rfc3339_weak(text)
            .map_err(|_| "allowed: a time ago (10m, 2h) or a moment in UTC (2025-06-12T03:05:12Z)")?;
        let (moment, now) = (Timestamp::from(moment), roles::now());
        if moment > now {
            return Err(format!("it lies in the future: it is {} now", rfc3339(now)));
        }
        Ok(Self(moment))
    }
}

/// Looks, and says what was found.
pub fn run(args: &VerifyArgs) -> Result<Exit> {
    let sources = Sources::open(&args.storage, &args.topic, &args.group)?;
    if args.watch {
        return watch(args, &sources);
    }
    let judgement = settled(args, &sources)?;
    print(args, &judgement);
    Ok(exit_of(&judgement))
}

fn exit_of(judgement: &Judgement) -> Exit {
    if judgement.harm().next().is_some() {
        Exit::NO
    } else if judgement.doubts.is_empty() {
        Exit::DONE
    } else {
        Exit::COULD_NOT
    }
}

fn print(args: &VerifyArgs, judgement: &Judgement) {
    let text = match args.json {
        true => report::json(judgement),
        false => report::text(judgement),
    };
    // Nobody reading is no reason to fail.
    let _ = tools::print(&text);
}

/// Looks until nothing is under way any more, or the time is over.
fn settled(args: &VerifyArgs, sources: &Sources) -> Result<Judgement> {
    let begun = Instant::now();
    loop {
        let judgement = look(args, sources)?;
        let may_change = judgement.doubts.iter().any(Doubt::may_pass);
        if !may_change || begun.elapsed() >= args.wait {
            return Ok(judgement);
        }
        std::thread::sleep(PAUSE.min(args.wait.saturating_sub(begun.elapsed())));
    }
}

/// Looks for ever, until a signal comes.
fn watch(args: &VerifyArgs, sources: &Sources) -> Result<Exit> {
    let asked = shutdown::exit_code_asked().context("signals can't be heard")?;
    let mut last: Option<Judgement> = None;
    while asked.load(Ordering::SeqCst) == 0 {
        match look(args, sources) {
            Ok(judgement) => {
                if last.as_ref() != Some(&judgement) {
                    print(args, &judgement);
                }
                last = Some(judgement);
            }
            // What is away may come back.
            Err(error) => exit::say(&format!("mall verify: {error:#}; looking again")),
        }
        pause(&asked);
    }
    Ok(last.map_or(Exit::COULD_NOT, |judgement| exit_of(&judgement)))
}

fn pause(asked: &AtomicU8) {
    let begun = Instant::now();
    while begun.elapsed() < 4 * PAUSE && asked.load(Ordering::SeqCst) == 0 {
        std::thread::sleep(PAUSE / 10);
    }
}

/// One look; harm is looked at twice, since reading takes its time while others write.
fn look(args: &VerifyArgs, sources: &Sources) -> Result<Judgement> {
    let judgement = judge(args, sources)?;
    if judgement.harm().next().is_none() {
        return Ok(judgement);
    }
    Ok(judge(args, sources)?.confirmed_by(&judgement))
}

fn judge(args: &VerifyArgs, sources: &Sources) -> Result<Judgement> {
    let mut history = gather::gather(sources)?;
    if let Some(order) = args.order {
        history.retain_orders(|other| other == OrderId(order));
    }
    if let Some(Since(since)) = args.since {
        let recent = history.orders_since(since);
        history.retain_orders(|order| recent.contains(&order));
    }
    let mut judgement = check(&history);
    if judgement.orders == 0 {
        judgement.doubts.push(Doubt::Nothing(sought(args)));
    }
    Ok(judgement)
}

/// What was looked for in vain, and which options may be to blame.
fn sought(args: &VerifyArgs) -> String {
    let place = match &args.storage.database_url {
        Some(_) => "--database-url",
        None => "--data",
    };
    let topic = &args.topic;
    match (args.order, args.since) {
        (Some(order), None) => format!(
            "neither the order journal nor {topic} nor the apply history knows an order {order}; check the number, {place} \
             and --topic"
        ),
        (Some(order), Some(Since(since))) => format!(
            "no event of an order {order} since {} is known; check the number, --since, {place} and --topic",
            rfc3339(since)
        ),
        (None, Some(Since(since))) => format!(
            "no order has an event since {}; check --since, {place} and --topic",
            rfc3339(since)
        ),
        (None, None) => format!(
            "the order journal, {topic} and the apply history hold no event of any order; check {place} and --topic, or \
             place an order"
        ),
    }
}
