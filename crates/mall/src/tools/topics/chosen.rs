//! The topics that the options of `kafka-topics` name.

use keylane_log::{LogError, TopicInfo};

use super::super::args::Given;
use super::super::pattern::TopicPattern;
use crate::adapters::log::{self, KafkaLog, OpenFor, explained, open_log};
use crate::config::Storage;

/// The topics whose names match `--topic`, or all of them.
pub fn matching(given: &Given, storage: &Storage) -> Result<Vec<TopicInfo>, String> {
    let pattern = given.last("topic").map(TopicPattern::parse).transpose()?;
    let mut topics = all(storage)?;
    topics.retain(|topic| pattern.as_ref().is_none_or(|pattern| pattern.matches(&topic.name)));
    if given.has("exclude-internal") {
        topics.retain(|topic| !topic.internal);
    }
    Ok(topics)
}

/// The topics whose names match `--topic`. It is an error if there are none, unless `--if-exists` was given.
pub fn existing(given: &Given, storage: &Storage) -> Result<Vec<TopicInfo>, String> {
    let topics = matching(given, storage)?;
    match given.last("topic") {
        Some(text) if topics.is_empty() && !given.has("if-exists") => {
            Err(format!("Topic '{text}' does not exist as expected"))
        }
        _ => Ok(topics),
    }
}

/// All topics, in the order of their names.
pub fn all(storage: &Storage) -> Result<Vec<TopicInfo>, String> {
    let explain = |error: LogError| explained(&error, storage);
    match open_log(storage, OpenFor::Reading).map_err(explain)? {
        Some(log) => log.topics().map_err(explain),
        None => Ok(Vec::new()),
    }
}

/// Kafka, for what the embedded log does not have.
pub fn kafka(storage: &Storage) -> Result<KafkaLog, String> {
    let kafka = log::kafka(storage).ok_or("this needs --bootstrap-server")?;
    kafka.map_err(|error| explained(&error, storage))
}

/// The sentence of the first of these calls that failed. All of them are made.
pub fn first_failure(calls: impl Iterator<Item = Result<(), LogError>>, storage: &Storage) -> Result<(), String> {
    let answers: Vec<_> = calls.collect();
    let failure = answers.into_iter().find_map(Result::err);
    failure.map_or(Ok(()), |error| Err(explained(&error, storage)))
}
