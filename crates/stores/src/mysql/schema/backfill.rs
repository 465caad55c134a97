//! Writes the journal's missing events: an order that is older than the journal gets an `OrderPlaced` event with its present
//! fields, as already published.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use keylane_log::Timestamp;
use sqlx::mysql::MySqlRow;

use super::super::journal;
use super::super::rows::{FIELDS, column, fields, statement};
use super::super::session::Session;
use shop::domain::payload::order_payload;
use shop::domain::{EventType, JournalEntry, OrderEventType, OrderId, Source, Version};
use shop::store::Result;

/// How many orders a page has.
const PAGE_SIZE: u64 = 500;
/// The deadline of one page.
const PAGE_DEADLINE: Duration = Duration::from_secs(30);

/// Writes the missing events page by page, each page in a transaction. If it is interrupted, the next run goes on with those
/// that are still missing.
pub(super) async fn run(session: &mut Session) -> Result<()> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let now = Timestamp(i64::try_from(now.as_millis()).unwrap_or(i64::MAX));
    let mut after = i64::MIN;
    loop {
        session.allow(PAGE_DEADLINE);
        let entries = missing(session, after, now).await?;
        let Some(last) = entries.last() else { return Ok(()) };
        after = last.row_id;
        journal::append_published(session, Source::Orders, &entries).await?;
    }
}

async fn missing(session: &mut Session, after: i64, now: Timestamp) -> Result<Vec<JournalEntry>> {
    let sql = format!(
        "select id, {FIELDS} from Order_table where id > ? \
         and not exists (select 1 from order_event where order_event.order_id = Order_table.id) order by id limit {PAGE_SIZE}"
    );
    let rows = session.fetch(statement(sql).bind(after)).await?;
    rows.iter().map(|row| placed(row, now)).collect()
}

fn placed(row: &MySqlRow, timestamp: Timestamp) -> Result<JournalEntry> {
    let id = OrderId(column(row, 0)?);
    let event = OrderEventType::Placed;
    Ok(JournalEntry {
        row_id: id.0,
        order_id: id,
        version: Version(1),
        event_type: EventType::Order(event),
        timestamp,
        payload: order_payload(event, timestamp, id, &fields(row, 1)?),
        traceparent: None,
    })
}
