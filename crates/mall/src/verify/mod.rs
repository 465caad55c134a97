//! `mall verify`: compares what the order service wrote with the topic, with the history of what was applied, and with the
//! final rows.
//!
//! ```text
//!   orders' journal ─┐
//!   topic, offsets ──┼─ gather ─▶ look: a survey, then the suspects closely, by lab::checker ─▶ Found ─▶ report
//!   apply history ───┤                                                                                    ▲
//!   final rows ──────┘ ─ only what is new ─▶ watch: each verdict once it is certain ─────────────────────┘
//! ```

pub mod export;
pub mod found;
pub mod gather;
pub mod look;
pub mod remedy;
pub mod report;
mod since;
mod sources;
pub mod watch;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::Result;
use clap::Args;
use lab::checker::{Doubt, Outcome, Scope};
use shop::domain::OrderId;
use shop::rfc3339;
use shop::text;
use shop::text::Text;

use crate::config;
use crate::console;
use crate::exit::Exit;
use crate::language::LanguageOption;
use crate::shutdown::StopSignal;

use found::{Aside, Found};
pub use gather::gather;
use since::Since;
pub use sources::{HistoryOptions, Sources};
use watch::{News, Replaced, Watch};

/// The options of `mall verify`.
#[derive(Debug, Args)]
#[command(after_help = HELP)]
pub struct VerifyArgs {
    /// How long to wait at most until everything that is under way has come to its end
    #[arg(long, default_value = "0s", value_parser = config::duration, value_name = "TIME")]
    wait: Duration,

    /// Only orders with an event since then: a time ago (10m) or a moment (2025-06-12T03:05:12Z); last-start: only orders
    /// placed since the order service was last started
    #[arg(long, value_name = "WHEN")]
    since: Option<Since>,

    /// Only this order
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(i64))]
    order: Option<i64>,

    /// Prints one JSON object; with --watch one for each verdict, a line each
    #[arg(long)]
    json: bool,

    /// Goes on until Ctrl-C, and prints each new verdict as soon as it is certain
    #[arg(long, conflicts_with = "wait")]
    watch: bool,

    /// Also writes what was read and found to this file, which the live page opens
    #[arg(long, value_name = "FILE", conflicts_with = "watch")]
    export: Option<PathBuf>,

    #[command(flatten)]
    history: HistoryOptions,

    #[command(flatten)]
    language: LanguageOption,
}

const HELP: &str = "\
Examples:
  mall verify --wait 30s
  mall verify --order 2
  mall verify --since 10m --json
  mall verify --since last-start      leaves earlier experiments aside
  mall verify --watch                 says what breaks while it breaks, until Ctrl-C
  mall verify --export night.jsonl    a file for a colleague, whose live page opens it

--export writes everything of 120 orders at most: those with harm, then those with hazards, then the
newest ones.

--watch looks at everything once and then reads only what is new. An inversion or a skip is told at
once; that something is missing only when nothing of its order is under way any more. Whenever all
has come to its end, the last line of the result is printed again. It doesn't go with --wait, since
it never ends waiting. With --since last-start the start is the one at its begin.

It keeps a few dozen bytes of each order in memory, however many events that order has, and of
suspect orders the history of some at a time: a million orders with 2.1 million events took 77 MB.

Exit codes: 0 no harm (hazards are named), 1 harm, 2 it can't be told: events are under way, or
carry no version, or there was nothing to compare.";

/// The pause between two looks while something is under way.
const LOOK_PAUSE: Duration = Duration::from_millis(500);

/// Reads everything, judges it and prints the result.
pub fn run(args: &VerifyArgs) -> Result<Exit> {
    let sources = Sources::open(&args.history)?;
    if args.watch {
        return watch(args, &sources);
    }
    let found = look_until_settled(args, &sources)?;
    if let Some(path) = &args.export {
        export::verified(path, &sources, &args.history, scope(args, &sources)?, &found)?;
    }
    let _ = console::print(&match args.json {
        true => report::json(&found),
        false => args.language.read(report::text(&found)),
    });
    Ok(exit_of(&found))
}

fn exit_of(found: &Found) -> Exit {
    match found.outcome() {
        Outcome::NoHarm => Exit::DONE,
        Outcome::Harm => Exit::NO,
        Outcome::Unknown => Exit::COULD_NOT,
    }
}

/// Looks until nothing is under way any more, or the time for that is over.
fn look_until_settled(args: &VerifyArgs, sources: &Sources) -> Result<Found> {
    let begun = Instant::now();
    loop {
        let found = look(args, sources)?;
        if !found.may_change || begun.elapsed() >= args.wait {
            return Ok(found);
        }
        std::thread::sleep(LOOK_PAUSE.min(args.wait.saturating_sub(begun.elapsed())));
    }
}

/// Watches until a signal comes.
fn watch(args: &VerifyArgs, sources: &Sources) -> Result<Exit> {
    let signal = StopSignal::listen()?;
    let (scope, keep) = (scope(args, sources)?, keep(args));
    let mut tell = |news: News| {
        let _ = console::print(&told(args, news));
    };
    let mut watch = Watch::begin(sources, scope, keep, &mut tell)?;
    let mut away = false;
    while signal.exit().is_none() {
        match watch.step(&mut tell) {
            Ok(()) => away = false,
            Err(error) if error.is::<Replaced>() => {
                console::say(&format!("mall verify: {error:#}"));
                watch = Watch::begin(sources, scope, keep, &mut tell)?;
            }
            // A log or a database that is away may come back.
            Err(error) => {
                if !std::mem::replace(&mut away, true) {
                    console::say(&format!("mall verify: {error:#}; looking again until it is back"));
                }
            }
        }
        pause(&signal);
    }
    let found = or_nothing(args, watch.found());
    let _ = console::print(&match args.json {
        true => report::json_end(&found),
        false => args.language.read(report::end(&found)),
    });
    Ok(exit_of(&found))
}

/// What is new, as it is printed.
fn told(args: &VerifyArgs, news: News) -> String {
    match (news, args.json) {
        (News::Begun(found), true) => report::json_lines(&or_nothing(args, found)),
        (News::Begun(found), false) => args.language.read(report::text(&or_nothing(args, found))),
        (News::Quiet(found), true) => report::json_end(&found),
        (News::Quiet(found), false) => args.language.read(report::end(&found)),
        (News::Verdicts(verdicts), true) => verdicts.iter().map(report::json_verdict).collect(),
        (News::Verdicts(verdicts), false) => args.language.read(report::stories_of(verdicts)),
        (News::Doubts(doubts), true) => doubts.iter().map(report::json_doubt).collect(),
        (News::Doubts(doubts), false) => {
            let lines: Vec<Text> = doubts.iter().map(report::cannot_tell).collect();
            args.language.read(Text::joined(&lines, ""))
        }
    }
}

fn pause(signal: &StopSignal) {
    let begun = Instant::now();
    while begun.elapsed() < LOOK_PAUSE && signal.exit().is_none() {
        std::thread::sleep(LOOK_PAUSE / 10);
    }
}

fn look(args: &VerifyArgs, sources: &Sources) -> Result<Found> {
    let found = look::look(sources, scope(args, sources)?, keep(args))?;
    Ok(or_nothing(args, found))
}

/// What was found, with the doubt that nothing was compared if that is so.
fn or_nothing(args: &VerifyArgs, mut found: Found) -> Found {
    if found.orders == 0 {
        found.doubt(Doubt::Nothing(not_found(args, found.aside.as_ref())), keep(args));
    }
    found
}

/// Which orders are asked for.
fn scope(args: &VerifyArgs, sources: &Sources) -> Result<Scope> {
    let start = match args.since {
        Some(Since::LastStart) => Some(since::last_start(sources)?),
        _ => None,
    };
    Ok(Scope {
        order: args.order.map(OrderId),
        since: args.since.and_then(Since::moment),
        placed_since: start,
    })
}

/// How many findings of each kind are kept to be shown.
fn keep(args: &VerifyArgs) -> usize {
    if args.json { usize::MAX } else { report::SHOWN }
}

/// Says what was looked for in vain, and which options may be wrong.
fn not_found(args: &VerifyArgs, aside: Option<&Aside>) -> Text {
    let place = args.history.storage.place_option();
    let topic = &args.history.topic;
    let since = args.since.and_then(Since::moment).map(rfc3339);
    if let Some(Aside { orders, start }) = aside {
        let start = rfc3339(*start);
        let order = args.order.map_or(String::new(), |order| format!(" {order}"));
        let korean = args.order.map_or("주문".to_owned(), |order| format!("{order}번 주문"));
        return text!(
            "no order{order} was placed since the last start, {start} ({orders} before it); place one, or leave --since out",
            "마지막 시작({start}) 이후에 생성된 {korean}이 없습니다(그전 주문은 {orders}건). 주문을 생성하거나 --since를 빼세요"
        );
    }
    match (args.order, since) {
        (Some(order), None) => text!(
            "neither the order journal nor {topic} nor the apply history knows an order {order}; check the number, {place} \
             and --topic",
            "주문 저널에도 {topic}에도 반영 이력에도 {order}번 주문이 없습니다. 번호와 {place}, --topic을 확인하세요"
        ),
        (Some(order), Some(since)) => text!(
            "no event of an order {order} since {since} is known; check the number, --since, {place} and --topic",
            "{since} 이후로 {order}번 주문의 이벤트가 없습니다. 번호와 --since, {place}, --topic을 확인하세요"
        ),
        (None, Some(since)) => text!(
            "no order has an event since {since}; check --since, {place} and --topic",
            "{since} 이후로 이벤트가 있는 주문이 없습니다. --since와 {place}, --topic을 확인하세요"
        ),
        (None, None) => text!(
            "the order journal, {topic} and the apply history hold no event of any order; check {place} and --topic, or \
             place an order",
            "주문 저널에도 {topic}에도 반영 이력에도 이벤트가 없습니다. {place}, --topic을 확인하거나 주문을 생성하세요"
        ),
    }
}
