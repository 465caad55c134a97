//! The data folder of the embedded default: who is using it, and what in it is ours.
//!
//! Every role holds a shared lock on `.in-use` for its life; `mall reset` needs that lock for itself alone.
//!
//! The files of a folder know each other ([`Folder`]), so that one that is missing, cut or replaced by an older copy is
//! noticed at the start. Folder and files are for their owner alone ([`privacy`]).

mod accept;
mod judge;
mod keep;
mod look;
pub mod privacy;

pub use accept::{accept, loss};
pub use keep::{Folder, Keeper};
pub use look::Trouble;

use std::fs::{File, OpenOptions};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

const LOCK: &str = ".in-use";

/// The databases of the embedded default. Each may have files of SQLite's and of its turnstile beside it.
const DATABASES: [&str; 3] = ["log.db", "orders.db", "deliveries.db"];

/// Which members of consumer groups are alive: a folder of lock files.
const MEMBERS: &str = "log.members";

/// The same folder from wherever a checkout's own script was called, otherwise one in the working directory.
pub fn default_place() -> PathBuf {
    match std::env::var_os("MALL_CHECKOUT") {
        Some(checkout) if !checkout.is_empty() => PathBuf::from(checkout).join("mall-data"),
        _ => PathBuf::from("./mall-data"),
    }
}

/// Keeps the data folder from being reset; held until dropped.
#[derive(Debug)]
pub struct InUse {
    _lock: File,
}

/// Creates the data folder if it is missing and marks it as in use.
pub fn hold(dir: &Path) -> Result<InUse> {
    privacy::create(dir).with_context(|| format!("can't create the data folder {}", dir.display()))?;
    let lock = lock_file(dir).with_context(|| format!("can't write in the data folder {}", dir.display()))?;
    match lock.try_lock_shared() {
        Ok(()) => Ok(InUse { _lock: lock }),
        Err(std::fs::TryLockError::WouldBlock) => bail!("the data folder {} is being reset; try again", dir.display()),
        Err(std::fs::TryLockError::Error(error)) => {
            Err(error).with_context(|| format!("can't lock the data folder {}", dir.display()))
        }
    }
}

/// The data folder for oneself alone, or `None` while a role runs on it.
pub fn hold_alone(dir: &Path) -> Result<Option<InUse>> {
    let lock = lock_file(dir).with_context(|| format!("can't write in the data folder {}", dir.display()))?;
    match lock.try_lock() {
        Ok(()) => Ok(Some(InUse { _lock: lock })),
        Err(std::fs::TryLockError::WouldBlock) => Ok(None),
        Err(std::fs::TryLockError::Error(error)) => {
            Err(error).with_context(|| format!("can't lock the data folder {}", dir.display()))
        }
    }
}

/// Whether there is an embedded log in this folder.
pub fn has_log(dir: &Path) -> bool {
    dir.join("log.db").exists()
}

/// What is ours in this folder, the lock last.
pub fn contents(dir: &Path) -> Result<Vec<PathBuf>> {
    let entries = match std::fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error).with_context(|| format!("can't read the data folder {}", dir.display())),
    };
    let mut ours = Vec::new();
    for entry in entries {
        let entry = entry?;
        if entry.file_name().to_str().is_some_and(is_ours) {
            ours.push(entry.path());
        }
    }
    ours.sort_by_key(|path| (path.ends_with(LOCK), path.clone()));
    Ok(ours)
}

/// `log.db`, `log.db-wal`, `log.db.door`, …, and the locks.
fn is_ours(name: &str) -> bool {
    let beside = |rest: &str| rest.is_empty() || rest.starts_with(['-', '.']);
    let of_a_database = |database: &str| name.strip_prefix(database).is_some_and(beside);
    [LOCK, MEMBERS].contains(&name) || [keep::LOCK].iter().chain(&DATABASES).any(|name| of_a_database(name))
}

fn lock_file(dir: &Path) -> std::io::Result<File> {
    OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(dir.join(LOCK))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roles_share_the_folder_and_reset_does_not() {
        let dir = tempfile::tempdir().expect("a folder");
        let one = hold(dir.path()).expect("held");
        let two = hold(dir.path()).expect("held twice");
        assert!(hold_alone(dir.path()).expect("asked").is_none());
        drop((one, two));
        let alone = hold_alone(dir.path()).expect("asked").expect("free");
        assert!(hold(dir.path()).expect_err("being reset").to_string().contains("reset"));
        drop(alone);
    }

    #[test]
    fn only_what_is_ours_is_listed() {
        let dir = tempfile::tempdir().expect("a folder");
        for name in [
            "log.db",
            "log.db-wal",
            "log.members",
            "orders.db.door",
            ".folder.room",
            "notes.txt",
            "log.dbx",
            "my-orders.db",
        ] {
            std::fs::write(dir.path().join(name), "").expect("written");
        }
        let names: Vec<_> = contents(dir.path())
            .expect("listed")
            .iter()
            .map(|p| p.file_name().map(ToOwned::to_owned))
            .collect();
        assert_eq!(
            names,
            [".folder.room", "log.db", "log.db-wal", "log.members", "orders.db.door"].map(|name| Some(name.into()))
        );
    }
}
