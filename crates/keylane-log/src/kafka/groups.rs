//! Describes groups to their observers, and resets the offsets of a group without members.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use rdkafka::admin::AdminClient;
use rdkafka::consumer::Consumer as _;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::topic_partition_list::TopicPartitionList;

use crate::group::{GroupListing, OffsetKept};
use crate::kafka::client::{self, Watch};
use crate::kafka::committer::Committer;
use crate::kafka::fault::Right;
use crate::kafka::native::groups as request;
use crate::kafka::native::groups::Commit;
use crate::kafka::native::request::{Answer, RequestError};
use crate::kafka::settings::Settings;
use crate::kafka::timeouts::CALL_TIMEOUT;
use crate::kafka::{convert, coordinator, fault};
use crate::port::{GroupError, GroupInfo, GroupMember, LogError, Result};
use crate::record::{Offset, TopicPartition};

/// Pause before a coordinator that is not ready yet is asked again.
const RETRY_PAUSE: Duration = Duration::from_millis(50);

/// Describes `group`; `None` if there is no such group.
pub(super) fn describe(settings: &Settings, group: &str) -> Result<Option<GroupInfo>> {
    let admin: AdminClient<Watch> = client::start(&settings.admin(), Watch::default())?;
    let Some(described) = coordinator::describe(&admin, group)? else {
        return Ok(None);
    };
    let what = "the committed offsets can't be read";
    let committed = settled(|| request::commits(&admin, group));
    let committed = committed.map_err(|error| explained(&admin, error, what, "Describe", group))?;
    let mut info = GroupInfo {
        state: described.state,
        kind: described.kind,
        assignor: described.assignor,
        coordinator: described.coordinator,
        generation: None,
        members: described.members,
        commits: BTreeMap::new(),
        leader_epochs: BTreeMap::new(),
    };
    for Commit {
        partition,
        offset,
        leader_epoch,
    } in committed
    {
        info.leader_epochs
            .extend(leader_epoch.map(|epoch| (partition.clone(), epoch)));
        info.commits.insert(partition, offset);
    }
    Ok(Some(info))
}

/// All groups, in the order of their names.
pub(super) fn list(settings: &Settings) -> Result<Vec<GroupListing>> {
    let admin: AdminClient<Watch> = client::start(&settings.admin(), Watch::default())?;
    let what = format!("the groups of Kafka at {} can't be listed", settings.bootstrap());
    let listed = settled(|| request::list(&admin));
    let mut groups = listed.map_err(|error| explained(&admin, error, &what, "Describe", "*"))?;
    groups.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(groups)
}

/// Deletes a group without members.
pub(super) fn delete(settings: &Settings, group: &str) -> Result<(), GroupError> {
    let admin: AdminClient<Watch> = client::start(&settings.admin(), Watch::default())?;
    let what = format!("group {group} can't be deleted");
    let deleted = settled(|| request::delete(&admin, group));
    deleted.map_err(|error| group_error(&admin, error, &what, "Delete", group))
}

/// Deletes what a group has committed for these partitions.
pub(super) fn delete_offsets(
    settings: &Settings,
    group: &str,
    partitions: &BTreeSet<TopicPartition>,
) -> Result<BTreeMap<TopicPartition, Result<(), OffsetKept>>, GroupError> {
    let admin: AdminClient<Watch> = client::start(&settings.admin(), Watch::default())?;
    if partitions.is_empty() {
        // librdkafka refuses an empty request, so only look whether there is such a group.
        return match coordinator::describe(&admin, group)? {
            Some(_) => Ok(BTreeMap::new()),
            None => Err(GroupError::NotFound),
        };
    }
    let what = format!("the offsets of group {group} can't be deleted");
    let deleted = settled(|| request::delete_offsets(&admin, group, partitions));
    let deleted = deleted.map_err(|error| group_error(&admin, error, &what, "Delete", group))?;
    Ok(deleted
        .into_iter()
        .map(|(partition, code)| (partition, outcome(code)))
        .collect())
}

fn outcome(code: RDKafkaErrorCode) -> Result<(), OffsetKept> {
    match code {
        RDKafkaErrorCode::NoError => Ok(()),
        RDKafkaErrorCode::UnknownTopicOrPartition => Err(OffsetKept::NoPartition),
        RDKafkaErrorCode::GroupSubscribedToTopic => Err(OffsetKept::Subscribed),
        code => Err(OffsetKept::Other(code.to_string())),
    }
}

/// Makes a request again as long as the coordinator is not ready yet.
fn settled<T>(request: impl Fn() -> Answer<T>) -> Answer<T> {
    let deadline = Instant::now() + CALL_TIMEOUT;
    loop {
        match request() {
            Err(RequestError::Refused(code, _) | RequestError::Failed(code))
                if fault::is_settling(code) && Instant::now() < deadline =>
            {
                thread::sleep(RETRY_PAUSE);
            }
            answer => return answer,
        }
    }
}

fn group_error(
    admin: &AdminClient<Watch>,
    error: RequestError,
    what: &str,
    operation: &'static str,
    group: &str,
) -> GroupError {
    match error {
        RequestError::Refused(RDKafkaErrorCode::GroupIdNotFound, _)
        | RequestError::Failed(RDKafkaErrorCode::GroupIdNotFound) => GroupError::NotFound,
        RequestError::Refused(RDKafkaErrorCode::NonEmptyGroup, _)
        | RequestError::Failed(RDKafkaErrorCode::NonEmptyGroup) => GroupError::NotEmpty,
        error => GroupError::Log(explained(admin, error, what, operation, group)),
    }
}

/// The error of a request for which the brokers require the right `operation` on `group`.
fn explained(
    admin: &AdminClient<Watch>,
    error: RequestError,
    what: &str,
    operation: &'static str,
    group: &str,
) -> LogError {
    let code = match &error {
        RequestError::Refused(code, _) | RequestError::Failed(code) => *code,
    };
    if let Some(missing) = Right::group(operation, group).missing(what, Some(code)) {
        return missing;
    }
    match error {
        RequestError::Refused(code, sentence) => fault::sort_refusal(what, code, &sentence),
        RequestError::Failed(code) => admin.inner().context().explain(what, &KafkaError::AdminOp(code)),
    }
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
