//! The embedded databases of both services, opened read-only and attached to a connection that can only read.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail};
use keylane_log::turnstile::Turnstile;
use rusqlite::hooks::{AuthAction, AuthContext, Authorization};
use rusqlite::types::ValueRef;
use rusqlite::{Connection, OpenFlags};

use super::functions;
use super::statement::{ReadOnlyStatement, StatementKind};
use super::table::{self, Column, Table};
use crate::data_dir::DataFile;
use crate::exit::Usage;

/// The databases, each under the name that qualifies its tables.
const DATABASES: [(&str, DataFile); 2] = [("orders", DataFile::Orders), ("deliveries", DataFile::Deliveries)];

/// How long other processes that use a file are waited for.
const TURN_TIMEOUT: Duration = Duration::from_secs(10);

/// The column `Key` of `desc`, as the mysql client shows it.
const KEY_COLUMN: &str = "case when pk > 0 then 'PRI' else '' end";

/// How long a statement may run.
const STATEMENT_TIMEOUT: Duration = Duration::from_secs(60);
/// How many instructions SQLite runs until it is checked whether the time is over.
const STEPS: i32 = 10_000;

/// Runs a statement on the databases of a data folder.
pub fn query(dir: &Path, statement: &ReadOnlyStatement) -> Result<Table> {
    let mut connection = open(dir)?;
    let table = match &statement.kind {
        StatementKind::Tables => rows(&connection, &tables_statement())?,
        StatementKind::Columns(name) => {
            let table = rows(&connection, &columns_statement(name))?;
            if table.rows.is_empty() {
                bail!("there is no table {name}; show tables lists what there is");
            }
            table
        }
        StatementKind::Show => bail!(Usage("the embedded databases know only show tables".into())),
        StatementKind::Query => {
            protect(&mut connection)?;
            rows(&connection, &statement.text)?
        }
    };
    close(connection, dir);
    Ok(table)
}

fn open(dir: &Path) -> Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_URI | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(":memory:", flags).context("can't open SQLite")?;
    connection.busy_timeout(TURN_TIMEOUT)?;
    let mut found = false;
    for (name, file) in DATABASES {
        let path = dir.join(file.name());
        if !path.exists() {
            continue;
        }
        found = true;
        in_turn(&path, || attach(&connection, &path, name))
            .map_err(|error| anyhow!("can't read {}: {}", path.display(), sentence(&error)))?;
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

/// Attaches a file so that nothing can be written to it.
fn attach(connection: &Connection, path: &Path, name: &str) -> rusqlite::Result<()> {
    let encoded = path
        .to_string_lossy()
        .replace('%', "%25")
        .replace('?', "%3f")
        .replace('#', "%23");
    connection.execute(
        &format!("attach database ?1 as {name}"),
        [format!("file:{encoded}?mode=ro")],
    )?;
    // SQLite opens the file itself only when it is first used, which has to happen within the turn.
    connection.query_row(&format!("select count(*) from {name}.sqlite_schema"), [], |_| Ok(()))
}

/// Lets a statement read tables and call known functions, for a minute, and nothing else.
fn protect(connection: &mut Connection) -> rusqlite::Result<()> {
    connection.authorizer(Some(|context: AuthContext<'_>| match context.action {
        AuthAction::Select | AuthAction::Read { .. } | AuthAction::Recursive => Authorization::Allow,
        AuthAction::Function { function_name } if may_call(function_name) => Authorization::Allow,
        _ => Authorization::Deny,
    }))?;
    let end = Instant::now() + STATEMENT_TIMEOUT;
    connection.progress_handler(STEPS, Some(move || Instant::now() >= end))
}

/// Whether a statement may call this function. SQLite counts some operators as functions.
fn may_call(function: &str) -> bool {
    functions::is_allowed(function) || ["->", "->>", "regexp", "match"].contains(&function)
}

/// Opens or closes a file in turn with the processes that write it. A file without lock files is used by no other process.
fn in_turn<T>(path: &Path, work: impl FnOnce() -> T) -> T {
    let mut turnstile = Turnstile::open_existing(path).ok();
    let _turn = turnstile
        .as_mut()
        .and_then(|turnstile| turnstile.enter(TURN_TIMEOUT).ok());
    work()
}

fn close(connection: Connection, dir: &Path) {
    for (name, file) in DATABASES {
        // A database that was not attached can't be detached, which is of no concern here.
        in_turn(&dir.join(file.name()), || {
            connection.execute(&format!("detach database {name}"), [])
        })
        .ok();
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
        ValueRef::Text(bytes) => Some(String::from_utf8_lossy(bytes).into_owned()),
        ValueRef::Blob(bytes) => Some(table::of_bytes(bytes)),
    }
}

/// SQLite's sentence about an error, without its code.
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
         {KEY_COLUMN} as \"Key\", dflt_value as \"Default\", '' as \"Extra\" from pragma_table_info('{table}')"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A data folder with both databases.
    fn folder() -> tempfile::TempDir {
        let folder = tempfile::tempdir().expect("a folder");
        for (_, service) in DATABASES {
            let file = Connection::open(folder.path().join(service.name())).expect("it opens");
            let made = "pragma journal_mode = wal; create table t (a int, b blob); insert into t values (1, x'00ff'), (2, 'text')";
            file.execute_batch(made).expect("it is made");
        }
        folder
    }

    /// A statement as if the judge had let it through by mistake.
    fn unjudged(text: &str) -> ReadOnlyStatement {
        ReadOnlyStatement {
            kind: StatementKind::Query,
            text: text.into(),
        }
    }

    #[test]
    fn the_database_itself_refuses_what_the_judge_would_have_missed() {
        let folder = folder();
        let state =
            || ["orders.db", "deliveries.db"].map(|file| std::fs::read(folder.path().join(file)).expect("a file"));
        let before = state();
        for text in include_str!("../../tests/sql/dangerous.sql").lines() {
            // Some of these statements only read on SQLite, or are none there.
            let _ = query(folder.path(), &unjudged(text));
        }
        assert!(state() == before && !Path::new("/tmp/mall-canary-out").exists());
        for text in [
            "insert into t values (3, 3)",
            "insert into orders.t values (3, 3)",
            "create table orders.x (a)",
            "create temp table x (a)",
            "drop table orders.t",
            "pragma orders.user_version = 7",
            "attach ':memory:' as m",
            "select load_extension('x')",
            "select * from pragma_table_info('t')",
            "select zeroblob(9)",
        ] {
            let why = query(folder.path(), &unjudged(text)).expect_err(text).to_string();
            assert!(why.contains("not authorized"), "{text}: {why}");
        }
        let rows = query(folder.path(), &unjudged("select a, b from orders.t"))
            .expect("it reads")
            .rows;
        assert_eq!(
            rows,
            [
                [Some("1".into()), Some("0x00FF".into())],
                [Some("2".into()), Some("text".into())]
            ]
        );
    }

    #[test]
    fn files_are_opened_so_that_they_can_only_be_read() {
        let folder = folder();
        let connection = open(folder.path()).expect("they open");
        connection
            .pragma_update(None, "query_only", false)
            .expect("it can be switched off");
        let written = connection
            .execute("insert into orders.t values (3, 3)", [])
            .expect_err("a file opened read-only");
        assert!(written.to_string().contains("readonly database"), "{written}");
    }
}
