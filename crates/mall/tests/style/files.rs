//! The files of the repository.

use std::path::{Path, PathBuf};

/// The top of the repository.
pub fn root() -> &'static Path {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2);
    root.expect("the crates stand in the repository")
}

/// The text of a file.
pub fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The files below a folder whose name ends so.
pub fn files(folder: &Path, ending: &str) -> Vec<PathBuf> {
    entries(folder)
        .into_iter()
        .flat_map(|path| match path {
            folder if folder.is_dir() => files(&folder, ending),
            file if is_a(&file, ending) => vec![file],
            _ => Vec::new(),
        })
        .collect()
}

/// Whether a file's name ends so.
pub fn is_a(file: &Path, ending: &str) -> bool {
    file.extension().is_some_and(|extension| extension == ending)
}

/// What stands in a folder.
pub fn entries(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    entries.map(|entry| entry.expect("an entry").path()).collect()
}
