//! Dead letters: the record as it was, with headers that say where it stood and what was wrong with it. The headers have the
//! names that Kafka Connect and Spring give them, so that the tools of both understand a letter. A record that did not come
//! from the log has no headers for its place.

use bytes::Bytes;
use keylane_log::Header;

use super::Instance;
use crate::domain::fence::NewDeadLetter;
use crate::domain::{EventRecord, OrderId, Version};

/// The topic that dead letters are published to, unless a scenario has one of its own.
pub const DEAD_LETTERS: &str = "dlq-kafka.delivery";

/// The value of the headers in which Kafka Connect and Spring give the class of the exception.
const EXCEPTION_CLASS: &str = "mall.delivery.Refused";

/// The dead letter of a record that can't be handled.
pub(super) fn of(
    record: &EventRecord,
    order_id: Option<OrderId>,
    version: Option<Version>,
    why: &str,
    instance: &Instance,
) -> NewDeadLetter {
    let mut headers = record.headers.clone();
    headers.extend(connect(record, why, instance));
    headers.extend(spring(record, why, instance));
    NewDeadLetter {
        order_id,
        version,
        topic: instance.letters.clone(),
        timestamp: (instance.clock)(),
        key: record.key.clone(),
        value: record.value.clone(),
        headers,
    }
}

/// The headers that Kafka Connect gives a dead letter; all values are text.
fn connect(record: &EventRecord, why: &str, instance: &Instance) -> Vec<Header> {
    let mut headers = Vec::new();
    if let Some(place) = record.origin.place() {
        headers.extend([
            Header::text("__connect.errors.topic", &*place.topic),
            Header::text("__connect.errors.partition", place.partition.to_string()),
            Header::text("__connect.errors.offset", place.offset.to_string()),
        ]);
    }
    headers.extend([
        Header::text("__connect.errors.connector.name", &*instance.group),
        Header::text("__connect.errors.task.id", &*instance.name),
        Header::text("__connect.errors.stage", "TASK_PUT"),
        Header::text("__connect.errors.exception.class.name", EXCEPTION_CLASS),
        Header::text("__connect.errors.exception.message", why),
    ]);
    headers
}

/// The headers that Spring gives a dead letter. Numbers are in Java's big-endian bytes: four for the partition, eight for
/// the offset and for the timestamp in milliseconds.
fn spring(record: &EventRecord, why: &str, instance: &Instance) -> Vec<Header> {
    let mut headers = Vec::new();
    if let Some(place) = record.origin.place() {
        headers.extend([
            Header::text("kafka_dlt-original-topic", &*place.topic),
            bytes("kafka_dlt-original-partition", &place.partition.0.to_be_bytes()),
            bytes("kafka_dlt-original-offset", &place.offset.0.to_be_bytes()),
        ]);
    }
    headers.extend([
        bytes("kafka_dlt-original-timestamp", &record.timestamp.0.to_be_bytes()),
        Header::text("kafka_dlt-original-timestamp-type", "CreateTime"),
        Header::text("kafka_dlt-original-consumer-group", &*instance.group),
        Header::text("kafka_dlt-exception-fqcn", EXCEPTION_CLASS),
        Header::text("kafka_dlt-exception-message", why),
    ]);
    headers
}

fn bytes(name: &str, value: &[u8]) -> Header {
    Header {
        name: name.to_owned(),
        value: Some(Bytes::copy_from_slice(value)),
    }
}
