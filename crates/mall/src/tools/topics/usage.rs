//! Which options of `kafka-topics` go together, in the words of Kafka's tool, and which are not supported.

use super::super::args::{Given, cannot_be_used_together};
use crate::config::Storage;

/// What Kafka's tool says to an option that does nothing.
pub const DELETE_CONFIG: &str = "delete-config option is no longer supported and deprecated since version 4.0. The config \
                                 will be fully removed in future releases.";

/// Ways to show only some partitions.
const REPORTS: [&str; 4] = [
    "under-replicated-partitions",
    "under-min-isr-partitions",
    "at-min-isr-partitions",
    "unavailable-partitions",
];

/// Options, and the only actions that they may stand beside.
const BELONGS_TO: [(&str, &[&str]); 12] = [
    ("config", &["create", "alter"]),
    ("partitions", &["create", "alter"]),
    ("replication-factor", &["create"]),
    ("replica-assignment", &["create", "alter"]),
    (REPORTS[0], &["describe"]),
    (REPORTS[1], &["describe"]),
    (REPORTS[2], &["describe"]),
    (REPORTS[3], &["describe"]),
    ("topics-with-overrides", &["describe"]),
    ("if-exists", &["alter", "delete", "describe"]),
    ("if-not-exists", &["create"]),
    ("exclude-internal", &["list", "describe"]),
];

/// Checks that the options make sense together.
pub fn check(action: &str, given: &Given) -> Result<(), String> {
    let required = |name: &str| match given.has(name) {
        true => Ok(()),
        false => Err(format!("Missing required argument \"[{name}]\"")),
    };
    if action == "describe" && given.has("if-exists") && !given.has("topic") && !given.has("topic-id") {
        return Err("--topic or --topic-id is required to describe a topic".into());
    }
    if !matches!(action, "list" | "describe") {
        required("topic")?;
    }
    if action == "alter" && given.has("config") {
        return Err(
            "Option combination \"[[bootstrap-server], [config]]\" can't be used with option \"[alter]\" (To alter \
                    topic configurations, the kafka-configs tool can be used.)"
                .into(),
        );
    }
    if action == "alter" {
        required("partitions")?;
    }
    for (option, actions) in BELONGS_TO {
        if given.has(option) && !actions.contains(&action) {
            return Err(cannot_be_used_together(option, action));
        }
    }
    let reports = REPORTS.map(|report| (report, "topics-with-overrides"));
    let placed = ["partitions", "replication-factor"].map(|number| ("replica-assignment", number));
    let placed = placed.into_iter().filter(|_| action == "create");
    let mut pairs = reports.into_iter().chain(placed);
    match pairs.find(|(one, other)| given.has(one) && given.has(other)) {
        Some((one, other)) => Err(cannot_be_used_together(one, other)),
        None => Ok(()),
    }
}

/// Refuses what Kafka's tool can do and this one can't, by name.
pub fn check_supported(action: &str, given: &Given, storage: &Storage) -> Result<(), String> {
    if storage.bootstrap_server.is_some() {
        return Ok(());
    }
    if action == "delete" {
        return Err(
            "--delete is not supported on the embedded log, whose members rely on their topics: `mall reset` removes \
                    the whole log; with --bootstrap-server, topics of Kafka are deleted"
                .into(),
        );
    }
    for (option, why) in [
        ("config", "it keeps no settings of topics"),
        ("replica-assignment", "it has a single node"),
        ("topic-id", "its topics have names only; use --topic"),
    ] {
        if given.has(option) {
            return Err(format!("--{option} is not supported on the embedded log: {why}"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;

    use super::*;

    fn given(words: &str) -> Given {
        let words: Vec<_> = words.split_whitespace().map(OsString::from).collect();
        Given::parse(&words, &super::super::OPTIONS.iter().collect::<Vec<_>>()).expect("known options")
    }

    #[test]
    fn what_belongs_to_another_action_is_refused() {
        for (words, says) in [
            ("--create", "Missing required argument \"[topic]\""),
            ("--alter --topic t", "Missing required argument \"[partitions]\""),
            (
                "--alter --topic t --partitions 2 --replication-factor 1",
                "Option \"[replication-factor]\" can't be used with option \"[alter]\"",
            ),
            (
                "--create --topic t --if-exists",
                "Option \"[if-exists]\" can't be used with option \"[create]\"",
            ),
            (
                "--create --topic t --replica-assignment 1 --partitions 1",
                "Option \"[replica-assignment]\" can't be used with option \"[partitions]\"",
            ),
            (
                "--describe --unavailable-partitions --topics-with-overrides",
                "Option \"[unavailable-partitions]\" can't be used with option \"[topics-with-overrides]\"",
            ),
            (
                "--describe --if-exists",
                "--topic or --topic-id is required to describe a topic",
            ),
        ] {
            let action = words
                .split_whitespace()
                .next()
                .expect("an action")
                .trim_start_matches('-');
            assert_eq!(check(action, &given(words)), Err(says.to_owned()), "{words}");
        }
        for words in [
            "--list --exclude-internal",
            "--alter --topic t --partitions 2 --replica-assignment 1,1",
            "--describe --topic t --if-exists --at-min-isr-partitions",
        ] {
            let action = words
                .split_whitespace()
                .next()
                .expect("an action")
                .trim_start_matches('-');
            assert_eq!(check(action, &given(words)), Ok(()), "{words}");
        }
    }
}
