//! Taking turns at a SQLite file that several processes write.
//!
//! ```text
//!   waiting ──▶ [ door ] ──▶ [ room ] ──▶ transaction
//!                 one waits    one writes
//! ```
//!
//! SQLite's own waiting starves: whoever has just committed gets the file again at once, and somebody who sleeps and
//! retries can lose that race for seconds. Here the next one already stands between the door and the room when the
//! writer comes out, and the writer must queue at the door again.
//!
//! # Invariants
//! * Every write to the database, and every open and close of it, happens while its turn is held.
//! * A turn ends with its process, whatever kills it: `flock` belongs to the open file.
//! * Waiting is bounded. Locks are tried and not waited for, because a wait in `flock` knows no deadline.
//! * The lock files are never read or written, and the database itself is never touched: closing a plain handle on it
//!   would drop SQLite's own POSIX locks.

use std::fs::{File, OpenOptions, TryLockError};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::port::{LogError, Result};

/// Short enough that handing over costs less than a commit does.
const PAUSE: Duration = Duration::from_micros(50);
/// Whoever has waited this long is behind something slow, and looks less often.
const PATIENT_AFTER: Duration = Duration::from_millis(100);
const PATIENT_PAUSE: Duration = Duration::from_millis(1);

/// One database's turnstile. Each connection has one of its own.
#[derive(Debug)]
pub struct Turnstile {
    database: PathBuf,
    door: File,
    room: File,
}

/// The turn: nobody else writes until it is dropped.
#[derive(Debug)]
#[must_use = "the turn ends when it is dropped"]
pub struct Turn<'a> {
    lock: &'a File,
}

impl Turnstile {
    /// The turnstile of the database at `database`: two lock files beside it (`log.db.door`, `log.db.room`), created
    /// when missing. The folder must exist.
    ///
    /// # Errors
    /// [`LogError::Broken`] if the lock files can't be opened.
    pub fn open(database: &Path) -> Result<Self> {
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(false);
        Self::open_with(database, &options)
    }

    /// The turnstile of a database which this process only reads: nothing is created.
    ///
    /// # Errors
    /// [`LogError::Broken`] if the lock files are missing or can't be opened.
    pub fn open_existing(database: &Path) -> Result<Self> {
        Self::open_with(database, OpenOptions::new().read(true))
    }

    fn open_with(database: &Path, options: &OpenOptions) -> Result<Self> {
        let open = |role: &str| {
            let path = beside(database, role);
            options.open(&path).map_err(|error| broken(&path, &error))
        };
        Ok(Self {
            database: database.to_owned(),
            door: open("door")?,
            room: open("room")?,
        })
    }

    /// Waits for the turn, at most for `patience`.
    ///
    /// # Errors
    /// [`LogError::Unavailable`], naming the holder where the system tells, if somebody keeps the turn for longer;
    /// [`LogError::Broken`] if the file system can't lock.
    pub fn enter(&mut self, patience: Duration) -> Result<Turn<'_>> {
        let deadline = Instant::now() + patience;
        let door = self.hold(&self.door, patience, deadline)?;
        let room = self.hold(&self.room, patience, deadline)?;
        drop(door);
        Ok(room)
    }

    fn hold<'a>(&'a self, file: &'a File, patience: Duration, deadline: Instant) -> Result<Turn<'a>> {
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(Turn { lock: file }),
                Err(TryLockError::Error(error)) => return Err(broken(&self.database, &error)),
                Err(TryLockError::WouldBlock) => {}
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(self.kept(file, patience));
            }
            let waited = patience.saturating_sub(left);
            std::thread::sleep(if waited < PATIENT_AFTER { PAUSE } else { PATIENT_PAUSE });
        }
    }

    /// Who writes keeps those who wait. Nobody writes while somebody sleeps in the door, and then that one keeps them.
    fn kept(&self, wanted: &File, patience: Duration) -> LogError {
        let holder = holder(&self.room).or_else(|| holder(wanted));
        let holder = holder.unwrap_or_else(|| "another process".to_owned());
        LogError::Unavailable(format!(
            "{holder} has kept others from writing {} for {:.1} s; if it is stopped or stuck, continue or end it",
            self.database.display(),
            patience.as_secs_f64()
        ))
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        // Unlocking a file that is locked and open does not fail; if it did, the handle's end would free it.
        let _ = self.lock.unlock();
    }
}

fn beside(database: &Path, role: &str) -> PathBuf {
    let mut name = database.as_os_str().to_owned();
    name.push(".");
    name.push(role);
    PathBuf::from(name)
}

fn broken(path: &Path, error: &std::io::Error) -> LogError {
    LogError::Broken(format!(
        "cannot use the lock file {}: {error}; the folder must be writable and on a local disk",
        path.display()
    ))
}

/// Who holds `file`, from the kernel's own list: keeping note of it ourselves would cost a write each turn. The kernel
/// hands the list out a page at a time, and a lock can slip from one page to the one before while others end, so a lock that
/// isn't found is looked for again.
#[cfg(target_os = "linux")]
fn holder(file: &File) -> Option<String> {
    use std::os::unix::fs::MetadataExt;
    let inode = format!(":{}", file.metadata().ok()?.ino());
    (0..5).find_map(|_| listed(&std::fs::read_to_string("/proc/locks").ok()?, &inode))
}

/// Who holds the lock of a file in a list of the kernel's.
#[cfg(target_os = "linux")]
fn listed(locks: &str, inode: &str) -> Option<String> {
    // 1: FLOCK  ADVISORY  WRITE 4711 fe:00:1234 0 EOF
    let held = |line: &&str| line.contains("FLOCK") && !line.contains("->");
    locks.lines().filter(held).find_map(|line| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        fields.get(5)?.ends_with(inode).then(|| describe(fields[4]))
    })
}

#[cfg(not(target_os = "linux"))]
fn holder(_: &File) -> Option<String> {
    None
}

/// `process 4711 (stopped)`: a stopped holder is the usual reason for a turn that never ends.
#[cfg(target_os = "linux")]
fn describe(pid: &str) -> String {
    let state = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let stopped = state
        .rsplit(')')
        .next()
        .is_some_and(|rest| rest.trim_start().starts_with(['T', 't']));
    format!("process {pid}{}", if stopped { " (stopped)" } else { "" })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

    use super::*;

    const LONG: Duration = Duration::from_secs(10);

    fn database() -> (tempfile::TempDir, PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log.db");
        (dir, path)
    }

    #[test]
    fn a_kept_turn_is_refused_in_time_and_its_holder_named() {
        let (_dir, path) = database();
        let mut first = Turnstile::open(&path).unwrap();
        let mut second = Turnstile::open_existing(&path).unwrap();
        let turn = first.enter(LONG).unwrap();
        let Err(LogError::Unavailable(sentence)) = second.enter(Duration::from_millis(20)) else {
            panic!("the turn is taken");
        };
        if cfg!(target_os = "linux") {
            assert!(
                sentence.starts_with(&format!("process {} ", std::process::id())),
                "{sentence}"
            );
        }
        drop(turn);
        drop(second.enter(Duration::ZERO).expect("the turn is free again"));
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn who_sleeps_in_the_door_is_named() {
        let (_dir, path) = database();
        let sleeper = Turnstile::open(&path).unwrap();
        let door = sleeper.hold(&sleeper.door, LONG, Instant::now()).unwrap();
        let mut next = Turnstile::open(&path).unwrap();
        let Err(LogError::Unavailable(sentence)) = next.enter(Duration::ZERO) else {
            panic!("the door is taken");
        };
        let own = format!("process {} ", std::process::id());
        assert!(sentence.starts_with(&own), "{sentence}");
        drop(door);
    }

    #[test]
    fn a_waiter_that_gives_up_frees_the_door() {
        let (_dir, path) = database();
        let mut stiles = [(); 3].map(|()| Turnstile::open(&path).unwrap());
        let [first, second, third] = &mut stiles;
        let turn = first.enter(LONG).unwrap();
        second.enter(Duration::ZERO).expect_err("the turn is taken");
        drop(turn);
        drop(third.enter(Duration::ZERO).expect("nobody stands in the door"));
    }

    #[test]
    fn nothing_is_created_by_a_reader() {
        let (dir, path) = database();
        assert!(matches!(Turnstile::open_existing(&path), Err(LogError::Broken(_))));
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
    }

    /// One that comes back at once must not keep out the others: each gets its share of turns, one at a time.
    #[test]
    fn turns_are_exclusive_and_shared() {
        let (_dir, path) = database();
        let inside = Arc::new(AtomicBool::new(false));
        let turns = Arc::new([const { AtomicU32::new(0) }; 3]);
        std::thread::scope(|scope| {
            for me in 0..3 {
                let (path, inside, turns) = (path.clone(), inside.clone(), turns.clone());
                scope.spawn(move || {
                    let mut stile = Turnstile::open(&path).unwrap();
                    while turns.iter().any(|count| count.load(Ordering::Relaxed) < 50) {
                        let turn = stile.enter(LONG).unwrap();
                        assert!(!inside.swap(true, Ordering::SeqCst), "two inside");
                        turns[me].fetch_add(1, Ordering::Relaxed);
                        assert!(inside.swap(false, Ordering::SeqCst));
                        drop(turn);
                    }
                });
            }
        });
    }
}
