//! `--list`: the names of all groups, with their kinds and states if asked for.

use std::fmt::Write;

use keylane_log::{GroupKind, GroupListing};

use super::command::{CommandError, CommandOutput, failed, log_to_read};
use crate::config::Storage;
use crate::console::columns;
use crate::tools::args::Given;

/// The states that a consumer group may have, in the order in which Kafka's tool names them.
const STATES: [&str; 7] = [
    "Assigning",
    "Dead",
    "Empty",
    "CompletingRebalance",
    "Reconciling",
    "PreparingRebalance",
    "Stable",
];

/// States of groups whose partitions the broker shares out. The Kafka client has no words for them.
const UNTOLD: [&str; 2] = ["Assigning", "Reconciling"];

const KINDS: [GroupKind; 2] = [GroupKind::Consumer, GroupKind::Classic];

/// The least width of the names, and what comes on top of the longest.
const NAMES: (usize, usize) = (15, 10);

pub(super) fn run(given: &Given, storage: &Storage, output: &mut CommandOutput) -> Result<(), CommandError> {
    let kinds = filter(given, "type", &KINDS.map(|kind| kind.to_string())).map_err(|input| {
        let valid = KINDS.map(|kind| kind.to_string()).join(", ");
        CommandError::Usage(format!("Invalid types list '{input}'. Valid types are: {valid}"))
    })?;
    let states = filter(given, "state", &STATES.map(str::to_owned)).map_err(|input| {
        let valid = STATES.join(", ");
        CommandError::Usage(format!("Invalid state list '{input}'. Valid states are: {valid}"))
    })?;
    if let Some(untold) = states.iter().find(|state| UNTOLD.contains(&state.as_str())) {
        return Err(CommandError::Refused(format!(
            "--state {untold} is not supported: the Kafka client tells this state as Unknown; leave it out"
        )));
    }
    let Some(log) = log_to_read(storage)? else {
        return Ok(());
    };
    if !given.has("state") && !given.has("type") {
        for group in log.groups().map_err(|error| failed(&error, storage))? {
            output.out.push_str(&group);
            output.out.push('\n');
        }
        return Ok(());
    }
    let mut groups = log.list_groups().map_err(|error| failed(&error, storage))?;
    let among = |wanted: &[String], name: String| wanted.is_empty() || wanted.contains(&name);
    groups.retain(|group| among(&kinds, group.kind.to_string()) && among(&states, group.state.to_string()));
    output
        .out
        .push_str(&listed(&groups, given.has("type"), given.has("state")));
    Ok(())
}

/// The names out of a list that stands in an option, as they are written in `valid`. An error is the list itself.
fn filter<'a>(given: &'a Given, option: &str, valid: &[String]) -> Result<Vec<String>, &'a str> {
    let Some(input) = given.last(option).filter(|input| !input.is_empty()) else {
        return Ok(Vec::new());
    };
    let named = |text: &str| {
        valid
            .iter()
            .find(|name| name.eq_ignore_ascii_case(text.trim()))
            .cloned()
    };
    let names = input.trim_end_matches(',').split(',').map(named);
    names.collect::<Option<_>>().ok_or(input)
}

fn listed(groups: &[GroupListing], kinds: bool, states: bool) -> String {
    let (least, more) = NAMES;
    let widest = groups
        .iter()
        .map(|group| columns::width(&group.name))
        .max()
        .unwrap_or(0);
    let width = widest.max(least) + more;
    let mut text = String::new();
    let mut line = |name: &str, kind: &str, state: &str| {
        text.push_str(&columns::left(name, width));
        for (shown, cell) in [(kinds, kind), (states, state)] {
            if shown {
                let _ = write!(text, " {cell:20}");
            }
        }
        text.push('\n');
    };
    line("GROUP", "TYPE", "STATE");
    for group in groups {
        line(&group.name, &group.kind.to_string(), &group.state.to_string());
    }
    text
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;

    use keylane_log::GroupState;

    use super::*;

    fn given(words: &str) -> Given {
        let words: Vec<_> = words.split_whitespace().map(OsString::from).collect();
        Given::parse(&words, &super::super::OPTIONS.iter().collect::<Vec<_>>()).expect("known options")
    }

    #[test]
    fn a_list_of_states_is_read_without_regard_to_case() {
        let states = STATES.map(str::to_owned);
        let read = |words: &str| filter(&given(words), "state", &states).map_err(str::to_owned);
        assert_eq!(read("--list --state"), Ok(Vec::new()));
        assert_eq!(read("--list"), Ok(Vec::new()));
        assert_eq!(
            read("--list --state empty,STABLE,"),
            Ok(vec!["Empty".to_owned(), "Stable".to_owned()])
        );
        assert_eq!(read("--list --state empty,nope"), Err("empty,nope".to_owned()));
    }

    #[test]
    fn columns_are_as_wide_as_javas() {
        let group = GroupListing {
            name: "delivery".into(),
            kind: GroupKind::Classic,
            state: GroupState::Stable,
        };
        let text = listed(&[group], true, true);
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(lines[0], format!("{:25} {:20} {:20}", "GROUP", "TYPE", "STATE"));
        assert_eq!(lines[1], format!("{:25} {:20} {:20}", "delivery", "Classic", "Stable"));
    }
}
