//! `mall sql`: looks into the database, whichever it is, and never changes it.
//!
//! ```text
//!   reading: one statement, taken apart and judged ─┬─▶ embedded: files opened read-only, an authorizer
//!                                                   └─▶ mysql: prepared, in a read-only session and transaction
//! ```
//!
//! Each half alone keeps a statement from writing: what the judge lets through by mistake, the database refuses.

mod embedded;
mod functions;
mod mysql;
mod reading;
mod table;

use std::time::Instant;

use anyhow::Result;

use crate::config::Storage;
use crate::exit::Exit;
use crate::{console, runtime};

use self::reading::Speech;

/// Runs a statement and prints its rows.
pub fn run(storage: &Storage, statement: &str) -> Result<Exit> {
    let start = Instant::now();
    let table = match &storage.database_url {
        Some(url) => {
            let statement = reading::read(statement, Speech::MySql)?;
            runtime::on_this_thread()?.block_on(mysql::query(url, &statement))?
        }
        None => embedded::query(&storage.data, &reading::read(statement, Speech::Sqlite)?)?,
    };
    let _ = console::print(&table.render(start.elapsed()));
    Ok(Exit::DONE)
}
