//! Describes groups to their observers, and resets the offsets of a group without members.

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
use crate::kafka::timeouts::CALL_TIMEOUT;
use crate::kafka::{convert, coordinator, fault};
use crate::port::{GroupInfo, GroupMember, LogError, Result};
use crate::record::{Offset, TopicPartition};
use crate::topic::TopicInfo;

/// Describes `group`; `None` if there is no such group. `topics` are all topics of which it may have committed offsets.
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

/// The members of `group`; none if there is no such group.
pub(super) fn members(settings: &Settings, group: &str) -> Result<Vec<GroupMember>> {
    let admin: AdminClient<Watch> = client::start(&settings.admin(), Watch::default())?;
    Ok(coordinator::describe(&admin, group)?.map_or_else(Vec::new, |described| described.members))
}

/// Sets the committed offsets of `group`. The coordinator itself refuses that while the group has members.
pub(super) fn reset(settings: &Settings, group: &str, positions: &BTreeMap<TopicPartition, Offset>) -> Result<()> {
    let what = format!("the offsets of group {group} can't be reset");
    let client = Arc::new(client::observer(settings, group)?);
    let mut list = TopicPartitionList::with_capacity(positions.len());
    for (partition, offset) in positions {
        let number = convert::native_partition(partition.partition);
        list.add_partition_offset(&partition.topic, number, convert::native_offset(*offset))
            .map_err(|error| fault::sort(&what, &error))?;
    }
    let committed = Committer::start(&client)?.commit(list, CALL_TIMEOUT);
    committed.map_err(|error| match error.rdkafka_error_code() {
        Some(code) if fault::not_ours(code) || code == RDKafkaErrorCode::RebalanceInProgress => {
            LogError::Refused(format!("{what} while the group has members: stop them first"))
        }
        _ => client.context().explain(&what, &error),
    })
}

/// The offsets that the group of `client` has committed, of the partitions of these topics.
fn commits(client: &BaseConsumer<Watch>, topics: &[TopicInfo]) -> Result<BTreeMap<TopicPartition, Offset>> {
    let mut list = TopicPartitionList::new();
    for topic in topics {
        for info in &topic.partitions {
            list.add_partition(&topic.name, convert::native_partition(info.partition));
        }
    }
    let answer = coordinator::committed(client, &list, CALL_TIMEOUT);
    // If the call has failed, librdkafka now reports the reason.
    let _reported = client.poll(Duration::ZERO);
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
