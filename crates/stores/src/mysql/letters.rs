//! The dead letters' journal.

use std::sync::Arc;

use keylane_log::Timestamp;
use sqlx::mysql::MySqlRow;

use super::parked::{bytes, decoded, encoded};
use super::rows::{self, column, statement};
use super::session::Session;
use shop::domain::fence::{DeadLetter, NewDeadLetter};
use shop::domain::{OrderId, Version};
use shop::store::Result;

const COLUMNS: &str = "order_id, version, topic, timestamp, record_key, record_value, record_headers";

/// Appends letters in the order given.
pub(super) async fn append(session: &mut Session, letters: &[NewDeadLetter]) -> Result<()> {
    for piece in rows::pieces(letters) {
        let tuples = rows::tuples(piece.len(), 7);
        let mut query = statement(format!("insert into dead_letter ({COLUMNS}) values {tuples}"));
        for letter in piece {
            query = query.bind(letter.order_id.map(|order| order.0));
            query = query.bind(letter.version.map(|version| version.0));
            query = query.bind(&*letter.topic).bind(letter.timestamp.0);
            query = query.bind(letter.key.as_deref()).bind(letter.value.as_deref());
            query = query.bind(encoded(&letter.headers));
        }
        session.execute(query).await?;
    }
    Ok(())
}

/// The first `limit` dead letters with numbers above `after`: all, or only those that are not marked as published.
pub(super) async fn page(
    session: &mut Session,
    unpublished: bool,
    after: i64,
    limit: usize,
) -> Result<Vec<DeadLetter>> {
    let condition = match unpublished {
        true => "force index (dead_letter_unpublished) where published = 0 and",
        false => "where",
    };
    let sql = format!("select id, {COLUMNS} from dead_letter {condition} id > ? order by id limit ?");
    let rows = session.fetch(statement(sql).bind(after).bind(limit as u64)).await?;
    rows.iter().map(letter).collect()
}

/// Marks letters as published.
pub(super) async fn mark_published(session: &mut Session, ids: &[i64]) -> Result<()> {
    for list in rows::lists(ids) {
        let marks = rows::marks(list.len());
        let mut query = statement(format!(
            "update dead_letter force index (primary) set published = 1 where id in ({marks})"
        ));
        for id in list {
            query = query.bind(id);
        }
        session.execute(query).await?;
    }
    Ok(())
}

fn letter(row: &MySqlRow) -> Result<DeadLetter> {
    Ok(DeadLetter {
        id: column(row, 0)?,
        letter: NewDeadLetter {
            order_id: column::<Option<i64>>(row, 1)?.map(OrderId),
            version: column::<Option<i64>>(row, 2)?.map(Version),
            topic: Arc::from(column::<String>(row, 3)?),
            timestamp: Timestamp(column(row, 4)?),
            key: bytes(row, 5)?,
            value: bytes(row, 6)?,
            headers: decoded(row, 7)?,
        },
    })
}
