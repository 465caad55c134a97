//! `--reset-offsets`: sets the offsets from which groups go on.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use keylane_log::{EventLog, GroupInfo, GroupState, TopicPartition};

use super::command::{CommandError, CommandOutput, chosen_groups, failed, log_to_read};
use super::plan_file;
use super::planner::{Planner, Positions};
use super::scenario::{self, Scenario};
use super::scope::{self, Scope};
use super::table::{Column, table};
use crate::adapters::log::{OpenFor, no_log_yet, open_log};
use crate::config::Storage;
use crate::tools::args::Given;

/// Shows the offsets that would be set, or sets them with `--execute`. All are found before any is set, so that a wish that
/// can't be fulfilled for one group changes none. A group with members is passed by, with a word.
pub(super) fn run(given: &Given, storage: &Storage, output: &mut CommandOutput) -> Result<(), CommandError> {
    let scenario = scenario::of(given)?;
    let wanted = match given.has("all-topics") {
        true => None,
        false => Some(scope::parse(given.all("topic"))?),
    };
    let Some(log) = log_to_read(storage)? else {
        return Err(CommandError::Failed(no_log_yet(storage)));
    };
    let mut plan = BTreeMap::new();
    for group in chosen_groups(given, Some(&*log), storage)? {
        let positions = of_group(&*log, storage, &group, wanted.as_deref(), &scenario, output)?;
        plan.insert(group, positions);
    }
    if given.has("execute") {
        execute(&plan, storage)?;
    }
    match given.has("export") {
        true => {
            let single = given.all("group").len() == 1;
            let _ = writeln!(output.out, "{}", plan_file::export(&plan, single));
        }
        false => output.out.push_str(&shown(&plan)),
    }
    Ok(())
}

/// The offsets for one group; none, with a word, while it has members. Without `wanted`, they are of whatever it has
/// committed.
fn of_group(
    log: &dyn EventLog,
    storage: &Storage,
    group: &str,
    wanted: Option<&[Scope]>,
    scenario: &Scenario,
    output: &mut CommandOutput,
) -> Result<Positions, CommandError> {
    let info = log.describe_group(group).map_err(|error| failed(&error, storage))?;
    let state = info.as_ref().map_or(GroupState::Empty, |info| info.state);
    if state != GroupState::Empty {
        let sentence = format!("if the group '{group}' is inactive, but the current state is {state}.");
        let _ = writeln!(output.out, "\nError: Assignments can only be reset {sentence}");
        return Ok(Positions::new());
    }
    let chosen = match wanted {
        Some(scopes) => named(log, scopes, storage)?,
        None => committed(info.as_ref()),
    };
    let mut planner = Planner {
        log,
        storage,
        group,
        info: info.as_ref(),
        output,
    };
    planner.plan(&chosen, scenario)
}

fn named(log: &dyn EventLog, scopes: &[Scope], storage: &Storage) -> Result<BTreeSet<TopicPartition>, CommandError> {
    let mut chosen = BTreeSet::new();
    for scope in scopes {
        chosen.extend(scope.partitions(log).map_err(|error| failed(&error, storage))?);
    }
    Ok(chosen)
}

fn committed(info: Option<&GroupInfo>) -> BTreeSet<TopicPartition> {
    info.iter().flat_map(|info| info.commits.keys().cloned()).collect()
}

fn execute(plan: &BTreeMap<String, Positions>, storage: &Storage) -> Result<(), CommandError> {
    let explain = |error| failed(&error, storage);
    let log = open_log(storage, OpenFor::Writing).map_err(explain)?;
    let log = log.ok_or_else(|| CommandError::Failed("there is no log".into()))?;
    for (group, positions) in plan.iter().filter(|(_, positions)| !positions.is_empty()) {
        log.reset_group(group, positions).map_err(explain)?;
    }
    Ok(())
}

fn shown(plan: &BTreeMap<String, Positions>) -> String {
    if plan.is_empty() {
        return "\n".into();
    }
    let row = |group: &String, partition: &TopicPartition, offset: u64| {
        vec![
            group.clone(),
            partition.topic.to_string(),
            partition.partition.to_string(),
            offset.to_string(),
        ]
    };
    let rows = plan.iter().flat_map(|(group, positions)| {
        let positions = positions.iter();
        positions.map(move |(partition, offset)| row(group, partition, offset.0))
    });
    let longest = plan.keys().map(|group| crate::console::columns::width(group)).max();
    let columns = [
        Column::growing("GROUP", longest.unwrap_or(0).max(15)),
        Column::names("TOPIC"),
        Column::fixed("PARTITION", 10),
        Column::open("NEW-OFFSET"),
    ];
    table(&columns, &rows.collect::<Vec<_>>())
}
