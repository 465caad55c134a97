//! The journals, which are the relay's outboxes: all events, in the order in which they are published.

use keylane_log::Timestamp;
use sqlx::mysql::MySqlRow;

use super::rows::{self, column, statement};
use super::session::Session;
use shop::domain::{EventType, JournalEntry, OrderId, Source, Version};
use shop::store::{JournalRow, Result, StoreError};

/// Appends events in the transaction of their effects.
pub(super) async fn append(session: &mut Session, source: Source, entries: &[JournalEntry]) -> Result<()> {
    insert(session, source, entries, false).await
}

/// Appends events as already published, because an older system that kept these tables has published them.
pub(super) async fn append_published(session: &mut Session, source: Source, entries: &[JournalEntry]) -> Result<()> {
    insert(session, source, entries, true).await
}

/// Every event of an order, oldest first.
pub(super) async fn of_order(session: &mut Session, id: OrderId) -> Result<Vec<JournalEntry>> {
    let columns = columns(Source::Orders);
    let sql = format!("select {columns} from order_event where order_id = ? order by version");
    let rows = session.fetch(statement(sql).bind(id.0)).await?;
    rows.iter().map(|row| entry(row, Source::Orders)).collect()
}

/// The first `limit` events with row numbers above `after`, published or not.
pub(super) async fn all(session: &mut Session, source: Source, after: i64, limit: usize) -> Result<Vec<JournalRow>> {
    let (table, columns) = (table(source), columns(source));
    let sql = format!("select {columns}, id, cast(published as signed) from {table} where id > ? order by id limit ?");
    let rows = session.fetch(statement(sql).bind(after).bind(limit as u64)).await?;
    rows.iter().map(|found| row(found, source)).collect()
}

/// The first `limit` events with row numbers above `after` that are not marked as published.
pub(super) async fn unpublished(
    session: &mut Session,
    source: Source,
    after: i64,
    limit: usize,
) -> Result<Vec<JournalRow>> {
    let (table, columns) = (table(source), columns(source));
    let sql = format!(
        "select {columns}, id, cast(published as signed) from {table} force index ({table}_unpublished) \
         where published = 0 and id > ? order by id limit ?"
    );
    let rows = session.fetch(statement(sql).bind(after).bind(limit as u64)).await?;
    rows.iter().map(|found| row(found, source)).collect()
}

/// Marks events as published.
pub(super) async fn mark_published(session: &mut Session, source: Source, ids: &[i64]) -> Result<()> {
    let table = table(source);
    for list in rows::lists(ids) {
        let marks = rows::marks(list.len());
        let mut query = statement(format!(
            "update {table} force index (primary) set published = 1 where id in ({marks})"
        ));
        for id in list {
            query = query.bind(id);
        }
        session.execute(query).await?;
    }
    Ok(())
}

async fn insert(session: &mut Session, source: Source, entries: &[JournalEntry], published: bool) -> Result<()> {
    let (table, columns) = (table(source), columns(source));
    let width = columns.split(',').count() + 1;
    for piece in rows::pieces(entries) {
        let tuples = rows::tuples(piece.len(), width);
        let mut query = statement(format!("insert into {table} ({columns}, published) values {tuples}"));
        for entry in piece {
            query = query.bind(entry.row_id);
            if source == Source::Deliveries {
                query = query.bind(entry.order_id.0);
            }
            query = query.bind(entry.version.0).bind(entry.event_type.name());
            query = query.bind(&entry.payload).bind(entry.timestamp.0);
            query = query.bind(entry.traceparent.as_deref()).bind(published);
        }
        session.execute(query).await?;
    }
    Ok(())
}

fn table(source: Source) -> &'static str {
    match source {
        Source::Orders => "order_event",
        Source::Deliveries => "delivery_event",
    }
}

/// The columns that both journals are read and written with; the first is the number of the order or delivery.
fn columns(source: Source) -> &'static str {
    match source {
        Source::Orders => "order_id, version, type, payload, timestamp, traceparent",
        Source::Deliveries => "delivery_id, order_id, version, type, payload, timestamp, traceparent",
    }
}

/// Reads a row that was selected with the journal's columns, its number and whether it is published.
fn row(row: &MySqlRow, source: Source) -> Result<JournalRow> {
    let columns = columns(source).split(',').count();
    Ok(JournalRow {
        entry: entry(row, source)?,
        id: column(row, columns)?,
        published: column::<i64>(row, columns + 1)? != 0,
    })
}

fn entry(row: &MySqlRow, source: Source) -> Result<JournalEntry> {
    // The column of the order's number. A delivery event has the delivery's number before it.
    let order = match source {
        Source::Orders => 0,
        Source::Deliveries => 1,
    };
    let name: String = column(row, order + 2)?;
    let Some(event_type) = EventType::from_name(&name) else {
        return Err(StoreError::Broken(format!(
            "the journal holds an event of unknown type {name:?}"
        )));
    };
    Ok(JournalEntry {
        row_id: column(row, 0)?,
        order_id: OrderId(column(row, order)?),
        version: Version(column(row, order + 1)?),
        event_type,
        payload: column(row, order + 3)?,
        timestamp: Timestamp(column(row, order + 4)?),
        traceparent: column(row, order + 5)?,
    })
}
