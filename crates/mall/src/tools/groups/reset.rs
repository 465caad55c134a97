//! `--reset-offsets`: sets the offsets from which a group goes on.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use keylane_log::{EventLog, Extent, GroupInfo, GroupState, LogError, Offset, Partition, TopicPartition};

use super::command::{CommandError, CommandOutput, at_most_one, failed, log_to_read};
use super::instant;
use super::table::table;
use crate::adapters::log::{OpenFor, no_log_yet, open_log};
use crate::config::Storage;
use crate::console::{self, columns};
use crate::tools::args::{Given, cannot_be_used_together};

/// How many records are read at once.
const PAGE: usize = 500;

/// Reads a scenario from the value of the option of this name.
type ReadScenario = fn(&Given, &str) -> Result<Scenario, String>;

/// The options for the scenarios of Kafka's tool, in its order.
const SCENARIOS: [(&str, ReadScenario); 6] = [
    ("shift-by", |given, name| Ok(Scenario::Shift(number(given, name)?))),
    ("to-offset", |given, name| Ok(Scenario::At(number(given, name)?))),
    ("to-earliest", |_, _| Ok(Scenario::Earliest)),
    ("to-current", |_, _| Ok(Scenario::Current)),
    ("to-latest", |_, _| Ok(Scenario::Latest)),
    ("to-datetime", |given, name| {
        instant::parse(given.last(name).unwrap_or_default()).map(Scenario::Since)
    }),
];

/// Kafka's warning about a reset that is only shown.
const ONLY_SHOWN: &str = "WARN: No action will be performed as the --execute option is missing. In version 5.0, this command \
                   will require either --dry-run or --execute to be specified. You should add the --dry-run option \
                   explicitly if you are scripting this command and want to keep the current default behavior without \
                   prompting.";

/// Where a group is to go on in a partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Scenario {
    /// At the first record that is kept.
    Earliest,
    /// At the end.
    Latest,
    /// Where the group is, or at the end if it has not committed.
    Current,
    /// At this offset.
    At(i64),
    /// So many offsets behind where the group is; before it if negative.
    Shift(i64),
    /// At the first record that is not older than this time, in milliseconds since 1970.
    Since(i64),
}

/// Shows the offsets that would be set, or sets them with `--execute`.
pub(super) fn run(given: &Given, storage: &Storage, output: &mut CommandOutput) -> Result<(), CommandError> {
    let group = check(given)?;
    let scenario = scenario(given)?;
    let Some(log) = log_to_read(storage)? else {
        return Err(CommandError::Failed(no_log_yet(storage)));
    };
    let explain = |error: LogError| failed(&error, storage);
    let info = log.describe_group(group).map_err(explain)?;
    let state = info.as_ref().map_or(GroupState::Empty, |info| info.state);
    if state != GroupState::Empty {
        let sentence = format!("if the group '{group}' is inactive, but the current state is {state}.");
        let _ = writeln!(output.out, "\nError: Assignments can only be reset {sentence}");
        output.out.push_str(&planned(group, &BTreeMap::new()));
        return Ok(());
    }
    let chosen = match given.has("all-topics") {
        true => info.iter().flat_map(|info| info.commits.keys().cloned()).collect(),
        false => partitions(&*log, given.all("topic")).map_err(|error| error.explained(storage))?,
    };
    let plan = Planner {
        log: &*log,
        info: info.as_ref(),
        output,
    };
    let positions = plan.plan(chosen, scenario).map_err(|error| error.explained(storage))?;
    if given.has("execute") {
        let log = open_log(storage, OpenFor::Writing).map_err(explain)?;
        let log = log.ok_or_else(|| CommandError::Failed("there is no log".into()))?;
        log.reset_group(group, &positions).map_err(explain)?;
    }
    output.out.push_str(&planned(group, &positions));
    Ok(())
}

/// Checks that the options make sense, and gives the group.
fn check(given: &Given) -> Result<&str, CommandError> {
    let both = "Option [reset-offsets] only accepts one of [execute] and [dry-run]";
    if at_most_one(given, &[("execute", ()), ("dry-run", ())], |_, _| both.into())?.is_none() {
        console::say(ONLY_SHOWN);
    }
    let usage = |sentence: &str| Err(CommandError::Usage(sentence.into()));
    if given.has("all-groups") {
        return usage("--all-groups is not supported with --reset-offsets here: name one --group");
    }
    let group = match given.all("group") {
        [group] => group,
        [] => return usage("Option [reset-offsets] takes one of these options: [group], [all-groups]"),
        _ => return usage("Option [reset-offsets] supports one --group at a time"),
    };
    match at_most_one(given, &[("topic", ()), ("all-topics", ())], cannot_be_used_together)? {
        Some(_) => Ok(group),
        None => usage("One of the reset scopes should be defined: --all-topics, --topic."),
    }
}

fn scenario(given: &Given) -> Result<Scenario, CommandError> {
    let scenarios = SCENARIOS.map(|(name, read)| (name, (name, read)));
    let Some((name, read)) = at_most_one(given, &scenarios, cannot_be_used_together)? else {
        let names = SCENARIOS.map(|(name, _)| format!("[{name}]"));
        return Err(CommandError::Usage(format!(
            "Option '[reset-offsets]' requires one of the following scenarios: [{}]",
            names.join(", ")
        )));
    };
    read(given, name).map_err(CommandError::Failed)
}

fn number(given: &Given, name: &str) -> Result<i64, String> {
    given.number(name).map(Option::unwrap_or_default)
}

/// Why no offsets could be planned.
enum PlanError {
    Command(CommandError),
    Log(LogError),
}

impl From<LogError> for PlanError {
    fn from(error: LogError) -> Self {
        Self::Log(error)
    }
}

impl PlanError {
    fn explained(self, storage: &Storage) -> CommandError {
        match self {
            Self::Command(error) => error,
            Self::Log(error) => failed(&error, storage),
        }
    }
}

/// The partitions that are named as `topic` or `topic:0,1`.
fn partitions(log: &dyn EventLog, named: &[String]) -> Result<BTreeSet<TopicPartition>, PlanError> {
    let mut chosen = BTreeSet::new();
    for text in named {
        let (topic, numbers) = match text.split_once(':') {
            Some((topic, numbers)) => (topic, Some(numbers)),
            None => (text.as_str(), None),
        };
        let count = log.partitions(topic)?;
        let numbers: Vec<u32> = match numbers {
            None => (0..count).collect(),
            Some(numbers) => numbers
                .split(',')
                .map(|number| parsed(number, text))
                .collect::<Result<_, _>>()?,
        };
        let missing = numbers.iter().filter(|number| **number >= count);
        let missing: Vec<_> = missing.map(|number| format!("{topic}-{number}")).collect();
        if !missing.is_empty() {
            let sentence = format!("The partitions \"{}\" do not exist", missing.join(","));
            return Err(PlanError::Command(CommandError::Failed(sentence)));
        }
        chosen.extend(
            numbers
                .into_iter()
                .map(|number| TopicPartition::new(topic, Partition(number))),
        );
    }
    Ok(chosen)
}

fn parsed(number: &str, text: &str) -> Result<u32, PlanError> {
    let wrong = |_| CommandError::Usage(format!("Invalid partition '{number}' specified in topic arg '{text}''"));
    number.parse().map_err(wrong).map_err(PlanError::Command)
}

struct Planner<'a> {
    log: &'a dyn EventLog,
    info: Option<&'a GroupInfo>,
    output: &'a mut CommandOutput,
}

impl Planner<'_> {
    fn plan(
        mut self,
        chosen: BTreeSet<TopicPartition>,
        scenario: Scenario,
    ) -> Result<BTreeMap<TopicPartition, Offset>, PlanError> {
        let topics: BTreeSet<_> = chosen.iter().map(|partition| partition.topic.clone()).collect();
        let mut extents = BTreeMap::new();
        for topic in topics {
            extents.insert(topic.clone(), self.log.extents(&topic)?);
        }
        let mut plan = BTreeMap::new();
        for partition in chosen {
            let extent = extents[&partition.topic].get(partition.partition.0 as usize);
            if let Some(extent) = extent {
                let offset = self.offset(&partition, *extent, scenario)?;
                plan.insert(partition, offset);
            }
        }
        Ok(plan)
    }

    fn offset(&mut self, partition: &TopicPartition, extent: Extent, scenario: Scenario) -> Result<Offset, PlanError> {
        let committed = self.info.and_then(|info| info.commits.get(partition)).copied();
        Ok(match scenario {
            Scenario::Earliest => extent.start,
            Scenario::Latest => extent.end,
            Scenario::Current => committed.unwrap_or(extent.end),
            Scenario::At(offset) => self.within(partition, extent, offset),
            Scenario::Shift(by) => {
                let Some(now) = committed else {
                    let place = format!("{}-{}", partition.topic, partition.partition);
                    return Err(PlanError::Command(CommandError::Usage(format!(
                        "Cannot shift offset for partition {place} since there is no current committed offset"
                    ))));
                };
                self.within(partition, extent, (now.0 as i64).saturating_add(by))
            }
            Scenario::Since(time) => match first_since(self.log, partition, extent, time)? {
                Some(offset) => offset,
                None => {
                    let TopicPartition { topic, partition } = partition;
                    let place = format!("Partition {partition} from topic {topic}");
                    let _ = writeln!(
                        self.output.out,
                        "\nWarn: {place} is empty. Falling back to latest known offset."
                    );
                    extent.end
                }
            },
        })
    }

    /// The offset, or the nearest one that the partition has, with a warning.
    fn within(&mut self, partition: &TopicPartition, extent: Extent, offset: i64) -> Offset {
        let (start, end) = (extent.start.0 as i64, extent.end.0 as i64);
        let bound = offset.clamp(start, end);
        if bound != offset {
            let than = if offset < start {
                "lower than earliest"
            } else {
                "higher than latest"
            };
            let place = format!("{}-{}", partition.topic, partition.partition);
            let _ = writeln!(
                self.output.err,
                "WARN New offset ({offset}) is {than} offset for topic partition {place}. Value will be set to {bound}"
            );
        }
        Offset(bound as u64)
    }
}

/// The first record that is not older than `time`. Every record is looked at, because timestamps need not rise.
fn first_since(
    log: &dyn EventLog,
    partition: &TopicPartition,
    extent: Extent,
    time: i64,
) -> Result<Option<Offset>, LogError> {
    let mut next = extent.start;
    while next < extent.end {
        let page = log.read(partition, next, PAGE)?;
        let Some(last) = page.last() else {
            break;
        };
        next = last.offset.next();
        if let Some(found) = page.iter().find(|record| record.timestamp.0 >= time) {
            return Ok(Some(found.offset));
        }
    }
    Ok(None)
}

fn planned(group: &str, positions: &BTreeMap<TopicPartition, Offset>) -> String {
    let row = |(partition, offset): (&TopicPartition, &Offset)| {
        let number = partition.partition.to_string();
        [
            group.to_owned(),
            partition.topic.to_string(),
            number,
            offset.to_string(),
        ]
    };
    let headings = ["GROUP", "TOPIC", "PARTITION", "NEW-OFFSET"];
    table(
        headings,
        [columns::width(group).max(15), 15, 10, 0],
        &positions.iter().map(row).collect::<Vec<_>>(),
    )
}
