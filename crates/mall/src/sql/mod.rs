//! `mall sql`: runs a statement that reads the database, and never changes it.
//!
//! ```text
//!   statement: parsed and judged ─┬─▶ embedded: files opened read-only, with an authorizer
//!                                 └─▶ mysql: prepared, in a read-only session and transaction
//! ```
//!
//! Each half alone keeps a statement from writing: the database refuses what the judge lets through by mistake.
//!
//! Both open the files and the server by themselves, not through the adapters, which could write.

mod embedded;
mod functions;
mod mysql;
mod statement;
mod table;

use std::time::Instant;

use anyhow::Result;

use crate::config::Storage;
use crate::exit::Exit;
use crate::{console, runtime};

use self::statement::SqlDialect;

/// Runs a statement and prints its rows.
pub fn run(storage: &Storage, statement: &str) -> Result<Exit> {
    let start = Instant::now();
    let table = match &storage.database_url {
        Some(url) => {
            let statement = statement::judge(statement, SqlDialect::MySql)?;
            runtime::on_this_thread()?.block_on(mysql::query(url, &statement))?
        }
        None => embedded::query(&storage.data, &statement::judge(statement, SqlDialect::Sqlite)?)?,
    };
    let _ = console::print(&table.render(start.elapsed()));
    Ok(Exit::DONE)
}
