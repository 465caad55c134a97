//! Journal rows as log records, and back.
//!
//! A record carries its event twice over: for Java consumers of Spring Cloud Stream (`type`, `contentType`,
//! `spring_json_header_types`), and as CloudEvents in binary mode (`ce_…`), whose `ce_sequence` is the version.

use std::time::{Duration, UNIX_EPOCH};

use bytes::Bytes;
use eventlog::{Header, NewRecord, Partition, Record, Timestamp};
use serde_json::Value;

use crate::domain::{EventType, IncomingEvent, JournalEntry, OrderEventType, OrderId, Version, input};

/// Without this header Spring hands the other headers over as bytes, and its routing conditions never match.
const SPRING_HEADER_TYPES: &str = r#"{"type":"java.lang.String","contentType":"java.lang.String"}"#;

/// What a record means to the delivery service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Incoming {
    /// An event of an order.
    Order(IncomingEvent),
    /// Something else that travels on the same topic: a delivery event, or a type the mall doesn't know.
    Other,
    /// An order event that can't be read.
    Malformed(Malformed),
}

/// An order event that can't be read, and what can be told of it all the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Malformed {
    /// What is wrong with it.
    pub why: String,
    /// Whose event it is.
    pub order_id: Option<OrderId>,
    /// Which one of that order.
    pub version: Option<Version>,
}

/// The record that publishes a journal entry, keyed by its order.
pub fn keyed(entry: &JournalEntry) -> NewRecord {
    NewRecord {
        partition: None,
        timestamp: entry.timestamp,
        key: Some(Bytes::from(entry.order_id.to_string())),
        value: Some(Bytes::from(entry.payload.clone())),
        headers: headers(entry),
    }
}

/// The same without its key, put into a partition of the caller's choice (A1).
pub fn keyless(entry: &JournalEntry, partition: Partition) -> NewRecord {
    NewRecord {
        partition: Some(partition),
        key: None,
        ..keyed(entry)
    }
}

fn headers(entry: &JournalEntry) -> Vec<Header> {
    let name = entry.event_type.name();
    let source = entry.source.path();
    let mut headers = vec![
        Header::text("type", name),
        Header::text("contentType", "\"application/json\""),
        Header::text("spring_json_header_types", SPRING_HEADER_TYPES),
        Header::text("ce_specversion", "1.0"),
        Header::text("ce_id", format!("{source}/{}/{}", entry.row_id, entry.version)),
        Header::text("ce_type", name),
        Header::text("ce_source", source),
        Header::text("ce_time", rfc3339(entry.timestamp)),
        Header::text("ce_subject", entry.order_id.to_string()),
        Header::text("ce_sequence", format!("{:020}", entry.version.0)),
    ];
    if let Some(traceparent) = &entry.traceparent {
        headers.push(Header::text("traceparent", traceparent));
    }
    headers
}

fn rfc3339(timestamp: Timestamp) -> String {
    let since_epoch = Duration::from_millis(u64::try_from(timestamp.0).unwrap_or_default());
    humantime::format_rfc3339_millis(UNIX_EPOCH + since_epoch).to_string()
}

/// Reads a record as the delivery service sees it. Headers may be quoted, as Spring writes them, or raw.
pub fn incoming(record: &Record) -> Incoming {
    let named = text_header(record, "type");
    if let Some(name) = &named
        && !matches!(EventType::from_name(name), Some(EventType::Order(_)))
    {
        return Incoming::Other;
    }
    let value: Value = match serde_json::from_slice(record.value.as_deref().unwrap_or_default()) {
        Ok(value) => value,
        // A value that is no JSON says nothing of being an order event; only its header can.
        Err(_) if named.is_none() => return Incoming::Other,
        Err(error) => return malformed(record, &Value::Null, format!("the value is not JSON: {error}")),
    };
    let name = named.or_else(|| value.get("eventType")?.as_str().map(str::to_owned));
    match name.as_deref().and_then(EventType::from_name) {
        Some(EventType::Order(event_type)) => {
            order_event(event_type, record, &value).map_or_else(|why| malformed(record, &value, why), Incoming::Order)
        }
        _ => Incoming::Other,
    }
}

/// The order is named by the value or, where that can't be read, by the headers of our own producers.
fn malformed(record: &Record, value: &Value, why: String) -> Incoming {
    let said = || text_header(record, "ce_subject")?.parse().ok();
    Incoming::Malformed(Malformed {
        why,
        order_id: value.get("id").and_then(Value::as_i64).or_else(said).map(OrderId),
        version: version(record).ok().flatten(),
    })
}

fn order_event(event_type: OrderEventType, record: &Record, value: &Value) -> Result<IncomingEvent, String> {
    let order_id = value
        .get("id")
        .and_then(Value::as_i64)
        .ok_or("the value has no order number in its field id")?;
    Ok(IncomingEvent {
        order_id: OrderId(order_id),
        version: version(record)?,
        event_type,
        fields: input::patch_from_json(value).map_err(|invalid| invalid.message)?,
    })
}

fn version(record: &Record) -> Result<Option<Version>, String> {
    let Some(text) = text_header(record, "ce_sequence") else {
        return Ok(None);
    };
    match text.parse() {
        Ok(version) if version >= 1 => Ok(Some(Version(version))),
        _ => Err(format!(
            "the header ce_sequence is {text:?}, which is no version: 1 or more is allowed"
        )),
    }
}

/// A header's text without the quotes that Spring's JSON header mapper puts around it.
pub fn text_header(record: &Record, name: &str) -> Option<String> {
    let text = std::str::from_utf8(record.header(name)?).ok()?;
    Some(
        text.strip_prefix('"')
            .and_then(|rest| rest.strip_suffix('"'))
            .unwrap_or(text)
            .to_owned(),
    )
}

#[cfg(test)]
mod tests {
    use eventlog::Offset;

    use super::*;
    use crate::domain::{DeliveryEventType, OrderPatch, Source};

    const VALUE: &str = r#"{"eventType":"OrderPlaced","timestamp":1749697512193,"id":6,"productId":"100","productName":"RADIO","qty":3,"customerId":2000,"address":"PUSAN"}"#;

    fn entry() -> JournalEntry {
        JournalEntry {
            id: 9,
            source: Source::Orders,
            row_id: 6,
            order_id: OrderId(6),
            version: Version(1),
            event_type: EventType::Order(OrderEventType::Placed),
            timestamp: Timestamp(1_749_697_512_193),
            payload: VALUE.into(),
            traceparent: Some("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01".into()),
        }
    }

    fn read_back(record: NewRecord) -> Record {
        Record {
            topic: "kafka.scaling".into(),
            partition: Partition(0),
            offset: Offset(0),
            timestamp: record.timestamp,
            key: record.key,
            value: record.value,
            headers: record.headers,
        }
    }

    fn order_event_of(incoming: Incoming) -> IncomingEvent {
        match incoming {
            Incoming::Order(event) => event,
            other => panic!("an order event was expected, not {other:?}"),
        }
    }

    #[test]
    fn an_order_event_carries_every_header_of_the_contract() {
        let record = read_back(keyed(&entry()));
        let shown: Vec<String> = record
            .headers
            .iter()
            .map(|header| {
                format!(
                    "{}:{}",
                    header.name,
                    String::from_utf8_lossy(header.value.as_deref().unwrap())
                )
            })
            .collect();
        assert_eq!(
            shown,
            [
                "type:OrderPlaced",
                "contentType:\"application/json\"",
                "spring_json_header_types:{\"type\":\"java.lang.String\",\"contentType\":\"java.lang.String\"}",
                "ce_specversion:1.0",
                "ce_id:/orders/6/1",
                "ce_type:OrderPlaced",
                "ce_source:/orders",
                "ce_time:2025-06-12T03:05:12.193Z",
                "ce_subject:6",
                "ce_sequence:00000000000000000001",
                "traceparent:00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            ]
        );
        assert_eq!(record.key.as_deref(), Some(&b"6"[..]));
    }

    #[test]
    fn what_is_published_is_understood() {
        let event = order_event_of(incoming(&read_back(keyed(&entry()))));
        assert_eq!(event.order_id, OrderId(6));
        assert_eq!(event.version, Some(Version(1)));
        assert_eq!(event.event_type, OrderEventType::Placed);
        assert_eq!(
            event.fields,
            OrderPatch {
                product_id: Some(Some("100".into())),
                product_name: Some(Some("RADIO".into())),
                qty: Some(Some(3)),
                customer_id: Some(Some(2000)),
                address: Some(Some("PUSAN".into())),
            }
        );
    }

    #[test]
    fn keyless_records_go_where_they_are_put() {
        let record = keyless(&entry(), Partition(1));
        assert_eq!((record.key, record.partition), (None, Some(Partition(1))));
    }

    #[test]
    fn an_older_producer_sends_no_headers() {
        let mut record = read_back(keyed(&entry()));
        record.headers.clear();
        assert_eq!(order_event_of(incoming(&record)).version, None);
    }

    #[test]
    fn spring_quotes_its_headers() {
        let mut record = read_back(keyed(&entry()));
        record.headers = vec![
            Header::text("type", "\"OrderModified\""),
            Header::text("ce_sequence", "\"2\""),
        ];
        let event = order_event_of(incoming(&record));
        assert_eq!(
            (event.event_type, event.version),
            (OrderEventType::Modified, Some(Version(2)))
        );
    }

    #[test]
    fn other_events_are_passed_over() {
        let delivery = JournalEntry {
            event_type: EventType::Delivery(DeliveryEventType::Started),
            ..entry()
        };
        assert_eq!(incoming(&read_back(keyed(&delivery))), Incoming::Other);
        let mut foreign = read_back(keyed(&entry()));
        foreign.headers = vec![Header::text("type", "PaymentReceived")];
        assert_eq!(incoming(&foreign), Incoming::Other);
        let mut tombstone = read_back(keyed(&entry()));
        (tombstone.value, tombstone.headers) = (None, Vec::new());
        assert_eq!(incoming(&tombstone), Incoming::Other);
    }

    #[test]
    fn what_cannot_be_read_says_why() {
        let cases = [
            ("not json", "", "is not JSON"),
            (r#"{"eventType":"OrderPlaced"}"#, "", "no order number"),
            (VALUE, "zero", "ce_sequence"),
            (VALUE, "0", "ce_sequence"),
        ];
        for (value, sequence, reason) in cases {
            let mut record = read_back(keyed(&entry()));
            record.value = Some(Bytes::from(value));
            record.headers.retain(|header| header.name != "ce_sequence");
            if !sequence.is_empty() {
                record.headers.push(Header::text("ce_sequence", sequence));
            }
            match incoming(&record) {
                Incoming::Malformed(Malformed { why, order_id, .. }) => {
                    assert!(why.contains(reason), "{why}");
                    assert_eq!(order_id, Some(OrderId(6)), "its headers name the order");
                }
                other => panic!("{value} with {sequence:?} was read as {other:?}"),
            }
        }
    }
}
