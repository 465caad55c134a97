//! The tables of a log.
//!
//! * `partitions` names every partition of every topic and the offset it gives out next. That is not
//!   `max(offset) + 1`: a partition whose records are all pruned must not start again at 0.
//! * `records` holds the records, in the order in which they are read.
//! * `groups`, `members` and `group_partitions` are the consumer groups: an epoch that moves whenever a member has
//!   reason to look again, the members and their beats, and who owns which partition and has committed what.

use rusqlite::{Connection, Transaction, TransactionBehavior};

use crate::port::{LogError, Result};

/// `klog`, so that somebody else's database is not taken for a log.
const APPLICATION_ID: i32 = 0x6b6c_6f67;
const VERSION: i32 = 1;

/// `appended` is the log's own time, which retention goes by: a record may be published long after its event.
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

/// Creates the tables of an empty database.
///
/// # Errors
/// [`LogError::Broken`] if the database is somebody else's, or of a newer version of this program.
pub fn create(conn: &Connection) -> Result<()> {
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

/// Tells whether the database is a log that this program knows.
///
/// # Errors
/// [`LogError::Broken`] if it is not.
pub fn check(conn: &Connection) -> Result<()> {
    let number = |name: &str| conn.pragma_query_value(None, name, |row| row.get::<_, i32>(0));
    if number("application_id")? != APPLICATION_ID {
        return Err(LogError::Broken("the log's file is a database, but not a log".into()));
    }
    match number("user_version")? {
        VERSION => Ok(()),
        other => Err(LogError::Broken(format!(
            "the log's file has format {other}, this program knows format {VERSION} only"
        ))),
    }
}

/// Runs `work` in a transaction that may write from its start (upgrading a read fails at once if somebody else
/// writes), and commits unless it fails.
pub(super) fn write<T>(conn: &Connection, work: impl FnOnce(&Connection) -> Result<T>) -> Result<T> {
    let tx = Transaction::new_unchecked(conn, TransactionBehavior::Immediate)?;
    let done = work(&tx)?;
    tx.commit()?;
    Ok(done)
}

/// Runs `work` on one snapshot.
pub(super) fn read<T>(conn: &Connection, work: impl FnOnce(&Connection) -> Result<T>) -> Result<T> {
    let tx = Transaction::new_unchecked(conn, TransactionBehavior::Deferred)?;
    work(&tx)
}

#[cfg(test)]
pub(super) fn in_memory() -> Connection {
    let conn = Connection::open_in_memory().unwrap();
    create(&conn).unwrap();
    conn
}
