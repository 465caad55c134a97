//! Counts what waits in the tables. Unpublished rows are counted in their index alone, so counting costs nothing while there
//! are none.

use sqlx::mysql::MySqlRow;

use super::rows::{column, statement};
use super::session::Session;
use shop::domain::Source;
use shop::domain::fence::ParkReason;
use shop::store::{Backlog, Result, StoreError, Waiting};

/// Counts what waits in a service's tables.
pub(super) async fn of(session: &mut Session, source: Source) -> Result<Backlog> {
    match source {
        Source::Orders => Ok(Backlog {
            journal: waiting(session, "order_event").await?,
            ..Backlog::default()
        }),
        Source::Deliveries => Ok(Backlog {
            journal: waiting(session, "delivery_event").await?,
            letters: waiting(session, "dead_letter").await?,
            parked_keys: parked_keys(session).await?,
            parked: parked(session).await?,
        }),
    }
}

/// Counts the unpublished rows of a table.
async fn waiting(session: &mut Session, table: &'static str) -> Result<Waiting> {
    let unpublished = format!("from {table} force index ({table}_unpublished) where published = 0");
    let sql = format!(
        "select (select count(*) {unpublished}), (select timestamp {unpublished} order by id limit 1) as oldest"
    );
    let rows = session.fetch(statement(sql)).await?;
    let row = only(&rows)?;
    Ok(Waiting::new(column(row, 0)?, column(row, 1)?))
}

async fn parked_keys(session: &mut Session) -> Result<u64> {
    let sql = "select count(*) from order_cursor force index (order_cursor_parked) where parked > 0";
    let rows = session.fetch(statement(sql.to_owned())).await?;
    Ok(column::<i64>(only(&rows)?, 0)?.unsigned_abs())
}

async fn parked(session: &mut Session) -> Result<Vec<(ParkReason, Waiting)>> {
    let sql = "select reason, count(*), min(since) from parked_event group by reason order by reason";
    let rows = session.fetch(statement(sql.to_owned())).await?;
    rows.iter().map(of_reason).collect()
}

fn of_reason(row: &MySqlRow) -> Result<(ParkReason, Waiting)> {
    let name: String = column(row, 0)?;
    let unknown = || StoreError::Broken(format!("an event is parked for the unknown reason {name:?}"));
    let reason = ParkReason::from_name(&name).ok_or_else(unknown)?;
    Ok((reason, Waiting::new(column(row, 1)?, column(row, 2)?)))
}

fn only(rows: &[MySqlRow]) -> Result<&MySqlRow> {
    let none = || StoreError::Broken("the database counts without an answer".to_owned());
    rows.first().ok_or_else(none)
}
