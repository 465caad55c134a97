//! Asks a group's coordinator about the group.
//!
//! rust-rdkafka offers only librdkafka's older call for this, which does not see groups of the newer protocol
//! (KIP-848). A reset of such a group would then seem harmless. So librdkafka's newer call is made directly.
//!
//! The invariants of [`native`](super::native) hold here as well.

#![allow(unsafe_code)]

use std::ffi::CString;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rdkafka::admin::AdminClient;
use rdkafka::bindings as native;
use rdkafka::consumer::{BaseConsumer, Consumer as _, ConsumerContext};
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::topic_partition_list::TopicPartitionList;

use crate::group::{GroupKind, GroupState};
use crate::kafka::client::Watch;
use crate::kafka::convert;
use crate::kafka::fault::{self, Right};
use crate::kafka::native::request::{Event, ask, text};
use crate::kafka::timeouts::CALL_TIMEOUT;
use crate::port::{Coordinator, GroupMember, LogError, Result};
use crate::record::TopicPartition;

/// Pause before a coordinator that is not ready yet is asked again.
const RETRY_PAUSE: Duration = Duration::from_millis(50);

/// A group as its coordinator describes it.
pub(super) struct Described {
    pub(super) state: GroupState,
    pub(super) kind: GroupKind,
    pub(super) assignor: Option<String>,
    pub(super) coordinator: Option<Coordinator>,
    pub(super) members: Vec<GroupMember>,
}

/// Describes `group`; `None` if its coordinator knows no such group.
pub(super) fn describe(admin: &AdminClient<Watch>, group: &str) -> Result<Option<Described>> {
    use native::rd_kafka_admin_op_t::RD_KAFKA_ADMIN_OP_DESCRIBECONSUMERGROUPS as DESCRIBE;
    let Ok(name) = CString::new(group) else {
        return Err(LogError::Refused(format!("{group:?} is no name of a group")));
    };
    let what = format!("group {group} can't be described");
    let explain = |code| {
        let missing = Right::group("Describe", group).missing(&what, Some(code));
        missing.unwrap_or_else(|| admin.inner().context().explain(&what, &KafkaError::AdminOp(code)))
    };
    let deadline = Instant::now() + CALL_TIMEOUT;
    loop {
        // SAFETY: the closure makes one such request, and `name` outlives the call, which copies it.
        let event = unsafe {
            ask(admin, DESCRIBE, |to| {
                let group = &mut [name.as_ptr()];
                native::rd_kafka_DescribeConsumerGroups(to.client, group.as_mut_ptr(), 1, to.options, to.queue);
            })
        };
        let event = event.map_err(explain)?;
        // SAFETY: the event is the result of this request, since the queue that it comes from has no other.
        match unsafe { read(&event) } {
            Ok(described) => return Ok(described),
            Err(RDKafkaErrorCode::GroupIdNotFound) => return Ok(None),
            Err(code) if fault::is_settling(code) && Instant::now() < deadline => std::thread::sleep(RETRY_PAUSE),
            Err(code) => return Err(explain(code)),
        }
    }
}

/// What the group of `client` has committed for the partitions of `list`. A coordinator that is not ready yet is asked
/// again until `patience` is over.
pub(super) fn committed<C: ConsumerContext>(
    client: &BaseConsumer<C>,
    list: &TopicPartitionList,
    patience: Duration,
) -> KafkaResult<TopicPartitionList> {
    let deadline = Instant::now() + patience;
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        let answer = client.committed_offsets(list.clone(), left);
        if !is_unsettled(&answer) || left <= RETRY_PAUSE {
            return answer;
        }
        std::thread::sleep(RETRY_PAUSE);
    }
}

/// Whether the coordinator is not ready yet.
fn is_unsettled(answer: &KafkaResult<TopicPartitionList>) -> bool {
    let settling = |error: &KafkaError| error.rdkafka_error_code().is_some_and(fault::is_settling);
    match answer {
        Ok(list) => list
            .elements()
            .iter()
            .any(|element| element.error().is_err_and(|error| settling(&error))),
        Err(error) => settling(error),
    }
}

/// Reads the description out of a result event; `None` if there is no such group.
///
/// # Safety
/// The event must be the result of a request to describe one group.
unsafe fn read(event: &Event) -> Result<Option<Described>, RDKafkaErrorCode> {
    unsafe {
        let result = native::rd_kafka_event_DescribeConsumerGroups_result(event.get());
        if result.is_null() {
            return Err(RDKafkaErrorCode::BadMessage);
        }
        let mut count = 0;
        let groups = native::rd_kafka_DescribeConsumerGroups_result_groups(result, &raw mut count);
        if count == 0 {
            return Ok(None);
        }
        let group = *groups;
        let error = native::rd_kafka_ConsumerGroupDescription_error(group);
        if !error.is_null() {
            return Err(native::rd_kafka_error_code(error).into());
        }
        let Some(state) = state(native::rd_kafka_ConsumerGroupDescription_state(group)) else {
            return Ok(None);
        };
        let members = 0..native::rd_kafka_ConsumerGroupDescription_member_count(group);
        let assignor = text(native::rd_kafka_ConsumerGroupDescription_partition_assignor(group));
        Ok(Some(Described {
            state,
            kind: kind(native::rd_kafka_ConsumerGroupDescription_type(group)),
            assignor: Some(assignor).filter(|name| !name.is_empty()),
            coordinator: coordinator(native::rd_kafka_ConsumerGroupDescription_coordinator(group)),
            members: members
                .map(|index| member(native::rd_kafka_ConsumerGroupDescription_member(group, index)))
                .collect(),
        }))
    }
}

pub(super) fn kind(kind: native::rd_kafka_consumer_group_type_t) -> GroupKind {
    use native::rd_kafka_consumer_group_type_t as T;
    match kind {
        T::RD_KAFKA_CONSUMER_GROUP_TYPE_CLASSIC => GroupKind::Classic,
        T::RD_KAFKA_CONSUMER_GROUP_TYPE_CONSUMER => GroupKind::Consumer,
        _ => GroupKind::Unknown,
    }
}

/// The state of a group; `None` if it is dead, which means that the coordinator has forgotten it.
pub(super) fn state(state: native::rd_kafka_consumer_group_state_t) -> Option<GroupState> {
    use native::rd_kafka_consumer_group_state_t as S;
    match state {
        S::RD_KAFKA_CONSUMER_GROUP_STATE_DEAD => None,
        S::RD_KAFKA_CONSUMER_GROUP_STATE_EMPTY => Some(GroupState::Empty),
        S::RD_KAFKA_CONSUMER_GROUP_STATE_STABLE => Some(GroupState::Stable),
        S::RD_KAFKA_CONSUMER_GROUP_STATE_PREPARING_REBALANCE => Some(GroupState::PreparingRebalance),
        S::RD_KAFKA_CONSUMER_GROUP_STATE_COMPLETING_REBALANCE => Some(GroupState::CompletingRebalance),
        _ => Some(GroupState::Unknown),
    }
}

unsafe fn coordinator(node: *const native::rd_kafka_Node_t) -> Option<Coordinator> {
    if node.is_null() {
        return None;
    }
    unsafe {
        let (host, port) = (native::rd_kafka_Node_host(node), native::rd_kafka_Node_port(node));
        Some(Coordinator {
            node: native::rd_kafka_Node_id(node),
            address: format!("{}:{port}", text(host)),
        })
    }
}

unsafe fn member(member: *const native::rd_kafka_MemberDescription_t) -> GroupMember {
    unsafe {
        let now = assigned(native::rd_kafka_MemberDescription_assignment(member));
        let instance = text(native::rd_kafka_MemberDescription_group_instance_id(member));
        GroupMember {
            id: text(native::rd_kafka_MemberDescription_consumer_id(member)),
            client: text(native::rd_kafka_MemberDescription_client_id(member)),
            instance: Some(instance).filter(|name| !name.is_empty()),
            host: text(native::rd_kafka_MemberDescription_host(member)),
            partitions: now.unwrap_or_default(),
            target: assigned(native::rd_kafka_MemberDescription_target_assignment(member)),
        }
    }
}

/// The partitions of an assignment; `None` if there is none.
unsafe fn assigned(assignment: *const native::rd_kafka_MemberAssignment_t) -> Option<Vec<TopicPartition>> {
    match assignment.is_null() {
        true => None,
        false => Some(unsafe { partitions(native::rd_kafka_MemberAssignment_partitions(assignment)) }),
    }
}

unsafe fn partitions(list: *const native::rd_kafka_topic_partition_list_t) -> Vec<TopicPartition> {
    if list.is_null() {
        return Vec::new();
    }
    let mut partitions: Vec<_> = unsafe {
        let count = usize::try_from((*list).cnt).unwrap_or(0);
        (0..count)
            .map(|index| &*(*list).elems.add(index))
            .map(|element| TopicPartition {
                topic: Arc::from(text(element.topic)),
                partition: convert::partition(element.partition),
            })
            .collect()
    };
    partitions.sort();
    partitions
}
