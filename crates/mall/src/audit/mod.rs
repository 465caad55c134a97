//! `mall audit`: finds out whether the events of each key stand in one partition and in their order, in any topic.

mod report;

use anyhow::{Result, anyhow};
use clap::Args;
use keylane_log::LogError;
use lab::audit::{Auditor, Conclusion, Locator, Question};

use crate::adapters::log::{explained, open_existing_log};
use crate::config::Storage;
use crate::exit::Exit;
use crate::{console, scan};

/// The options of `mall audit`.
#[derive(Debug, Args)]
#[command(after_help = HELP)]
pub struct AuditArgs {
    /// The topic to read
    #[arg(id = "audited_topic", long = "topic", value_name = "TOPIC")]
    topic: String,

    /// Where a record's key is found: key, header:NAME or json:/POINTER
    #[arg(id = "place_of_key", long = "key", default_value = "key", value_name = "PLACE")]
    key: Locator,

    /// Where its version is found: header:NAME, json:/POINTER or key
    #[arg(
        id = "place_of_version",
        long = "version",
        default_value = "header:ce_sequence",
        value_name = "PLACE"
    )]
    version: Locator,

    /// Prints one JSON object
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    storage: Storage,
}

const HELP: &str = "\
Examples:
  mall audit --topic kafka.scaling
  mall audit --topic orders --key json:/orderId --version json:/version --bootstrap-server localhost:9092

Versions are compared within a partition, for each key and each source (the header ce_source, where there is one).
Memory grows with the number of keys, not of records, and is bounded.

Exit codes: 0 the order of each key is kept (a record that is repeated does not count against it), 1 it is lost or in
danger, 2 it can't be told: the topic is empty, or records lack the key or the version that is compared.";

/// Reads the whole topic and prints what was found.
pub fn run(args: &AuditArgs) -> Result<Exit> {
    let explain = |error: LogError| anyhow!(explained(&error, &args.storage));
    let log = open_existing_log(&args.storage)?;
    let extents = log.extents(&args.topic).map_err(explain)?;
    let partitions = u32::try_from(extents.len()).unwrap_or(u32::MAX);
    let question = Question {
        key: args.key.clone(),
        version: args.version.clone(),
        partitions,
    };
    let mut auditor = Auditor::new(question.clone());
    scan::each_record(log.as_ref(), &args.topic, &extents, |record| auditor.see(record)).map_err(explain)?;
    let audit = auditor.finish();
    let answer = audit.answer(partitions);
    let text = match args.json {
        true => report::json(&args.topic, &question, &audit, answer),
        false => report::text(&args.topic, &question, &audit, answer),
    };
    let _ = console::print(&text);
    Ok(match answer {
        Conclusion::Kept => Exit::DONE,
        Conclusion::Endangered => Exit::NO,
        Conclusion::Unknown => Exit::COULD_NOT,
    })
}
