//! The threads that own the connections, and the queue that feeds them.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use keylane_log::LogError;
use keylane_log::turnstile::Turnstile;
use tokio::sync::{mpsc, oneshot};

use super::database::Database;
use shop::domain::Source;
use shop::store::{Result, StoreError};

/// How long a write waits for its turn at the file. Together with SQLite's own waiting this is less than the two seconds in
/// which callers get an answer.
const TURN_DEADLINE: Duration = Duration::from_secs(1);
/// How long a write waits for its turn if the write before got none: the callers behind that one have waited already.
const STUCK_DEADLINE: Duration = Duration::from_millis(100);
/// How long opening and closing a connection wait for their turn, as many processes may be restarted at once.
const OPEN_DEADLINE: Duration = Duration::from_secs(10);
/// How many jobs wait for a thread; once there are as many, the caller waits.
const QUEUE: usize = 256;

type Job = Box<dyn FnOnce(&mut Connection) + Send>;

/// Threads with a connection each that share a queue. They end once this value is dropped and the queue is empty.
pub(super) struct Threads {
    jobs: mpsc::Sender<Job>,
    /// Whether the last write failed because the database itself is in trouble.
    trouble: Arc<AtomicBool>,
}

impl Threads {
    /// Starts one thread that writes, and waits for its turn at the file before each job.
    pub(super) fn writer(path: &Path, source: Source) -> Result<Self> {
        Self::start("sqlite-writer", |trouble| {
            Ok(vec![Connection::writer(path, source, trouble)?])
        })
    }

    /// Starts `count` threads that only read.
    pub(super) fn readers(path: &Path, source: Source, count: usize) -> Result<Self> {
        Self::start("sqlite-reader", |trouble| {
            (0..count).map(|_| Connection::reader(path, source, trouble)).collect()
        })
    }

    fn start(name: &str, connections: impl FnOnce(&Arc<AtomicBool>) -> Result<Vec<Connection>>) -> Result<Self> {
        let trouble = Arc::default();
        let connections = connections(&trouble)?;
        let (jobs, queue) = mpsc::channel(QUEUE);
        let queue = Arc::new(Mutex::new(queue));
        for connection in connections {
            let queue = queue.clone();
            let thread = std::thread::Builder::new().name(name.to_owned());
            thread
                .spawn(move || connection.serve(&queue))
                .map_err(|error| StoreError::Broken(format!("no thread for {name}: {error}")))?;
        }
        Ok(Self { jobs, trouble })
    }

    /// Whether the last write failed because the database itself is in trouble, and not because of what was written.
    pub(super) fn is_in_trouble(&self) -> bool {
        self.trouble.load(Ordering::Relaxed)
    }

    /// Runs `work` on one of the threads and waits for its result. It runs also if the caller stops waiting.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Database) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let (answer, receipt) = oneshot::channel();
        let job = Box::new(move |connection: &mut Connection| {
            let _ = answer.send(connection.run(work));
        });
        let ended = |_| StoreError::Broken("the database's thread has ended".to_owned());
        let panicked = |_| StoreError::Unknown("the work panicked on the database's thread".to_owned());
        self.jobs.send(job).await.map_err(ended)?;
        receipt.await.map_err(panicked)?
    }
}

/// A connection to the file, and the turnstile at which it waits for its turn.
struct Connection {
    /// The database; none only while this value is being dropped.
    database: Option<Database>,
    turnstile: Turnstile,
    /// Whether jobs may write, and therefore have to wait for their turn.
    writes: bool,
    /// Whether the last write got no turn.
    stuck: bool,
    trouble: Arc<AtomicBool>,
}

impl Connection {
    fn writer(path: &Path, source: Source, trouble: &Arc<AtomicBool>) -> Result<Self> {
        Self::open(path, true, trouble, |path| Database::open(path, source))
    }

    fn reader(path: &Path, source: Source, trouble: &Arc<AtomicBool>) -> Result<Self> {
        Self::open(path, false, trouble, |path| Database::open_reader(path, source))
    }

    fn open(
        path: &Path,
        writes: bool,
        trouble: &Arc<AtomicBool>,
        open: impl FnOnce(&Path) -> Result<Database>,
    ) -> Result<Self> {
        let mut turnstile = Turnstile::open(path).map_err(no_turn)?;
        let turn = turnstile.enter(OPEN_DEADLINE).map_err(no_turn)?;
        let database = Some(open(path)?);
        drop(turn);
        Ok(Self {
            database,
            turnstile,
            writes,
            stuck: false,
            trouble: trouble.clone(),
        })
    }

    fn serve(mut self, queue: &Mutex<mpsc::Receiver<Job>>) {
        while let Some(job) = next(queue) {
            // While a panic unwinds, the transaction is dropped and so rolled back. The thread goes on for other callers.
            let done = catch_unwind(AssertUnwindSafe(|| job(&mut self)));
            if done.is_err() {
                tracing::error!(
                    "a piece of work panicked on the database's thread, which is a defect; the thread goes on"
                );
            }
        }
    }

    fn run<T>(&mut self, work: impl FnOnce(&mut Database) -> Result<T>) -> Result<T> {
        let database = self
            .database
            .as_mut()
            .expect("the database is there until the connection is dropped");
        if !self.writes {
            return work(database);
        }
        let deadline = if self.stuck { STUCK_DEADLINE } else { TURN_DEADLINE };
        let turn = self.turnstile.enter(deadline);
        self.stuck = turn.is_err();
        let done = turn.map_err(no_turn).and_then(|_turn| work(database));
        self.trouble
            .store(done.as_ref().is_err_and(is_trouble), Ordering::Relaxed);
        done
    }
}

impl Drop for Connection {
    /// Waits for a turn before it closes, because closing the last connection writes: it empties the WAL. It also closes if it
    /// gets no turn.
    fn drop(&mut self) {
        let turn = self.turnstile.enter(OPEN_DEADLINE);
        drop(self.database.take());
        drop(turn);
    }
}

fn is_trouble(error: &StoreError) -> bool {
    match error {
        StoreError::Unavailable(_) | StoreError::Unwritable(_) | StoreError::Broken(_) => true,
        StoreError::Conflict(_) | StoreError::Unknown(_) | StoreError::Rejected(_) | StoreError::Unreadable(_) => false,
    }
}

fn next(queue: &Mutex<mpsc::Receiver<Job>>) -> Option<Job> {
    // A panic happens in a job and not while the lock is held, so a poisoned lock can be used.
    queue
        .lock()
        .unwrap_or_else(|poisoned| poisoned.into_inner())
        .blocking_recv()
}

fn no_turn(error: LogError) -> StoreError {
    match error {
        LogError::Unavailable(sentence) => StoreError::Unavailable(sentence),
        LogError::Refused(sentence) | LogError::Broken(sentence) => StoreError::Broken(sentence),
    }
}

#[cfg(test)]
mod tests {
    use super::super::database::Durability;
    use super::*;

    #[tokio::test]
    async fn work_that_panics_leaves_nothing_and_the_thread_goes_on() {
        let folder = tempfile::TempDir::new().expect("a folder");
        let threads = Threads::writer(&folder.path().join("orders.db"), Source::Orders).expect("a new database");
        let count = async || {
            let rows = |database: &mut Database| {
                database.read(|sql| sql.query_row("select count(*) from Order_table", [], |row| row.get(0)))
            };
            threads.run(rows).await
        };
        let panics = |database: &mut Database| -> Result<()> {
            database.write(Durability::Full, |sql| {
                sql.execute("insert into Order_table (qty, version) values (1, 1)", [])?;
                panic!("this panic belongs to the test")
            })
        };
        for _ in 0..2 {
            assert!(matches!(threads.run(panics).await, Err(StoreError::Unknown(_))));
            assert_eq!(count().await, Ok(0));
        }
    }
}
