//! `--delete` and `--delete-offsets`: removes groups, or what a group has committed for some topics.

use std::collections::BTreeSet;
use std::fmt::Write;

use keylane_log::{EventLog, GroupError, LogError, OffsetKept, TopicPartition};

use super::command::{CommandError, CommandOutput, chosen_groups, failed, log_to_change};
use super::scope::{self, Scope};
use super::table::{Column, table};
use crate::adapters::log::explained;
use crate::config::Storage;
use crate::tools::args::Given;

/// What Kafka's tool says of a group that is not there.
const NO_GROUP: &str = "The group id does not exist.";

const NOT_EMPTY: &str = "The group is not empty.";

/// Deletes groups that nobody is in.
pub(super) fn groups(given: &Given, storage: &Storage, output: &mut CommandOutput) -> Result<(), CommandError> {
    let log = log_to_change(storage)?;
    let (mut done, mut failures) = (Vec::new(), String::new());
    for group in chosen_groups(given, log.as_deref(), storage)? {
        let deleted = match &log {
            Some(log) => log.delete_group(&group),
            None => Err(GroupError::NotFound),
        };
        match deleted {
            Ok(()) => done.push(format!("'{group}'")),
            Err(error) => {
                let why = exception(&error, storage);
                let _ = writeln!(failures, "* Group '{group}' could not be deleted due to: {why}");
            }
        }
    }
    let done_names = done.join(", ");
    if failures.is_empty() {
        let _ = writeln!(
            output.out,
            "Deletion of requested consumer groups ({done_names}) was successful."
        );
        return Ok(());
    }
    let _ = write!(
        output.out,
        "\nError: Deletion of some consumer groups failed:\n{failures}"
    );
    if !done.is_empty() {
        let _ = writeln!(
            output.out,
            "\nThese consumer groups were deleted successfully: {done_names}"
        );
    }
    Ok(())
}

/// An error as Java writes it.
fn exception(error: &GroupError, storage: &Storage) -> String {
    let of_kafka = |name: &str, sentence: &str| format!("org.apache.kafka.common.errors.{name}: {sentence}");
    match error {
        GroupError::NotFound => of_kafka("GroupIdNotFoundException", NO_GROUP),
        GroupError::NotEmpty => of_kafka("GroupNotEmptyException", NOT_EMPTY),
        GroupError::Log(error) => explained(error, storage),
    }
}

/// A row of the answer: topic, partition unless all were meant, and what became of it.
type Row = (String, Option<u32>, Result<(), OffsetKept>);

/// Deletes what a group has committed for topics that nobody of the group reads.
pub(super) fn offsets(given: &Given, storage: &Storage, output: &mut CommandOutput) -> Result<(), CommandError> {
    let [group] = given.all("group") else {
        let sentence = "Found multiple arguments for option group, but you asked for only one";
        return Err(CommandError::Failed(sentence.into()));
    };
    let scopes = scope::parse(given.all("topic"))?;
    let log = log_to_change(storage)?;
    let mut rows: Vec<Row> = Vec::new();
    let partitions = match &log {
        Some(log) => named(&**log, &scopes, &mut rows).map_err(|error| failed(&error, storage))?,
        None => BTreeSet::new(),
    };
    let deleted = match &log {
        Some(log) => log.delete_offsets(group, &partitions),
        None => Err(GroupError::NotFound),
    };
    let heading = match deleted {
        Ok(outcomes) => {
            rows.extend(outcomes.into_iter().map(|(partition, outcome)| row(partition, outcome)));
            match rows
                .iter()
                .all(|(_, partition, outcome)| outcome.is_ok() || partition.is_none())
            {
                true => format!("Request succeeded for deleting offsets from group {group}."),
                false => "\nError: Encountered some partition-level error, see the follow-up details.".into(),
            }
        }
        Err(error @ (GroupError::NotFound | GroupError::NotEmpty)) => {
            let why = exception(&error, storage);
            let kept = |partition| row(partition, Err(OffsetKept::Other(why.clone())));
            rows.extend(partitions.into_iter().map(kept));
            let sentence = if error == GroupError::NotFound {
                NO_GROUP
            } else {
                NOT_EMPTY
            };
            format!("\nError: {sentence}")
        }
        Err(GroupError::Log(error)) => return Err(failed(&error, storage)),
    };
    output.out.push_str(&heading);
    output.out.push('\n');
    output.out.push_str(&shown(rows));
    Ok(())
}

fn row(partition: TopicPartition, outcome: Result<(), OffsetKept>) -> Row {
    (partition.topic.to_string(), Some(partition.partition.0), outcome)
}

/// The partitions that were named. A topic that is not there becomes a row.
fn named(log: &dyn EventLog, scopes: &[Scope], rows: &mut Vec<Row>) -> Result<BTreeSet<TopicPartition>, LogError> {
    let mut partitions = BTreeSet::new();
    for scope in scopes {
        match scope.partitions(log) {
            Ok(found) => partitions.extend(found),
            Err(LogError::Refused(_)) => rows.push((scope.topic.clone(), None, Err(OffsetKept::NoPartition))),
            Err(error) => return Err(error),
        }
    }
    Ok(partitions)
}

fn shown(mut rows: Vec<Row>) -> String {
    let place = |topic: &str, partition: Option<u32>| match partition {
        Some(partition) => format!("{topic}{partition}"),
        None => format!("{topic}-1"),
    };
    rows.sort_by_key(|(topic, partition, _)| place(topic, *partition));
    let cells = |(topic, partition, outcome): Row| {
        let partition = partition.map_or("-".to_owned(), |partition| partition.to_string());
        vec![topic, partition, status(outcome)]
    };
    let columns = [
        Column::names("TOPIC"),
        Column::fixed("PARTITION", 10),
        Column::fixed("STATUS", 15),
    ];
    table(&columns, &rows.into_iter().map(cells).collect::<Vec<_>>())
}

/// What became of a committed offset, as Java writes it.
fn status(outcome: Result<(), OffsetKept>) -> String {
    let (name, sentence) = match outcome {
        Ok(()) => return "Successful".into(),
        Err(OffsetKept::Other(sentence)) => return format!("Error: {sentence}"),
        Err(OffsetKept::NoPartition) => (
            "UnknownTopicOrPartitionException",
            "This server does not host this topic-partition.",
        ),
        Err(OffsetKept::Subscribed) => (
            "GroupSubscribedToTopicException",
            "Deleting offsets of a topic is forbidden while the consumer group is actively subscribed to it.",
        ),
    };
    format!("Error: org.apache.kafka.common.errors.{name}: {sentence}")
}
