//! Reads the journals and the apply history from their beginning.

use std::sync::Arc;

use keylane_log::{Offset, Partition, Timestamp};
use rusqlite::types::Type;
use rusqlite::{OptionalExtension, Result as SqlResult, Row};

use super::database::Database;
use super::journal;
use shop::domain::decide::{ApplyKind, NewApply};
use shop::domain::{DeliveryId, OrderId, Place, Provenance, Source, Version};
use shop::store::{ApplyRow, JournalRow, RECENT_APPLIES, Result};

const APPLIES: &str = "select seq, order_id, version, type, kind, delivery_id, version_before, version_after, instance, \
                       epoch, topic, record_partition, record_offset, applied_at \
                       from delivery_apply where seq > ? order by seq limit ?";
const APPLIES_OF: &str = "select seq, order_id, version, type, kind, delivery_id, version_before, version_after, instance, \
                          epoch, topic, record_partition, record_offset, applied_at from delivery_apply \
                          where seq > ? and seq <= ? and +order_id = ? order by seq";
const NEWEST_APPLY: &str = "select max(seq) from delivery_apply";
/// The `+` keeps SQLite from looking for another index than the number's.
const RECENT_APPLY: &str = "select seq, order_id, version, type, kind, delivery_id, version_before, version_after, instance, \
                            epoch, topic, record_partition, record_offset, applied_at from delivery_apply \
                            where seq > (select max(seq) from delivery_apply) - ? and +order_id = ? and +version = ? \
                            order by seq desc limit 1";

impl Database {
    /// The first `limit` events of a journal with row numbers above `after`, each with whether it is marked as published.
    ///
    /// # Errors
    /// As [`HistoryStore::journal`](shop::store::HistoryStore::journal); `Rejected` if the database is the other service's.
    pub fn journal(&mut self, source: Source, after: i64, limit: usize) -> Result<Vec<JournalRow>> {
        self.serves(source)?;
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        self.read(|connection| journal::all(connection, source, after, limit))
    }

    /// The first `limit` rows of the apply history with numbers above `after`.
    ///
    /// # Errors
    /// As [`HistoryStore::applies`](shop::store::HistoryStore::applies); `Rejected` if the database is the order service's.
    pub fn applies(&mut self, after: i64, limit: usize) -> Result<Vec<ApplyRow>> {
        self.serves(Source::Deliveries)?;
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        self.read(|connection| {
            let mut statement = connection.prepare_cached(APPLIES)?;
            let rows = statement.query_map([after, limit], apply)?;
            rows.collect()
        })
    }

    /// The rows about this order among the `span` numbers of the apply history above `after`; none if there are no such rows.
    ///
    /// # Errors
    /// As [`HistoryStore::applies_of`](shop::store::HistoryStore::applies_of); `Rejected` if the database is the order service's.
    pub fn applies_of(&mut self, order: OrderId, after: i64, span: i64) -> Result<Option<Vec<ApplyRow>>> {
        self.serves(Source::Deliveries)?;
        self.read(|connection| {
            let newest: Option<i64> = connection
                .prepare_cached(NEWEST_APPLY)?
                .query_row([], |row| row.get(0))?;
            if newest.is_none_or(|newest| newest <= after) {
                return Ok(None);
            }
            let mut statement = connection.prepare_cached(APPLIES_OF)?;
            let rows = statement.query_map([after, after.saturating_add(span), order.0], apply)?;
            rows.collect::<SqlResult<_>>().map(Some)
        })
    }

    /// The newest row about this version of this order among the last rows of the apply history.
    ///
    /// # Errors
    /// As [`HistoryStore::recent_apply`](shop::store::HistoryStore::recent_apply); `Rejected` if the database is the order
    /// service's.
    pub fn recent_apply(&mut self, order: OrderId, version: Version) -> Result<Option<ApplyRow>> {
        self.serves(Source::Deliveries)?;
        self.read(|connection| {
            let mut statement = connection.prepare_cached(RECENT_APPLY)?;
            statement
                .query_row([RECENT_APPLIES, order.0, version.0], apply)
                .optional()
        })
    }
}

fn apply(row: &Row<'_>) -> SqlResult<ApplyRow> {
    let name: Option<String> = row.get(3)?;
    let kind: String = row.get(4)?;
    let unknown = || rusqlite::Error::FromSqlConversionFailure(4, Type::Text, format!("the kind {kind:?}").into());
    Ok(ApplyRow {
        seq: row.get(0)?,
        apply: NewApply {
            order_id: OrderId(row.get(1)?),
            version: row.get::<_, Option<i64>>(2)?.map(Version),
            event_type: name.map(|name| journal::order_event_type(3, &name)).transpose()?,
            kind: ApplyKind::from_name(&kind).ok_or_else(unknown)?,
            delivery_id: row.get::<_, Option<i64>>(5)?.map(DeliveryId),
            before: Version(row.get(6)?),
            after: Version(row.get(7)?),
            provenance: Provenance {
                instance: row.get(8)?,
                epoch: row.get::<_, Option<i64>>(9)?.map(i64::cast_unsigned),
                place: place(row)?,
            },
            at: Timestamp(row.get(13)?),
        },
    })
}

fn place(row: &Row<'_>) -> SqlResult<Option<Place>> {
    let (topic, partition, offset): (Option<Arc<str>>, Option<u32>, Option<i64>) =
        (row.get(10)?, row.get(11)?, row.get(12)?);
    let (Some(topic), Some(partition), Some(offset)) = (topic, partition, offset) else {
        return Ok(None);
    };
    Ok(Some(Place {
        topic,
        partition: Partition(partition),
        offset: Offset(offset.cast_unsigned()),
    }))
}
