//! A lock file for each member, so that other members see at once that its process has ended.
//!
//! A member holds the lock of its file for as long as it lives, and the system frees the lock when the process ends. A
//! missing file says nothing; then the heartbeats decide.

use std::fs::{File, OpenOptions};
use std::path::{Path, PathBuf};

use crate::port::{LogError, Result};

/// The folder of the lock files, beside `log.db`.
#[derive(Debug, Clone)]
pub(super) struct Presences(PathBuf);

/// The lock file of a member in this process. If it is dropped without [`Self::end`], its file stays behind with a free
/// lock, which says that the member is dead.
#[derive(Debug)]
pub(super) struct Presence {
    path: PathBuf,
    _lock: File,
}

impl Presences {
    /// The lock files of the members of the log at `log`.
    pub(super) fn of(log: &Path) -> Self {
        Self(log.with_extension("members"))
    }

    /// Shows that `member` lives. To be called before other members can see its row.
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
        // The lock is a shared one, so that two observers at once do not take each other for the living member.
        let file = OpenOptions::new().read(true).open(self.0.join(member));
        file.is_ok_and(|file| file.try_lock_shared().is_ok())
    }

    /// Removes the lock file of a member whose process has ended.
    pub(super) fn clear(&self, member: &str) {
        if self.ended(member) {
            // It is no error if another process has removed the file at the same time.
            let _ = std::fs::remove_file(self.0.join(member));
        }
    }
}

impl Presence {
    /// Removes the lock file, after the member has left its group.
    pub(super) fn end(self) {
        // A file that can't be removed does no harm: it is empty, and no row names its member.
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
        assert!(presence.path.exists(), "the file of a living member is not removed");

        let left_behind = presence.path.with_file_name("two");
        File::create(&left_behind).unwrap();
        assert!(presences.ended("two"));
        presences.clear("two");
        assert!(!left_behind.exists());
        assert!(
            !presences.ended("two"),
            "a missing file does not say that its member is dead"
        );

        let path = presence.path.clone();
        drop(presence);
        assert!(presences.ended("one"));
        presences.show("one").unwrap().end();
        assert!(!path.exists());
    }
}
