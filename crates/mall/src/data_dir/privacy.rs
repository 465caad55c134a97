//! The data folder and what is in it are for their owner alone: whoever can open a lock file can keep it, and whoever can
//! read the databases reads everybody's orders.
//!
//! New files are made so by the process's mask ([`by_default`]), SQLite's own beside the databases too. A folder that
//! exists already is tightened where it is the mall's, and told about where it isn't.

use std::fs::{DirBuilder, Metadata, Permissions};
use std::io::Result;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use super::contents;

/// What others than the owner may do.
const OTHERS: u32 = 0o077;

/// From now on everything that this process makes is its owner's alone, whatever the mask of whoever started it.
pub fn by_default() {
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(OTHERS));
}

/// Makes the folder, where it is missing, for its owner alone.
pub fn create(dir: &Path) -> Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(dir)
}

/// Takes away what others may do with what is ours, and says so once. A folder that holds other things too is left to its
/// owner, who is told.
pub fn tighten(dir: &Path) {
    let ours: Vec<PathBuf> = contents(dir)
        .unwrap_or_default()
        .into_iter()
        .flat_map(with_members)
        .collect();
    let tightened = ours.iter().filter(|path| is_open(path) && close(path).is_ok()).count();
    if tightened > 0 {
        tracing::warn!(
            "{tightened} file(s) in {} could be opened by others than their owner; now they can't",
            dir.display()
        );
    }
    if !is_open(dir) {
        return;
    }
    let shown = dir.display();
    if holds_only_ours(dir) && close(dir).is_ok() {
        tracing::warn!("the data folder {shown} could be entered by others than its owner; now it can't");
    } else {
        tracing::warn!(
            "the data folder {shown} can be entered by others than its owner; if that isn't meant: chmod 700 {shown}"
        );
    }
}

/// What in the folder others than its owner may do something with, the folder itself included.
pub fn open_to_others(dir: &Path) -> Vec<PathBuf> {
    let ours = contents(dir).unwrap_or_default().into_iter().flat_map(with_members);
    [dir.to_owned()]
        .into_iter()
        .chain(ours)
        .filter(|path| is_open(path))
        .collect()
}

/// A folder of ours and the files in it.
fn with_members(path: PathBuf) -> Vec<PathBuf> {
    let inside = std::fs::read_dir(&path)
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path());
    let inside: Vec<PathBuf> = inside.collect();
    [path].into_iter().chain(inside).collect()
}

fn is_open(path: &Path) -> bool {
    metadata(path).is_some_and(|metadata| metadata.mode() & OTHERS != 0)
}

fn close(path: &Path) -> Result<()> {
    let mode = metadata(path).map_or(0o600, |metadata| metadata.mode()) & !OTHERS;
    std::fs::set_permissions(path, Permissions::from_mode(mode))
}

/// Of the thing itself: a link is its owner's business.
fn metadata(path: &Path) -> Option<Metadata> {
    std::fs::symlink_metadata(path)
        .ok()
        .filter(|metadata| !metadata.is_symlink())
}

fn holds_only_ours(dir: &Path) -> bool {
    let all = std::fs::read_dir(dir).map_or(0, Iterator::count);
    contents(dir).is_ok_and(|ours| ours.len() == all)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(path: &Path) -> u32 {
        std::fs::metadata(path).expect("it is there").mode() & 0o777
    }

    fn with_mode(path: &Path, mode: u32) {
        std::fs::set_permissions(path, Permissions::from_mode(mode)).expect("it is ours");
    }

    #[test]
    fn what_is_ours_is_closed_and_what_is_not_stays() {
        let outer = tempfile::tempdir().expect("a folder");
        let dir = outer.path().join("a/data");
        create(&dir).expect("created");
        assert_eq!(mode(&dir), 0o700);
        std::fs::create_dir(dir.join("log.members")).expect("created");
        for name in ["log.db", "log.db-wal", "log.db.door", ".in-use", "log.members/one"] {
            std::fs::write(dir.join(name), "").expect("written");
            with_mode(&dir.join(name), 0o664);
        }
        with_mode(&dir.join("log.members"), 0o755);
        with_mode(&dir, 0o755);
        assert_eq!(open_to_others(&dir).len(), 7);
        tighten(&dir);
        assert_eq!(open_to_others(&dir), Vec::<PathBuf>::new());
        assert_eq!(
            (mode(&dir), mode(&dir.join("log.db")), mode(&dir.join("log.members"))),
            (0o700, 0o600, 0o700)
        );

        std::fs::write(dir.join("notes.txt"), "").expect("written");
        with_mode(&dir.join("notes.txt"), 0o644);
        with_mode(&dir, 0o755);
        tighten(&dir);
        assert_eq!(
            (mode(&dir), mode(&dir.join("notes.txt"))),
            (0o755, 0o644),
            "somebody else uses it too"
        );
    }
}
