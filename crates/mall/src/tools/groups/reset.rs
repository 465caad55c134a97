//! `--reset-offsets`: where a group is to go on.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use keylane_log::{EventLog, Extent, GroupInfo, GroupState, LogError, Offset, Partition, TopicPartition};

use super::super::args::Given;
use super::describe::table;
use super::{Failure, Said, at_most_one, failed, instant, look};
use crate::config::Storage;
use crate::exit;
use crate::logs::{self, Purpose};

/// Records looked at in one go.
const PAGE: usize = 500;

const SCENARIOS: [&str; 6] = [
    "shift-by",
    "to-offset",
    "to-earliest",
    "to-current",
    "to-latest",
    "to-datetime",
];

const DRY: &str = "WARN: No action will be performed as the --execute option is missing. In version 5.0, this command \
                   will require either --dry-run or --execute to be specified. You should add the --dry-run option \
                   explicitly if you are scripting this command and want to keep the current default behavior without \
                   prompting.";

/// Where to go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Scenario {
    Earliest,
    Latest,
    Current,
    At(i64),
    Shift(i64),
    /// Milliseconds since 1970.
    Since(i64),
}

/// Shows what would be done, or does it.
pub(super) fn run(given: &Given, storage: &Storage, said: &mut Said) -> Result<(), Failure> {
    let group = check(given)?;
    let scenario = scenario(given)?;
    let Some(log) = look(storage)? else {
        let place = storage.data.display();
        return Err(Failure::Command(format!("there is no embedded log in {place} yet")));
    };
    let say = |error: LogError| failed(&error, storage);
    let info = log.describe_group(group).map_err(say)?;
    let state = info.as_ref().map_or(GroupState::Empty, |info| info.state);
    if state != GroupState::Empty {
        let sentence = format!("if the group '{group}' is inactive, but the current state is {state}.");
        let _ = writeln!(said.out, "\nError: Assignments can only be reset {sentence}");
        said.out.push_str(&planned(group, &BTreeMap::new()));
        return Ok(());
    }
    let chosen = match given.has("all-topics") {
        true => info.iter().flat_map(|info| info.commits.keys().cloned()).collect(),
        false => partitions(&*log, given.all("topic")).map_err(|wrong| wrong.explained(storage))?,
    };
    let plan = Planner {
        log: &*log,
        info: info.as_ref(),
        said,
    };
    let positions = plan.plan(chosen, scenario).map_err(|wrong| wrong.explained(storage))?;
    if given.has("execute") {
        let log = logs::open(storage, Purpose::Writing).map_err(say)?;
        let log = log.ok_or_else(|| Failure::Command("there is no log".into()))?;
        log.reset_group(group, &positions).map_err(say)?;
    }
    said.out.push_str(&planned(group, &positions));
    Ok(())
}

/// The group, once the options make sense.
fn check(given: &Given) -> Result<&str, Failure> {
    let both = "Option [reset-offsets] only accepts one of [execute] and [dry-run]";
    if at_most_one(given, &["execute", "dry-run"], both)?.is_none() {
        exit::say(DRY);
    }
    let usage = |sentence: &str| Err(Failure::Usage(sentence.into()));
    if given.has("all-groups") {
        return usage("--all-groups is not supported with --reset-offsets here: name one --group");
    }
    let group = match given.all("group") {
        [group] => group,
        [] => return usage("Option [reset-offsets] takes one of these options: [group], [all-groups]"),
        _ => return usage("Option [reset-offsets] supports one --group at a time"),
    };
    let scopes = "Option \"[{one}]\" can't be used with option \"[{other}]\"";
    match at_most_one(given, &["topic", "all-topics"], scopes)? {
        Some(_) => Ok(group),
        None => usage("One of the reset scopes should be defined: --all-topics, --topic."),
    }
}

fn scenario(given: &Given) -> Result<Scenario, Failure> {
    let two = "Option \"[{one}]\" can't be used with option \"[{other}]\"";
    let Some(name) = at_most_one(given, &SCENARIOS, two)? else {
        let names: Vec<_> = SCENARIOS.iter().map(|name| format!("[{name}]")).collect();
        return Err(Failure::Usage(format!(
            "Option '[reset-offsets]' requires one of the following scenarios: [{}]",
            names.join(", ")
        )));
    };
    let number = || {
        given
            .number(name)
            .map(Option::unwrap_or_default)
            .map_err(Failure::Command)
    };
    Ok(match name {
        "to-earliest" => Scenario::Earliest,
        "to-latest" => Scenario::Latest,
        "to-current" => Scenario::Current,
        "to-offset" => Scenario::At(number()?),
        "shift-by" => Scenario::Shift(number()?),
        _ => Scenario::Since(instant::parse(given.last(name).unwrap_or_default()).map_err(Failure::Command)?),
    })
}

/// Why there is no plan.
enum Wrong {
    Failure(Failure),
    Log(LogError),
}

impl From<LogError> for Wrong {
    fn from(error: LogError) -> Self {
        Self::Log(error)
    }
}

impl Wrong {
    fn explained(self, storage: &Storage) -> Failure {
        match self {
            Self::Failure(failure) => failure,
            Self::Log(error) => failed(&error, storage),
        }
    }
}

/// The partitions that `topic` and `topic:0,1` mean.
fn partitions(log: &dyn EventLog, named: &[String]) -> Result<BTreeSet<TopicPartition>, Wrong> {
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
            return Err(Wrong::Failure(Failure::Command(sentence)));
        }
        chosen.extend(
            numbers
                .into_iter()
                .map(|number| TopicPartition::new(topic, Partition(number))),
        );
    }
    Ok(chosen)
}

fn parsed(number: &str, text: &str) -> Result<u32, Wrong> {
    let wrong = |_| Failure::Usage(format!("Invalid partition '{number}' specified in topic arg '{text}''"));
    number.parse().map_err(wrong).map_err(Wrong::Failure)
}

struct Planner<'a> {
    log: &'a dyn EventLog,
    info: Option<&'a GroupInfo>,
    said: &'a mut Said,
}

impl Planner<'_> {
    fn plan(
        mut self,
        chosen: BTreeSet<TopicPartition>,
        scenario: Scenario,
    ) -> Result<BTreeMap<TopicPartition, Offset>, Wrong> {
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

    fn offset(&mut self, partition: &TopicPartition, extent: Extent, scenario: Scenario) -> Result<Offset, Wrong> {
        let committed = self.info.and_then(|info| info.commits.get(partition)).copied();
        Ok(match scenario {
            Scenario::Earliest => extent.start,
            Scenario::Latest => extent.end,
            Scenario::Current => committed.unwrap_or(extent.end),
            Scenario::At(offset) => self.within(partition, extent, offset),
            Scenario::Shift(by) => {
                let Some(now) = committed else {
                    let place = format!("{}-{}", partition.topic, partition.partition);
                    return Err(Wrong::Failure(Failure::Usage(format!(
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
                        self.said.out,
                        "\nWarn: {place} is empty. Falling back to latest known offset."
                    );
                    extent.end
                }
            },
        })
    }

    /// The nearest offset that the partition has.
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
                self.said.err,
                "WARN New offset ({offset}) is {than} offset for topic partition {place}. Value will be set to {bound}"
            );
        }
        Offset(bound as u64)
    }
}

/// The first record that is not older than `time`. Timestamps need not rise, so every record is looked at.
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
    let heads = ["GROUP", "TOPIC", "PARTITION", "NEW-OFFSET"];
    table(
        heads,
        [group.chars().count().max(15), 15, 10, 0],
        positions.iter().map(row).collect(),
    )
}
