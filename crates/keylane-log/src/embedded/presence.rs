//! A lock file per member, so that others see at once that its process has ended.
//!
//! A member holds its file's lock for as long as it lives; the system frees the lock with the process. A file that is
//! missing tells nothing: then the beats decide.

use std::fs::{File, OpenOptions};
use std::path::{Path, PathBuf};

use crate::port::{LogError, Result};

/// The folder of the lock files, beside `log.db`.
#[derive(Debug, Clone)]
pub(super) struct Presences(PathBuf);

/// A member's own lock. Dropping it without [`Self::end`] leaves a free lock, which says that the member is dead.
#[derive(Debug)]
pub(super) struct Presence {
    path: PathBuf,
    _lock: File,
}

impl Presences {
    pub(super) fn of(log: &Path) -> Self {
        Self(log.with_extension("members"))
    }

    /// Shows that `member` is there. Call it before others can hear of the member.
    pub(super) fn show(&self, member: &str) -> Result<Presence> {
        let path = self.0.join(member);
        let show = || {
            std::fs::create_dir_all(&self.0)?;
            let file = File::create(&path)?;
            file.lock()?;
            Ok(file)
        };
        let lock = show().map_err(|error: std::io::Error| {
            LogError::Broken(format!(
                "cannot create the member's lock file {}: {error}",
                path.display()
            ))
        })?;
        Ok(Presence { path, _lock: lock })
    }

    /// Whether the process of `member` has certainly ended.
    pub(super) fn ended(&self, member: &str) -> bool {
        // Shared, so that two who look at once do not take each other for the member.
        let file = OpenOptions::new().read(true).open(self.0.join(member));
        file.is_ok_and(|file| file.try_lock_shared().is_ok())
    }

    /// Removes what a member left behind.
    pub(super) fn clear(&self, member: &str) {
        if self.ended(member) {
            // Whoever else removes it at the same time is welcome.
            let _ = std::fs::remove_file(self.0.join(member));
        }
    }
}

impl Presence {
    /// After the member has left: nobody needs to find its lock free.
    pub(super) fn end(self) {
        // Left in place it would only be an empty file.
        let _ = std::fs::remove_file(&self.path);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_member_is_there_until_its_lock_is_gone() {
        let dir = tempfile::tempdir().unwrap();
        let presences = Presences::of(&dir.path().join("log.db"));
        let presence = presences.show("one").unwrap();
        assert!(!presences.ended("one"));
        presences.clear("one");
        assert!(presence.path.exists(), "nobody clears the living");

        let left_behind = presence.path.with_file_name("two");
        File::create(&left_behind).unwrap();
        assert!(presences.ended("two"));
        presences.clear("two");
        assert!(!left_behind.exists());
        assert!(!presences.ended("two"), "a missing file tells nothing");

        let path = presence.path.clone();
        drop(presence);
        assert!(presences.ended("one"));
        presences.show("one").unwrap().end();
        assert!(!path.exists());
    }
}
