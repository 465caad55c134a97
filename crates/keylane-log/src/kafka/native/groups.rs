//! Lists groups, reads what they have committed, and deletes them or parts of that.

use std::ffi::c_int;
use std::ptr;

use rdkafka::admin::AdminClient;
use rdkafka::bindings as native;
use rdkafka::error::RDKafkaErrorCode;

use super::request::{Answer, Owned, RequestError, ask, elements, name, text};
use crate::group::{GroupListing, GroupState};
use crate::kafka::client::Watch;
use crate::kafka::{convert, coordinator};
use crate::record::{Offset, TopicPartition};

/// A list of partitions that librdkafka keeps.
type List = native::rd_kafka_topic_partition_list_t;

/// What a group has committed for a partition.
pub(in crate::kafka) struct Commit {
    pub(in crate::kafka) partition: TopicPartition,
    pub(in crate::kafka) offset: Offset,
    /// The leader epoch of the record before that offset, if it was committed too.
    pub(in crate::kafka) leader_epoch: Option<i32>,
}

/// All groups.
pub(in crate::kafka) fn list(admin: &AdminClient<Watch>) -> Answer<Vec<GroupListing>> {
    use native::rd_kafka_admin_op_t::RD_KAFKA_ADMIN_OP_LISTCONSUMERGROUPS as LIST;
    // SAFETY: the closure makes one such request, of which the event is the result.
    unsafe {
        let event = ask(admin, LIST, |to| {
            native::rd_kafka_ListConsumerGroups(to.client, to.options, to.queue);
        });
        let event = event.map_err(RequestError::Failed)?;
        let result = native::rd_kafka_event_ListConsumerGroups_result(event.get());
        let (mut count, mut failures) = (0, 0);
        let errors = native::rd_kafka_ListConsumerGroups_result_errors(result, &raw mut failures);
        // A broker that was not asked may know further groups.
        elements(errors, failures)
            .iter()
            .try_for_each(|error| accepted(*error))?;
        let groups = native::rd_kafka_ListConsumerGroups_result_valid(result, &raw mut count);
        let listing = |group: &*const native::rd_kafka_ConsumerGroupListing_t| {
            let state = native::rd_kafka_ConsumerGroupListing_state(*group);
            GroupListing {
                name: text(native::rd_kafka_ConsumerGroupListing_group_id(*group)),
                kind: coordinator::kind(native::rd_kafka_ConsumerGroupListing_type(*group)),
                state: coordinator::state(state).unwrap_or(GroupState::Empty),
            }
        };
        Ok(elements(groups, count).iter().map(listing).collect())
    }
}

/// What a group has committed, of whatever partitions.
pub(in crate::kafka) fn commits(admin: &AdminClient<Watch>, group: &str) -> Answer<Vec<Commit>> {
    use native::rd_kafka_admin_op_t::RD_KAFKA_ADMIN_OP_LISTCONSUMERGROUPOFFSETS as LIST;
    let named = name(group)?;
    // SAFETY: as in `list`; the name outlives the call, which copies it, and the request is freed by its owner.
    unsafe {
        let about = native::rd_kafka_ListConsumerGroupOffsets_new(named.as_ptr(), ptr::null());
        let about = Owned::new(about, native::rd_kafka_ListConsumerGroupOffsets_destroy);
        let event = ask(admin, LIST, |to| {
            let about = &mut [about.get()];
            native::rd_kafka_ListConsumerGroupOffsets(to.client, about.as_mut_ptr(), 1, to.options, to.queue);
        });
        let event = event.map_err(RequestError::Failed)?;
        let result = native::rd_kafka_event_ListConsumerGroupOffsets_result(event.get());
        let mut count = 0;
        let groups = native::rd_kafka_ListConsumerGroupOffsets_result_groups(result, &raw mut count);
        let list = partitions_of(elements(groups, count))?;
        Ok(list.iter().filter_map(|element| commit(element)).collect())
    }
}

/// # Safety
/// The element must live.
unsafe fn commit(element: &native::rd_kafka_topic_partition_t) -> Option<Commit> {
    let offset = u64::try_from(element.offset).ok()?;
    let leader_epoch = unsafe { native::rd_kafka_topic_partition_get_leader_epoch(element) };
    Some(Commit {
        partition: unsafe { partition(element) },
        offset: Offset(offset),
        leader_epoch: Some(leader_epoch).filter(|epoch| *epoch >= 0),
    })
}

/// Deletes a group without members.
pub(in crate::kafka) fn delete(admin: &AdminClient<Watch>, group: &str) -> Answer<()> {
    use native::rd_kafka_admin_op_t::RD_KAFKA_ADMIN_OP_DELETEGROUPS as DELETE;
    let named = name(group)?;
    // SAFETY: as in `commits`.
    unsafe {
        let old = Owned::new(
            native::rd_kafka_DeleteGroup_new(named.as_ptr()),
            native::rd_kafka_DeleteGroup_destroy,
        );
        let event = ask(admin, DELETE, |to| {
            let old = &mut [old.get()];
            native::rd_kafka_DeleteGroups(to.client, old.as_mut_ptr(), 1, to.options, to.queue);
        });
        let event = event.map_err(RequestError::Failed)?;
        let result = native::rd_kafka_event_DeleteGroups_result(event.get());
        let mut count = 0;
        let groups = native::rd_kafka_DeleteGroups_result_groups(result, &raw mut count);
        partitions_of(elements(groups, count)).map(|_| ())
    }
}

/// A partition, and the code of what became of its committed offset.
pub(in crate::kafka) type Forgotten = (TopicPartition, RDKafkaErrorCode);

/// Deletes what a group has committed for these partitions, of which there is at least one.
pub(in crate::kafka) fn delete_offsets<'a>(
    admin: &AdminClient<Watch>,
    group: &str,
    partitions: impl IntoIterator<Item = &'a TopicPartition>,
) -> Answer<Vec<Forgotten>> {
    use native::rd_kafka_admin_op_t::RD_KAFKA_ADMIN_OP_DELETECONSUMERGROUPOFFSETS as FORGET;
    let named = name(group)?;
    let list = convert::list(partitions);
    // SAFETY: as in `commits`; the list outlives the call, which copies it.
    unsafe {
        let about = native::rd_kafka_DeleteConsumerGroupOffsets_new(named.as_ptr(), list.ptr());
        let about = Owned::new(about, native::rd_kafka_DeleteConsumerGroupOffsets_destroy);
        let event = ask(admin, FORGET, |to| {
            let about = &mut [about.get()];
            native::rd_kafka_DeleteConsumerGroupOffsets(to.client, about.as_mut_ptr(), 1, to.options, to.queue);
        });
        let event = event.map_err(RequestError::Failed)?;
        let result = native::rd_kafka_event_DeleteConsumerGroupOffsets_result(event.get());
        let mut count = 0;
        let groups = native::rd_kafka_DeleteConsumerGroupOffsets_result_groups(result, &raw mut count);
        let list = partitions_of(elements(groups, count))?;
        Ok(list
            .iter()
            .map(|element| (partition(element), element.err.into()))
            .collect())
    }
}

/// The partitions in the result about one group; none if there is no list of them.
///
/// # Safety
/// The results must live as long as what is borrowed.
unsafe fn partitions_of<'a>(
    groups: &[*const native::rd_kafka_group_result_t],
) -> Answer<&'a [native::rd_kafka_topic_partition_t]> {
    let Some(group) = groups.first() else {
        return Err(RequestError::Failed(RDKafkaErrorCode::BadMessage));
    };
    unsafe {
        accepted(native::rd_kafka_group_result_error(*group))?;
        let list: *const List = native::rd_kafka_group_result_partitions(*group);
        Ok(match list.is_null() {
            true => &[],
            false => elements((*list).elems, usize::try_from((*list).cnt).unwrap_or(0)),
        })
    }
}

/// # Safety
/// The element must live.
unsafe fn partition(element: &native::rd_kafka_topic_partition_t) -> TopicPartition {
    TopicPartition::new(
        unsafe { text(element.topic) },
        convert::partition(element.partition as c_int),
    )
}

/// # Safety
/// The error must be null or live.
unsafe fn accepted(error: *const native::rd_kafka_error_t) -> Answer<()> {
    if error.is_null() {
        return Ok(());
    }
    let code = unsafe { native::rd_kafka_error_code(error) }.into();
    match code {
        RDKafkaErrorCode::NoError => Ok(()),
        code => Err(RequestError::Refused(code, unsafe {
            text(native::rd_kafka_error_string(error))
        })),
    }
}
