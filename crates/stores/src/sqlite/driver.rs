//! The threads that own the connections, and the queue in front of them.

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

/// How long a write waits for its turn. With SQLite's own waiting it leaves a caller an answer within two seconds.
const TURN_PATIENCE: Duration = Duration::from_secs(1);
/// How long when the write before had no turn either: whoever queues behind it has waited already.
const STUCK_PATIENCE: Duration = Duration::from_millis(100);
/// How long opening and closing wait: a restart of many processes at once is no emergency.
const OPEN_PATIENCE: Duration = Duration::from_secs(10);
/// Work that waits for a thread; beyond it the caller waits.
const QUEUE: usize = 256;

type Job = Box<dyn FnOnce(&mut Seat) + Send>;

/// Threads with a connection each that share a queue. They end when it is dropped and the queue is empty.
pub(super) struct Crew {
    jobs: mpsc::Sender<Job>,
    /// Whether the last write failed for a reason that lies in the database.
    trouble: Arc<AtomicBool>,
}

impl Crew {
    /// One thread, which takes its turn for everything it does.
    pub(super) fn writer(path: &Path, source: Source) -> Result<Self> {
        Self::start("sqlite-writer", |trouble| {
            Ok(vec![Seat::writer(path, source, trouble)?])
        })
    }

    /// `count` threads that only read.
    pub(super) fn readers(path: &Path, source: Source, count: usize) -> Result<Self> {
        Self::start("sqlite-reader", |trouble| {
            (0..count).map(|_| Seat::reader(path, source, trouble)).collect()
        })
    }

    fn start(name: &str, seats: impl FnOnce(&Arc<AtomicBool>) -> Result<Vec<Seat>>) -> Result<Self> {
        let trouble = Arc::default();
        let seats = seats(&trouble)?;
        let (jobs, queue) = mpsc::channel(QUEUE);
        let queue = Arc::new(Mutex::new(queue));
        for seat in seats {
            let queue = queue.clone();
            let thread = std::thread::Builder::new().name(name.to_owned());
            thread
                .spawn(move || seat.serve(&queue))
                .map_err(|error| StoreError::Broken(format!("no thread for {name}: {error}")))?;
        }
        Ok(Self { jobs, trouble })
    }

    /// Whether the last write failed for a reason that lies in the database, and not in what was written.
    pub(super) fn is_in_trouble(&self) -> bool {
        self.trouble.load(Ordering::Relaxed)
    }

    /// Runs `work` on one of the threads. It runs also if nobody waits for the answer any more.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Database) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let (answer, receipt) = oneshot::channel();
        let job = Box::new(move |seat: &mut Seat| {
            let _ = answer.send(seat.run(work));
        });
        let ended = |_| StoreError::Broken("the database's thread has ended".to_owned());
        let panicked = |_| StoreError::Unknown("the work panicked on the database's thread".to_owned());
        self.jobs.send(job).await.map_err(ended)?;
        receipt.await.map_err(panicked)?
    }
}

/// A connection and its place in the file's turns.
struct Seat {
    /// Taken out only when the seat is dropped.
    database: Option<Database>,
    turnstile: Turnstile,
    writes: bool,
    stuck: bool,
    trouble: Arc<AtomicBool>,
}

impl Seat {
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
        let turn = turnstile.enter(OPEN_PATIENCE).map_err(no_turn)?;
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
            // A transaction that a panic left is rolled back on its way. The next caller must not suffer for it.
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
            .expect("the database is there until the seat is dropped");
        if !self.writes {
            return work(database);
        }
        let patience = if self.stuck { STUCK_PATIENCE } else { TURN_PATIENCE };
        let turn = self.turnstile.enter(patience);
        self.stuck = turn.is_err();
        let done = turn.map_err(no_turn).and_then(|_turn| work(database));
        self.trouble
            .store(done.as_ref().is_err_and(is_trouble), Ordering::Relaxed);
        done
    }
}

impl Drop for Seat {
    /// Closing writes too: the last connection empties the WAL. Without a turn it is closed all the same.
    fn drop(&mut self) {
        let turn = self.turnstile.enter(OPEN_PATIENCE);
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
    // A thread that panicked did so in a job, not while it held the queue.
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
        let crew = Crew::writer(&folder.path().join("orders.db"), Source::Orders).expect("a new database");
        let count = async || {
            let rows = |database: &mut Database| {
                database.read(|sql| sql.query_row("select count(*) from Order_table", [], |row| row.get(0)))
            };
            crew.run(rows).await
        };
        let panics = |database: &mut Database| -> Result<()> {
            database.write(Durability::Full, |sql| {
                sql.execute("insert into Order_table (qty, version) values (1, 1)", [])?;
                panic!("this panic belongs to the test")
            })
        };
        for _ in 0..2 {
            assert!(matches!(crew.run(panics).await, Err(StoreError::Unknown(_))));
            assert_eq!(count().await, Ok(0));
        }
    }
}
