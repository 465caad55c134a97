//! `mall timeline`: everything that is known of one order, by time, with a mark where its order broke.
//!
//! ```text
//!   order's journal, topic, parked, dead letters, apply history, rows ─ read ─▶ lab::checker ─▶ timeline ─▶ shown
//! ```

mod read;
mod shown;

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;
use lab::checker::{check, stories, timeline};
use shop::domain::OrderId;
use shop::text;

use crate::console;
use crate::exit::Exit;
use crate::language::LanguageOption;
use crate::verify::{HistoryOptions, Sources, export};

/// The options of `mall timeline`.
#[derive(Debug, Args)]
#[command(after_help = HELP)]
pub struct TimelineArgs {
    /// The order's number
    #[arg(value_name = "ORDER")]
    order: i64,

    /// Prints one JSON object
    #[arg(long)]
    json: bool,

    /// Also writes it to this file, which the live page opens
    #[arg(long, value_name = "FILE")]
    export: Option<PathBuf>,

    #[command(flatten)]
    history: HistoryOptions,

    #[command(flatten)]
    language: LanguageOption,
}

const HELP: &str = "\
Examples:
  mall timeline 2
  mall timeline 2 --json
  mall timeline 2 --export order-2.jsonl    a file for a colleague, whose live page opens it

A record has the time that its producer gave it, which on the mall's own is that of the journal's
row. The place where something went wrong is marked ◀. The topic and the apply history are read
from their beginning, as neither finds an order's entries any quicker.

Exit codes: 0 something is known of the order, whether it is harmed or not, 1 nothing is.";

/// Prints everything that is known of an order.
pub fn run(args: &TimelineArgs) -> Result<Exit> {
    let order = OrderId(args.order);
    let sources = Sources::open(&args.history)?;
    let read::Known { history, letters } = read::read(&sources, order)?;
    let judgement = check(&history);
    let mut entries = timeline(&history, &judgement.verdicts);
    entries.extend(letters.iter().map(read::given_up));
    lab::checker::sort_by_time(&mut entries);
    if entries.is_empty() {
        let (topic, place) = (&args.history.topic, args.history.storage.place_option());
        console::say(&args.language.read(text!(
            "Nothing is known of an order {order}: neither the order journal nor {topic} nor the delivery service knows one; \
             check the number, --topic and {place}.",
            "{order}번 주문에 대해 알려진 것이 없습니다. 주문 저널에도 {topic}에도 배송 서비스에도 없으니 {place}, --topic과 번호를 \
             확인하세요."
        )));
        return Ok(Exit::NO);
    }
    if let Some(path) = &args.export {
        export::of_order(path, order, &history, &judgement, &args.history)?;
    }
    let story = stories(judgement.verdicts).pop();
    let text = match args.json {
        true => shown::json(order, &entries, story.as_ref(), &judgement.doubts),
        false => args
            .language
            .read(shown::text(order, &entries, story.as_ref(), &judgement.doubts)),
    };
    let _ = console::print(&text);
    Ok(Exit::DONE)
}
