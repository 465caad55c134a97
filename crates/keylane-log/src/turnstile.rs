//! Taking turns at a SQLite file that several processes write.
//!
//! ```text
//!   waiting ──▶ [ door ] ──▶ [ room ] ──▶ transaction
//!                 one waits    one writes
//! ```
//!
//! Door and room are two lock files. A process locks the door, then the room, then unlocks the door, writes, and
//! unlocks the room.
//!
//! SQLite's own waiting starves: a process that has just committed gets the file again at once, and another that sleeps
//! and retries can lose that race for seconds. Here one waiter already holds the door when the writer leaves the room,
//! so the writer has to queue at the door behind it.
//!
//! # Invariants
//! * Every write to the database, and every open and close of it, happens while its turn is held.
//! * A turn ends with its process, whatever kills it, because a `flock` lock belongs to the open file.
//! * Waiting is bounded. A lock is tried again and again instead of being waited for, because a wait in `flock` has no
//!   deadline.
//! * The lock files are never read or written, and the database itself is never touched: closing a plain handle on it
//!   would drop SQLite's own POSIX locks.

use std::fs::{File, OpenOptions, TryLockError};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::port::{LogError, Result};

/// Pause between two tries to lock. It is short enough that handing over a turn costs less than a commit.
const RETRY_PAUSE: Duration = Duration::from_micros(50);
/// A waiter that has waited this long stands behind something slow, and tries less often.
const SLOW_AFTER: Duration = Duration::from_millis(100);
/// Pause between two tries once a wait has become slow.
const SLOW_RETRY_PAUSE: Duration = Duration::from_millis(1);

/// Lets processes and connections take turns at one SQLite database. Each connection opens a turnstile of its own.
#[derive(Debug)]
pub struct Turnstile {
    database: PathBuf,
    door: File,
    room: File,
}

/// A held turn: no other holder of a turnstile of this database writes until this guard is dropped.
#[derive(Debug)]
#[must_use = "the turn ends when its guard is dropped"]
pub struct TurnGuard<'a> {
    lock: &'a File,
}

impl Turnstile {
    /// Opens the turnstile of the database at `database`. Its two lock files (`log.db.door` and `log.db.room` for
    /// `log.db`) stand beside the database and are created when they are missing. The folder must exist.
    ///
    /// # Errors
    /// [`LogError::Broken`] if the lock files can't be opened.
    pub fn open(database: &Path) -> Result<Self> {
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(false);
        Self::open_with(database, &options)
    }

    /// Opens the turnstile of a database without creating anything, for a process that only reads.
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

    /// Waits at most `patience` for the turn.
    ///
    /// # Errors
    /// [`LogError::Unavailable`] if another process keeps the turn for longer (the sentence names that process where
    /// the system tells); [`LogError::Broken`] if the file system can't lock.
    pub fn enter(&mut self, patience: Duration) -> Result<TurnGuard<'_>> {
        let deadline = Instant::now() + patience;
        let door = self.hold(&self.door, patience, deadline)?;
        let room = self.hold(&self.room, patience, deadline)?;
        drop(door);
        Ok(room)
    }

    fn hold<'a>(&'a self, file: &'a File, patience: Duration, deadline: Instant) -> Result<TurnGuard<'a>> {
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(TurnGuard { lock: file }),
                Err(TryLockError::Error(error)) => return Err(broken(&self.database, &error)),
                Err(TryLockError::WouldBlock) => {}
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(self.kept(file, patience));
            }
            let waited = patience.saturating_sub(left);
            std::thread::sleep(if waited < SLOW_AFTER {
                RETRY_PAUSE
            } else {
                SLOW_RETRY_PAUSE
            });
        }
    }

    /// The error of a wait for `wanted` that took too long. It names the process in the room, since the writer is who
    /// keeps the others waiting; if the room is empty, the process that holds the door has fallen asleep there, and is
    /// named.
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

impl Drop for TurnGuard<'_> {
    fn drop(&mut self) {
        // Unlocking a locked, open file does not fail. If it did, closing the handle would still free the lock.
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

/// The process that holds the lock of `file`, from the kernel's list of locks; noting it ourselves would cost a write
/// for each turn. The kernel hands the list out in pages, and a lock moves to an earlier page while other locks end, so
/// a lock that isn't found is looked for again.
#[cfg(target_os = "linux")]
fn holder(file: &File) -> Option<String> {
    use std::os::unix::fs::MetadataExt;
    let inode = format!(":{}", file.metadata().ok()?.ino());
    (0..5).find_map(|_| listed(&std::fs::read_to_string("/proc/locks").ok()?, &inode))
}

/// The process that holds the lock of the file whose inode field ends in `inode`, in the text of `/proc/locks`.
#[cfg(target_os = "linux")]
fn listed(locks: &str, inode: &str) -> Option<String> {
    // A line reads `1: FLOCK  ADVISORY  WRITE 4711 fe:00:1234 0 EOF`, and has `->` if the process only waits.
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

/// Names a process: `process 4711 (stopped)`. A stopped holder is the usual reason for a turn that never ends.
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
    fn a_process_that_sleeps_in_the_door_is_named() {
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
        let mut turnstiles = [(); 3].map(|()| Turnstile::open(&path).unwrap());
        let [first, second, third] = &mut turnstiles;
        let turn = first.enter(LONG).unwrap();
        second.enter(Duration::ZERO).expect_err("the turn is taken");
        drop(turn);
        drop(third.enter(Duration::ZERO).expect("no turnstile holds the door"));
    }

    #[test]
    fn a_reader_creates_no_lock_files() {
        let (dir, path) = database();
        assert!(matches!(Turnstile::open_existing(&path), Err(LogError::Broken(_))));
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
    }

    /// A writer that comes back at once must not keep out the others: each gets its share of turns, one at a time.
    #[test]
    fn turns_are_exclusive_and_shared() {
        let (_dir, path) = database();
        let inside = Arc::new(AtomicBool::new(false));
        let turns = Arc::new([const { AtomicU32::new(0) }; 3]);
        std::thread::scope(|scope| {
            for me in 0..3 {
                let (path, inside, turns) = (path.clone(), inside.clone(), turns.clone());
                scope.spawn(move || {
                    let mut turnstile = Turnstile::open(&path).unwrap();
                    while turns.iter().any(|count| count.load(Ordering::Relaxed) < 50) {
                        let turn = turnstile.enter(LONG).unwrap();
                        assert!(
                            !inside.swap(true, Ordering::SeqCst),
                            "two writers are in the room at once"
                        );
                        turns[me].fetch_add(1, Ordering::Relaxed);
                        assert!(inside.swap(false, Ordering::SeqCst));
                        drop(turn);
                    }
                });
            }
        });
    }
}
