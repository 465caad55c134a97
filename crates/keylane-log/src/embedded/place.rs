//! Whether the files that a connection has open are still where it opened them.
//!
//! SQLite goes on, without a word, with a database or a write-ahead log that was removed or replaced: what it writes then
//! is lost, and whoever opens the database meanwhile may damage it. Only directory entries are looked at, since opening and
//! closing such a file beside SQLite would drop SQLite's locks.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

/// A database, its write-ahead log, and the index of that.
#[derive(Debug)]
pub struct Place {
    files: [Watched; 3],
}

#[derive(Debug)]
struct Watched {
    path: PathBuf,
    /// Which file was opened there; not set before that is certain.
    inode: OnceLock<u64>,
}

impl Place {
    /// The place of a database that was just opened.
    pub fn of(database: &Path) -> Self {
        let beside = |end: &str| {
            let mut path = database.as_os_str().to_owned();
            path.push(end);
            Watched {
                path: path.into(),
                inode: OnceLock::new(),
            }
        };
        let files = ["", "-wal", "-shm"].map(beside);
        files[0].learn();
        Self { files }
    }

    /// The files that SQLite keeps beside a database belong to a connection from its first transaction to its end; to be
    /// called after one.
    pub fn learn(&self) {
        self.files.iter().for_each(Watched::learn);
    }

    /// Which file was removed or replaced.
    pub fn lost(&self) -> Option<&Path> {
        let lost = |watched: &&Watched| {
            watched
                .inode
                .get()
                .is_some_and(|known| inode(&watched.path) != Some(*known))
        };
        self.files.iter().find(lost).map(|watched| watched.path.as_path())
    }
}

impl Watched {
    fn learn(&self) {
        if self.inode.get().is_none()
            && let Some(inode) = inode(&self.path)
        {
            self.inode.get_or_init(|| inode);
        }
    }
}

#[cfg(unix)]
fn inode(path: &Path) -> Option<u64> {
    use std::os::unix::fs::MetadataExt;
    Some(std::fs::metadata(path).ok()?.ino())
}

#[cfg(not(unix))]
fn inode(path: &Path) -> Option<u64> {
    std::fs::metadata(path).ok().map(|_| 0)
}
