//! Counts what waits in the tables. Unpublished rows are counted in their index alone, so counting costs nothing while there
//! are none.

use rusqlite::types::Type;
use rusqlite::{Connection, Row};

use super::database::Database;
use shop::domain::Source;
use shop::domain::fence::ParkReason;
use shop::store::{Backlog, Result, Waiting};

const ORDERS: &str = "select (select count(*) from order_event where published = 0), \
                      (select timestamp from order_event where published = 0 order by id limit 1)";
const DELIVERIES: &str = "select (select count(*) from delivery_event where published = 0), \
                          (select timestamp from delivery_event where published = 0 order by id limit 1)";
const LETTERS: &str = "select (select count(*) from dead_letter where published = 0), \
                       (select timestamp from dead_letter where published = 0 order by id limit 1)";
const PARKED_KEYS: &str = "select count(*) from order_cursor where parked > 0";
const PARKED: &str = "select reason, count(*), min(since) from parked_event group by reason order by reason";

impl Database {
    /// Counts what waits in the database.
    ///
    /// # Errors
    /// As [`Store::backlog`](shop::store::Store::backlog); `Rejected` if the database is the other service's.
    pub fn backlog(&mut self, source: Source) -> Result<Backlog> {
        self.serves(source)?;
        self.read(|connection| match source {
            Source::Orders => Ok(Backlog {
                journal: waiting(connection, ORDERS)?,
                ..Backlog::default()
            }),
            Source::Deliveries => of_deliveries(connection),
        })
    }
}

fn of_deliveries(connection: &Connection) -> rusqlite::Result<Backlog> {
    let mut parked = connection.prepare_cached(PARKED)?;
    let mut parked_keys = connection.prepare_cached(PARKED_KEYS)?;
    Ok(Backlog {
        journal: waiting(connection, DELIVERIES)?,
        letters: waiting(connection, LETTERS)?,
        parked_keys: parked_keys.query_row([], |row| row.get::<_, i64>(0))?.unsigned_abs(),
        parked: parked.query_map([], of_reason)?.collect::<Result<_, _>>()?,
    })
}

fn waiting(connection: &Connection, sql: &str) -> rusqlite::Result<Waiting> {
    let mut statement = connection.prepare_cached(sql)?;
    statement.query_row([], |row| Ok(Waiting::new(row.get(0)?, row.get(1)?)))
}

fn of_reason(row: &Row<'_>) -> rusqlite::Result<(ParkReason, Waiting)> {
    let name: String = row.get(0)?;
    let unknown = || format!("an event is parked for the unknown reason {name:?}").into();
    let reason = ParkReason::from_name(&name)
        .ok_or_else(|| rusqlite::Error::FromSqlConversionFailure(0, Type::Text, unknown()))?;
    Ok((reason, Waiting::new(row.get(1)?, row.get(2)?)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sqlite::schema;

    /// The counts are read with every scrape of the metrics, so they must cost the same however long the journal is.
    #[test]
    fn nothing_but_what_waits_is_looked_at() {
        let connection = Connection::open_in_memory().expect("a database");
        for source in [Source::Orders, Source::Deliveries] {
            schema::bring_up(&connection, source, 0).expect("its tables");
        }
        for sql in [ORDERS, DELIVERIES, LETTERS, PARKED_KEYS] {
            let mut statement = connection
                .prepare(&format!("explain query plan {sql}"))
                .expect("a plan");
            let steps = statement.query_map([], |row| row.get::<_, String>(3)).expect("steps");
            for step in steps {
                let step = step.expect("a step");
                let indexed = step.contains("_unpublished") || step.contains("order_cursor_parked");
                assert!(
                    indexed || step.contains("SUBQUERY") || step.contains("CONSTANT ROW"),
                    "{sql}: {step}"
                );
            }
        }
    }
}
