//! Which `mall up` runs on the data folder. It holds a lock on a file for as long as it runs, and the file tells of it.

use std::fs::{File, TryLockError};
use std::io::{Read, Seek, Write};
use std::path::Path;

use anyhow::Result;

use super::files::MALL_UP;
use super::in_use::{cant_lock, lock_file};
use super::privacy;

/// The place of the only `mall up` of a folder, held until this is dropped.
#[derive(Debug)]
pub struct MallUp {
    /// The file, which is locked as long as it is open.
    file: File,
}

/// What the `mall up` that runs on the folder tells of itself; none if there is none.
pub fn running(dir: &Path) -> Result<Option<String>> {
    if !dir.join(MALL_UP).exists() {
        return Ok(None);
    }
    let mut file = lock_file(dir, MALL_UP)?;
    match file.try_lock() {
        Ok(()) => Ok(None),
        Err(TryLockError::WouldBlock) => Ok(Some(read(&mut file))),
        Err(TryLockError::Error(error)) => Err(cant_lock(error, dir)),
    }
}

/// Takes the place of the only `mall up` of the folder, which is created if it is missing, and leaves `account` for others to
/// read. None if another one has the place.
pub fn claim(dir: &Path, account: &str) -> Result<Option<MallUp>> {
    privacy::create(dir)?;
    let file = lock_file(dir, MALL_UP)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return Ok(None),
        Err(TryLockError::Error(error)) => return Err(cant_lock(error, dir)),
    }
    let mut place = MallUp { file };
    place.tell(account);
    Ok(Some(place))
}

impl MallUp {
    /// Leaves another account for others to read.
    pub fn tell(&mut self, account: &str) {
        let file = &mut self.file;
        let written = file.set_len(0).and_then(|()| file.rewind());
        // The account is for people only, so a disk without room for it does no harm.
        let _ = written.and_then(|()| file.write_all(account.as_bytes()));
    }
}

/// The account, of which no more is read than such a file holds.
fn read(file: &mut File) -> String {
    let mut account = String::new();
    let _ = file.rewind();
    let _ = file.take(1000).read_to_string(&mut account);
    account
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_one_has_the_place_and_tells_of_itself() {
        let outer = tempfile::tempdir().expect("a folder");
        let dir = outer.path().join("data");
        assert_eq!(running(&dir).expect("asked"), None);
        assert!(!dir.exists(), "asking creates nothing");
        let mut first = claim(&dir, "the first of all").expect("asked").expect("free");
        assert_eq!(running(&dir).expect("asked").as_deref(), Some("the first of all"));
        first.tell("the same");
        assert_eq!(running(&dir).expect("asked").as_deref(), Some("the same"));
        assert!(claim(&dir, "the second").expect("asked").is_none());
        drop(first);
        assert_eq!(running(&dir).expect("asked"), None);
        let second = claim(&dir, "the second").expect("asked").expect("free again");
        assert_eq!(running(&dir).expect("asked").as_deref(), Some("the second"));
        drop(second);
    }
}
