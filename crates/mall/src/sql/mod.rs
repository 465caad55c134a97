//! `mall sql`: looks into the database, whichever it is, and never changes it.
//!
//! The embedded databases of both services are read as one; MySQL and MariaDB are asked in a read-only transaction.

mod embedded;
pub mod mysql;
mod table;

use std::time::Instant;

use anyhow::{Context, Result};

use crate::config::Storage;
use crate::exit::{Exit, Usage};
use crate::tools;

/// What a statement may begin with. A modifying one hidden behind `with` is refused by the database itself.
const READING: [&str; 8] = [
    "select", "with", "show", "desc", "describe", "explain", "values", "table",
];

/// Runs a statement and prints its rows.
pub fn run(storage: &Storage, statement: &str) -> Result<Exit> {
    let statement = statement.trim().trim_end_matches(';').trim_end();
    check(statement)?;
    let start = Instant::now();
    let table = match &storage.database_url {
        Some(url) => {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .context("can't start the runtime")?;
            runtime.block_on(mysql::query(url, statement))?
        }
        None => embedded::query(&storage.data, statement)?,
    };
    // Nobody reading is no reason to fail.
    let _ = tools::print(&table.render(start.elapsed()));
    Ok(Exit::DONE)
}

fn check(statement: &str) -> Result<(), Usage> {
    let lower = statement.to_ascii_lowercase();
    let first = lower
        .split(|c: char| !c.is_ascii_alphabetic())
        .next()
        .unwrap_or_default();
    let to_a_file = ["outfile", "dumpfile"]
        .iter()
        .any(|word| words(&lower).any(|other| other == *word));
    match READING.contains(&first) && !to_a_file {
        true => Ok(()),
        false => Err(Usage(format!(
            "mall sql only reads, and this writes or is something else; a statement may begin with {}",
            READING.join(", ")
        ))),
    }
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !c.is_alphanumeric() && c != '_')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_reads_is_let_through() {
        for good in [
            "select 1",
            "SHOW tables",
            "desc X",
            "with a as (select 1) select * from a",
        ] {
            assert!(check(good).is_ok(), "{good}");
        }
        for bad in [
            "",
            "delete from Order_table",
            "pragma query_only=0",
            "attach 'x' as y",
            "select 1 into outfile '/x'",
            "(select 1)",
        ] {
            assert!(check(bad).is_err(), "{bad}");
        }
    }
}
