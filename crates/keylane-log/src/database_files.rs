//! Whether the files of an open SQLite database are still where they were opened.
//!
//! SQLite goes on, without an error, with a database or a write-ahead log that was removed or replaced. What it writes
//! then is lost, and a process that opens the new file at the same time may damage it. So a user of a database asks
//! [`DatabaseFiles::lost`] before each use and [`DatabaseFiles::learn`] after each transaction.
//!
//! Only directory entries are looked at: opening and closing one of these files beside SQLite would drop SQLite's
//! locks.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

/// The three files of an open database: the database itself, its write-ahead log (`-wal`), and the log's index
/// (`-shm`).
#[derive(Debug)]
pub struct DatabaseFiles {
    files: [Watched; 3],
}

#[derive(Debug)]
struct Watched {
    path: PathBuf,
    /// The inode that the path led to at the first look; empty while the file has not been seen.
    inode: OnceLock<u64>,
}

impl DatabaseFiles {
    /// Starts to watch the files of the database at `database`, which SQLite has just opened.
    pub fn opened(database: &Path) -> Self {
        let beside = |suffix: &str| {
            let mut path = database.as_os_str().to_owned();
            path.push(suffix);
            Watched {
                path: path.into(),
                inode: OnceLock::new(),
            }
        };
        let files = ["", "-wal", "-shm"].map(beside);
        files[0].learn();
        Self { files }
    }

    /// Notes which files are there now, as far as that is not known. To be called after a transaction: SQLite creates
    /// `-wal` and `-shm` no later than in the first one, and keeps both until the connection ends.
    pub fn learn(&self) {
        self.files.iter().for_each(Watched::learn);
    }

    /// The path of a file that was removed or replaced since it was first seen; `None` if all are in place.
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

/// Without inodes only a removed file is noticed, and a replaced one is not.
#[cfg(not(unix))]
fn inode(path: &Path) -> Option<u64> {
    std::fs::metadata(path).ok().map(|_| 0)
}
