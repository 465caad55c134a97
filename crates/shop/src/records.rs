//! Makes log records of journal entries, and reads order events from records.
//!
//! A record names its event in two sets of headers: for Java consumers of Spring Cloud Stream (`type`, `contentType`,
//! `spring_json_header_types`), and as CloudEvents in binary mode (`ce_…`), whose `ce_sequence` is the version.

use bytes::Bytes;
use keylane_log::{Header, NewRecord, Partition, Record};
use serde_json::Value;

use crate::domain::fence::{Held, ParkedEvent};
use crate::domain::{EventRecord, EventType, IncomingEvent, JournalEntry, OrderEventType, OrderId, Version, input};
use crate::rfc3339;

/// The value of the header `spring_json_header_types`. Without it Spring hands the other headers over as bytes, and its
/// routing conditions never match.
const SPRING_HEADER_TYPES: &str = r#"{"type":"java.lang.String","contentType":"java.lang.String"}"#;

/// What a record means to the delivery service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Incoming {
    /// An event of an order.
    Order(IncomingEvent),
    /// Another record of the same topic: a delivery event, or a type that the mall doesn't know.
    Other,
    /// An order event that can't be read.
    Malformed(Malformed),
}

/// An order event that can't be read or handled, and what is known about it nevertheless.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Malformed {
    /// A sentence that says what is wrong with the event.
    pub why: String,
    /// The order that the record names, if it names exactly one.
    pub order_id: Option<OrderId>,
    /// The version that the record names, if it can be read.
    pub version: Option<Version>,
}

/// The record that publishes a journal entry, with the order's number as its key.
pub fn keyed(entry: &JournalEntry) -> NewRecord {
    NewRecord {
        partition: None,
        timestamp: entry.timestamp,
        key: Some(Bytes::from(entry.order_id.to_string())),
        value: Some(Bytes::from(entry.payload.clone())),
        headers: headers(entry),
    }
}

/// The record that publishes a journal entry without a key, in the given partition.
pub fn keyless(entry: &JournalEntry, partition: Partition) -> NewRecord {
    NewRecord {
        partition: Some(partition),
        key: None,
        ..keyed(entry)
    }
}

fn headers(entry: &JournalEntry) -> Vec<Header> {
    let name = entry.event_type.name();
    let source = entry.event_type.source().path();
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

/// The part of a record that says which event it is, for a record of the log as for one that was parked.
#[derive(Debug, Clone, Copy)]
pub struct Content<'a> {
    value: Option<&'a [u8]>,
    headers: &'a [Header],
}

impl<'a> From<&'a Record> for Content<'a> {
    fn from(record: &'a Record) -> Self {
        Self {
            value: record.value.as_deref(),
            headers: &record.headers,
        }
    }
}

impl<'a> From<&'a EventRecord> for Content<'a> {
    fn from(record: &'a EventRecord) -> Self {
        Self {
            value: record.value.as_deref(),
            headers: &record.headers,
        }
    }
}

/// Reads a record as the delivery service sees it. Headers may be quoted, as Spring writes them, or raw.
///
/// A header that is there but can't be read makes the record malformed. It never counts as missing, because then an event
/// whose version can't be read would pass the fence as one without a version.
pub fn incoming<'a>(record: impl Into<Content<'a>>) -> Incoming {
    let record = record.into();
    let named = header_text(record, "type");
    if let Ok(Some(name)) = &named
        && !matches!(EventType::from_name(name), Some(EventType::Order(_)))
    {
        return Incoming::Other;
    }
    let value: Value = match serde_json::from_slice(record.value.unwrap_or_default()) {
        Ok(value) => value,
        // Without a header that says so, a value that is not JSON is no order event.
        Err(_) if named == Ok(None) => return Incoming::Other,
        Err(error) if named.is_ok() => {
            return unreadable(record, &Value::Null, format!("the value is not JSON: {error}"));
        }
        Err(_) => Value::Null,
    };
    let own_name = value.get("eventType").and_then(Value::as_str);
    let name = named.as_ref().map_or(own_name, |named| named.as_deref().or(own_name));
    match (name.and_then(EventType::from_name), &named) {
        (Some(EventType::Order(event_type)), Ok(_)) => {
            order_event(event_type, record, &value).map_or_else(|why| unreadable(record, &value, why), Incoming::Order)
        }
        (Some(EventType::Order(_)), Err(why)) => unreadable(record, &value, why.clone()),
        // The type can't be read, so this may be no order event, and its number and version none of an order's.
        (_, Err(why)) => ownerless(why.clone()),
        (_, Ok(_)) => Incoming::Other,
    }
}

/// What the fence needs of a parked event. Its record counts as readable only if it carries an event of the order and version
/// under which it is parked.
pub fn held(parked: &ParkedEvent) -> Held {
    let event = match incoming(&parked.record) {
        Incoming::Order(event) => Some(event),
        Incoming::Other | Incoming::Malformed(_) => None,
    };
    let of_slot = |event: &IncomingEvent| event.is(parked.order_id, parked.head.version);
    Held {
        head: parked.head.clone(),
        event: event.filter(of_slot),
        origin: parked.record.origin.clone(),
    }
}

/// An order event that can't be read. It counts as the event of the order that it names, unless it names two.
fn unreadable(record: Content<'_>, value: &Value, why: String) -> Incoming {
    match order_named(record, value) {
        Ok(order_id) => Incoming::Malformed(Malformed {
            why,
            order_id,
            version: version(record).ok().flatten(),
        }),
        Err(_) => ownerless(why),
    }
}

/// A malformed record that counts as no order's event, so that no order waits for it.
fn ownerless(why: String) -> Incoming {
    Incoming::Malformed(Malformed {
        why,
        order_id: None,
        version: None,
    })
}

fn order_event(event_type: OrderEventType, record: Content<'_>, value: &Value) -> Result<IncomingEvent, String> {
    let order_id = order_named(record, value)?;
    let in_value = value.get("id").and_then(Value::as_i64).and(order_id);
    Ok(IncomingEvent {
        order_id: in_value.ok_or("the value has no order number in its field id")?,
        version: version(record)?,
        event_type,
        fields: input::patch_from_json(value).map_err(|invalid| invalid.message)?,
    })
}

/// The order that a record names in its value, in its header `ce_subject`, or in both. The key doesn't count: it only decides
/// the partition, and a topic may be keyed by something else.
///
/// # Errors
/// If the value or the header has something that is no order number, or they name two orders.
fn order_named(record: Content<'_>, value: &Value) -> Result<Option<OrderId>, String> {
    let subject = header(record, "ce_subject", |text| {
        number(text).ok_or_else(|| {
            let text = clipped(text);
            format!("the header ce_subject is {text:?}, which is no order number: 1 or more is allowed")
        })
    })?;
    match (value.get("id").and_then(Value::as_i64), subject) {
        (Some(id), _) if id < 1 => Err(format!(
            "the value's field id is {id}, which is no order number: 1 or more is allowed"
        )),
        (Some(id), Some(subject)) if id != subject => Err(format!(
            "the value is about order {id}, but the header ce_subject about order {subject}"
        )),
        (id, subject) => Ok(id.or(subject).map(OrderId)),
    }
}

/// The version in a record's header `ce_sequence`; none if there is no such header.
///
/// # Errors
/// A sentence that says why the header can't be read as a version.
pub fn version<'a>(record: impl Into<Content<'a>>) -> Result<Option<Version>, String> {
    header(record.into(), "ce_sequence", |text| {
        let version = number(text).map(Version).filter(|version| *version <= Version::MAX);
        version.ok_or_else(|| {
            let (text, most) = (clipped(text), Version::MAX);
            format!("the header ce_sequence is {text:?}, which is no version: 1 to {most} is allowed")
        })
    })
}

/// Reads a number from 1 on that is written in 1 to 20 decimal digits and nothing else; the mall itself writes 20.
fn number(text: &str) -> Option<i64> {
    let digits = text.len() <= 20 && text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|number| digits && *number >= 1)
}

/// The first 40 characters of a text that goes into logs and databases, where it may be of any length.
fn clipped(text: &str) -> String {
    let mut clipped: String = text.chars().take(40).collect();
    if clipped.len() < text.len() {
        clipped.push('…');
    }
    clipped
}

/// A header's text without the quotes that Spring's JSON header mapper puts around it; none if there is no such header.
///
/// # Errors
/// A sentence that says why the header can't be read: it is null, empty or not UTF-8, or it is there several times with
/// different values, of which other readers may take another one.
pub fn header_text<'a>(record: impl Into<Content<'a>>, name: &str) -> Result<Option<String>, String> {
    header(record.into(), name, |text| Ok(text.to_owned()))
}

/// A header's value as `read` reads its text; none if there is no such header. If it is there several times, the values that
/// were read must be equal; their texts may differ.
fn header<T: PartialEq>(
    record: Content<'_>,
    name: &str,
    read: impl Fn(&str) -> Result<T, String>,
) -> Result<Option<T>, String> {
    let mut found = None;
    for header in record.headers.iter().filter(|header| header.name == name) {
        let value = header.value.as_deref().ok_or(format!("the header {name} is null"))?;
        let text = std::str::from_utf8(value).map_err(|_| format!("the header {name} is not text"))?;
        let quoted = text.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
        let text = quoted.unwrap_or(text);
        if text.is_empty() {
            return Err(format!("the header {name} is empty"));
        }
        let value = read(text)?;
        if found.as_ref().is_some_and(|before| *before != value) {
            return Err(format!("the header {name} is there more than once, and they differ"));
        }
        found = Some(value);
    }
    Ok(found)
}

/// The trace in a record's header `traceparent`. One that can't be read counts as missing, as W3C Trace Context says.
pub fn trace_of<'a>(record: impl Into<Content<'a>>) -> Option<String> {
    header_text(record, "traceparent").ok().flatten()
}

#[cfg(test)]
mod tests {
    use keylane_log::{Timestamp, TimestampType};

    use keylane_log::Offset;

    use super::*;
    use crate::domain::{DeliveryEventType, OrderPatch};

    const VALUE: &str = r#"{"eventType":"OrderPlaced","timestamp":1749697512193,"id":6,"productId":"100","productName":"RADIO","qty":3,"customerId":2000,"address":"PUSAN"}"#;

    fn entry() -> JournalEntry {
        JournalEntry {
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
            timestamp_type: TimestampType::CreateTime,
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
            (r#"{"eventType":"OrderPlaced","id":"6"}"#, "", "no order number"),
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
            let malformed = malformed_of(&record);
            assert!(malformed.why.contains(reason), "{}", malformed.why);
            assert_eq!(malformed.order_id, Some(OrderId(6)), "its headers name the order");
        }
    }

    fn malformed_of(record: &Record) -> Malformed {
        match incoming(record) {
            Incoming::Malformed(malformed) => malformed,
            other => panic!("{record:?} was read as {other:?}"),
        }
    }

    fn header_of(name: &str, value: Option<&'static [u8]>) -> Header {
        Header {
            name: name.into(),
            value: value.map(Bytes::from_static),
        }
    }

    /// The record of the entry, with its header `name` replaced by one header for each of `values`.
    fn with(name: &str, values: &[Option<&'static [u8]>]) -> Record {
        let mut record = read_back(keyed(&entry()));
        record.headers.retain(|header| header.name != name);
        record
            .headers
            .extend(values.iter().map(|value| header_of(name, *value)));
        record
    }

    #[test]
    fn a_version_that_is_there_but_cannot_be_read_is_not_no_version() {
        let bad: [&[Option<&'static [u8]>]; 16] = [
            &[None],
            &[Some(b"")],
            &[Some(b"\"\"")],
            &[Some(b"\xff\xfe")],
            &[Some(b"2\xff")],
            &[Some(b"+2")],
            &[Some(b"-2")],
            &[Some(b" 2")],
            &[Some(b"2\n")],
            &[Some(b"2.0")],
            &[Some("\u{664}".as_bytes())],
            &[Some(b"000000000000000000002")],
            &[Some(b"9223372036854775807")],
            &[Some(b"99999999999999999999")],
            &[Some(b"2"), Some(b"3")],
            &[Some(b"2"), None],
        ];
        for values in bad {
            let malformed = malformed_of(&with("ce_sequence", values));
            assert!(malformed.why.contains("ce_sequence"), "{values:?}: {}", malformed.why);
            assert_eq!(
                (malformed.order_id, malformed.version),
                (Some(OrderId(6)), None),
                "{values:?}"
            );
        }
        let good: [&[Option<&'static [u8]>]; 5] = [
            &[Some(b"2")],
            &[Some(b"\"00000000000000000002\"")],
            &[Some(b"2"), Some(b"2")],
            &[Some(b"2"), Some(b"\"2\"")],
            &[Some(b"2"), Some(b"0002")],
        ];
        for values in good {
            let event = order_event_of(incoming(&with("ce_sequence", values)));
            assert_eq!(event.version, Some(Version(2)), "{values:?}");
        }
        let highest = order_event_of(incoming(&with("ce_sequence", &[Some(b"1000000000000000")])));
        assert_eq!(highest.version, Some(Version::MAX));
    }

    #[test]
    fn a_type_that_cannot_be_read_makes_garbage_of_an_event() {
        let bad: [&[Option<&'static [u8]>]; 4] = [
            &[None],
            &[Some(b"")],
            &[Some(b"Order\xff")],
            &[Some(b"OrderPlaced"), Some(b"OrderModified")],
        ];
        for values in bad {
            let mut record = with("type", values);
            let malformed = malformed_of(&record);
            assert!(malformed.why.contains("the header type"), "{}", malformed.why);
            assert_eq!(
                (malformed.order_id, malformed.version),
                (Some(OrderId(6)), Some(Version(1)))
            );
            // These values don't say that the record is an order's event, so its version counts for no order.
            for value in ["{nope", r#"{"eventType":"DeliveryStarted","id":8,"orderId":6}"#] {
                record.value = Some(Bytes::from_static(value.as_bytes()));
                let malformed = malformed_of(&record);
                assert_eq!((malformed.order_id, malformed.version), (None, None), "{value}");
            }
        }
    }

    #[test]
    fn an_order_that_is_named_twice_is_compared_as_a_number() {
        let twice = with("ce_subject", &[Some(b"6"), Some(b"\"006\"")]);
        assert_eq!(order_event_of(incoming(&twice)).order_id, OrderId(6));
        let differ = malformed_of(&with("ce_subject", &[Some(b"6"), Some(b"7")]));
        assert!(differ.why.contains("ce_subject"), "{}", differ.why);
        assert_eq!(differ.order_id, None);
    }

    #[test]
    fn a_record_that_names_two_orders_or_none_is_nobodys() {
        for subject in [&b"7"[..], b"", b"six", b"0", b"-6", b"\xff", b"9223372036854775808"] {
            let malformed = malformed_of(&with("ce_subject", &[Some(subject)]));
            assert!(malformed.why.contains("ce_subject"), "{}", malformed.why);
            assert_eq!((malformed.order_id, malformed.version), (None, None), "{subject:?}");
        }
        for id in ["0", "-1", "-9223372036854775808"] {
            let mut record = with("ce_subject", &[]);
            record.value = Some(Bytes::from(VALUE.replace("\"id\":6", &format!("\"id\":{id}"))));
            let malformed = malformed_of(&record);
            assert!(malformed.why.contains("no order number"), "{}", malformed.why);
            assert_eq!((malformed.order_id, malformed.version), (None, None), "{id}");
        }
        let mut unreadable = with("ce_subject", &[Some(b"7")]);
        unreadable.value = Some(Bytes::from(VALUE.replace("\"qty\":3", "\"qty\":\"many\"")));
        assert_eq!(malformed_of(&unreadable).order_id, None, "neither 6 nor 7 waits for it");
    }

    #[test]
    fn neither_the_key_nor_the_trace_decides_about_an_event() {
        let mut record = with("traceparent", &[Some(b"\xff"), None]);
        record.key = Some(Bytes::from_static(b"7"));
        assert_eq!(order_event_of(incoming(&record)).order_id, OrderId(6));
        assert_eq!(trace_of(&record), None);
    }
}
