//! Appends: which records of a call stand in the log, in which order, and what their sender is told.
//!
//! # Invariants
//! * Of [`Producer::Idempotent`]: the records of a partition that stand in the log are in the order of the call, and no
//!   record stands behind one that failed before it. Nothing of a call stands behind a later call of the same client.

use std::collections::BTreeMap;

use keylane_log::{LogError, NewRecord, Partition, Placed, Result, TopicPartition, partitioner};

use super::behaviour::Producer;
use super::broker::Broker;

/// Appends records to a topic that the client thinks has `count` partitions. Returns one result for each, in order.
pub(super) fn append(
    broker: &mut Broker,
    client: u64,
    topic: &str,
    count: u32,
    records: Vec<NewRecord>,
) -> Vec<Result<Placed>> {
    broker.settle_appends(client);
    let mut results: Vec<Option<Result<Placed>>> = vec![None; records.len()];
    let mut queues: BTreeMap<Partition, Vec<(usize, NewRecord)>> = BTreeMap::new();
    for (index, record) in records.into_iter().enumerate() {
        match destination(broker, topic, count, &record) {
            Ok(partition) => queues.entry(partition).or_default().push((index, record)),
            Err(error) => results[index] = Some(Err(error)),
        }
    }
    match broker.behaviour.producer {
        Producer::Idempotent => send(broker, client, topic, queues, &mut results),
        Producer::Default { overtaken, given_up } => {
            send_naively(broker, topic, queues, (overtaken, given_up), &mut results)
        }
    }
    let results = results.into_iter();
    results
        .map(|result| result.unwrap_or_else(|| Err(unanswered(topic))))
        .collect()
}

/// The partition that a record goes to.
///
/// # Errors
/// [`LogError::Refused`] for a record that the topic will never take.
fn destination(broker: &mut Broker, topic: &str, count: u32, record: &NewRecord) -> Result<Partition> {
    let (size, limit) = (size(record), broker.behaviour.largest_record);
    if size > limit {
        return Err(LogError::Refused(format!(
            "topic {topic} does not take the record: it has {size} bytes, and the topic's max.message.bytes is {limit}"
        )));
    }
    let partition = match (record.partition, &record.key) {
        (Some(partition), _) => partition,
        (None, Some(key)) => partitioner::partition_of(key, count),
        (None, None) => Partition(broker.random.u32(..count)),
    };
    let place = TopicPartition::new(topic, partition);
    match broker.topics.log(&place) {
        Some(_) => Ok(partition),
        None => Err(broker.topics.no_partition(&place)),
    }
}

fn size(record: &NewRecord) -> usize {
    let length = |bytes: &Option<bytes::Bytes>| bytes.as_ref().map_or(0, |bytes| bytes.len());
    let headers = record
        .headers
        .iter()
        .map(|header| header.name.len() + length(&header.value));
    length(&record.key) + length(&record.value) + headers.sum::<usize>()
}

fn unanswered(topic: &str) -> LogError {
    LogError::Unavailable(format!("topic {topic} has not acknowledged the record in time"))
}

/// Sends each partition's records in order. If the call fails, that is so at one record of each partition: those before
/// are acknowledged, and of those from it on some more may stand in the log, or come there later.
fn send(
    broker: &mut Broker,
    client: u64,
    topic: &str,
    queues: BTreeMap<Partition, Vec<(usize, NewRecord)>>,
    results: &mut [Option<Result<Placed>>],
) {
    let fails = broker.chance(broker.behaviour.faults.appends_unanswered);
    let mut late = Vec::new();
    for (partition, queue) in queues {
        let (acknowledged, placed) = match fails {
            true => {
                let acknowledged = broker.random.usize(..=queue.len());
                (acknowledged, broker.random.usize(acknowledged..=queue.len()))
            }
            false => (queue.len(), queue.len()),
        };
        for (number, (index, record)) in queue.into_iter().enumerate() {
            if number >= placed {
                late.push((partition, record));
                continue;
            }
            let offset = broker.append(topic, partition, record);
            if number < acknowledged {
                results[index] = offset.map(|offset| Ok(Placed { partition, offset }));
            }
        }
    }
    if !late.is_empty() {
        broker.append_late(client, topic, late);
    }
}

/// Sends as a producer does that keeps several requests in flight, retries each by itself, and gives each up by itself.
fn send_naively(
    broker: &mut Broker,
    topic: &str,
    queues: BTreeMap<Partition, Vec<(usize, NewRecord)>>,
    (overtaken, given_up): (f64, f64),
    results: &mut [Option<Result<Placed>>],
) {
    for (partition, mut queue) in queues {
        for behind in 1..queue.len() {
            if broker.chance(overtaken) {
                queue.swap(behind - 1, behind);
            }
        }
        for (index, record) in queue {
            if !broker.chance(given_up) {
                let offset = broker.append(topic, partition, record);
                results[index] = offset.map(|offset| Ok(Placed { partition, offset }));
            }
        }
    }
}
