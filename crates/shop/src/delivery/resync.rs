//! Asks the order service for events that never came: `GET /orders/{id}/events`, its answer, and the answer read back as records.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;
use keylane_log::{Header, Timestamp};
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::domain::{EventRecord, JournalEntry, OrderId, Origin, Version};

/// Asks the order service for the events of one order.
pub type OrderJournal = Arc<dyn Fn(OrderId) -> JournalAnswer + Send + Sync>;

/// The order service's answer, once it is there: the JSON array of the order's events, none if the service knows no such
/// order, or a sentence that says why there is no answer.
pub type JournalAnswer = Pin<Box<dyn Future<Output = Result<Option<Bytes>, String>> + Send>>;

#[derive(Deserialize)]
struct Event<'a> {
    version: i64,
    #[serde(rename = "type")]
    name: String,
    timestamp: i64,
    #[serde(borrow)]
    payload: &'a RawValue,
}

/// The order service's answer about an order that has these events: a JSON array of them. Each payload is the record's value
/// as it was published.
pub fn journal_answer(entries: &[JournalEntry]) -> String {
    let rendered = entries.iter().map(
        |JournalEntry {
             version,
             event_type,
             timestamp,
             payload,
             ..
         }| {
            let (name, timestamp) = (event_type.name(), timestamp.0);
            format!(r#"{{"version":{version},"type":"{name}","timestamp":{timestamp},"payload":{payload}}}"#)
        },
    );
    format!("[{}]", rendered.collect::<Vec<_>>().join(","))
}

/// What the order service's journal holds of one order.
pub(super) struct Written(BTreeMap<Version, EventRecord>);

/// What the journal says about one version of an order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Slot {
    /// The journal holds this event, read back as a record.
    Event(Box<EventRecord>),
    /// The journal never held this version.
    Never,
    /// The journal lacks even versions that have been applied, so it says nothing about versions that it lacks. The text
    /// says what it lacks.
    Unknown(String),
}

impl Written {
    /// Asks the order service for its journal of an order.
    ///
    /// # Errors
    /// A sentence that says why there is no answer, or why it can't be read.
    pub async fn ask(journal: &OrderJournal, order: OrderId) -> Result<Self, String> {
        Self::read(journal(order).await?.as_deref())
    }

    /// Reads the body of an answer; without a body the service knows no such order, and the journal is empty.
    fn read(body: Option<&[u8]>) -> Result<Self, String> {
        let Some(body) = body else {
            return Ok(Self(BTreeMap::new()));
        };
        let events: Vec<Event<'_>> =
            serde_json::from_slice(body).map_err(|error| format!("its answer can't be read: {error}"))?;
        let events = events.iter().map(|event| (Version(event.version), record(event)));
        Ok(Self(events.collect()))
    }

    /// Says what the journal holds as `version`, for an order of which all versions up to `applied` have taken effect.
    pub fn slot(&self, version: Version, applied: Version) -> Slot {
        if let Some(record) = self.0.get(&version) {
            return Slot::Event(Box::new(record.clone()));
        }
        match self.0.keys().next_back() {
            None if applied > Version(0) => Slot::Unknown("it knows no such order".to_owned()),
            Some(last) if *last < applied => {
                Slot::Unknown(format!("it ends at v{last}, though v{applied} has been applied"))
            }
            None | Some(_) => Slot::Never,
        }
    }

    /// The events from the one after `applied` to the one before `parked`, up to the first version that the journal lacks.
    pub fn between(&self, applied: Version, parked: Version) -> Vec<EventRecord> {
        let mut next = applied.next();
        let mut records = Vec::new();
        while let Some(record) = self.0.get(&next).filter(|_| next < parked) {
            records.push(record.clone());
            next = next.next();
        }
        records
    }
}

fn record(event: &Event<'_>) -> EventRecord {
    EventRecord {
        origin: Origin::Journal,
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

    fn versions(records: &[EventRecord]) -> Vec<i64> {
        let version = |record: &EventRecord| crate::records::version(record).expect("it can be read");
        records.iter().filter_map(version).map(|version| version.0).collect()
    }

    #[test]
    fn what_is_missing_is_read_back_as_events() {
        let written = Written::read(Some(BODY)).unwrap();
        let records = written.between(Version(1), Version(3));
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
    fn what_is_written_before_a_hole_is_not_held_back_by_it() {
        let written = Written::read(Some(BODY)).unwrap();
        assert_eq!(versions(&written.between(Version(1), Version(9))), [2, 3]);
        assert_eq!(versions(&written.between(Version(3), Version(9))), [] as [i64; 0]);
        assert_eq!(versions(&written.between(Version(1), Version(i64::MAX))), [2, 3]);
    }

    #[test]
    fn a_version_was_written_or_never_or_nobody_knows() {
        let written = Written::read(Some(BODY)).unwrap();
        assert!(
            matches!(written.slot(Version(2), Version(1)), Slot::Event(record) if versions(std::slice::from_ref(&record)) == [2])
        );
        assert_eq!(written.slot(Version(7), Version(3)), Slot::Never);
        let behind = written.slot(Version(7), Version(4));
        assert!(
            matches!(&behind, Slot::Unknown(why) if why.contains("ends at v3")),
            "{behind:?}"
        );
        let unknown = Written::read(None).unwrap();
        assert_eq!(
            unknown.slot(Version(1), Version(0)),
            Slot::Never,
            "no such order was ever placed"
        );
        assert!(
            matches!(unknown.slot(Version(2), Version(1)), Slot::Unknown(_)),
            "and this one was"
        );
        assert!(Written::read(Some(b"{}")).is_err_and(|why| why.contains("can't be read")));
    }
}
