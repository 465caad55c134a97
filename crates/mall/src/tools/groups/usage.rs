//! Which options of `kafka-consumer-groups` go together, in the words of Kafka's tool, and which are not supported.

use super::command::CommandError;
use super::scenario;
use crate::console;
use crate::tools::args::{Given, cannot_be_used_together};

/// Kafka's warning about a reset that is only shown.
const ONLY_SHOWN: &str = "WARN: No action will be performed as the --execute option is missing. In version 5.0, this command \
                   will require either --dry-run or --execute to be specified. You should add the --dry-run option \
                   explicitly if you are scripting this command and want to keep the current default behavior without \
                   prompting.";

/// Options that stand only beside these actions.
const AVAILABLE: [(&str, &[&str]); 5] = [
    ("members", &["describe"]),
    ("verbose", &["describe"]),
    ("offsets", &["describe"]),
    ("state", &["describe", "list"]),
    ("type", &["list"]),
];

const VIEWS: [&str; 3] = ["members", "offsets", "state"];

/// Checks that the options make sense together.
pub fn check(given: &Given) -> Result<(), CommandError> {
    available(given)?;
    if given.has("describe") {
        describe(given)?;
    }
    if given.has("delete") {
        delete(given)?;
    }
    if given.has("delete-offsets") && !(given.has("group") && given.has("topic")) {
        return usage("Option [delete-offsets] takes the following options: [group], [topic]");
    }
    if given.has("reset-offsets") {
        reset(given)?;
    }
    for (one, other) in [
        ("group", "all-groups"),
        ("group", "list"),
        ("topic", "list"),
        ("topic", "describe"),
    ] {
        if given.has(one) && given.has(other) {
            return usage(cannot_be_used_together(one, other));
        }
    }
    Ok(())
}

fn usage<T>(sentence: impl Into<String>) -> Result<T, CommandError> {
    Err(CommandError::Usage(sentence.into()))
}

fn available(given: &Given) -> Result<(), CommandError> {
    let beside = |actions: &[&str]| actions.iter().any(|action| given.has(action));
    let lost = AVAILABLE
        .iter()
        .filter(|(name, actions)| given.has(name) && !beside(actions));
    let lost: Vec<_> = lost.map(|(name, _)| *name).collect();
    match lost[..] {
        [] => Ok(()),
        _ => usage(format!(
            "Option(s) [{}] are unavailable given other options on the command line",
            lost.join(", ")
        )),
    }
}

fn some_group(given: &Given, action: &str) -> Result<(), CommandError> {
    match given.has("group") || given.has("all-groups") {
        true => Ok(()),
        false => usage(format!(
            "Option [{action}] takes one of these options: [group], [all-groups]"
        )),
    }
}

fn describe(given: &Given) -> Result<(), CommandError> {
    some_group(given, "describe")?;
    if VIEWS.iter().filter(|view| given.has(view)).count() > 1 {
        return usage("Option [describe] takes at most one of these options: [members], [offsets], [state]");
    }
    match given.last("state") {
        None | Some("") => Ok(()),
        Some(_) => usage("Option [describe] does not take a value for [state]"),
    }
}

fn delete(given: &Given) -> Result<(), CommandError> {
    some_group(given, "delete")?;
    match given.has("topic") {
        true => usage("The consumer does not support topic-specific offset deletion from a consumer group."),
        false => Ok(()),
    }
}

fn reset(given: &Given) -> Result<(), CommandError> {
    if given.has("execute") && given.has("dry-run") {
        return usage("Option [reset-offsets] only accepts one of [execute] and [dry-run]");
    }
    if !given.has("execute") && !given.has("dry-run") {
        console::say(ONLY_SHOWN);
    }
    some_group(given, "reset-offsets")?;
    let names: Vec<_> = scenario::NAMES.iter().filter(|name| given.has(name)).collect();
    if let [one, other, ..] = names[..] {
        return usage(cannot_be_used_together(one, other));
    }
    if !["all-topics", "topic", "from-file"]
        .iter()
        .any(|scope| given.has(scope))
    {
        return usage("One of the reset scopes should be defined: --all-topics, --topic.");
    }
    match names.is_empty() {
        true => usage(format!(
            "Option '[reset-offsets]' requires one of the following scenarios: [{}]",
            scenario::NAMES.map(|name| format!("[{name}]")).join(", ")
        )),
        false => Ok(()),
    }
}
