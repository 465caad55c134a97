//! The journals, and the leases of the relays that publish them.

use std::time::Duration;

use keylane_log::Timestamp;
use rusqlite::types::Type;
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::database::{Database, Durability};
use shop::domain::{EventType, JournalEntry, OrderEventType, OrderId, Source, Version};
use shop::store::{JournalRow, Result, start_note};

/// The statements of one journal. All that read have the columns in the order in which [`row`] and [`entry`] read them.
struct Statements {
    append: &'static str,
    unpublished: &'static str,
    all: &'static str,
    mark: &'static str,
}

const ORDERS: Statements = Statements {
    append: "insert into order_event (order_id, version, type, payload, timestamp, traceparent) \
             values (?2, ?3, ?4, ?5, ?6, ?7)",
    unpublished: "select order_id, order_id, version, type, payload, timestamp, traceparent, id, published \
                  from order_event where published = 0 and id > ?1 order by id limit ?2",
    all: "select order_id, order_id, version, type, payload, timestamp, traceparent, id, published \
          from order_event where id > ?1 order by id limit ?2",
    mark: "update order_event set published = 1 where id = ? and published = 0",
};

const DELIVERIES: Statements = Statements {
    append: "insert into delivery_event (delivery_id, order_id, version, type, payload, timestamp, traceparent) \
             values (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
    unpublished: "select delivery_id, order_id, version, type, payload, timestamp, traceparent, id, published \
                  from delivery_event where published = 0 and id > ?1 order by id limit ?2",
    all: "select delivery_id, order_id, version, type, payload, timestamp, traceparent, id, published \
          from delivery_event where id > ?1 order by id limit ?2",
    mark: "update delivery_event set published = 1 where id = ? and published = 0",
};

const OF_ORDER: &str = "select order_id, order_id, version, type, payload, timestamp, traceparent \
                        from order_event where order_id = ? order by version";

/// Takes or renews a lease. Its holder may renew it; any other process may take it once it has expired, or if it ends more
/// than 5 s later than a new one would, because then it was taken by a wrong clock.
const LEASE: &str = "insert into relay_lease (name, holder, expires) values (?1, ?2, ?3) \
                     on conflict (name) do update set holder = ?2, expires = ?3 where holder = ?2 or expires <= ?4 \
                     or expires > ?3 + 5000";

const HOLDER: &str = "select holder from relay_lease where name = ? and expires > ?";

const NOTE_START: &str = "insert into relay_lease (name, holder, expires) values (?1, '', ?2) \
                          on conflict (name) do update set expires = ?2";
const LAST_START: &str = "select expires from relay_lease where name = ?";

impl Database {
    /// The first `limit` events with row numbers above `after` that are not marked as published, in journal order.
    ///
    /// # Errors
    /// As [`Store::unpublished`](shop::store::Store::unpublished); `Rejected` if the database is the other service's.
    pub fn unpublished(&mut self, source: Source, after: i64, limit: usize) -> Result<Vec<JournalRow>> {
        self.serves(source)?;
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        self.read(|connection| {
            let mut statement = connection.prepare_cached(statements(source).unpublished)?;
            let rows = statement.query_map([after, limit], row)?;
            rows.collect()
        })
    }

    /// Marks journal rows as published. A power failure may undo the marks; then the events are published again.
    ///
    /// # Errors
    /// As [`Store::mark_published`](shop::store::Store::mark_published); `Rejected` if the database is the other service's.
    pub fn mark_published(&mut self, source: Source, ids: &[i64]) -> Result<()> {
        self.serves(source)?;
        self.write(Durability::Relaxed, |connection| {
            let mut statement = connection.prepare_cached(statements(source).mark)?;
            for id in ids {
                statement.execute([id])?;
            }
            Ok(())
        })
    }

    /// Notes that the service was started now.
    ///
    /// # Errors
    /// As [`Store::note_start`](shop::store::Store::note_start); `Rejected` if the database is the other service's.
    pub fn note_start(&mut self, source: Source, now: Timestamp) -> Result<()> {
        self.serves(source)?;
        self.write(Durability::Full, |connection| {
            let mut statement = connection.prepare_cached(NOTE_START)?;
            statement.execute(params![start_note(source), now.0]).map(drop)
        })
    }

    /// When the service was last started; none if that was never noted.
    ///
    /// # Errors
    /// As [`Store::last_start`](shop::store::Store::last_start); `Rejected` if the database is the other service's.
    pub fn last_start(&mut self, source: Source) -> Result<Option<Timestamp>> {
        self.serves(source)?;
        self.read(|connection| {
            let mut statement = connection.prepare_cached(LAST_START)?;
            let noted = statement.query_row([start_note(source)], |row| row.get(0).map(Timestamp));
            noted.optional()
        })
    }

    /// Takes or renews a lease for `ttl`; `false` while another holder has it. A `ttl` of zero gives the lease back.
    ///
    /// # Errors
    /// As [`Store::lease`](shop::store::Store::lease).
    pub fn lease(&mut self, name: &str, holder: &str, ttl: Duration, now: Timestamp) -> Result<bool> {
        let ttl = i64::try_from(ttl.as_millis()).unwrap_or(i64::MAX);
        let expires = now.0.saturating_add(ttl);
        self.write(Durability::Relaxed, |connection| {
            let mut statement = connection.prepare_cached(LEASE)?;
            Ok(statement.execute(params![name, holder, expires, now.0])? == 1)
        })
    }

    /// Who holds a lease at `now`; none if it is free.
    ///
    /// # Errors
    /// As [`Store::lease_holder`](shop::store::Store::lease_holder).
    pub fn lease_holder(&mut self, name: &str, now: Timestamp) -> Result<Option<String>> {
        self.read(|connection| {
            let mut statement = connection.prepare_cached(HOLDER)?;
            statement.query_row(params![name, now.0], |row| row.get(0)).optional()
        })
    }
}

/// Appends rows in the order given, which becomes the order of their numbers.
pub(super) fn append(connection: &Connection, source: Source, entries: &[JournalEntry]) -> rusqlite::Result<()> {
    let mut statement = connection.prepare_cached(statements(source).append)?;
    for entry in entries {
        statement.execute(params![
            entry.row_id,
            entry.order_id.0,
            entry.version.0,
            entry.event_type.name(),
            entry.payload,
            entry.timestamp.0,
            entry.traceparent
        ])?;
    }
    Ok(())
}

/// Every event of an order, oldest first.
pub(super) fn of_order(connection: &Connection, id: OrderId) -> rusqlite::Result<Vec<JournalEntry>> {
    let mut statement = connection.prepare_cached(OF_ORDER)?;
    let rows = statement.query_map([id.0], entry)?;
    rows.collect()
}

/// The first `limit` events with row numbers above `after`, published or not.
pub(super) fn all(
    connection: &Connection,
    source: Source,
    after: i64,
    limit: i64,
) -> rusqlite::Result<Vec<JournalRow>> {
    let mut statement = connection.prepare_cached(statements(source).all)?;
    let rows = statement.query_map([after, limit], row)?;
    rows.collect()
}

fn statements(source: Source) -> &'static Statements {
    match source {
        Source::Orders => &ORDERS,
        Source::Deliveries => &DELIVERIES,
    }
}

fn row(row: &Row<'_>) -> rusqlite::Result<JournalRow> {
    Ok(JournalRow {
        entry: entry(row)?,
        id: row.get(7)?,
        published: row.get(8)?,
    })
}

fn entry(row: &Row<'_>) -> rusqlite::Result<JournalEntry> {
    Ok(JournalEntry {
        row_id: row.get(0)?,
        order_id: OrderId(row.get(1)?),
        version: Version(row.get(2)?),
        event_type: event_type(row.get_ref(3)?.as_str()?)?,
        payload: row.get(4)?,
        timestamp: Timestamp(row.get(5)?),
        traceparent: row.get(6)?,
    })
}

fn event_type(name: &str) -> rusqlite::Result<EventType> {
    EventType::from_name(name).ok_or_else(|| unknown(3, name))
}

/// The type of an order event with this name, which was read from this column.
pub(super) fn order_event_type(column: usize, name: &str) -> rusqlite::Result<OrderEventType> {
    match EventType::from_name(name) {
        Some(EventType::Order(event_type)) => Ok(event_type),
        _ => Err(unknown(column, name)),
    }
}

fn unknown(column: usize, name: &str) -> rusqlite::Error {
    let sentence = format!("a row of the unknown type {name:?}");
    rusqlite::Error::FromSqlConversionFailure(column, Type::Text, sentence.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sqlite::schema;

    /// A relay asks for unpublished events all the time, so that must cost the same however long the journal is.
    #[test]
    fn what_is_unpublished_is_found_without_a_scan_or_a_sort() {
        for source in [Source::Orders, Source::Deliveries] {
            let connection = Connection::open_in_memory().unwrap();
            schema::bring_up(&connection, source, 0).unwrap();
            let sql = format!("explain query plan {}", statements(source).unpublished);
            let plan: Vec<String> = (connection.prepare(&sql).unwrap())
                .query_map([0, 10], |row| row.get(3))
                .unwrap()
                .collect::<rusqlite::Result<_>>()
                .unwrap();
            assert_eq!(plan.len(), 1, "{plan:?}");
            assert!(plan[0].contains("_unpublished (published=? AND rowid>?)"), "{plan:?}");
        }
    }
}
