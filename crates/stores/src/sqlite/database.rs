//! The synchronous core: a service's database over one connection.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use keylane_log::database_files::DatabaseFiles;
use rusqlite::{Connection, OpenFlags, TransactionBehavior};

use super::error;
use super::schema::{self, Found};
use shop::domain::Source;
use shop::store::{Result, StoreError};

/// Pages in the WAL before a commit copies them back; the default of 1000 doubles the slowest commits.
const CHECKPOINT_PAGES: u32 = 8000;
/// The WAL is cut back to this many bytes after a checkpoint.
const WAL_BYTES: u32 = 64 << 20;
/// How often, and how many times, a lock is tried that somebody holds who doesn't take turns: half a second in all.
const BUSY_PAUSE: Duration = Duration::from_micros(200);
const BUSY_ATTEMPTS: i32 = 2000;
/// More than there are statements, page sorts aside.
const STATEMENTS: usize = 64;

/// One service's database over one connection. Every method is a whole unit of work.
pub struct Database {
    connection: Connection,
    source: Source,
    /// How people know it.
    name: String,
    file: Option<(PathBuf, DatabaseFiles)>,
    durability: Durability,
}

/// Whether a commit waits for the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Durability {
    /// It does.
    Full,
    /// A power failure may take it back, though never half of it.
    Relaxed,
}

impl Database {
    /// The database of `source` over a connection of its own, in memory for example; its tables are created when they
    /// are missing.
    ///
    /// # Errors
    /// `Broken` if the connection can't be used.
    pub fn over(connection: Connection, source: Source) -> Result<Self> {
        let mut database = Self::unprepared(connection, source, format!("the {source:?} database"), None);
        database.prepare()?;
        Ok(database)
    }

    /// Opens the file for writing, creating it and its tables when they are missing. To be called in the file's turn.
    pub(super) fn open(path: &Path, source: Source) -> Result<Self> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE;
        let mut database = Self::open_with(path, source, flags)?;
        database.prepare()?;
        Ok(database)
    }

    /// Opens the file, which exists, for reading. To be called in the file's turn.
    pub(super) fn open_reader(path: &Path, source: Source) -> Result<Self> {
        // A reader of a WAL needs to write its index, so that a read-only handle would not always do.
        let database = Self::open_with(path, source, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
        database.sql(|connection| connection.pragma_update(None, "query_only", true))?;
        Ok(database)
    }

    fn open_with(path: &Path, source: Source, flags: OpenFlags) -> Result<Self> {
        let name = path.display().to_string();
        let connection = Connection::open_with_flags(path, flags | OpenFlags::SQLITE_OPEN_NO_MUTEX)
            .map_err(|sql| error::explain(&name, sql))?;
        let file = (path.to_owned(), DatabaseFiles::opened(path));
        let mut database = Self::unprepared(connection, source, name, Some(file));
        let patience = |attempt| {
            std::thread::sleep(BUSY_PAUSE);
            attempt < BUSY_ATTEMPTS
        };
        let name = &database.name;
        (database.connection.busy_handler(Some(patience))).map_err(|sql| error::explain(name, sql))?;
        Ok(database)
    }

    fn unprepared(
        connection: Connection,
        source: Source,
        name: String,
        file: Option<(PathBuf, DatabaseFiles)>,
    ) -> Self {
        connection.set_prepared_statement_cache_capacity(STATEMENTS);
        Self {
            connection,
            source,
            name,
            file,
            durability: Durability::Full,
        }
    }

    /// Makes the database ready. A file that is not this service's is left as it is.
    fn prepare(&mut self) -> Result<()> {
        let version = self.version()?;
        self.sql(|connection| {
            connection.pragma_update(None, "journal_mode", "wal")?;
            connection.pragma_update(None, "synchronous", "full")?;
            connection.pragma_update(None, "wal_autocheckpoint", CHECKPOINT_PAGES)?;
            connection.pragma_update(None, "journal_size_limit", WAL_BYTES)
        })?;
        let source = self.source;
        if version == schema::newest(source) {
            return Ok(());
        }
        self.write(Durability::Full, |connection| {
            schema::bring_up(connection, source, version)
        })
    }

    /// How far the tables have come.
    fn version(&self) -> Result<usize> {
        let (name, source) = (&self.name, self.source);
        match self.sql(|connection| schema::look(connection, source))? {
            Found::Ours(version) => Ok(version),
            Found::Newer(version) => Err(StoreError::Broken(format!(
                "{name} has format {version}, and this program knows formats up to {}; start a newer mall on it",
                schema::newest(source)
            ))),
            Found::Foreign => Err(StoreError::Broken(format!(
                "{name} is a database, but not the mall's database of {}; move it away, or give another folder with --data",
                source.path().trim_start_matches('/')
            ))),
        }
    }

    /// Whether the database can be read.
    ///
    /// # Errors
    /// `Broken` if its file is gone or damaged.
    pub fn ping(&mut self) -> Result<()> {
        self.read(|connection| connection.query_row("select count(*) from sqlite_schema", [], |_| Ok(())))
    }

    /// Whether the database takes writes again, after one has failed. A disk that is nearly full may have room for the
    /// smallest of them alone, so there must be room for more.
    pub(super) fn probe(&mut self) -> Result<()> {
        if let Some((path, _)) = &self.file {
            room_beside(path).map_err(|error| {
                StoreError::Unwritable(format!("nothing can be written beside {}: {error}", self.name))
            })?;
        }
        let version = schema::newest(self.source) as i64;
        self.write(Durability::Full, |connection| {
            connection.pragma_update(None, "user_version", version)
        })
    }

    /// Runs `work` as one transaction that writes.
    pub(super) fn write<T>(
        &mut self,
        durability: Durability,
        work: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> Result<T> {
        self.in_place()?;
        self.make(durability)?;
        let name = &self.name;
        let transact = || {
            let transaction = self
                .connection
                .transaction_with_behavior(TransactionBehavior::Immediate)?;
            let result = work(&transaction)?;
            transaction.commit()?;
            Ok(result)
        };
        let done = transact().map_err(|sql| error::explain(name, sql))?;
        self.learn_place();
        Ok(done)
    }

    /// Runs `work` over one snapshot of what is committed.
    pub(super) fn read<T>(&mut self, work: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> Result<T> {
        self.in_place()?;
        let name = &self.name;
        let transact = || {
            let snapshot = self.connection.transaction()?;
            work(&snapshot)
        };
        let done = transact().map_err(|sql| error::explain(name, sql))?;
        self.learn_place();
        Ok(done)
    }

    /// Refuses work of the other service.
    pub(super) fn serves(&self, source: Source) -> Result<()> {
        if self.source == source {
            return Ok(());
        }
        Err(StoreError::Rejected(format!(
            "{} holds {:?} and no {source:?}",
            self.name, self.source
        )))
    }

    fn make(&mut self, durability: Durability) -> Result<()> {
        if self.durability != durability {
            let level = match durability {
                Durability::Full => "full",
                Durability::Relaxed => "normal",
            };
            self.sql(|connection| connection.pragma_update(None, "synchronous", level))?;
            self.durability = durability;
        }
        Ok(())
    }

    fn learn_place(&self) {
        if let Some((_, files)) = &self.file {
            files.learn();
        }
    }

    /// SQLite would go on writing, without a word, to a file that nobody can find any more.
    fn in_place(&self) -> Result<()> {
        match self.file.as_ref().and_then(|(_, files)| files.lost()) {
            Some(lost) => Err(StoreError::Broken(format!(
                "{} was removed or replaced while it was in use; stop this process, put the file back, and start it again",
                lost.display()
            ))),
            None => Ok(()),
        }
    }

    fn sql<T>(&self, work: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> Result<T> {
        work(&self.connection).map_err(|sql| error::explain(&self.name, sql))
    }
}

/// Bytes that must fit on the disk before it counts as having room.
const ROOM: usize = 256 << 10;

fn room_beside(database: &Path) -> std::io::Result<()> {
    let mut path = database.as_os_str().to_owned();
    path.push(".probe");
    let path = PathBuf::from(path);
    let written = File::create(&path).and_then(|mut file| {
        file.write_all(&[0; ROOM])?;
        file.sync_all()
    });
    let removed = std::fs::remove_file(&path);
    written.and(removed)
}
