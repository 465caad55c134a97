//! Databases and logs in memory that a mall has used and the next one uses again. To make them and to prepare their statements
//! would take longer than the history that happens in them.
//!
//! # Invariants
//! * What is used again is empty, and does the same as a new one.

use std::cell::Cell;
use std::sync::{Arc, Mutex, PoisonError};

use keylane_log::embedded::{Clocks, InMemoryLog};
use shop::domain::Source;
use stores::sqlite::Database;

thread_local! {
    static ORDERS: Cell<Option<Database>> = const { Cell::new(None) };
    static DELIVERIES: Cell<Option<Database>> = const { Cell::new(None) };
    static LOG: Cell<Option<InMemoryLog>> = const { Cell::new(None) };
}

/// An empty database of this service.
pub fn database(source: Source) -> Database {
    let spare = match source {
        Source::Orders => ORDERS.take(),
        Source::Deliveries => DELIVERIES.take(),
    };
    spare.unwrap_or_else(|| Database::in_memory(source).expect("SQLite has memory"))
}

/// An empty log, with the clocks of somebody who only looks on.
pub fn log(clocks: fn() -> Clocks) -> InMemoryLog {
    LOG.take()
        .unwrap_or_else(|| InMemoryLog::new(clocks()).expect("SQLite has memory"))
}

/// Keeps a database that nobody else uses any more.
pub fn keep_database(source: Source, database: Arc<Mutex<Database>>) {
    let database = Arc::into_inner(database).expect("nobody uses it any more");
    let database = database.into_inner().unwrap_or_else(PoisonError::into_inner);
    let empty = Some(database.emptied().expect("SQLite has memory"));
    match source {
        Source::Orders => ORDERS.set(empty),
        Source::Deliveries => DELIVERIES.set(empty),
    }
}

/// Keeps a log that nobody else uses any more.
pub fn keep_log(log: InMemoryLog) {
    LOG.set(Some(log.emptied().expect("nobody uses it any more")));
}
