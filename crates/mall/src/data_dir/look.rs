//! Looks into the files of a data folder: whose they are, how far each has come, and what it knows of the others.
//!
//! Each file holds the folder's identity (table `folder`: a random number and when it was made) and what was last seen of
//! the other files, its neighbours (table `neighbour`: how far each of them had come).

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use keylane_log::LogError;
use keylane_log::turnstile::Turnstile;
use rusqlite::{Connection, ErrorCode, OpenFlags, OptionalExtension, TransactionBehavior};

use super::files::DataFile;

/// How long other processes that use the file are waited for.
const TURN_TIMEOUT: Duration = Duration::from_secs(3);
/// How long they are waited for in order to close the file, which happens in any case.
const CLOSING_TIMEOUT: Duration = Duration::from_millis(500);
/// How long SQLite waits for a lock of its own once the turn has come.
const BUSY_TIMEOUT: Duration = Duration::from_secs(1);

const TABLES: &str = "
    create table if not exists folder (id text not null, created integer not null);
    create table if not exists neighbour (
        file text primary key, count integer not null, highest integer not null) without rowid;
";

/// How far a file has come.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Mark {
    /// How much the file has written: records, journal rows or applied events. It never falls.
    pub count: i64,
    /// The highest order number given out; 0 in files that give out none.
    pub highest: i64,
}

/// What tells one data folder from another.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Identity {
    /// A random number.
    pub id: String,
    /// When the folder got its identity, in milliseconds since 1970.
    pub created: i64,
}

/// In which state a file is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FileState {
    Missing,
    /// The file is there and holds nothing.
    Empty,
    /// The file can't be read, or is no database of the mall. The service that opens it says what is wrong.
    Unknown,
    /// The file is a database of the mall.
    There(FileContents),
}

/// What a file says about the folder.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FileContents {
    /// The folder that the file belongs to. None in a file from before folders had identities, and in one that is new.
    pub identity: Option<Identity>,
    /// How far this file has come.
    pub mark: Mark,
    /// How far the other files had come when it was last noted here.
    pub neighbours: BTreeMap<DataFile, Mark>,
    /// Whether the file holds traces of orders. Only looked at in a file without an identity.
    pub orders: bool,
}

/// Why a data folder, or a file in it, can't be used.
#[derive(Debug)]
pub enum FolderError {
    /// Another process keeps it to itself; that may pass.
    Kept(String),
    /// Something is wrong that a person must mend.
    Wrong(String),
}

impl fmt::Display for FolderError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Kept(sentence) | Self::Wrong(sentence) => f.write_str(sentence),
        }
    }
}

impl From<LogError> for FolderError {
    fn from(error: LogError) -> Self {
        match error {
            LogError::Unavailable(sentence) => Self::Kept(sentence),
            LogError::Refused(sentence) | LogError::Broken(sentence) => Self::Wrong(sentence),
        }
    }
}

/// Looks into a file of this folder.
pub fn look(dir: &Path, file: DataFile) -> Result<FileState, FolderError> {
    let path = dir.join(file.name());
    match std::fs::metadata(&path) {
        Err(_) => return Ok(FileState::Missing),
        // SQLite would delete the write-ahead log of a file that was cut to nothing, and with it what could be saved.
        Ok(metadata) if metadata.len() == 0 => return Ok(FileState::Empty),
        Ok(_) => {}
    }
    match OpenFile::new(dir, file).and_then(|mut open| open.read(|connection| state(connection, file))) {
        Err(FolderError::Wrong(_)) => Ok(FileState::Unknown),
        state => state,
    }
}

fn state(connection: &Connection, file: DataFile) -> rusqlite::Result<FileState> {
    if !has_table(connection, table_of(file))? {
        let tables = "select count(*) from sqlite_schema where type = 'table'";
        let empty = connection.query_row(tables, [], |row| row.get::<_, i64>(0))? == 0;
        return Ok(if empty { FileState::Empty } else { FileState::Unknown });
    }
    let mut facts = FileContents {
        mark: mark(connection, file)?,
        ..FileContents::default()
    };
    if has_table(connection, "folder")? {
        facts.identity = identity(connection)?;
        facts.neighbours = neighbours(connection)?;
    }
    facts.orders = match (&facts.identity, file) {
        (Some(_), _) => false,
        (None, DataFile::Log) => holds_orders(connection)?,
        (None, DataFile::Orders | DataFile::Deliveries) => facts.mark.count > 0,
    };
    Ok(FileState::There(facts))
}

/// How far a file of this kind has come, as SQL: a count that never falls, and of the orders the highest number given out.
fn mark_statement(file: DataFile) -> &'static str {
    match file {
        DataFile::Log => "select coalesce(sum(next), 0), 0 from partitions",
        DataFile::Orders => {
            "select coalesce((select max(id) from order_event), 0),
                 coalesce((select seq from sqlite_sequence where name = 'Order_table'), 0)"
        }
        DataFile::Deliveries => {
            "select coalesce((select seq from sqlite_sequence where name = 'delivery_apply'), 0), 0"
        }
    }
}

/// A table that is there once its service, or the log, has prepared the file.
fn table_of(file: DataFile) -> &'static str {
    match file {
        DataFile::Log => "partitions",
        DataFile::Orders => "order_event",
        DataFile::Deliveries => "delivery_apply",
    }
}

fn has_table(connection: &Connection, name: &str) -> rusqlite::Result<bool> {
    let select = "select 1 from sqlite_schema where type = 'table' and name = ?";
    Ok(connection.query_row(select, [name], |_| Ok(())).optional()?.is_some())
}

fn mark(connection: &Connection, file: DataFile) -> rusqlite::Result<Mark> {
    connection.query_row(mark_statement(file), [], |row| {
        Ok(Mark {
            count: row.get(0)?,
            highest: row.get(1)?,
        })
    })
}

fn identity(connection: &Connection) -> rusqlite::Result<Option<Identity>> {
    let row = connection.query_row("select id, created from folder", [], |row| {
        Ok(Identity {
            id: row.get(0)?,
            created: row.get(1)?,
        })
    });
    row.optional()
}

fn neighbours(connection: &Connection) -> rusqlite::Result<BTreeMap<DataFile, Mark>> {
    let mut select = connection.prepare("select file, count, highest from neighbour")?;
    let mut rows = select.query([])?;
    let mut neighbours = BTreeMap::new();
    while let Some(row) = rows.next()? {
        let name: String = row.get(0)?;
        let mark = Mark {
            count: row.get(1)?,
            highest: row.get(2)?,
        };
        neighbours.extend(
            DataFile::ALL
                .into_iter()
                .find(|file| file.name() == name)
                .map(|file| (file, mark)),
        );
    }
    Ok(neighbours)
}

/// Whether the order service wrote into this log, judged by the first records that are kept.
fn holds_orders(connection: &Connection) -> rusqlite::Result<bool> {
    let select = "select exists (select 1 from (select headers from records limit 1000)
                      where instr(headers, cast('/orders' as blob)) > 0)";
    connection.query_row(select, [], |row| row.get(0))
}

/// The turnstile of a file, at which its users take turns. The turnstile's lock files are created only where they are missing,
/// as beside a file that was copied alone.
pub fn turnstile(path: &Path) -> Result<Turnstile, LogError> {
    Turnstile::open_existing(path).or_else(|_| Turnstile::open(path))
}

/// A file that is open, whose user takes turns with all others.
#[derive(Debug)]
pub struct OpenFile {
    pub file: DataFile,
    path: PathBuf,
    /// Always there, until this is dropped.
    connection: Option<Connection>,
    turnstile: Turnstile,
}

impl OpenFile {
    /// Opens a file that is there; none is created.
    pub fn new(dir: &Path, file: DataFile) -> Result<Self, FolderError> {
        let path = dir.join(file.name());
        let mut turnstile = turnstile(&path)?;
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let open = || {
            let connection = Connection::open_with_flags(&path, flags)?;
            connection.busy_timeout(BUSY_TIMEOUT)?;
            // A mark that is lost in a power cut is noted again later.
            connection.pragma_update(None, "synchronous", "normal")?;
            connection.pragma_update_and_check(None, "wal_autocheckpoint", 8000, |_| Ok(()))?;
            Ok(connection)
        };
        let turn = turnstile.enter(TURN_TIMEOUT)?;
        let opened = open();
        drop(turn);
        let connection = Some(opened.map_err(|error| error_of(&path, error))?);
        Ok(Self {
            file,
            path,
            connection,
            turnstile,
        })
    }

    fn connection(&mut self) -> (&mut Connection, &mut Turnstile, &Path) {
        let connection = self
            .connection
            .as_mut()
            .expect("the file is open until this is dropped");
        (connection, &mut self.turnstile, &self.path)
    }

    /// Runs work that only reads.
    fn read<T>(&mut self, work: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> Result<T, FolderError> {
        let (connection, _, path) = self.connection();
        let transact = || work(&*connection.transaction()?);
        transact().map_err(|error| error_of(path, error))
    }

    /// Runs work that writes, in one transaction.
    pub fn write<T>(&mut self, work: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> Result<T, FolderError> {
        let (connection, turnstile, path) = self.connection();
        let _turn = turnstile.enter(TURN_TIMEOUT)?;
        let transact = || {
            let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let done = work(&transaction)?;
            transaction.commit()?;
            Ok(done)
        };
        transact().map_err(|error| error_of(path, error))
    }

    /// How far the file has come.
    pub fn mark(&mut self) -> Result<Mark, FolderError> {
        let file = self.file;
        self.read(|connection| mark(connection, file))
    }

    /// Writes the folder's identity into the file, unless the file has one.
    pub fn enter(&mut self, identity: &Identity) -> Result<(), FolderError> {
        self.write(|connection| {
            connection.execute_batch(TABLES)?;
            let insert = "insert into folder select ?, ? where not exists (select 1 from folder)";
            connection.execute(insert, (&identity.id, identity.created)).map(drop)
        })
    }

    /// Notes how far other files have come. A mark that is lower than the one noted is passed over.
    pub fn note(&mut self, marks: &[(DataFile, Mark)]) -> Result<(), FolderError> {
        self.write(|connection| {
            let mut upsert = connection.prepare_cached(
                "insert into neighbour values (?, ?, ?) on conflict (file) do update
                 set count = max(count, excluded.count), highest = max(highest, excluded.highest)",
            )?;
            for (file, mark) in marks {
                upsert.execute((file.name(), mark.count, mark.highest))?;
            }
            Ok(())
        })
    }
}

impl Drop for OpenFile {
    fn drop(&mut self) {
        let turn = self.turnstile.enter(CLOSING_TIMEOUT);
        drop(self.connection.take());
        drop(turn);
    }
}

fn error_of(path: &Path, error: rusqlite::Error) -> FolderError {
    let sentence = format!("{}: {error}", path.display());
    match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => FolderError::Kept(sentence),
        _ => FolderError::Wrong(sentence),
    }
}
