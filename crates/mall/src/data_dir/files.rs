//! Which files a data folder has, by their names.

use std::fmt;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use shop::domain::Source;

/// The file that roles hold a lock on for as long as they run.
pub(super) const IN_USE: &str = ".in-use";

/// The file on which the only `mall up` of the folder holds a lock, and in which it tells of itself.
pub(super) const MALL_UP: &str = ".mall-up";

/// The file whose turnstile is held by whoever compares the databases with each other.
pub(super) const COMPARING: &str = ".folder";

/// A folder of lock files: which members of consumer groups are alive.
const MEMBERS: &str = "log.members";

/// One of the three databases of a data folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum DataFile {
    /// The embedded log.
    Log,
    /// The database of the order service.
    Orders,
    /// The database of the delivery service.
    Deliveries,
}

impl DataFile {
    pub const ALL: [Self; 3] = [Self::Log, Self::Orders, Self::Deliveries];

    /// The file in which a service keeps its rows.
    pub fn of(source: Source) -> Self {
        match source {
            Source::Orders => Self::Orders,
            Source::Deliveries => Self::Deliveries,
        }
    }

    pub fn name(self) -> &'static str {
        match self {
            Self::Log => "log.db",
            Self::Orders => "orders.db",
            Self::Deliveries => "deliveries.db",
        }
    }
}

impl fmt::Display for DataFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Whether there is an embedded log in this folder.
pub fn has_log(dir: &Path) -> bool {
    dir.join(DataFile::Log.name()).exists()
}

/// The files and folders in the data folder that the mall made, the lock of [`super::hold`] last.
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
    ours.sort_by_key(|path| (path.ends_with(IN_USE), path.clone()));
    Ok(ours)
}

/// Whether the mall made a file of this name: a database, what SQLite (`log.db-wal`) or a turnstile (`log.db.door`) keeps
/// beside it, or a lock.
fn is_ours(name: &str) -> bool {
    let beside = |rest: &str| rest.is_empty() || rest.starts_with(['-', '.']);
    let is_beside = |file: &str| name.strip_prefix(file).is_some_and(beside);
    let locked = DataFile::ALL.map(DataFile::name).into_iter().chain([COMPARING]);
    [IN_USE, MALL_UP, MEMBERS].contains(&name) || locked.into_iter().any(is_beside)
}

#[cfg(test)]
mod tests {
    use super::*;

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
