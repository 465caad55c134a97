//! The dead letters' journal.

use std::sync::Arc;

use keylane_log::Timestamp;
use rusqlite::{Connection, Row, params};

use super::database::{Database, Durability};
use super::parked::{bytes, decoded, encoded};
use shop::domain::fence::{DeadLetter, NewDeadLetter};
use shop::domain::{OrderId, Source, Version};
use shop::store::Result;

const APPEND: &str = "insert into dead_letter (order_id, version, topic, timestamp, record_key, record_value, \
                      record_headers) values (?, ?, ?, ?, ?, ?, ?)";
const UNPUBLISHED: &str = "select id, order_id, version, topic, timestamp, record_key, record_value, record_headers \
                           from dead_letter where published = 0 and id > ? order by id limit ?";
const ALL: &str = "select id, order_id, version, topic, timestamp, record_key, record_value, record_headers \
                   from dead_letter where id > ? order by id limit ?";
const MARK: &str = "update dead_letter set published = 1 where id = ? and published = 0";

impl Database {
    /// The first `limit` dead letters with numbers above `after`: all, or only those that are not marked as published.
    ///
    /// # Errors
    /// As [`FenceStore::dead_letters`](shop::store::FenceStore::dead_letters); `Rejected` if the database is the order
    /// service's.
    pub fn dead_letters(&mut self, unpublished: bool, after: i64, limit: usize) -> Result<Vec<DeadLetter>> {
        self.serves(Source::Deliveries)?;
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        self.read(|connection| {
            let mut statement = connection.prepare_cached(if unpublished { UNPUBLISHED } else { ALL })?;
            let rows = statement.query_map([after, limit], letter)?;
            rows.collect()
        })
    }

    /// Marks dead letters as published. A power failure may undo the marks; then the letters are published again.
    ///
    /// # Errors
    /// As [`FenceStore::mark_letters_published`](shop::store::FenceStore::mark_letters_published); `Rejected` if the database
    /// is the order service's.
    pub fn mark_letters_published(&mut self, ids: &[i64]) -> Result<()> {
        self.serves(Source::Deliveries)?;
        self.write(Durability::Relaxed, |connection| {
            let mut statement = connection.prepare_cached(MARK)?;
            for id in ids {
                statement.execute([id])?;
            }
            Ok(())
        })
    }
}

/// Appends letters in the order given.
pub(super) fn append(connection: &Connection, letters: &[NewDeadLetter]) -> rusqlite::Result<()> {
    let mut statement = connection.prepare_cached(APPEND)?;
    for letter in letters {
        statement.execute(params![
            letter.order_id.map(|order| order.0),
            letter.version.map(|version| version.0),
            &*letter.topic,
            letter.timestamp.0,
            letter.key.as_deref(),
            letter.value.as_deref(),
            encoded(&letter.headers)
        ])?;
    }
    Ok(())
}

fn letter(row: &Row<'_>) -> rusqlite::Result<DeadLetter> {
    Ok(DeadLetter {
        id: row.get(0)?,
        letter: NewDeadLetter {
            order_id: row.get::<_, Option<i64>>(1)?.map(OrderId),
            version: row.get::<_, Option<i64>>(2)?.map(Version),
            topic: Arc::from(row.get_ref(3)?.as_str()?),
            timestamp: Timestamp(row.get(4)?),
            key: bytes(row, 5)?,
            value: bytes(row, 6)?,
            headers: decoded(row, 7)?,
        },
    })
}
