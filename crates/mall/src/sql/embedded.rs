//! The embedded databases of both services, attached to one connection that can't write.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use eventlog::embedded::Turnstile;
use rusqlite::types::ValueRef;
use rusqlite::{Connection, OpenFlags};

use super::table::{Column, Table};
use crate::exit::Usage;

/// The services' databases, by the name that qualifies their tables.
const SERVICES: [&str; 2] = ["orders", "deliveries"];

/// How long others may keep us from opening a file.
const PATIENCE: Duration = Duration::from_secs(10);

const KEYS: &str = "case when pk > 0 then 'PRI' else '' end";

/// Runs a statement on what is in the data folder.
pub fn query(dir: &Path, statement: &str) -> Result<Table> {
    let connection = open(dir)?;
    let table = match words(statement).as_slice() {
        [show, tables] if show == "show" && tables == "tables" => rows(&connection, &tables_statement())?,
        [desc, name] if desc == "desc" || desc == "describe" => {
            let table = rows(&connection, &columns_statement(name))?;
            if table.rows.is_empty() {
                bail!("there is no table {name}; show tables lists what there is");
            }
            table
        }
        [show, ..] if show == "show" => bail!(Usage("of show, the embedded databases know show tables".into())),
        _ => rows(&connection, statement)?,
    };
    close(connection, dir);
    Ok(table)
}

fn open(dir: &Path) -> Result<Connection> {
    // Nothing is created: the files are attached only where they are.
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_URI | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(":memory:", flags).context("can't open SQLite")?;
    connection.busy_timeout(PATIENCE)?;
    let mut found = false;
    for service in SERVICES {
        let path = dir.join(format!("{service}.db"));
        if !path.exists() {
            continue;
        }
        found = true;
        in_turn(&path, || {
            let file = path.to_string_lossy();
            connection.execute(&format!("attach database ?1 as {service}"), [&*file])?;
            // The file is opened for good by its first use.
            connection.query_row(&format!("select count(*) from {service}.sqlite_schema"), [], |_| Ok(()))
        })
        .map_err(|error| anyhow!("can't read {}: {error}", path.display()))?;
    }
    if !found {
        bail!(
            "there is no database in {} yet: nothing has been started there",
            dir.display()
        );
    }
    connection.pragma_update(None, "query_only", true)?;
    Ok(connection)
}

/// Whoever opens or closes one of these files takes its turn. Without its lock files nobody else does, either.
fn in_turn<T>(path: &Path, work: impl FnOnce() -> T) -> T {
    let mut turnstile = Turnstile::open_existing(path).ok();
    let _turn = turnstile.as_mut().and_then(|turnstile| turnstile.enter(PATIENCE).ok());
    work()
}

fn close(connection: Connection, dir: &Path) {
    for service in SERVICES {
        let path = dir.join(format!("{service}.db"));
        // One that was not attached can't be detached; nothing is lost by trying.
        in_turn(&path, || connection.execute(&format!("detach database {service}"), [])).ok();
    }
}

fn rows(connection: &Connection, statement: &str) -> Result<Table> {
    let mut statement = connection
        .prepare(statement)
        .map_err(|error| anyhow!("{}", sentence(&error)))?;
    if !statement.readonly() {
        bail!(Usage("mall sql only reads; this statement writes".into()));
    }
    let names: Vec<_> = statement.column_names().map(str::to_owned).collect();
    let mut table = Table::default();
    let mut all_numbers = vec![true; names.len()];
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next().map_err(|error| anyhow!("{}", sentence(&error)))? {
        let mut cells = Vec::with_capacity(names.len());
        for (index, all_numbers) in all_numbers.iter_mut().enumerate() {
            let value = row.get_ref(index)?;
            *all_numbers &= matches!(value, ValueRef::Null | ValueRef::Integer(_) | ValueRef::Real(_));
            cells.push(text(value));
        }
        table.rows.push(cells);
    }
    for (index, name) in names.into_iter().enumerate() {
        let only_nulls = table.rows.iter().all(|row| row[index].is_none());
        let number = all_numbers[index] && !only_nulls;
        table.columns.push(Column { name, number });
    }
    Ok(table)
}

fn text(value: ValueRef<'_>) -> Option<String> {
    match value {
        ValueRef::Null => None,
        ValueRef::Integer(number) => Some(number.to_string()),
        ValueRef::Real(number) => Some(number.to_string()),
        ValueRef::Text(bytes) | ValueRef::Blob(bytes) => Some(String::from_utf8_lossy(bytes).into_owned()),
    }
}

/// What SQLite says, without its own name for the error.
fn sentence(error: &rusqlite::Error) -> String {
    match error {
        rusqlite::Error::SqliteFailure(_, Some(sentence)) => sentence.clone(),
        rusqlite::Error::SqlInputError { msg, .. } => msg.clone(),
        rusqlite::Error::MultipleStatement => "one statement at a time".into(),
        other => other.to_string(),
    }
}

fn tables_statement() -> String {
    let tables = "select distinct name from pragma_table_list where type = 'table' and name not like 'sqlite_%'";
    format!("select name as \"Tables_in_my-database\" from ({tables}) order by name")
}

fn columns_statement(table: &str) -> String {
    let table = table.replace('\'', "''");
    format!(
        "select name as \"Field\", lower(type) as \"Type\", case when \"notnull\" or pk > 0 then 'NO' else 'YES' end as \"Null\", \
         {KEYS} as \"Key\", dflt_value as \"Default\", '' as \"Extra\" from pragma_table_info('{table}')"
    )
}

/// The statement's words, lower case but for a name at its end, without quotes.
fn words(statement: &str) -> Vec<String> {
    let unquoted = |word: &str| word.trim_matches(['`', '"', '\'']).to_owned();
    let mut words: Vec<_> = statement.split_whitespace().map(unquoted).collect();
    if let Some(first) = words.first_mut() {
        *first = first.to_ascii_lowercase();
    }
    if let Some(second) = words.get_mut(1).filter(|word| word.eq_ignore_ascii_case("tables")) {
        *second = second.to_ascii_lowercase();
    }
    words
}
