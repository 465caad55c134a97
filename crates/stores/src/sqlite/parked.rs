//! Reads and writes parked events.

use std::sync::Arc;

use bytes::Bytes;
use keylane_log::headers;
use keylane_log::{Header, Offset, Partition, Timestamp};
use rusqlite::types::Type;
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::database::Database;
use shop::domain::decide::FenceDecision;
use shop::domain::fence::{Held, Mark, ParkReason, ParkedEvent, ParkedHead, ParkedKey};
use shop::domain::{EventRecord, OrderId, Origin, Place, Source, Version};
use shop::records;
use shop::store::Result;

const EVENT: &str = "select version, reason, mark, since, lease_holder, lease_until, order_id, error, topic, \
                     record_partition, record_offset, record_timestamp, record_key, record_value, record_headers, origin \
                     from parked_event where order_id = ? and version = ?";
const EVENTS: &str = "select version, reason, mark, since, lease_holder, lease_until, order_id, error, topic, \
                      record_partition, record_offset, record_timestamp, record_key, record_value, record_headers, origin \
                      from parked_event where order_id = ? and version > ? order by version limit ?";
const KEYS: &str = "select p.version, p.reason, p.mark, p.since, p.lease_holder, p.lease_until, \
                    c.order_id, coalesce(c.version, 0), c.parked from order_cursor c \
                    join parked_event p on p.order_id = c.order_id and p.version = \
                    (select min(version) from parked_event q where q.order_id = c.order_id) \
                    where c.parked > 0 and c.order_id > ? order by c.order_id limit ?";
const MARKED: &str = "select p.version, p.reason, p.mark, p.since, p.lease_holder, p.lease_until, \
                      c.order_id, coalesce(c.version, 0), c.parked from \
                      (select distinct order_id from parked_event where mark = ?1 and order_id > ?2 \
                      order by order_id limit ?3) m \
                      join order_cursor c on c.order_id = m.order_id \
                      join parked_event p on p.order_id = c.order_id and p.version = \
                      (select min(version) from parked_event q where q.order_id = c.order_id) \
                      order by m.order_id";
const PARK: &str = "insert into parked_event (order_id, version, reason, error, topic, record_partition, \
                    record_offset, record_timestamp, record_key, record_value, record_headers, since, mark, lease_holder, \
                    lease_until, origin) values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";
const CHANGE: &str = "update parked_event set reason = ?, mark = ?, lease_holder = ?, lease_until = ?, \
                      error = coalesce(?, error) where order_id = ? and version = ?";
const UNPARK: &str = "delete from parked_event where order_id = ? and version = ?";

impl Database {
    /// The first `limit` orders with parked events and with numbers above `after`.
    ///
    /// # Errors
    /// As [`FenceStore::parked_keys`](shop::store::FenceStore::parked_keys); `Rejected` if the database is the order
    /// service's.
    pub fn parked_keys(&mut self, after: OrderId, limit: usize) -> Result<Vec<ParkedKey>> {
        self.serves(Source::Deliveries)?;
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        self.read(|connection| {
            let mut statement = connection.prepare_cached(KEYS)?;
            let rows = statement.query_map([after.0, limit], key)?;
            rows.collect()
        })
    }

    /// The first `limit` orders of which a person has marked an event with `mark`, with numbers above `after`.
    ///
    /// # Errors
    /// As [`FenceStore::marked_keys`](shop::store::FenceStore::marked_keys); `Rejected` if the database is the order
    /// service's.
    pub fn marked_keys(&mut self, mark: Mark, after: OrderId, limit: usize) -> Result<Vec<ParkedKey>> {
        self.serves(Source::Deliveries)?;
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        self.read(|connection| {
            let mut statement = connection.prepare_cached(MARKED)?;
            let rows = statement.query_map(params![mark.name(), after.0, limit], key)?;
            rows.collect()
        })
    }

    /// The first `limit` parked events of an order with versions above `after`.
    ///
    /// # Errors
    /// As [`FenceStore::parked_events`](shop::store::FenceStore::parked_events); `Rejected` if the database is the order
    /// service's.
    pub fn parked_events(&mut self, order: OrderId, after: Version, limit: usize) -> Result<Vec<ParkedEvent>> {
        self.serves(Source::Deliveries)?;
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        self.read(|connection| {
            let mut statement = connection.prepare_cached(EVENTS)?;
            let rows = statement.query_map([order.0, after.0, limit], event)?;
            rows.collect()
        })
    }
}

/// The parked events of these versions, as the fence needs them.
pub(super) fn heads(connection: &Connection, order: OrderId, versions: &[Version]) -> rusqlite::Result<Vec<Held>> {
    let mut statement = connection.prepare_cached(EVENT)?;
    let mut heads = Vec::new();
    for version in versions {
        let parked = statement.query_row([order.0, version.0], event).optional()?;
        heads.extend(parked.as_ref().map(records::held));
    }
    Ok(heads)
}

/// Writes what a batch decides about parked events. Rows are removed first, as a batch may park another event in their place.
pub(super) fn write(connection: &Connection, decision: &FenceDecision) -> rusqlite::Result<()> {
    let mut unpark = connection.prepare_cached(UNPARK)?;
    for (order, version) in &decision.unparks {
        unpark.execute([order.0, version.0])?;
    }
    let mut park = connection.prepare_cached(PARK)?;
    for new in &decision.parks {
        let (record, place) = (&new.record, new.record.origin.place());
        park.execute(params![
            new.order_id.0,
            new.head.version.0,
            new.head.reason.name(),
            new.error,
            place.map_or("", |place| &*place.topic),
            place.map_or(0, |place| place.partition.0),
            place.map_or(0, |place| place.offset.0.cast_signed()),
            record.timestamp.0,
            record.key.as_deref(),
            record.value.as_deref(),
            encoded(&record.headers),
            new.head.since.0,
            new.head.mark.map(Mark::name),
            new.head.lease_holder,
            new.head.lease_until.0,
            record.origin.name()
        ])?;
    }
    let mut change = connection.prepare_cached(CHANGE)?;
    for changed in &decision.changes {
        let head = &changed.head;
        change.execute(params![
            head.reason.name(),
            head.mark.map(Mark::name),
            head.lease_holder,
            head.lease_until.0,
            changed.error,
            changed.order_id.0,
            head.version.0
        ])?;
    }
    Ok(())
}

/// The parked events that a batch hands over.
pub(super) fn handed_over(
    connection: &Connection,
    events: &[(OrderId, Version)],
) -> rusqlite::Result<Vec<ParkedEvent>> {
    let mut statement = connection.prepare_cached(EVENT)?;
    let read = |(order, version): &(OrderId, Version)| statement.query_row([order.0, version.0], event);
    events.iter().map(read).collect()
}

/// Encodes headers as one column's value.
pub(super) fn encoded(list: &[Header]) -> Vec<u8> {
    let mut blob = Vec::new();
    headers::encode(list, &mut blob);
    blob
}

/// Reads headers that [`encoded`] has made, from the column `at`.
pub(super) fn decoded(row: &Row<'_>, at: usize) -> rusqlite::Result<Vec<Header>> {
    let foreign = |error| rusqlite::Error::FromSqlConversionFailure(at, Type::Blob, Box::new(error));
    headers::decode(row.get_ref(at)?.as_blob()?).map_err(foreign)
}

/// Reads bytes that may be null, from the column `at`.
pub(super) fn bytes(row: &Row<'_>, at: usize) -> rusqlite::Result<Option<Bytes>> {
    Ok(row.get::<_, Option<Vec<u8>>>(at)?.map(Bytes::from))
}

fn head(row: &Row<'_>) -> rusqlite::Result<ParkedHead> {
    let reason = row.get_ref(1)?.as_str()?;
    let mark = row.get::<_, Option<String>>(2)?;
    let foreign = || rusqlite::Error::InvalidColumnType(1, "reason or mark".to_owned(), Type::Text);
    Ok(ParkedHead {
        version: Version(row.get(0)?),
        reason: ParkReason::from_name(reason).ok_or_else(foreign)?,
        mark: mark
            .as_deref()
            .map(|mark| Mark::from_name(mark).ok_or_else(foreign))
            .transpose()?,
        since: Timestamp(row.get(3)?),
        lease_holder: row.get(4)?,
        lease_until: Timestamp(row.get(5)?),
    })
}

fn key(row: &Row<'_>) -> rusqlite::Result<ParkedKey> {
    Ok(ParkedKey {
        lowest: head(row)?,
        order_id: OrderId(row.get(6)?),
        cursor: Version(row.get(7)?),
        parked: row.get(8)?,
    })
}

fn event(row: &Row<'_>) -> rusqlite::Result<ParkedEvent> {
    Ok(ParkedEvent {
        head: head(row)?,
        order_id: OrderId(row.get(6)?),
        error: row.get(7)?,
        record: EventRecord {
            origin: origin(row)?,
            timestamp: Timestamp(row.get(11)?),
            key: bytes(row, 12)?,
            value: bytes(row, 13)?,
            headers: decoded(row, 14)?,
        },
    })
}

fn origin(row: &Row<'_>) -> rusqlite::Result<Origin> {
    let place = Place {
        topic: Arc::from(row.get_ref(8)?.as_str()?),
        partition: Partition(row.get(9)?),
        offset: Offset(row.get::<_, i64>(10)?.cast_unsigned()),
    };
    let foreign = || rusqlite::Error::InvalidColumnType(15, "origin".to_owned(), Type::Text);
    Origin::from_name(row.get_ref(15)?.as_str()?, place).ok_or_else(foreign)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sqlite::schema;

    /// Sweeper and gap watch ask for pages all the time, so a page must cost the same however many events are parked.
    #[test]
    fn a_page_is_found_without_a_scan_or_a_sort() {
        let connection = Connection::open_in_memory().expect("a database");
        schema::bring_up(&connection, Source::Deliveries, 0).expect("its tables");
        for (sql, index) in [
            (KEYS, "order_cursor_parked"),
            (MARKED, "parked_event_marked (mark=? AND order_id>?)"),
            (EVENTS, "sqlite_autoindex_parked_event_1 (order_id=? AND version>?)"),
        ] {
            let mut statement = connection
                .prepare(&format!("explain query plan {sql}"))
                .expect("a plan");
            let values = rusqlite::params_from_iter(vec![0; statement.parameter_count()]);
            let steps = statement
                .query_map(values, |row| row.get::<_, String>(3))
                .expect("steps");
            let steps: Vec<String> = steps.collect::<rusqlite::Result<_>>().expect("steps");
            assert!(steps.iter().any(|step| step.contains(index)), "{sql}: {steps:?}");
            let costly = |step: &&String| {
                let scan = step.starts_with("SCAN") && *step != "SCAN m" && !step.contains("order_cursor_parked");
                scan || step.contains("TEMP B-TREE")
            };
            assert_eq!(steps.iter().find(costly), None, "{sql}: {steps:?}");
        }
    }
}
