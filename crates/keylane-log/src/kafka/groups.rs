//! A look at groups from outside, and a new start for one that nobody is in.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use rdkafka::admin::AdminClient;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::RDKafkaErrorCode;
use rdkafka::topic_partition_list::TopicPartitionList;

use crate::kafka::client::{self, Watch};
use crate::kafka::committer::Committer;
use crate::kafka::settings::Settings;
use crate::kafka::{ANSWER, convert, coordinator, fault};
use crate::port::{GroupInfo, LogError, Result, TopicInfo};
use crate::record::{Offset, TopicPartition};

/// How `group` stands; `topics` are all of which it may have committed something.
pub(super) fn describe(settings: &Settings, group: &str, topics: &[TopicInfo]) -> Result<Option<GroupInfo>> {
    let admin: AdminClient<Watch> = client::start(&settings.admin(), Watch::default())?;
    let Some(described) = coordinator::describe(&admin, group)? else {
        return Ok(None);
    };
    Ok(Some(GroupInfo {
        state: described.state,
        assignor: described.assignor,
        coordinator: described.coordinator,
        members: described.members,
        commits: commits(&client::observer(settings, group)?, topics)?,
    }))
}

/// The coordinator refuses offsets from outside of a group that has members, whatever this looked like before.
pub(super) fn reset(settings: &Settings, group: &str, positions: &BTreeMap<TopicPartition, Offset>) -> Result<()> {
    let what = format!("the offsets of group {group} can't be reset");
    let client = Arc::new(client::observer(settings, group)?);
    let mut list = TopicPartitionList::with_capacity(positions.len());
    for (partition, offset) in positions {
        let number = convert::native_partition(partition.partition);
        list.add_partition_offset(&partition.topic, number, convert::native_offset(*offset))
            .map_err(|error| fault::sort(&what, &error))?;
    }
    let committed = Committer::start(&client)?.commit(list, ANSWER);
    committed.map_err(|error| match error.rdkafka_error_code() {
        Some(code) if fault::not_ours(code) || code == RDKafkaErrorCode::RebalanceInProgress => {
            LogError::Refused(format!("{what} while the group has members: stop them first"))
        }
        _ => client.context().explain(&what, &error),
    })
}

fn commits(client: &BaseConsumer<Watch>, topics: &[TopicInfo]) -> Result<BTreeMap<TopicPartition, Offset>> {
    let mut list = TopicPartitionList::new();
    for topic in topics {
        for info in &topic.partitions {
            list.add_partition(&topic.name, convert::native_partition(info.partition));
        }
    }
    let answer = coordinator::committed(client, &list, ANSWER);
    // What librdkafka has to report explains a failure.
    let _event = client.poll(Duration::ZERO);
    let what = "the committed offsets can't be read";
    let list = answer.map_err(|error| client.context().explain(what, &error))?;
    let mut names = convert::Topics::default();
    let partitions = convert::partitions(&list, &mut names);
    let elements = list.elements();
    let offsets = elements.iter().map(convert::offset);
    let committed = partitions.into_iter().zip(offsets);
    Ok(committed
        .filter_map(|(partition, offset)| Some((partition, offset?)))
        .collect())
}
