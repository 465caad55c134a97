//! Rows and records as the checker knows them.

use std::hash::{DefaultHasher, Hasher};

use anyhow::{Context, Result, bail};
use keylane_log::{Record, Timestamp};
use lab::checker::{Applied, DeliveryRecord, OrderRecord, Parked, Place, Waits, Written};
use serde_json::Value;
use shop::domain::fence::{LEASE, ParkedEvent};
use shop::domain::{DeliveryId, EventType, IncomingEvent, OrderEventType, OrderId, Version, input};
use shop::records::{self, Incoming, Malformed, header_text};
use shop::store::{ApplyRow, JournalRow};

/// What a record of the topic is to the checker.
pub enum Found {
    /// An order event.
    Event(OrderRecord),
    /// A delivery event.
    DeliveryRecord(DeliveryRecord),
}

impl Found {
    /// The order that it is about.
    pub fn order(&self) -> OrderId {
        match self {
            Self::Event(event) => event.order,
            Self::DeliveryRecord(answer) => answer.order,
        }
    }
}

/// A row of the order service's journal.
pub fn written(row: &JournalRow) -> Result<Written> {
    let entry = &row.entry;
    let EventType::Order(event_type) = entry.event_type else {
        bail!("row {} of the order journal is no order event", entry.id);
    };
    let fields = input::patch_from_slice(entry.payload.as_bytes())
        .with_context(|| format!("row {} of the order journal can't be read", entry.id))?;
    Ok(Written {
        order: entry.order_id,
        version: entry.version,
        event_type,
        fields,
        hash: hash(entry.payload.as_bytes()),
        at: entry.timestamp,
        published: row.published,
        // Every event of the mall's own has a trace; rows that stand for those of an older system have none.
        inherited: row.published && entry.version == Version(1) && entry.traceparent.is_none(),
    })
}

/// What a record means, if it means something.
pub fn found(record: &Record) -> Option<Found> {
    match records::incoming(record) {
        Incoming::Order(IncomingEvent {
            order_id,
            version,
            event_type,
            ..
        }) => Some(Found::Event(in_topic(record, order_id, version, Some(event_type)))),
        Incoming::Malformed(Malformed { order_id, version, .. }) => {
            Some(Found::Event(in_topic(record, order_id?, version, None)))
        }
        Incoming::Other => answer(record).map(Found::DeliveryRecord),
    }
}

fn in_topic(
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

/// A delivery event; none if it has no version, as those of an older system have none.
fn answer(record: &Record) -> Option<DeliveryRecord> {
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

/// A row of the apply history.
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
        place: apply.provenance.place.map(|place| Place {
            partition: place.partition,
            offset: place.offset,
        }),
        at: apply.at,
    }
}

/// An event that waits.
pub fn parked(event: ParkedEvent, now: Timestamp) -> Parked {
    let head = &event.head;
    // A lease that has run out was left by a crash; the sweeper is given its time.
    let leased = head.lease_until.0 + LEASE.as_millis() as i64 > now.0;
    let waits = if head.mark.is_some() || leased {
        Waits::Apply
    } else if head.reason.is_refused() {
        Waits::Person(event.error.unwrap_or_default())
    } else {
        Waits::Predecessors
    };
    // What was asked from the order service stood in no topic.
    let recorded = !event.record.topic.is_empty();
    Parked {
        order: event.order_id,
        version: event.head.version,
        place: recorded.then(|| place(&event.record)),
        at: event.head.since,
        waits,
    }
}

fn place(record: &Record) -> Place {
    Place {
        partition: record.partition,
        offset: record.offset,
    }
}

fn hash(payload: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    hasher.write(payload);
    hasher.finish()
}
