//! The tables of a log.
//!
//! * `partitions` has every partition of every topic, and the offset of its next record. That is not `max(offset) + 1`:
//!   a partition whose records have all been removed must not start again at 0.
//! * `records` has the records, in the order in which they are read.
//! * `groups`, `members` and `group_partitions` are the consumer groups. A group's epoch rises whenever its members
//!   have reason to look at the tables. A member's row counts its heartbeats. The row of a partition has its owner, its
//!   generation, and what the group has committed.

use rusqlite::Connection;

use crate::connection;
use crate::port::{LogError, Result};

/// The application id in the file's header (`klog`), by which a log is told from other SQLite databases.
const APPLICATION_ID: i32 = 0x6b6c_6f67;
/// The format of the tables.
const VERSION: i32 = 1;

/// `timestamp` is the producer's time, and `appended` the log's own. Retention goes by the latter, because a record may
/// be appended long after its event.
const TABLES: &str = "
    create table partitions (
        topic text not null, partition integer not null, next integer not null default 0,
        primary key (topic, partition)) without rowid;
    create table records (
        topic text not null, partition integer not null, offset integer not null, timestamp integer not null,
        appended integer not null, key blob, value blob, headers blob,
        primary key (topic, partition, offset)) without rowid;
    create table groups (name text primary key, epoch integer not null) without rowid;
    create table members (
        name text not null, member text not null, topics text not null, session_ms integer not null,
        beat integer not null, primary key (name, member)) without rowid;
    create table group_partitions (
        name text not null, topic text not null, partition integer not null, owner text,
        generation integer not null, committed integer, metadata text not null default '',
        primary key (name, topic, partition)) without rowid;
";

/// Creates the tables if the database is empty, and checks it otherwise.
///
/// # Errors
/// [`LogError::Broken`] if the database belongs to another program, or to a newer version of this one.
pub(super) fn create(conn: &Connection) -> Result<()> {
    write(conn, |tx| {
        let empty: bool = tx.query_row("select count(*) = 0 from sqlite_schema", [], |row| row.get(0))?;
        if empty {
            tx.execute_batch(TABLES)?;
            tx.pragma_update(None, "application_id", APPLICATION_ID)?;
            tx.pragma_update(None, "user_version", VERSION)?;
        }
        check(tx)
    })
}

/// Checks that the database is a log in the format of this program.
///
/// # Errors
/// [`LogError::Broken`] if it is not.
pub(super) fn check(conn: &Connection) -> Result<()> {
    let number = |name: &str| conn.pragma_query_value(None, name, |row| row.get::<_, i32>(0));
    if number("application_id")? != APPLICATION_ID {
        return Err(LogError::Broken("the log's file is a database, but not a log".into()));
    }
    match number("user_version")? {
        VERSION => Ok(()),
        other => Err(LogError::Broken(format!(
            "the log's file has format {other}, but this program knows format {VERSION} only"
        ))),
    }
}

/// Runs `work` as one transaction that writes.
pub(super) fn write<T>(conn: &Connection, work: impl FnOnce(&Connection) -> Result<T>) -> Result<T> {
    connection::write(conn, work)
}

/// Runs `work` on one snapshot of the log.
pub(super) fn read<T>(conn: &Connection, work: impl FnOnce(&Connection) -> Result<T>) -> Result<T> {
    connection::read(conn, work)
}

/// A new log in memory.
#[cfg(test)]
pub(super) fn in_memory() -> Connection {
    let conn = Connection::open_in_memory().unwrap();
    create(&conn).unwrap();
    conn
}
