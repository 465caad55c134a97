//! The data folder and its files are for their owner alone: another user who can open a lock file can keep the lock, and one
//! who can read the databases reads everybody's orders.
//!
//! The process's mask ([`by_default`]) takes care of new files, also of those that SQLite creates beside the databases. For
//! a folder that exists already the permissions are tightened where only the mall uses it; otherwise the user is told.

use std::fs::{DirBuilder, Metadata, Permissions};
use std::io::Result;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use super::files::contents;
use crate::console;

/// The permissions of users other than the owner.
const OTHERS: u32 = 0o077;

/// Makes every file and folder that this process creates from now on its owner's alone, whatever mask the process was
/// started with.
pub fn by_default() {
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(OTHERS));
}

/// Creates the folder where it is missing, for its owner alone.
pub fn create(dir: &Path) -> Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(dir)
}

/// Takes the permissions of other users away from the mall's files, and says so in one line. The permissions of a folder
/// that holds other files too are left alone, and the user is told.
pub fn tighten(dir: &Path) {
    let ours: Vec<PathBuf> = contents(dir)
        .unwrap_or_default()
        .into_iter()
        .flat_map(with_files_inside)
        .collect();
    let tightened = ours.iter().filter(|path| is_open(path) && close(path).is_ok()).count();
    if tightened > 0 {
        tracing::warn!(
            "{tightened} file(s) in {} could be opened by other users than their owner; now they can't",
            dir.display()
        );
    }
    if !is_open(dir) {
        return;
    }
    let shown = dir.display();
    if holds_only_ours(dir) && close(dir).is_ok() {
        tracing::warn!("the data folder {shown} could be entered by other users than its owner; now it can't");
    } else {
        tracing::warn!(
            "the data folder {shown} can be entered by other users than its owner; if that is not intended: chmod 700 {}",
            console::shell_word(&shown.to_string())
        );
    }
}

/// The files and folders of the mall that other users have permissions for, the data folder itself included.
pub fn open_to_others(dir: &Path) -> Vec<PathBuf> {
    let ours = contents(dir)
        .unwrap_or_default()
        .into_iter()
        .flat_map(with_files_inside);
    [dir.to_owned()]
        .into_iter()
        .chain(ours)
        .filter(|path| is_open(path))
        .collect()
}

/// The path itself and, if it is a folder, the files in it.
fn with_files_inside(path: PathBuf) -> Vec<PathBuf> {
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

/// None for a symbolic link: what it leads to belongs to whoever made the link.
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
