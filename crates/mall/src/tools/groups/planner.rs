//! Finds the offsets of a reset.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use keylane_log::{EventLog, Extent, GroupInfo, LogError, Offset, TopicPartition};

use super::command::{CommandError, CommandOutput, failed};
use super::scenario::Scenario;
use crate::config::Storage;

/// How many records are read at once.
const PAGE: usize = 500;

/// The offsets from which a group is to go on.
pub type Positions = BTreeMap<TopicPartition, Offset>;

/// Plans the reset of one group.
pub struct Planner<'a> {
    pub log: &'a dyn EventLog,
    pub storage: &'a Storage,
    /// The group's name.
    pub group: &'a str,
    /// The group as it is; none if there is no such group yet.
    pub info: Option<&'a GroupInfo>,
    /// Warnings are written here.
    pub output: &'a mut CommandOutput,
}

impl Planner<'_> {
    /// The offsets of the chosen partitions, or of those that a file names.
    pub fn plan(&mut self, chosen: &BTreeSet<TopicPartition>, scenario: &Scenario) -> Result<Positions, CommandError> {
        let extents = self.extents(chosen)?;
        let Scenario::Planned(file) = scenario else {
            let offset = |(partition, extent): (TopicPartition, Extent)| {
                let offset = self.offset(&partition, extent, scenario)?;
                Ok((partition, offset))
            };
            return extents.into_iter().map(offset).collect();
        };
        let Some(planned) = file.get(self.group) else {
            let _ = writeln!(self.output.out, "\nError: No reset plan for group {} found", self.group);
            return Ok(Positions::new());
        };
        let extents = self.extents(&planned.keys().cloned().collect())?;
        let offset = |(partition, extent): (TopicPartition, Extent)| {
            let offset = self.within(&partition, extent, planned[&partition]);
            (partition, offset)
        };
        Ok(extents.into_iter().map(offset).collect())
    }

    /// What these partitions hold. It is an error if one of them is not there.
    fn extents(&self, partitions: &BTreeSet<TopicPartition>) -> Result<BTreeMap<TopicPartition, Extent>, CommandError> {
        let topics: BTreeSet<_> = partitions.iter().map(|partition| &partition.topic).collect();
        let mut known = BTreeMap::new();
        for topic in topics {
            let extents = self.log.extents(topic).map_err(|error| failed(&error, self.storage))?;
            known.insert(topic, extents);
        }
        let extent = |partition: &TopicPartition| {
            let of_topic = &known[&partition.topic];
            of_topic.get(partition.partition.0 as usize).copied()
        };
        let missing = partitions.iter().filter(|partition| extent(partition).is_none());
        let missing: Vec<_> = missing.map(TopicPartition::to_string).collect();
        if !missing.is_empty() {
            let sentence = format!("The partitions \"{}\" do not exist", missing.join(","));
            return Err(CommandError::Failed(sentence));
        }
        let found = partitions
            .iter()
            .filter_map(|partition| Some((partition.clone(), extent(partition)?)));
        Ok(found.collect())
    }

    fn offset(
        &mut self,
        partition: &TopicPartition,
        extent: Extent,
        scenario: &Scenario,
    ) -> Result<Offset, CommandError> {
        let committed = self.info.and_then(|info| info.commits.get(partition)).copied();
        Ok(match scenario {
            Scenario::Earliest => extent.start,
            Scenario::Latest => extent.end,
            Scenario::Current | Scenario::Planned(_) => committed.unwrap_or(extent.end),
            Scenario::At(offset) => self.within(partition, extent, *offset),
            Scenario::Shift(by) => {
                let now = committed.ok_or_else(|| {
                    CommandError::Usage(format!(
                        "Cannot shift offset for partition {partition} since there is no current committed offset"
                    ))
                })?;
                self.within(partition, extent, (now.0 as i64).saturating_add(*by))
            }
            Scenario::Since(time) => self.since(partition, extent, *time)?,
        })
    }

    /// The first record that is not older than `time`, or the end with a warning.
    fn since(&mut self, partition: &TopicPartition, extent: Extent, time: i64) -> Result<Offset, CommandError> {
        let first = first_since(self.log, partition, extent, time);
        let first = first.map_err(|error| failed(&error, self.storage))?;
        Ok(first.unwrap_or_else(|| {
            let TopicPartition { topic, partition } = partition;
            let place = format!("Partition {partition} from topic {topic}");
            let _ = writeln!(
                self.output.out,
                "\nWarn: {place} is empty. Falling back to latest known offset."
            );
            extent.end
        }))
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
            let _ = writeln!(
                self.output.err,
                "WARN New offset ({offset}) is {than} offset for topic partition {partition}. Value will be set to {bound}"
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
