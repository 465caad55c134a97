//! `kafka-topics --create`.

use std::collections::BTreeMap;

use keylane_log::{LogError, NewTopic};

use super::super::args::Given;
use super::assignment;
use crate::adapters::log::{OpenFor, explained, open_log};
use crate::config::Storage;

const MAY_COLLIDE: &str = "WARNING: Due to limitations in metric names, topics with a period ('.') or underscore ('_') could \
                       collide. To avoid issues it is best to use either, but not both.\n";

pub(super) fn run(given: &Given, storage: &Storage, output: &mut String) -> Result<(), String> {
    let topic = wanted(given)?;
    if topic.name.contains(['.', '_']) {
        output.push_str(MAY_COLLIDE);
    }
    check_numbers(given)?;
    let explain = |error: LogError| explained(&error, storage);
    let log = open_log(storage, OpenFor::Writing)
        .map_err(explain)?
        .ok_or("There is no log")?;
    match log.create(&topic).map_err(explain)? {
        true => output.push_str(&format!("Created topic {}.\n", topic.name)),
        false if given.has("if-not-exists") => {}
        false => return Err(format!("Topic '{}' already exists.", topic.name)),
    }
    Ok(())
}

/// The topic that the options describe. Numbers that no topic has are refused by [`check_numbers`].
fn wanted(given: &Given) -> Result<NewTopic, String> {
    let partitions = given.number::<i32>("partitions")?;
    let copies = given.number::<i32>("replication-factor")?;
    Ok(NewTopic {
        name: given.last("topic").unwrap_or_default().to_owned(),
        partitions: partitions.and_then(|count| u32::try_from(count).ok()),
        copies: copies.and_then(|count| u16::try_from(count).ok()),
        placement: match given.last("replica-assignment") {
            Some(text) if !text.is_empty() => assignment::parse(text)?,
            _ => Vec::new(),
        },
        settings: settings(given.all("config"))?,
    })
}

fn check_numbers(given: &Given) -> Result<(), String> {
    let copies = given.number::<i32>("replication-factor")?;
    if copies.is_some_and(|copies| !(1..=i32::from(i16::MAX)).contains(&copies)) {
        return Err("The replication factor must be between 1 and 32767 inclusive".into());
    }
    match given.number::<i32>("partitions")? {
        Some(..1) => Err("The partitions must be greater than 0".into()),
        _ => Ok(()),
    }
}

/// Settings given as `name=value`.
fn settings(given: &[String]) -> Result<BTreeMap<String, String>, String> {
    let setting = |text: &String| {
        let (name, value) = text.split_once('=')?;
        let (name, value) = (name.trim(), value.trim());
        (!value.is_empty() && !value.contains('=')).then(|| (name.to_owned(), value.to_owned()))
    };
    let settings: Option<_> = given.iter().map(setting).collect();
    settings.ok_or_else(|| {
        "requirement failed: Invalid topic config: all configs to be added must be in the format \"key=val\".".into()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_a_name_and_a_value() {
        let given = |texts: &[&str]| settings(&texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>());
        let good = given(&["retention.ms = 1", "cleanup.policy=compact,delete"]).expect("good");
        let pairs: Vec<_> = good
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .collect();
        assert_eq!(pairs, [("cleanup.policy", "compact,delete"), ("retention.ms", "1")]);
        for wrong in ["retention.ms", "retention.ms=", "a=b=c"] {
            given(&[wrong]).expect_err(wrong);
        }
    }
}
