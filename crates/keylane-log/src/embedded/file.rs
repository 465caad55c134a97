//! A connection to `log.db`, and its turnstile.
//!
//! # Invariants
//! * The file is opened, closed and written only while its turn is held ([`Turnstile`]).
//! * A connection belongs to one thread at a time, and has a turnstile of its own.

use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};

use super::fault::in_file;
use super::schema;
use crate::connection::prepare_once;
use crate::database_files::DatabaseFiles;
use crate::port::{LogError, Result};
use crate::turnstile::Turnstile;

/// The longest wait for a turn. After it the call fails, and its error names the process that has the turn.
const TURN_TIMEOUT: Duration = Duration::from_secs(3);
/// The longest wait for the turn in which the file is closed. It is short, so that a process that ends does not hang
/// because of another.
const CLOSE_TIMEOUT: Duration = Duration::from_millis(500);
/// Pause between two tries of SQLite to get its own lock, which only a program that does not use the turnstile can
/// keep.
const BUSY_PAUSE: Duration = Duration::from_micros(200);
/// The most such tries; together they take about ten seconds.
const BUSY_TRIES: i32 = 40_000;

/// What a connection is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    /// It writes records, which must survive a power cut, so a commit waits for the disk.
    Records,
    /// It writes positions and heartbeats, which may be lost in a power cut: then some records are handed out again.
    Positions,
    /// It writes nothing.
    Reading,
}

/// A connection to the log's file.
#[derive(Debug)]
pub(super) struct LogFile {
    path: PathBuf,
    /// `None` only while this is dropped.
    conn: Option<Connection>,
    turnstile: Turnstile,
    files: DatabaseFiles,
}

impl LogFile {
    /// Opens the log at `path`, and creates it and its tables when they are missing. The folder must exist.
    pub(super) fn create(path: &Path, purpose: Purpose) -> Result<Self> {
        let turnstile = Turnstile::open(path)?;
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE;
        Self::open_with(path, turnstile, flags, |conn| {
            schema::create(conn)?;
            conn.pragma_update_and_check(None, "journal_mode", "wal", |_| Ok(()))?;
            configure(conn, purpose)
        })
    }

    /// Opens the log at `path` without creating anything.
    pub(super) fn open(path: &Path, purpose: Purpose) -> Result<Self> {
        let turnstile = Turnstile::open_existing(path)?;
        Self::open_with(path, turnstile, OpenFlags::SQLITE_OPEN_READ_WRITE, |conn| {
            schema::check(conn)?;
            configure(conn, purpose)
        })
    }

    fn open_with(
        path: &Path,
        mut turnstile: Turnstile,
        flags: OpenFlags,
        prepare: impl FnOnce(&Connection) -> Result<()>,
    ) -> Result<Self> {
        let open = || {
            let mut conn = Connection::open_with_flags(path, flags | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
            conn.busy_handler(Some(wait_a_little))?;
            prepare_once(&conn)?;
            prepare(&conn)?;
            Ok(conn)
        };
        let turn = turnstile.enter(TURN_TIMEOUT)?;
        let opened = open();
        drop(turn);
        let conn = opened.map_err(|error| in_file(path, error))?;
        Ok(Self {
            files: DatabaseFiles::opened(path),
            path: path.to_owned(),
            conn: Some(conn),
            turnstile,
        })
    }

    /// Runs `work`, which writes, in a turn.
    pub(super) fn write<T>(&mut self, work: impl FnOnce(&Connection) -> Result<T>) -> Result<T> {
        let conn = self.conn.as_ref().expect("the log is open");
        let turn = self.turnstile.enter(TURN_TIMEOUT)?;
        let done = in_place(&self.files, || work(conn));
        drop(turn);
        done.map_err(|error| in_file(&self.path, error))
    }

    /// Runs `work`, which only reads. It waits for no turn.
    pub(super) fn read<T>(&self, work: impl FnOnce(&Connection) -> Result<T>) -> Result<T> {
        let conn = self.conn.as_ref().expect("the log is open");
        in_place(&self.files, || work(conn)).map_err(|error| in_file(&self.path, error))
    }

    /// A number that changes whenever another connection has committed. This connection's own commits don't change it.
    pub(super) fn version(&self) -> Result<i64> {
        self.read(|conn| {
            let mut pragma = conn.prepare_cached("pragma data_version")?;
            Ok(pragma.query_row([], |row| row.get(0))?)
        })
    }
}

impl Drop for LogFile {
    fn drop(&mut self) {
        let turn = self.turnstile.enter(CLOSE_TIMEOUT);
        // If there was no turn, a process that opens the file at this moment at worst waits for SQLite's own locks.
        drop(self.conn.take());
        drop(turn);
    }
}

/// SQLite's busy handler: waits, and returns whether to try again.
fn wait_a_little(tries: i32) -> bool {
    std::thread::sleep(BUSY_PAUSE);
    tries < BUSY_TRIES
}

/// Sets the connection's pragmas. A larger write-ahead log more than halves the 99th percentile of commits; its size
/// limit frees the disk after a burst.
fn configure(conn: &Connection, purpose: Purpose) -> Result<()> {
    let (synchronous, cache_kib) = match purpose {
        Purpose::Records => ("full", 8192),
        Purpose::Positions | Purpose::Reading => ("normal", 2048),
    };
    conn.pragma_update(None, "cache_size", -cache_kib)?;
    conn.pragma_update(None, "synchronous", synchronous)?;
    conn.pragma_update(None, "query_only", purpose == Purpose::Reading)?;
    conn.pragma_update_and_check(None, "wal_autocheckpoint", 8000, |_| Ok(()))?;
    conn.pragma_update_and_check(None, "journal_size_limit", 64 << 20, |_| Ok(()))?;
    Ok(())
}

/// Runs `work` unless a file of the log was removed or replaced since it was opened.
fn in_place<T>(files: &DatabaseFiles, work: impl FnOnce() -> Result<T>) -> Result<T> {
    if let Some(lost) = files.lost() {
        return Err(LogError::Broken(format!(
            "{} was deleted or replaced while it was open: stop this process, put the file back, and start it again",
            lost.display()
        )));
    }
    let done = work()?;
    files.learn();
    Ok(done)
}
