//! Dead letters: the record as it was, with headers that say where it stood and what was wrong, named as Kafka Connect and
//! as Spring name them, so that the tools of both understand it.

use std::sync::Arc;

use bytes::Bytes;
use keylane_log::{Header, Record};

use super::Instance;
use crate::domain::fence::NewDeadLetter;
use crate::domain::{OrderId, Version};

/// The topic of the dead letters.
pub const DEAD_LETTERS: &str = "dlq-kafka.delivery";

/// What Spring calls the class of the exception.
const ERROR: &str = "mall.delivery.Refused";

/// The dead letter of a record that can't be handled.
pub(super) fn of(
    record: &Record,
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
fn connect(record: &Record, why: &str, instance: &Instance) -> Vec<Header> {
    vec![
        Header::text("__connect.errors.topic", &*record.topic),
        Header::text("__connect.errors.partition", record.partition.to_string()),
        Header::text("__connect.errors.offset", record.offset.to_string()),
        Header::text("__connect.errors.connector.name", &*instance.group),
        Header::text("__connect.errors.task.id", &*instance.name),
        Header::text("__connect.errors.stage", "TASK_PUT"),
        Header::text("__connect.errors.exception.class.name", ERROR),
        Header::text("__connect.errors.exception.message", why),
    ]
}

/// Spring writes numbers as Java does: big-endian, an int for the partition, longs for offset and time.
fn spring(record: &Record, why: &str, instance: &Instance) -> Vec<Header> {
    let partition = record.partition.0.to_be_bytes();
    let offset = record.offset.0.to_be_bytes();
    let timestamp = record.timestamp.0.to_be_bytes();
    vec![
        Header::text("kafka_dlt-original-topic", &*record.topic),
        bytes("kafka_dlt-original-partition", &partition),
        bytes("kafka_dlt-original-offset", &offset),
        bytes("kafka_dlt-original-timestamp", &timestamp),
        Header::text("kafka_dlt-original-timestamp-type", "CreateTime"),
        Header::text("kafka_dlt-original-consumer-group", &*instance.group),
        Header::text("kafka_dlt-exception-fqcn", ERROR),
        Header::text("kafka_dlt-exception-message", why),
    ]
}

fn bytes(name: &str, value: &[u8]) -> Header {
    Header {
        name: name.to_owned(),
        value: Some(Bytes::copy_from_slice(value)),
    }
}
