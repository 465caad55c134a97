//! Creates, grows, deletes and describes topics.

use std::collections::BTreeMap;
use std::ffi::{CString, c_int};

use rdkafka::admin::AdminClient;
use rdkafka::bindings as native;
use rdkafka::error::RDKafkaErrorCode;

use super::request::{Answer, Event, MAX_SENTENCE, Owned, RequestError, ask, elements, made, name, text};
use crate::kafka::client::Watch;
use crate::topic::NewTopic;

/// What stands for a number that is left to the brokers.
const BROKER_DEFAULT: c_int = -1;

/// Creates a topic.
pub(in crate::kafka) fn create(admin: &AdminClient<Watch>, topic: &NewTopic) -> Answer<()> {
    use native::rd_kafka_admin_op_t::RD_KAFKA_ADMIN_OP_CREATETOPICS as CREATE;
    let new = new_topic(topic)?;
    // SAFETY: the closure makes one such request, and the topic outlives the call, which copies it.
    let event = unsafe {
        ask(admin, CREATE, |to| {
            native::rd_kafka_CreateTopics(to.client, [new.get()].as_mut_ptr(), 1, to.options, to.queue);
        })
    };
    let event = event.map_err(RequestError::Failed)?;
    // SAFETY: the event is the result of this request.
    unsafe {
        let result = native::rd_kafka_event_CreateTopics_result(event.get());
        let mut count = 0;
        let results = native::rd_kafka_CreateTopics_result_topics(result, &raw mut count);
        single(elements(results, count))
    }
}

fn new_topic(topic: &NewTopic) -> Answer<Owned<native::rd_kafka_NewTopic_t>> {
    let named = name(&topic.name)?;
    let partitions = match topic.placement.len() {
        0 => topic.partitions.map_or(BROKER_DEFAULT, number),
        placed => placed as c_int,
    };
    let copies = match topic.placement.is_empty() {
        true => topic.copies.map_or(BROKER_DEFAULT, c_int::from),
        false => BROKER_DEFAULT,
    };
    // SAFETY: the name outlives the calls, which copy what they are given, and the object is freed by its owner.
    unsafe {
        let new = made(|why, room| native::rd_kafka_NewTopic_new(named.as_ptr(), partitions, copies, why, room))?;
        let new = Owned::new(new, native::rd_kafka_NewTopic_destroy);
        for (partition, nodes) in (0..).zip(&topic.placement) {
            let mut nodes = nodes.clone();
            placed(|why, room| {
                let (first, count) = (nodes.as_mut_ptr(), nodes.len());
                native::rd_kafka_NewTopic_set_replica_assignment(new.get(), partition, first, count, why, room)
            })?;
        }
        for (key, value) in &topic.settings {
            let (key, value) = (name(key)?, name(value)?);
            let code = native::rd_kafka_NewTopic_set_config(new.get(), key.as_ptr(), value.as_ptr());
            accepted(code.into(), String::new)?;
        }
        Ok(new)
    }
}

/// Grows a topic to `partitions` partitions in all. `placement` has the nodes of each additional one, or nothing.
pub(in crate::kafka) fn grow(
    admin: &AdminClient<Watch>,
    topic: &str,
    partitions: u32,
    placement: &[Vec<i32>],
) -> Answer<()> {
    use native::rd_kafka_admin_op_t::RD_KAFKA_ADMIN_OP_CREATEPARTITIONS as GROW;
    let named = name(topic)?;
    // SAFETY: as in `create`.
    unsafe {
        let new = made(|why, room| native::rd_kafka_NewPartitions_new(named.as_ptr(), partitions as usize, why, room))?;
        let new = Owned::new(new, native::rd_kafka_NewPartitions_destroy);
        for (index, nodes) in (0..).zip(placement) {
            let mut nodes = nodes.clone();
            placed(|why, room| {
                let (first, count) = (nodes.as_mut_ptr(), nodes.len());
                native::rd_kafka_NewPartitions_set_replica_assignment(new.get(), index, first, count, why, room)
            })?;
        }
        let event = ask(admin, GROW, |to| {
            native::rd_kafka_CreatePartitions(to.client, [new.get()].as_mut_ptr(), 1, to.options, to.queue);
        });
        let event = event.map_err(RequestError::Failed)?;
        let result = native::rd_kafka_event_CreatePartitions_result(event.get());
        let mut count = 0;
        let results = native::rd_kafka_CreatePartitions_result_topics(result, &raw mut count);
        single(elements(results, count))
    }
}

/// Deletes a topic with all its records.
pub(in crate::kafka) fn delete(admin: &AdminClient<Watch>, topic: &str) -> Answer<()> {
    use native::rd_kafka_admin_op_t::RD_KAFKA_ADMIN_OP_DELETETOPICS as DELETE;
    let named = name(topic)?;
    // SAFETY: as in `create`.
    unsafe {
        let old = Owned::new(
            native::rd_kafka_DeleteTopic_new(named.as_ptr()),
            native::rd_kafka_DeleteTopic_destroy,
        );
        let event = ask(admin, DELETE, |to| {
            native::rd_kafka_DeleteTopics(to.client, [old.get()].as_mut_ptr(), 1, to.options, to.queue);
        });
        let event = event.map_err(RequestError::Failed)?;
        let result = native::rd_kafka_event_DeleteTopics_result(event.get());
        let mut count = 0;
        let results = native::rd_kafka_DeleteTopics_result_topics(result, &raw mut count);
        single(elements(results, count))
    }
}

/// The ids of topics by their names. A topic that the brokers don't know, or give no id, is left out.
pub(in crate::kafka) fn ids(admin: &AdminClient<Watch>, topics: &[&str]) -> Answer<BTreeMap<String, String>> {
    use native::rd_kafka_admin_op_t::RD_KAFKA_ADMIN_OP_DESCRIBETOPICS as DESCRIBE;
    let names: Vec<CString> = topics.iter().map(|topic| name(topic)).collect::<Answer<_>>()?;
    let mut pointers: Vec<_> = names.iter().map(|name| name.as_ptr()).collect();
    // SAFETY: as in `create`; the collection copies the names.
    unsafe {
        let collection = Owned::new(
            native::rd_kafka_TopicCollection_of_topic_names(pointers.as_mut_ptr(), pointers.len()),
            native::rd_kafka_TopicCollection_destroy,
        );
        let event = ask(admin, DESCRIBE, |to| {
            native::rd_kafka_DescribeTopics(to.client, collection.get(), to.options, to.queue);
        });
        Ok(read_ids(&event.map_err(RequestError::Failed)?))
    }
}

/// # Safety
/// The event must be the result of a request to describe topics.
unsafe fn read_ids(event: &Event) -> BTreeMap<String, String> {
    unsafe {
        let result = native::rd_kafka_event_DescribeTopics_result(event.get());
        let mut count = 0;
        let described = native::rd_kafka_DescribeTopics_result_topics(result, &raw mut count);
        let id = |topic: *const native::rd_kafka_TopicDescription_t| {
            let error = native::rd_kafka_TopicDescription_error(topic);
            if !error.is_null() && native::rd_kafka_error_code(error) != NO_ERROR {
                return None;
            }
            let id = native::rd_kafka_TopicDescription_topic_id(topic);
            let id = as_java_writes(&text(native::rd_kafka_Uuid_base64str(id)))?;
            Some((text(native::rd_kafka_TopicDescription_name(topic)), id))
        };
        elements(described, count)
            .iter()
            .filter_map(|topic| id(*topic))
            .collect()
    }
}

/// An id in the alphabet that Java's tools use; `None` for the one that stands for none.
fn as_java_writes(base64: &str) -> Option<String> {
    let id = base64.trim_end_matches('=').replace('+', "-").replace('/', "_");
    (!id.chars().all(|digit| digit == 'A')).then_some(id)
}

const NO_ERROR: native::rd_kafka_resp_err_t = native::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR;

/// A number of partitions for librdkafka, which refuses one that is too large.
fn number(partitions: u32) -> c_int {
    c_int::try_from(partitions).unwrap_or(c_int::MAX)
}

/// Calls librdkafka with room for a sentence about a placement that it does not take.
fn placed(place: impl FnOnce(*mut std::ffi::c_char, usize) -> native::rd_kafka_resp_err_t) -> Answer<()> {
    let mut sentence = [0; MAX_SENTENCE];
    let code = place(sentence.as_mut_ptr(), sentence.len());
    // SAFETY: librdkafka ends the sentence with a zero byte within its room, and there was one before.
    accepted(code.into(), || unsafe { text(sentence.as_ptr()) })
}

fn accepted(code: RDKafkaErrorCode, sentence: impl FnOnce() -> String) -> Answer<()> {
    match code {
        RDKafkaErrorCode::NoError => Ok(()),
        code => Err(RequestError::Refused(code, sentence())),
    }
}

/// The outcome of a request about one topic, which has one result.
///
/// # Safety
/// The results must live.
unsafe fn single(results: &[*const native::rd_kafka_topic_result_t]) -> Answer<()> {
    let Some(result) = results.first() else {
        return Err(RequestError::Failed(RDKafkaErrorCode::BadMessage));
    };
    unsafe {
        let sentence = native::rd_kafka_topic_result_error_string(*result);
        accepted(native::rd_kafka_topic_result_error(*result).into(), || text(sentence))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_written_as_java_writes_them() {
        assert_eq!(
            as_java_writes("w+t6CH6ZRyWbx2/4Fzc9XA==").as_deref(),
            Some("w-t6CH6ZRyWbx2_4Fzc9XA")
        );
        assert_eq!(as_java_writes("AAAAAAAAAAAAAAAAAAAAAA"), None);
    }
}
