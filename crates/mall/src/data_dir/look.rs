//! Looks into the files of a data folder: whose they are, how far each has come, and what it knows of the others.
//!
//! Each file holds the folder's identity (`folder`: a random number and when it was made) and what it has seen of its
//! neighbours (`neighbour`: how far each of them had come).

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use keylane_log::LogError;
use keylane_log::turnstile::Turnstile;
use rusqlite::{Connection, ErrorCode, OpenFlags, OptionalExtension, TransactionBehavior};

/// How long a file's turn is waited for, and SQLite's own locks behind it.
const PATIENCE: Duration = Duration::from_secs(3);
const CLOSING: Duration = Duration::from_millis(500);
const BUSY: Duration = Duration::from_secs(1);

const TABLES: &str = "
    create table if not exists folder (id text not null, created integer not null);
    create table if not exists neighbour (
        file text primary key, count integer not null, highest integer not null) without rowid;
";

/// One of the three files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum File {
    Log,
    Orders,
    Deliveries,
}

impl File {
    pub const ALL: [Self; 3] = [Self::Log, Self::Orders, Self::Deliveries];

    pub fn name(self) -> &'static str {
        match self {
            Self::Log => "log.db",
            Self::Orders => "orders.db",
            Self::Deliveries => "deliveries.db",
        }
    }

    /// How far it has come: a count that never falls, and of the orders the highest number given out.
    fn mark(self) -> &'static str {
        match self {
            Self::Log => "select coalesce(sum(next), 0), 0 from partitions",
            Self::Orders => {
                "select coalesce((select max(id) from order_event), 0),
                     coalesce((select seq from sqlite_sequence where name = 'Order_table'), 0)"
            }
            Self::Deliveries => {
                "select coalesce((select seq from sqlite_sequence where name = 'delivery_apply'), 0), 0"
            }
        }
    }

    /// The table that is there once the file has been prepared.
    fn table(self) -> &'static str {
        match self {
            Self::Log => "partitions",
            Self::Orders => "order_event",
            Self::Deliveries => "delivery_apply",
        }
    }
}

impl fmt::Display for File {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// How far a file has come.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Mark {
    /// What it has written, counted.
    pub count: i64,
    /// The highest order number given out.
    pub highest: i64,
}

/// Which folder a file belongs to.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Identity {
    pub id: String,
    /// In milliseconds since 1970.
    pub created: i64,
}

/// What a file is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    Missing,
    /// It is there and holds nothing.
    Empty,
    /// It can't be read, or holds something else. Whoever opens it to work with it says what is wrong.
    Unknown,
    There(Facts),
}

/// What a file holds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Facts {
    /// None in a file from before folders had one.
    pub identity: Option<Identity>,
    pub mark: Mark,
    /// How far its neighbours had come when it last saw them.
    pub neighbours: BTreeMap<File, Mark>,
    /// Whether it holds traces of orders; looked at only where there is no identity.
    pub orders: bool,
}

/// Why a file can't be looked into now.
#[derive(Debug)]
pub enum Trouble {
    /// Somebody keeps it; it may pass.
    Kept(String),
    /// What is in it, or around it, must be mended by a person.
    Wrong(String),
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Kept(sentence) | Self::Wrong(sentence) => f.write_str(sentence),
        }
    }
}

impl From<LogError> for Trouble {
    fn from(error: LogError) -> Self {
        match error {
            LogError::Unavailable(sentence) => Self::Kept(sentence),
            LogError::Refused(sentence) | LogError::Broken(sentence) => Self::Wrong(sentence),
        }
    }
}

/// What the file of this folder is.
pub fn look(dir: &Path, file: File) -> Result<State, Trouble> {
    let path = dir.join(file.name());
    match std::fs::metadata(&path) {
        Err(_) => return Ok(State::Missing),
        // SQLite would delete the write-ahead log of a file that was cut to nothing, and with it what could be saved.
        Ok(metadata) if metadata.len() == 0 => return Ok(State::Empty),
        Ok(_) => {}
    }
    match Open::new(dir, file).and_then(|mut open| open.read(|connection| state(connection, file))) {
        Err(Trouble::Wrong(_)) => Ok(State::Unknown),
        state => state,
    }
}

fn state(connection: &Connection, file: File) -> rusqlite::Result<State> {
    if !has_table(connection, file.table())? {
        let tables = "select count(*) from sqlite_schema where type = 'table'";
        let empty = connection.query_row(tables, [], |row| row.get::<_, i64>(0))? == 0;
        return Ok(if empty { State::Empty } else { State::Unknown });
    }
    let mut facts = Facts {
        mark: mark(connection, file)?,
        ..Facts::default()
    };
    if has_table(connection, "folder")? {
        facts.identity = identity(connection)?;
        facts.neighbours = neighbours(connection)?;
    }
    facts.orders = match (&facts.identity, file) {
        (Some(_), _) => false,
        (None, File::Log) => holds_orders(connection)?,
        (None, File::Orders | File::Deliveries) => facts.mark.count > 0,
    };
    Ok(State::There(facts))
}

fn has_table(connection: &Connection, name: &str) -> rusqlite::Result<bool> {
    let select = "select 1 from sqlite_schema where type = 'table' and name = ?";
    Ok(connection.query_row(select, [name], |_| Ok(())).optional()?.is_some())
}

fn mark(connection: &Connection, file: File) -> rusqlite::Result<Mark> {
    connection.query_row(file.mark(), [], |row| {
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

fn neighbours(connection: &Connection) -> rusqlite::Result<BTreeMap<File, Mark>> {
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
            File::ALL
                .into_iter()
                .find(|file| file.name() == name)
                .map(|file| (file, mark)),
        );
    }
    Ok(neighbours)
}

/// Whether the order service wrote into this log, as the first records kept tell.
fn holds_orders(connection: &Connection) -> rusqlite::Result<bool> {
    let select = "select exists (select 1 from (select headers from records limit 1000)
                      where instr(headers, cast('/orders' as blob)) > 0)";
    connection.query_row(select, [], |row| row.get(0))
}

/// The turnstile of a file. Its lock files are made only where they are missing, as beside a file that was copied alone.
pub fn turnstile(path: &Path) -> Result<Turnstile, LogError> {
    Turnstile::open_existing(path).or_else(|_| Turnstile::open(path))
}

/// A file that is open, with a place of its own in the file's turns.
#[derive(Debug)]
pub struct Open {
    pub file: File,
    path: PathBuf,
    /// Taken out only when this is dropped.
    connection: Option<Connection>,
    turnstile: Turnstile,
}

impl Open {
    /// Opens a file that is there; it is not created.
    pub fn new(dir: &Path, file: File) -> Result<Self, Trouble> {
        let path = dir.join(file.name());
        let mut turnstile = turnstile(&path)?;
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let open = || {
            let connection = Connection::open_with_flags(&path, flags)?;
            connection.busy_timeout(BUSY)?;
            // What is lost of this in a power cut is only seen later.
            connection.pragma_update(None, "synchronous", "normal")?;
            connection.pragma_update_and_check(None, "wal_autocheckpoint", 8000, |_| Ok(()))?;
            Ok(connection)
        };
        let turn = turnstile.enter(PATIENCE)?;
        let opened = open();
        drop(turn);
        let connection = Some(opened.map_err(|error| explain(&path, error))?);
        Ok(Self {
            file,
            path,
            connection,
            turnstile,
        })
    }

    fn connection(&mut self) -> (&mut Connection, &mut Turnstile, &Path) {
        let connection = self.connection.as_mut().expect("it is open until this is dropped");
        (connection, &mut self.turnstile, &self.path)
    }

    /// Runs what only reads.
    fn read<T>(&mut self, work: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> Result<T, Trouble> {
        let (connection, _, path) = self.connection();
        let transact = || work(&*connection.transaction()?);
        transact().map_err(|error| explain(path, error))
    }

    /// Runs what writes, altogether or not at all.
    pub fn write<T>(&mut self, work: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> Result<T, Trouble> {
        let (connection, turnstile, path) = self.connection();
        let _turn = turnstile.enter(PATIENCE)?;
        let transact = || {
            let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let done = work(&transaction)?;
            transaction.commit()?;
            Ok(done)
        };
        transact().map_err(|error| explain(path, error))
    }

    /// How far the file has come.
    pub fn mark(&mut self) -> Result<Mark, Trouble> {
        let file = self.file;
        self.read(|connection| mark(connection, file))
    }

    /// Writes down whose the file is, unless that is known.
    pub fn enter(&mut self, identity: &Identity) -> Result<(), Trouble> {
        self.write(|connection| {
            connection.execute_batch(TABLES)?;
            let insert = "insert into folder select ?, ? where not exists (select 1 from folder)";
            connection.execute(insert, (&identity.id, identity.created)).map(drop)
        })
    }

    /// Notes how far neighbours have come; never that they went back.
    pub fn note(&mut self, marks: &[(File, Mark)]) -> Result<(), Trouble> {
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

impl Drop for Open {
    fn drop(&mut self) {
        let turn = self.turnstile.enter(CLOSING);
        drop(self.connection.take());
        drop(turn);
    }
}

fn explain(path: &Path, error: rusqlite::Error) -> Trouble {
    let sentence = format!("{}: {error}", path.display());
    match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Trouble::Kept(sentence),
        _ => Trouble::Wrong(sentence),
    }
}
