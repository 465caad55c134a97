//! Dead letters: the record as it was, with headers that say where it stood and what was wrong, named as Kafka Connect and
//! as Spring name them, so that the tools of both understand it. Where a record stood is left out if it stood in no log.

use std::sync::Arc;

use bytes::Bytes;
use keylane_log::Header;

use super::Instance;
use crate::domain::fence::NewDeadLetter;
use crate::domain::{EventRecord, OrderId, Version};

/// The topic of the dead letters.
pub const DEAD_LETTERS: &str = "dlq-kafka.delivery";

/// What Spring calls the class of the exception.
const ERROR: &str = "mall.delivery.Refused";

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
        topic: Arc::from(DEAD_LETTERS),
        timestamp: (instance.clock)(),
        key: record.key.clone(),
        value: record.value.clone(),
        headers,
    }
}

/// Kafka Connect writes everything as text.
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
        Header::text("__connect.errors.exception.class.name", ERROR),
        Header::text("__connect.errors.exception.message", why),
    ]);
    headers
}

/// Spring writes numbers as Java does: big-endian, an int for the partition, longs for offset and time.
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
        Header::text("kafka_dlt-exception-fqcn", ERROR),
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
