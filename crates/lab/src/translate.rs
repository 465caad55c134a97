//! Turns rows and records into the entries of the checker's history.

use std::fmt;
use std::hash::{DefaultHasher, Hasher};

use keylane_log::{Record, Timestamp};
use serde_json::Value;
use shop::domain::fence::{LEASE, ParkedEvent};
use shop::domain::{DeliveryId, EventType, IncomingEvent, OrderEventType, OrderId, Place, Version, input};
use shop::records::{self, Incoming, Malformed, header_text};
use shop::store::{ApplyRow, JournalRow};

use crate::checker::{Applied, DeliveryRecord, OrderRecord, Parked, PlaceInTopic, WaitsFor, Written};

/// A row of the order journal that can't be read. The text says which and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unreadable(String);

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Unreadable {}

/// A record of the topic that the checker judges.
pub enum TopicRecord {
    /// An order event.
    Order(OrderRecord),
    /// A delivery event.
    Delivery(DeliveryRecord),
}

impl TopicRecord {
    /// The order that the event is about.
    pub fn order(&self) -> OrderId {
        match self {
            Self::Order(record) => record.order,
            Self::Delivery(record) => record.order,
        }
    }
}

/// A row of the order service's journal.
///
/// # Errors
/// If the row holds no order event, or its payload can't be read.
pub fn written(row: &JournalRow) -> Result<Written, Unreadable> {
    let entry = &row.entry;
    let EventType::Order(event_type) = entry.event_type else {
        return Err(Unreadable(format!(
            "row {} of the order journal is no order event",
            row.id
        )));
    };
    let unreadable = |why| Unreadable(format!("row {} of the order journal can't be read: {why}", row.id));
    let fields = input::patch_from_slice(entry.payload.as_bytes()).map_err(unreadable)?;
    Ok(Written {
        order: entry.order_id,
        version: entry.version,
        event_type,
        fields,
        hash: hash(entry.payload.as_bytes()),
        at: entry.timestamp,
        published: row.published,
        // Every event that the mall wrote has a trace. Rows that stand for events of an older system have none.
        inherited: row.published && entry.version == Version(1) && entry.traceparent.is_none(),
    })
}

/// Whether these digits stand anywhere in a record's value or headers. A record that names an order has its number there in
/// decimal digits, and looking for them costs far less than reading the record.
pub fn mentions(record: &Record, digits: &str) -> bool {
    let digits = digits.as_bytes();
    let headers = record.headers.iter().filter_map(|header| header.value.as_ref());
    let mut texts = record.value.iter().chain(headers);
    texts.any(|text| text.windows(digits.len()).any(|part| part == digits))
}

/// The event in a record. None if the record is no event of the mall.
pub fn found(record: &Record) -> Option<TopicRecord> {
    match records::incoming(record) {
        Incoming::Order(IncomingEvent {
            order_id,
            version,
            event_type,
            ..
        }) => Some(TopicRecord::Order(order_record(
            record,
            order_id,
            version,
            Some(event_type),
        ))),
        Incoming::Malformed(Malformed { order_id, version, .. }) => {
            Some(TopicRecord::Order(order_record(record, order_id?, version, None)))
        }
        Incoming::Other => delivery_record(record).map(TopicRecord::Delivery),
    }
}

fn order_record(
    record: &Record,
    order: OrderId,
    version: Option<Version>,
    event_type: Option<OrderEventType>,
) -> OrderRecord {
    OrderRecord {
        order,
        version,
        event_type,
        hash: hash(record.value.as_deref().unwrap_or_default()),
        place: place(record),
        at: record.timestamp,
    }
}

/// A delivery event. None for one without a version, as an older system wrote them.
fn delivery_record(record: &Record) -> Option<DeliveryRecord> {
    let value: Value = serde_json::from_slice(record.value.as_deref()?).ok()?;
    let own_name = || Some(value.get("eventType")?.as_str()?.to_owned());
    let name = header_text(record, "type").ok()?.or_else(own_name)?;
    let Some(EventType::Delivery(event_type)) = EventType::from_name(&name) else {
        return None;
    };
    Some(DeliveryRecord {
        order: OrderId(value.get("orderId")?.as_i64()?),
        delivery: DeliveryId(value.get("id")?.as_i64()?),
        version: records::version(record).ok()??,
        event_type,
        place: place(record),
        at: record.timestamp,
    })
}

/// A row of the history of applied events.
pub fn applied(row: ApplyRow) -> Applied {
    let apply = row.apply;
    Applied {
        order: apply.order_id,
        counter: row.seq,
        kind: apply.kind,
        version: apply.version,
        event_type: apply.event_type,
        delivery: apply.delivery_id,
        before: apply.before,
        after: apply.after,
        instance: apply.provenance.instance,
        epoch: apply.provenance.epoch,
        place: apply.provenance.place.as_ref().map(in_topic),
        at: apply.at,
    }
}

/// An event that is parked.
pub fn parked(event: ParkedEvent, now: Timestamp) -> Parked {
    let head = &event.head;
    // A lease that has run out was left by an instance that crashed. The sweeper has as long again to take the event.
    let leased = head.lease_until.0 + LEASE.as_millis() as i64 > now.0;
    let waits = if head.mark.is_some() || leased {
        WaitsFor::Apply
    } else if head.reason.is_refused() {
        WaitsFor::Person(event.error.unwrap_or_default())
    } else {
        WaitsFor::Predecessors
    };
    Parked {
        order: event.order_id,
        version: event.head.version,
        place: event.record.origin.place().map(in_topic),
        at: event.head.since,
        waits,
    }
}

fn place(record: &Record) -> PlaceInTopic {
    PlaceInTopic {
        partition: record.partition,
        offset: record.offset,
    }
}

fn in_topic(place: &Place) -> PlaceInTopic {
    PlaceInTopic {
        partition: place.partition,
        offset: place.offset,
    }
}

fn hash(payload: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    hasher.write(payload);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use keylane_log::{Header, Offset, Partition, TimestampType};

    use super::*;

    fn record(value: &str, headers: &[(&'static str, &str)]) -> Record {
        Record {
            topic: "kafka.scaling".into(),
            partition: Partition(0),
            offset: Offset(7),
            timestamp: Timestamp(0),
            timestamp_type: TimestampType::CreateTime,
            key: Some("9".into()),
            value: Some(value.to_owned().into()),
            headers: headers
                .iter()
                .map(|(name, value)| Header::text(*name, *value))
                .collect(),
        }
    }

    #[test]
    fn every_record_of_an_order_mentions_its_number() {
        let placed = ("type", "OrderPlaced");
        let started = [("type", "DeliveryStarted"), ("ce_sequence", "1")];
        for (of, record) in [
            (50, record(r#"{"eventType":"OrderPlaced","id":50}"#, &[])),
            (50, record("garbage", &[placed, ("ce_subject", "00000000000000000050")])),
            (50, record("[]", &[placed, ("ce_subject", "\"50\"")])),
            (50, record(r#"{"id":3,"orderId":50}"#, &started)),
            (3, record(r#"{"id":3}"#, &[placed])),
        ] {
            let found = found(&record).unwrap_or_else(|| panic!("an event: {record:?}"));
            assert_eq!(found.order(), OrderId(of));
            assert!(mentions(&record, &of.to_string()), "{record:?}");
            assert!(!mentions(&record, "51"), "{record:?}");
        }
        // The key is nobody's number, and other spellings of a number name no order.
        for other in [r#"{"id":5e1}"#, r#"{"id":"5\u0030"}"#, r#"{"id":50.0}"#] {
            let order = found(&record(other, &[placed])).map(|found| found.order());
            assert_eq!(order, None, "{other}");
        }
    }
}
