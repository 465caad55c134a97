//! `kafka-topics --alter`: more partitions.

use keylane_log::TopicInfo;

use super::super::args::Given;
use super::{assignment, chosen};
use crate::adapters::log::{OpenFor, explained, open_log};
use crate::config::Storage;

pub(super) fn run(given: &Given, storage: &Storage, _output: &mut String) -> Result<(), String> {
    let wanted = given.number::<i32>("partitions")?.unwrap_or(0);
    let placement = given.last("replica-assignment").filter(|text| !text.is_empty());
    let placement = placement.map(assignment::parse).transpose()?;
    let topics = chosen::existing(given, storage)?;
    // Every topic is tried, as with Kafka's tool, and the first failure is told.
    let grown = topics.iter().map(|topic| {
        let more = increase(topic, wanted)?;
        grow(topic, more, placement.as_deref(), storage)
    });
    let grown: Vec<_> = grown.collect();
    grown.into_iter().collect()
}

/// The number of partitions that a topic is to have, if these are more than now.
fn increase(topic: &TopicInfo, wanted: i32) -> Result<u32, String> {
    let (name, now) = (&topic.name, topic.partitions.len());
    match u32::try_from(wanted) {
        Ok(wanted) if wanted as usize > now => Ok(wanted),
        Ok(wanted) if wanted as usize == now => Err(format!("Topic already has {now} partition(s).")),
        _ => Err(format!(
            "The topic {name} currently has {now} partition(s); {wanted} would not be an increase."
        )),
    }
}

/// Grows a topic. Of a placement, the part counts that is about new partitions.
fn grow(topic: &TopicInfo, partitions: u32, placement: Option<&[Vec<i32>]>, storage: &Storage) -> Result<(), String> {
    let name = &topic.name;
    let Some(placement) = placement else {
        let log = open_log(storage, OpenFor::Writing).map_err(|error| explained(&error, storage))?;
        let log = log.ok_or("There is no log")?;
        return log
            .grow_topic(name, partitions)
            .map_err(|error| explained(&error, storage));
    };
    let now = topic.partitions.len();
    let placed = placement.get(now..).unwrap_or_default();
    let more = partitions as usize - now;
    if placed.len() < more {
        let placed = placed.len();
        return Err(format!(
            "Attempted to add {more} additional partition(s), but only {placed} assignment(s) were specified."
        ));
    }
    let grown = chosen::kafka(storage)?.grow_topic_onto(name, partitions, placed);
    grown.map_err(|error| explained(&error, storage))
}
