//! Who is using the data folder. Every role holds a shared lock on the file `.in-use` for as long as it runs; `mall reset`
//! needs that lock for itself alone.

use std::fs::{File, OpenOptions, TryLockError};
use std::path::Path;

use anyhow::{Context, Result, bail};

use super::files::IN_USE;
use super::privacy;

/// The lock on a data folder, held until this is dropped.
#[derive(Debug)]
pub struct InUse {
    _lock: File,
}

/// Creates the data folder if it is missing, and keeps it from being reset.
pub fn hold(dir: &Path) -> Result<InUse> {
    privacy::create(dir).with_context(|| format!("can't create the data folder {}", dir.display()))?;
    let lock = lock_file(dir, IN_USE)?;
    match lock.try_lock_shared() {
        Ok(()) => Ok(InUse { _lock: lock }),
        Err(TryLockError::WouldBlock) => bail!("the data folder {} is being reset; try again", dir.display()),
        Err(TryLockError::Error(error)) => Err(cant_lock(error, dir)),
    }
}

/// Takes the data folder for this process alone. `None` while a role runs on it.
pub fn hold_alone(dir: &Path) -> Result<Option<InUse>> {
    let lock = lock_file(dir, IN_USE)?;
    match lock.try_lock() {
        Ok(()) => Ok(Some(InUse { _lock: lock })),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(error)) => Err(cant_lock(error, dir)),
    }
}

/// A file of the data folder that is there to be locked.
pub(super) fn lock_file(dir: &Path, name: &str) -> Result<File> {
    let opened = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(dir.join(name));
    opened.with_context(|| format!("can't write in the data folder {}", dir.display()))
}

pub(super) fn cant_lock(error: std::io::Error, dir: &Path) -> anyhow::Error {
    anyhow::Error::new(error).context(format!("can't lock the data folder {}", dir.display()))
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
}
