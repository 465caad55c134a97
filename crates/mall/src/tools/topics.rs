//! `kafka-topics`: `--create`, `--alter`, `--describe`, `--list`.

use std::fmt::Write;

use keylane_log::{LogError, PartitionInfo, TopicInfo};

use super::ToolError;
use super::args::{Given, Opt};
use super::pattern::TopicPattern;
use crate::adapters::log::{OpenFor, explained, open_log};
use crate::config::Storage;
use crate::console;
use crate::exit::Exit;

pub const OPTIONS: [Opt; 12] = [
    Opt::flag("create", "Create a new topic."),
    Opt::flag("alter", "Alter the number of partitions."),
    Opt::flag("describe", "List details for the given topics."),
    Opt::flag("list", "List all available topics."),
    Opt::flag(
        "delete",
        "Not supported: use Kafka's own tool, or mall reset for the embedded log.",
    ),
    Opt::value(
        "topic",
        "topic",
        "The topic; also a regular expression of names, except for --create.",
    ),
    Opt::value(
        "partitions",
        "# of partitions",
        "The number of partitions of the topic being created or altered.",
    ),
    Opt::value(
        "replication-factor",
        "factor",
        "1 on the embedded log; on Kafka the broker's default is used.",
    ),
    Opt::flag(
        "if-exists",
        "Only altering or describing: do nothing if the topic does not exist.",
    ),
    Opt::flag("if-not-exists", "Only creating: do nothing if the topic exists."),
    Opt::flag("exclude-internal", "Internal topics are never shown."),
    Opt::repeated("config", "name=value", "Not supported: use Kafka's own tool."),
];

/// What the tool can be asked to do.
#[derive(Debug, Clone, Copy)]
enum Action {
    List,
    Describe,
    Create,
    Alter,
    Delete,
}

const ACTIONS: [(&str, Action); 5] = [
    ("list", Action::List),
    ("describe", Action::Describe),
    ("create", Action::Create),
    ("alter", Action::Alter),
    ("delete", Action::Delete),
];

const MAY_COLLIDE: &str = "WARNING: Due to limitations in metric names, topics with a period ('.') or underscore ('_') could \
                       collide. To avoid issues it is best to use either, but not both.\n";

/// Runs the tool. A failure is a sentence on stdout, as with Kafka's tool, and exit code 1.
pub fn run(given: &Given, storage: &Storage) -> Result<Exit, ToolError> {
    let actions: Vec<_> = ACTIONS.iter().filter(|(name, _)| given.has(name)).collect();
    let [(_, action)] = actions[..] else {
        let sentence = "Command must include exactly one action: --list, --describe, --create, --alter or --delete";
        return Err(ToolError::Usage(sentence.into()));
    };
    if matches!(action, Action::Create | Action::Alter | Action::Delete) && !given.has("topic") {
        return Err(ToolError::Usage("Missing required argument \"[topic]\"".into()));
    }
    if matches!(action, Action::Alter) && !given.has("partitions") {
        return Err(ToolError::Usage("Missing required argument \"[partitions]\"".into()));
    }
    let mut output = String::new();
    let done = match action {
        Action::Create => create(given, storage, &mut output),
        Action::Alter => alter(given, storage),
        Action::Describe => describe(given, storage, &mut output),
        Action::List => list(given, storage, &mut output),
        Action::Delete => Err(
            "Deleting topics is not supported here; use Kafka's own tool, or `mall reset` for the embedded log".into(),
        ),
    };
    if let Err(sentence) = &done {
        let _ = writeln!(output, "Error while executing topic command : {sentence}");
    }
    let _ = console::print(&output);
    Ok(if done.is_ok() { Exit::DONE } else { Exit::NO })
}

fn create(given: &Given, storage: &Storage, output: &mut String) -> Result<(), String> {
    let topic = given.last("topic").unwrap_or_default();
    check_name(topic)?;
    if topic.contains(['.', '_']) {
        output.push_str(MAY_COLLIDE);
    }
    let partitions = given.number::<i32>("partitions")?.unwrap_or(1);
    let partitions = u32::try_from(partitions)
        .ok()
        .filter(|n| *n > 0)
        .ok_or("The partitions must be greater than 0")?;
    check_replication(given, storage)?;
    if given.has("config") {
        return Err("--config is not supported here; use Kafka's own tool".into());
    }
    let explain = |error: LogError| explained(&error, storage);
    let log = open_log(storage, OpenFor::Writing)
        .map_err(explain)?
        .ok_or("There is no log")?;
    match log.create_topic(topic, partitions).map_err(explain)? {
        true => writeln!(output, "Created topic {topic}.").map_err(|error| error.to_string()),
        false if given.has("if-not-exists") => Ok(()),
        false => Err(format!("Topic '{topic}' already exists.")),
    }
}

fn check_name(topic: &str) -> Result<(), String> {
    let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    let invalid = |why: &str| Err(format!("Topic name is invalid: {why}"));
    match topic {
        "" => invalid("the empty string is not allowed"),
        "." | ".." => invalid("'.' or '..' is not allowed"),
        _ if topic.len() > 249 => invalid(&format!(
            "the length of '{topic}' is longer than the max allowed length 249"
        )),
        _ if !topic.chars().all(legal) => invalid(&format!(
            "'{topic}' contains one or more characters other than ASCII alphanumerics, '.', '_' and '-'"
        )),
        _ => Ok(()),
    }
}

fn check_replication(given: &Given, storage: &Storage) -> Result<(), String> {
    let factor = given.number::<i16>("replication-factor")?.unwrap_or(1);
    match (factor, &storage.bootstrap_server) {
        (1 | -1, _) => Ok(()),
        (..=0, _) => Err("The replication factor must be between 1 and 32767 inclusive".into()),
        (_, None) => Err(format!(
            "Unable to replicate the partition {factor} time(s): The target replication factor of {factor} cannot be \
             reached because only 1 broker(s) are registered."
        )),
        (_, Some(_)) => Err("A --replication-factor above 1 is not supported here; use Kafka's own tool".into()),
    }
}

fn alter(given: &Given, storage: &Storage) -> Result<(), String> {
    let wanted = given.number::<i32>("partitions")?.unwrap_or(0);
    for topic in chosen(given, storage)? {
        let now = topic.partitions.len() as i64;
        let name = topic.name;
        let more = u32::try_from(wanted).ok().filter(|wanted| i64::from(*wanted) > now);
        match more {
            Some(wanted) => {
                let explain = |error: LogError| explained(&error, storage);
                let log = open_log(storage, OpenFor::Writing)
                    .map_err(explain)?
                    .ok_or("There is no log")?;
                log.grow_topic(&name, wanted).map_err(explain)?;
            }
            None if wanted <= 0 => return Err("The partitions must be greater than 0".into()),
            None if i64::from(wanted) == now => return Err(format!("Topic already has {now} partition(s).")),
            None => {
                return Err(format!(
                    "The topic {name} currently has {now} partition(s); {wanted} would not be an increase."
                ));
            }
        }
    }
    Ok(())
}

fn describe(given: &Given, storage: &Storage, output: &mut String) -> Result<(), String> {
    for topic in chosen(given, storage)? {
        let replication = topic.partitions.first().map_or(0, |partition| partition.replicas.len());
        let count = topic.partitions.len();
        let name = &topic.name;
        let _ = writeln!(
            output,
            "Topic: {name}\tPartitionCount: {count}\tReplicationFactor: {replication}\tConfigs: "
        );
        for partition in &topic.partitions {
            let _ = writeln!(output, "{}", described(name, partition));
        }
    }
    Ok(())
}

fn described(topic: &str, partition: &PartitionInfo) -> String {
    let nodes = |nodes: &[i32]| nodes.iter().map(i32::to_string).collect::<Vec<_>>().join(",");
    let leader = partition.leader.map_or("none".to_owned(), |node| node.to_string());
    format!(
        "\tTopic: {topic}\tPartition: {}\tLeader: {leader}\tReplicas: {}\tIsr: {}\tElr: N/A\tLastKnownElr: N/A",
        partition.partition,
        nodes(&partition.replicas),
        nodes(&partition.isr)
    )
}

fn list(given: &Given, storage: &Storage, output: &mut String) -> Result<(), String> {
    let pattern = given.last("topic").map(TopicPattern::parse).transpose()?;
    let mut topics = all(storage)?;
    topics.retain(|topic| pattern.as_ref().is_none_or(|pattern| pattern.matches(&topic.name)));
    for topic in topics {
        let _ = writeln!(output, "{}", topic.name);
    }
    Ok(())
}

/// The topics that `--topic` names. It is an error if there are none, unless `--if-exists` was given.
fn chosen(given: &Given, storage: &Storage) -> Result<Vec<TopicInfo>, String> {
    let mut topics = all(storage)?;
    let Some(text) = given.last("topic") else {
        return Ok(topics);
    };
    let pattern = TopicPattern::parse(text)?;
    topics.retain(|topic| pattern.matches(&topic.name));
    match topics.is_empty() && !given.has("if-exists") {
        true => Err(format!("Topic '{text}' does not exist as expected")),
        false => Ok(topics),
    }
}

fn all(storage: &Storage) -> Result<Vec<TopicInfo>, String> {
    let explain = |error: LogError| explained(&error, storage);
    let mut topics = match open_log(storage, OpenFor::Reading).map_err(explain)? {
        Some(log) => log.topics().map_err(explain)?,
        None => Vec::new(),
    };
    topics.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(topics)
}
