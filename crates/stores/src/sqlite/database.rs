//! The synchronous core: a service's database over one connection.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use keylane_log::connection;
use keylane_log::database_files::DatabaseFiles;
use rusqlite::{Connection, OpenFlags};

use super::schema::{self, Found};
use super::{error, general_ci};
use shop::domain::Source;
use shop::store::{Result, StoreError};

/// How many pages the write-ahead log (WAL) holds before a commit copies them into the database; SQLite's default of 1000
/// doubles the time of the slowest commits.
const CHECKPOINT_PAGES: u32 = 8000;
/// The size in bytes that the WAL is cut back to after a checkpoint.
const WAL_BYTES: u32 = 64 << 20;
/// The pause between two attempts at a lock that is held by a program which doesn't take turns with us.
const BUSY_PAUSE: Duration = Duration::from_micros(200);
/// How many such attempts are made: for half a second or more in all.
const BUSY_ATTEMPTS: i32 = 2000;
/// One service's database over one connection. Every method is a whole unit of work.
pub struct Database {
    connection: Connection,
    source: Source,
    /// The database's name in messages: the file's path.
    name: String,
    file: Option<(PathBuf, DatabaseFiles)>,
    durability: Durability,
}

/// Whether a commit waits for the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Durability {
    /// A commit waits until it is on the disk.
    Full,
    /// A commit doesn't wait. A power failure may undo it, but never half of it.
    Relaxed,
}

impl Database {
    /// A new database of `source` in memory.
    ///
    /// # Errors
    /// `Broken` if SQLite can't make one.
    pub fn in_memory(source: Source) -> Result<Self> {
        let connection = Connection::open_in_memory().map_err(|sql| error::explain("a database in memory", sql))?;
        Self::over(connection, source)
    }

    /// Removes everything that the database holds, so that it is as a new one. That takes less time than a new one, whose
    /// statements have to be prepared.
    ///
    /// # Errors
    /// `Broken` if the connection can't be used.
    pub fn emptied(self) -> Result<Self> {
        self.sql(connection::clear)?;
        Ok(self)
    }

    /// The database of `source` over a connection of its own, in memory for example; its tables are created when they
    /// are missing.
    ///
    /// # Errors
    /// `Broken` if the connection can't be used.
    pub fn over(connection: Connection, source: Source) -> Result<Self> {
        let mut database = Self::unprepared(connection, source, format!("the {source:?} database"), None);
        database.set_up()?;
        database.prepare()?;
        Ok(database)
    }

    /// Opens the file for writing, and creates it and its tables if they are missing. The caller must have its turn at the
    /// file.
    pub(super) fn open(path: &Path, source: Source) -> Result<Self> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE;
        let mut database = Self::open_with(path, source, flags)?;
        database.prepare()?;
        Ok(database)
    }

    /// Opens the file, which must exist, for reading. The caller must have its turn at the file.
    pub(super) fn open_reader(path: &Path, source: Source) -> Result<Self> {
        // A reader has to write to the WAL's index, so a read-only handle would not always do.
        let database = Self::open_with(path, source, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
        database.sql(|connection| connection.pragma_update(None, "query_only", true))?;
        let (found, newest) = (database.version()?, schema::newest(source));
        if found < newest {
            return Err(StoreError::Broken(format!(
                "{} has the older format {found}, and a role that starts brings it up to format {newest}",
                database.name
            )));
        }
        Ok(database)
    }

    fn open_with(path: &Path, source: Source, flags: OpenFlags) -> Result<Self> {
        let name = path.display().to_string();
        let connection = Connection::open_with_flags(path, flags | OpenFlags::SQLITE_OPEN_NO_MUTEX)
            .map_err(|sql| error::explain(&name, sql))?;
        let file = (path.to_owned(), DatabaseFiles::opened(path));
        let mut database = Self::unprepared(connection, source, name, Some(file));
        let wait = |attempt| {
            std::thread::sleep(BUSY_PAUSE);
            attempt < BUSY_ATTEMPTS
        };
        let name = &database.name;
        (database.connection.busy_handler(Some(wait))).map_err(|sql| error::explain(name, sql))?;
        database.set_up()?;
        Ok(database)
    }

    fn unprepared(
        connection: Connection,
        source: Source,
        name: String,
        file: Option<(PathBuf, DatabaseFiles)>,
    ) -> Self {
        Self {
            connection,
            source,
            name,
            file,
            durability: Durability::Full,
        }
    }

    /// Sets up what belongs to a connection and not to a file, such as the order in which pages are sorted by texts.
    fn set_up(&self) -> Result<()> {
        self.sql(|connection| {
            connection::prepare_once(connection)?;
            connection.create_collation(general_ci::NAME, general_ci::compare)
        })
    }

    /// Sets the connection up and brings the tables up to date. A file that is not this service's is left as it is.
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

    /// The version of the tables, or why this program can't use the file.
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
        self.read(|connection| {
            let mut count = connection.prepare_cached("select count(*) from sqlite_schema")?;
            count.query_row([], |_| Ok(()))
        })
    }

    /// Fails unless the database takes writes again, after one has failed. A disk that is nearly full may have room only for
    /// the smallest writes, so the probe needs room for a large one.
    pub(super) fn probe(&mut self) -> Result<()> {
        if let Some((path, _)) = &self.file {
            room_beside(path).map_err(|error| {
                StoreError::Unwritable(format!("nothing can be written beside {}: {error}", self.name))
            })?;
        }
        // The number stays as it is: a newer version of this program may have written it.
        self.write(Durability::Full, |connection| {
            let version: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
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
        let done = self.sql(|sql| connection::write(sql, work))?;
        self.learn_place();
        Ok(done)
    }

    /// Runs `work` on one snapshot of the committed data.
    pub(super) fn read<T>(&mut self, work: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> Result<T> {
        self.in_place()?;
        let done = self.sql(|sql| connection::read(sql, work))?;
        self.learn_place();
        Ok(done)
    }

    /// Refuses work that belongs to the other service's database.
    pub(super) fn serves(&self, source: Source) -> Result<()> {
        if self.source == source {
            return Ok(());
        }
        Err(StoreError::Rejected(format!(
            "{} holds {:?} and no {source:?}",
            self.name, self.source
        )))
    }

    /// Has commits be so durable from now on, where there is a disk to wait for.
    fn make(&mut self, durability: Durability) -> Result<()> {
        if self.file.is_some() && self.durability != durability {
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

    /// Fails if the file was removed or replaced: SQLite itself would go on writing to a file that has no name any more.
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

/// How many bytes must fit on the disk before it counts as having room.
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
