//! What every connection of ours to SQLite does: it prepares each statement once, also those that begin and end transactions.
//!
//! SQLite takes longer to understand a small statement than to run it.
//!
//! # Invariants
//! * A transaction whose work fails or panics, or whose commit fails, is rolled back before its caller goes on.

use rusqlite::config::DbConfig;
use rusqlite::{Connection, Result};

/// How many prepared statements a connection keeps: all of them, except those of unusual sort orders.
const STATEMENTS: usize = 64;

/// Has a connection keep its prepared statements, and prepare none of them again. By itself SQLite would do so with each that
/// has a parameter behind its `limit`, for each value, in the hope of a better plan. There is none, as no plan of ours
/// depends on statistics.
///
/// # Errors
/// If SQLite refuses it.
pub fn prepare_once(connection: &Connection) -> Result<()> {
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    Ok(())
}

/// Runs `work` as one transaction that writes. It takes the write lock at its start, because a transaction that reads first
/// fails at once if it wants to write while another one writes.
///
/// # Errors
/// Those of the work, and SQLite's.
pub fn write<T, E: From<rusqlite::Error>>(
    connection: &Connection,
    work: impl FnOnce(&Connection) -> Result<T, E>,
) -> Result<T, E> {
    transact(connection, "begin immediate", work)
}

/// Runs `work`, which only reads, on one snapshot of the committed data.
///
/// # Errors
/// As [`write`].
pub fn read<T, E: From<rusqlite::Error>>(
    connection: &Connection,
    work: impl FnOnce(&Connection) -> Result<T, E>,
) -> Result<T, E> {
    transact(connection, "begin", work)
}

/// Removes the rows of all tables. What SQLite numbers by itself is numbered from 1 again.
///
/// # Errors
/// SQLite's; nothing is removed then.
pub fn clear(connection: &Connection) -> Result<()> {
    let mut select = connection.prepare_cached("select name from sqlite_schema where type = 'table'")?;
    let tables: Vec<String> = select.query_map([], |row| row.get(0))?.collect::<Result<_>>()?;
    write(connection, |tx| {
        for table in tables {
            run(tx, &format!("delete from {table}"))?;
        }
        Ok(())
    })
}

fn transact<T, E: From<rusqlite::Error>>(
    connection: &Connection,
    begin: &str,
    work: impl FnOnce(&Connection) -> Result<T, E>,
) -> Result<T, E> {
    run(connection, begin)?;
    let _open = Open(connection);
    let done = work(connection)?;
    run(connection, "commit")?;
    Ok(done)
}

fn run(connection: &Connection, statement: &str) -> Result<()> {
    connection.prepare_cached(statement)?.execute([])?;
    Ok(())
}

/// A transaction that has begun.
struct Open<'a>(&'a Connection);

impl Drop for Open<'_> {
    fn drop(&mut self) {
        // It has ended if it was committed, and after some errors SQLite has rolled it back by itself.
        if !self.0.is_autocommit() {
            // What can't be rolled back now is rolled back when the connection is closed.
            let _ = run(self.0, "rollback");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};

    use super::*;

    fn database() -> Connection {
        let connection = Connection::open_in_memory().expect("SQLite has memory");
        prepare_once(&connection).expect("a new connection");
        let table = "create table kept (number integer primary key)";
        connection.execute_batch(table).expect("a table");
        connection
    }

    fn insert(connection: &Connection) -> Result<usize> {
        connection.execute("insert into kept default values", [])
    }

    fn kept(connection: &Connection) -> i64 {
        read(connection, |snapshot| {
            snapshot.query_row("select count(*) from kept", [], |row| row.get(0))
        })
        .expect("a count")
    }

    #[test]
    fn work_that_fails_or_panics_leaves_nothing() {
        let connection = database();
        write(&connection, insert).expect("a row");
        let fails = |tx: &Connection| {
            insert(tx)?;
            tx.execute("insert into nowhere default values", [])
        };
        assert!(write(&connection, fails).is_err());
        let panics = || -> Result<()> {
            write(&connection, |tx| {
                insert(tx)?;
                panic!("this panic belongs to the test")
            })
        };
        assert!(catch_unwind(AssertUnwindSafe(panics)).is_err());
        assert_eq!(kept(&connection), 1);
        write(&connection, insert).expect("another row");
        assert_eq!(kept(&connection), 2);
    }

    #[test]
    fn a_commit_that_fails_is_rolled_back() {
        let connection = database();
        let child = "create table child (parent integer references kept deferrable initially deferred)";
        connection.execute_batch(child).expect("a table");
        let orphan = |tx: &Connection| tx.execute("insert into child values (7)", []);
        assert!(write(&connection, orphan).is_err());
        let children = "select count(*) from child";
        let left: i64 = connection.query_row(children, [], |row| row.get(0)).expect("a count");
        assert_eq!(left, 0);
    }

    #[test]
    fn a_database_that_was_cleared_numbers_from_1_again() {
        let connection = database();
        let table = "create table numbered (number integer primary key autoincrement)";
        connection.execute_batch(table).expect("a table");
        for _ in 0..2 {
            write(&connection, insert).expect("a row");
            let number = "insert into numbered default values returning number";
            let number: i64 = connection.query_row(number, [], |row| row.get(0)).expect("a row");
            assert_eq!((kept(&connection), number), (1, 1));
            clear(&connection).expect("an open database");
            assert_eq!(kept(&connection), 0);
        }
    }

    #[test]
    fn a_statement_is_prepared_once_whatever_its_limit_is() {
        let connection = database();
        for limit in 0..5 {
            let mut select = connection
                .prepare_cached("select number from kept where number > ? limit ?")
                .expect("a statement");
            let rows = select
                .query_map([limit, limit], |row| row.get::<_, i64>(0))
                .expect("rows");
            assert_eq!(rows.count(), 0);
            assert_eq!(select.get_status(rusqlite::StatementStatus::RePrepare), 0);
        }
    }
}
