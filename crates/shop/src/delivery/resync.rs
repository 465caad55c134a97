//! Asking the order service for what never came: `GET /orders/{id}/events`, read back as records.

use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;
use eventlog::{Header, Offset, Partition, Record, Timestamp};
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::domain::{OrderId, Version};

/// Asks the order service for the events of an order: the body of its answer, none if it knows no such order, or why there
/// is no answer.
pub type OrderJournal = Arc<dyn Fn(OrderId) -> Asked + Send + Sync>;

/// An answer on its way.
pub type Asked = Pin<Box<dyn Future<Output = Result<Option<Bytes>, String>> + Send>>;

#[derive(Deserialize)]
struct Event<'a> {
    version: i64,
    #[serde(rename = "type")]
    name: String,
    timestamp: i64,
    #[serde(borrow)]
    payload: &'a RawValue,
}

/// The events with the versions between `cursor` and `parked`, both left out, as records from nowhere in a log.
///
/// # Errors
/// If it can't be read, or lacks one of them.
pub(super) fn missing(body: &[u8], cursor: Version, parked: Version) -> Result<Vec<Record>, String> {
    let events: Vec<Event<'_>> =
        serde_json::from_slice(body).map_err(|error| format!("its answer can't be read: {error}"))?;
    let mut records = Vec::new();
    let mut version = cursor.next();
    while version < parked {
        let event = events.iter().find(|event| event.version == version.0);
        records.push(record(event.ok_or_else(|| format!("it knows no version {version}"))?));
        version = version.next();
    }
    Ok(records)
}

fn record(event: &Event<'_>) -> Record {
    Record {
        topic: "".into(),
        partition: Partition(0),
        offset: Offset(event.version.cast_unsigned()),
        timestamp: Timestamp(event.timestamp),
        key: None,
        value: Some(Bytes::copy_from_slice(event.payload.get().as_bytes())),
        headers: vec![
            Header::text("type", &event.name),
            Header::text("ce_sequence", format!("{:020}", event.version)),
        ],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::records::{Incoming, incoming};

    const BODY: &[u8] = br#"[
        {"version":1,"type":"OrderPlaced","timestamp":5,"payload":{"eventType":"OrderPlaced","id":6,"qty":3}},
        {"version":2,"type":"OrderModified","timestamp":6,"payload":{"eventType":"OrderModified","id":6,"qty":4}},
        {"version":3,"type":"OrderCancelled","timestamp":7,"payload":{"eventType":"OrderCancelled","id":6,"qty":4}}]"#;

    #[test]
    fn what_is_missing_is_read_back_as_events() {
        let records = missing(BODY, Version(1), Version(3)).unwrap();
        let [record] = &records[..] else {
            panic!("{records:?}");
        };
        assert_eq!(record.timestamp, Timestamp(6));
        let Incoming::Order(event) = incoming(record) else {
            panic!("{record:?}");
        };
        assert_eq!((event.order_id, event.version), (OrderId(6), Some(Version(2))));
        assert_eq!(event.fields.qty, Some(Some(4)));
    }

    #[test]
    fn a_hole_in_the_answer_is_no_answer() {
        assert_eq!(
            missing(BODY, Version(2), Version(5)).unwrap_err(),
            "it knows no version 4"
        );
        assert!(
            missing(b"{}", Version(1), Version(3))
                .unwrap_err()
                .contains("can't be read")
        );
    }
}
