//! `kafka-topics`: `--create`, `--alter`, `--delete`, `--describe`, `--list`.

mod alter;
mod assignment;
mod chosen;
mod create;
mod describe;
mod usage;

use std::fmt::Write;

use super::ToolError;
use super::args::{Given, Opt};
use crate::config::Storage;
use crate::console;
use crate::exit::Exit;

pub const OPTIONS: [Opt; 21] = [
    Opt::flag("create", "Create a new topic."),
    Opt::flag("alter", "Alter the number of partitions."),
    Opt::flag("describe", "List details for the given topics."),
    Opt::flag("list", "List all available topics."),
    Opt::flag(
        "delete",
        "Delete a topic. Only on Kafka; the embedded log starts over with mall reset.",
    ),
    Opt::value(
        "topic",
        "topic",
        "The topic; also a regular expression of names, except for --create.",
    ),
    Opt::value("topic-id", "topic-id", "The topic-id to describe. Only on Kafka."),
    Opt::value(
        "partitions",
        "# of partitions",
        "The number of partitions of the topic being created or altered. If not supplied with --create, the topic uses the cluster default (1 on the embedded log).",
    ),
    Opt::value(
        "replication-factor",
        "replication factor",
        "The replication factor of the topic being created. If not supplied, the topic uses the cluster default (1 on the embedded log).",
    ),
    Opt::value(
        "replica-assignment",
        "broker_id_for_part1_replica1 : broker_id_for_part1_replica2 , broker_id_for_part2_replica1 : …",
        "The brokers of each partition of the topic being created or altered. Only on Kafka.",
    ),
    Opt::repeated(
        "config",
        "name=value",
        "A setting of the topic being created, such as message.timestamp.type=LogAppendTime. Only on Kafka.",
    ),
    Opt::repeated("delete-config", "name", "No longer supported by Kafka: only a warning."),
    Opt::flag(
        "under-replicated-partitions",
        "Only describing: show partitions with copies that are not in sync.",
    ),
    Opt::flag(
        "unavailable-partitions",
        "Only describing: show partitions without a leader.",
    ),
    Opt::flag(
        "under-min-isr-partitions",
        "Only describing: show partitions with fewer copies in sync than the configured minimum.",
    ),
    Opt::flag(
        "at-min-isr-partitions",
        "Only describing: show partitions with as many copies in sync as the configured minimum.",
    ),
    Opt::flag(
        "topics-with-overrides",
        "Only describing: show topics that have settings of their own.",
    ),
    Opt::flag(
        "if-exists",
        "Only altering, deleting or describing: do nothing if the topic does not exist.",
    ),
    Opt::flag("if-not-exists", "Only creating: do nothing if the topic exists."),
    Opt::flag(
        "exclude-internal",
        "Only listing or describing: leave internal topics out.",
    ),
    Opt::unsupported(
        "partition-size-limit-per-response",
        Some("maximum"),
        "every topic is asked for as a whole; leave it out",
    ),
];

/// What the tool can be asked to do. It writes its output, or returns the sentence why it was not done.
type Action = fn(&Given, &Storage, &mut String) -> Result<(), String>;

const ACTIONS: [(&str, Action); 5] = [
    ("list", list),
    ("describe", describe::run),
    ("create", create::run),
    ("alter", alter::run),
    ("delete", delete),
];

/// Runs the tool. A failure is a sentence on stdout, as with Kafka's tool, and exit code 1.
pub fn run(given: &Given, storage: &Storage) -> Result<Exit, ToolError> {
    let actions: Vec<_> = ACTIONS.iter().filter(|(name, _)| given.has(name)).collect();
    let [(name, action)] = actions[..] else {
        let sentence = "Command must include exactly one action: --list, --describe, --create, --alter or --delete";
        return Err(ToolError::Usage(sentence.into()));
    };
    if given.has("delete-config") {
        console::say(usage::DELETE_CONFIG);
    }
    usage::check(name, given).map_err(ToolError::Usage)?;
    usage::check_supported(name, given, storage).map_err(ToolError::Refused)?;
    let mut output = String::new();
    let done = action(given, storage, &mut output);
    if let Err(sentence) = &done {
        let _ = writeln!(output, "Error while executing topic command : {sentence}");
    }
    let _ = console::print(&output);
    Ok(if done.is_ok() { Exit::DONE } else { Exit::NO })
}

/// Lists names, one a line. As with Kafka's tool, that is an empty line if there are none.
fn list(given: &Given, storage: &Storage, output: &mut String) -> Result<(), String> {
    let names: Vec<_> = chosen::matching(given, storage)?
        .into_iter()
        .map(|topic| topic.name)
        .collect();
    let _ = writeln!(output, "{}", names.join("\n"));
    Ok(())
}

fn delete(given: &Given, storage: &Storage, _output: &mut String) -> Result<(), String> {
    let topics = chosen::existing(given, storage)?;
    let kafka = chosen::kafka(storage)?;
    let deleted = topics.iter().map(|topic| kafka.delete_topic(&topic.name));
    chosen::first_failure(deleted, storage)
}
