//! A connection to `log.db`, and its place in the queue.
//!
//! # Invariants
//! * Opening, closing and every write happen in a turn ([`Turnstile`]).
//! * A connection belongs to one thread at a time and has a turnstile of its own.

use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};

use super::fault::in_file;
use super::schema;
use crate::database_files::DatabaseFiles;
use crate::port::{LogError, Result};
use crate::turnstile::Turnstile;

/// For how long a turn is waited for before its holder is named.
const PATIENCE: Duration = Duration::from_secs(3);
/// Closing is worth a shorter wait: a process that ends should not hang on another's account.
const PATIENCE_TO_CLOSE: Duration = Duration::from_millis(500);
/// The second line behind the turnstile, for whoever writes without it: 0.2 ms each, about ten seconds in all.
const BUSY_PAUSE: Duration = Duration::from_micros(200);
const BUSY_TRIES: i32 = 40_000;

/// What a connection is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    /// Records: they must survive a power cut, so a commit waits for the disk.
    Records,
    /// Positions and beats, which may be lost in a power cut: at worst records are handed out again.
    Positions,
    /// Nothing is written.
    Reading,
}

#[derive(Debug)]
pub(super) struct LogFile {
    path: PathBuf,
    /// `None` only while it is dropped.
    conn: Option<Connection>,
    turnstile: Turnstile,
    files: DatabaseFiles,
}

impl LogFile {
    /// Opens the log at `path`, with its tables, and creates it when missing. The folder must exist.
    pub(super) fn create(path: &Path, purpose: Purpose) -> Result<Self> {
        let turnstile = Turnstile::open(path)?;
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE;
        Self::open_with(path, turnstile, flags, |conn| {
            schema::create(conn)?;
            conn.pragma_update_and_check(None, "journal_mode", "wal", |_| Ok(()))?;
            settle(conn, purpose)
        })
    }

    /// Opens the log at `path`; nothing is created.
    pub(super) fn open(path: &Path, purpose: Purpose) -> Result<Self> {
        let turnstile = Turnstile::open_existing(path)?;
        Self::open_with(path, turnstile, OpenFlags::SQLITE_OPEN_READ_WRITE, |conn| {
            schema::check(conn)?;
            settle(conn, purpose)
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
            conn.set_prepared_statement_cache_capacity(64);
            prepare(&conn)?;
            Ok(conn)
        };
        let turn = turnstile.enter(PATIENCE)?;
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

    /// Runs what writes.
    pub(super) fn write<T>(&mut self, work: impl FnOnce(&Connection) -> Result<T>) -> Result<T> {
        let conn = self.conn.as_ref().expect("the log is open");
        let turn = self.turnstile.enter(PATIENCE)?;
        let done = in_place(&self.files, || work(conn));
        drop(turn);
        done.map_err(|error| in_file(&self.path, error))
    }

    /// Runs what only reads.
    pub(super) fn read<T>(&self, work: impl FnOnce(&Connection) -> Result<T>) -> Result<T> {
        let conn = self.conn.as_ref().expect("the log is open");
        in_place(&self.files, || work(conn)).map_err(|error| in_file(&self.path, error))
    }

    /// Moves whenever another connection has committed; one's own commits do not move it.
    pub(super) fn version(&self) -> Result<i64> {
        self.read(|conn| {
            let mut pragma = conn.prepare_cached("pragma data_version")?;
            Ok(pragma.query_row([], |row| row.get(0))?)
        })
    }
}

impl Drop for LogFile {
    fn drop(&mut self) {
        let turn = self.turnstile.enter(PATIENCE_TO_CLOSE);
        // Without a turn the worst is that somebody who opens just now waits for SQLite's own locks.
        drop(self.conn.take());
        drop(turn);
    }
}

fn wait_a_little(tries: i32) -> bool {
    std::thread::sleep(BUSY_PAUSE);
    tries < BUSY_TRIES
}

/// A larger write-ahead log more than halves the p99 of commits; the limit gives the disk back after a burst.
fn settle(conn: &Connection, purpose: Purpose) -> Result<()> {
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
