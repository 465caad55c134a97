//! Has a process stand still, but not in the middle of a turn at a file that all others wait for: a whole embedded mall would
//! stand still with it, and what the scenario waits for would never come. On real machines that may happen all the same; it
//! ends when the process is woken.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::thread;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

/// How often it is tried to find the process outside of its turns.
const TRIES: usize = 1000;
/// How long is waited between two looks.
const PAUSE: Duration = Duration::from_millis(1);

/// Stops a process at a moment in which it holds no lock on a database in the folder `data`.
pub fn freeze(pid: Pid, data: &Path) {
    for _ in 0..TRIES {
        // A process that has ended by itself is noticed when it is looked at.
        let _ = kill_process(pid, Signal::STOP);
        wait_until_it_stands(pid);
        if !holds_a_turn(pid, data) {
            return;
        }
        let _ = kill_process(pid, Signal::CONT);
        thread::sleep(PAUSE);
    }
    let _ = kill_process(pid, Signal::STOP);
}

/// Waits until each thread has stopped.
fn wait_until_it_stands(pid: Pid) {
    for _ in 0..TRIES {
        let threads = fs::read_dir(format!("/proc/{}/task", pid.as_raw_nonzero()));
        let mut threads = threads.into_iter().flatten().flatten();
        if threads.all(|thread| !runs(&thread.path())) {
            return;
        }
        thread::sleep(PAUSE);
    }
}

/// Whether a thread has neither stopped nor ended, by the kernel's own account.
fn runs(thread: &Path) -> bool {
    let stat = fs::read_to_string(thread.join("stat")).unwrap_or_default();
    let state = stat.rsplit_once(") ").and_then(|(_, rest)| rest.chars().next());
    !matches!(state, None | Some('T' | 'Z' | 'X'))
}

/// Whether the process holds a lock on a database in this folder, or on one of the files beside it.
fn holds_a_turn(pid: Pid, data: &Path) -> bool {
    let files = fs::read_dir(data).into_iter().flatten().flatten();
    let databases = files.filter(|file| file.file_name().to_string_lossy().contains(".db"));
    let inodes: BTreeSet<u64> = databases.filter_map(|file| Some(file.metadata().ok()?.ino())).collect();
    let locks = fs::read_to_string("/proc/locks").unwrap_or_default();
    let held = locks.lines().filter_map(|line| written_by(line, pid));
    held.into_iter().any(|inode| inodes.contains(&inode))
}

/// The inode that this line of `/proc/locks` says is locked for writing by the process. Lines of those who still wait have
/// an arrow in front.
fn written_by(line: &str, pid: Pid) -> Option<u64> {
    let mut words = line.split_whitespace().skip(1);
    let (_kind, _mode, access, holder) = (words.next()?, words.next()?, words.next()?, words.next()?);
    let is_its = access == "WRITE" && holder.parse() == Ok(pid.as_raw_nonzero().get());
    is_its.then(|| words.next()?.rsplit(':').next()?.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use std::fs::File;

    use super::*;

    #[test]
    fn a_turn_is_a_lock_on_a_database_and_on_nothing_else() {
        let folder = tempfile::tempdir().expect("a folder");
        let own = rustix::process::getpid();
        let lock = |name: &str| {
            let file = File::create(folder.path().join(name)).expect("a file");
            file.lock().expect("locked");
            file
        };
        let _presence = lock(".in-use");
        assert!(!holds_a_turn(own, folder.path()));
        let turn = lock("log.db.room");
        assert!(holds_a_turn(own, folder.path()));
        drop(turn);
        assert!(!holds_a_turn(own, folder.path()));
    }
}
