//! What holds for all of the repository's texts.
//!
//! * A ratchet on the size of files: at most 500 lines. Tests, with their tables of cases, may be longer. (Clippy looks at
//!   functions.)
//! * Anomalies are called by the names that `docs/anomalies.md` gives them, never by the numbers they have there.
//! * The files of a crate need each other in one direction only ([`circles`]), and a module has one home.
//! * What the simulation runs gives the same bytes for the same seed, so it has no `select!` that throws dice
//!   about which branch is looked at first.
//! * A link in a document leads to a file that is there, and what the catalogue of anomalies names stands in the files that
//!   it links to.
#![allow(missing_docs)]

mod circles;
mod files;

use std::path::{Path, PathBuf};

use files::{entries, files, is_a, read, root};

const LONGEST_FILE: usize = 500;

/// The one text in which the numbers of anomalies stand beside their names.
const CATALOGUE: &str = "docs/anomalies.md";

#[test]
fn files_stay_short() {
    let mut sources = sources();
    sources.retain(|path| !is_test(path));
    none(sources.iter().filter_map(|path| complaint_about(path)));
}

#[test]
fn anomalies_are_called_by_their_names() {
    let mut texts = [sources(), documents()].concat();
    texts.retain(|path| *path != root().join(CATALOGUE));
    none(texts.iter().flat_map(|path| {
        let numbers = numbers_of_anomalies(&read(path));
        let place = path.display().to_string();
        numbers
            .into_iter()
            .map(move |(line, number)| format!("{place}:{line}: {number}: give the name that {CATALOGUE} has for it"))
    }));
}

#[test]
fn links_lead_to_files() {
    none(documents().iter().flat_map(|path| {
        let folder = path.parent().expect("a file stands in a folder").to_owned();
        let place = path.display().to_string();
        let targets = relative_links(&read(path));
        let gone = targets.into_iter().filter(move |target| !folder.join(target).exists());
        gone.map(move |target| format!("{place}: {target} is not there"))
    }));
}

#[test]
fn the_catalogue_names_what_is_there() {
    let catalogue = root().join(CATALOGUE);
    let folder = catalogue.parent().expect("a file stands in a folder");
    let text = read(&catalogue);
    let places = text
        .split("\n\n")
        .filter(|paragraph| paragraph.starts_with("**Where.**"));
    none(places.flat_map(|place| {
        let sources: String = relative_links(place)
            .iter()
            .map(|file| read(&folder.join(file)))
            .collect();
        let gone = names(place)
            .into_iter()
            .filter(move |name| !words(&sources).any(|word| word == *name));
        gone.map(|name| format!("{CATALOGUE}: {name} is in none of the files that are linked beside it"))
    }));
}

#[test]
fn no_files_need_each_other() {
    none(crates().iter().flat_map(|folder| circles::complaints(folder)));
}

#[test]
fn a_module_with_children_is_a_folder() {
    none(crates().iter().flat_map(|folder| circles::split_modules(folder)));
}

#[test]
fn no_select_throws_dice() {
    let simulated = ["shop", "keylane", "keylane-log", "stores", "lab"].map(|name| root().join("crates").join(name));
    none(simulated.iter().flat_map(|folder| {
        files(&folder.join("src"), "rs").into_iter().flat_map(|path| {
            let place = path.display().to_string();
            let lines = dice(&read(&path));
            lines
                .into_iter()
                .map(move |line| format!("{place}:{line}: begin this select! with `biased;`, and order its branches"))
        })
    }));
}

#[test]
fn a_select_without_a_bias_is_noticed() {
    let text = "select! {\n    biased;\n}\ntokio::select! {\n    () = a => {}\n}\n//! [`select!`] is a macro";
    assert_eq!(dice(text), [4]);
}

#[test]
fn a_number_in_place_of_a_name_is_noticed() {
    let number = format!("A{}", 21);
    let text = format!("A zombie.\nIt wakes up ({number}).\n0x{number} {number}0 B{number} A");
    assert_eq!(numbers_of_anomalies(&text), [(2, number)]);
}

#[test]
fn links_are_taken_apart() {
    let text = "[a](docs/a.md) and [b](../b.rs#L1), [c](https://example.org), [d](#here)";
    assert_eq!(relative_links(text), ["docs/a.md", "../b.rs"]);
}

#[track_caller]
fn none(complaints: impl Iterator<Item = String>) {
    let complaints: Vec<String> = complaints.collect();
    assert!(complaints.is_empty(), "\n{}", complaints.join("\n"));
}

/// The source folders of all crates.
fn crates() -> Vec<PathBuf> {
    let crates = entries(&root().join("crates")).into_iter();
    let folders: Vec<PathBuf> = crates
        .map(|path| path.join("src"))
        .filter(|folder| folder.is_dir())
        .collect();
    assert!(folders.len() > 2, "only {folders:?} were found");
    folders
}

/// The sources and tests of all crates.
fn sources() -> Vec<PathBuf> {
    let sources = files(&root().join("crates"), "rs");
    assert!(sources.len() > 20, "only {} source files were found", sources.len());
    sources
}

/// The documents at the top, and those in `docs`.
fn documents() -> Vec<PathBuf> {
    let top = entries(root()).into_iter().filter(|path| is_a(path, "md"));
    let documents: Vec<PathBuf> = top.chain(files(&root().join("docs"), "md")).collect();
    assert!(documents.len() > 4, "only {documents:?} were found");
    documents
}

/// Words like the numbers of anomalies, a capital A and one or two digits, each with its line.
fn numbers_of_anomalies(text: &str) -> Vec<(usize, String)> {
    let mut numbers = Vec::new();
    for (line, text) in (1..).zip(text.lines()) {
        let found = words(text).filter(|word| is_number(word));
        numbers.extend(found.map(|number| (line, number.to_owned())));
    }
    numbers
}

/// The lines with a `select!` whose first line isn't `biased;`.
fn dice(text: &str) -> Vec<usize> {
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    let begins = |at: &usize| lines[*at].ends_with("select! {");
    let unfair = |at: &usize| lines.get(at + 1) != Some(&"biased;");
    (0..lines.len())
        .filter(begins)
        .filter(unfair)
        .map(|at| at + 1)
        .collect()
}

fn is_number(word: &str) -> bool {
    word.strip_prefix('A')
        .is_some_and(|rest| (1..=2).contains(&rest.len()) && rest.bytes().all(|byte| byte.is_ascii_digit()))
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !c.is_alphanumeric() && c != '_')
}

/// What stands in backquotes, of `Type::function` the function.
fn names(text: &str) -> Vec<&str> {
    let quoted = text.split('`').skip(1).step_by(2);
    quoted.filter_map(|path| path.rsplit("::").next()).collect()
}

/// Where a document's links lead, those within it and those to other sites left out.
fn relative_links(text: &str) -> Vec<String> {
    let targets = text.split("](").skip(1).filter_map(|rest| rest.split(')').next());
    let files = targets.filter_map(|target| target.split('#').next());
    files
        .filter(|file| !file.is_empty() && !file.contains("://"))
        .map(str::to_owned)
        .collect()
}

fn is_test(path: &Path) -> bool {
    path.components().any(|part| part.as_os_str() == "tests") || path.file_stem().is_some_and(|stem| stem == "tests")
}

/// What is to be said of a file that is too long, its tests left out.
fn complaint_about(path: &Path) -> Option<String> {
    let text = read(path);
    let code = text.split("#[cfg(test)]\nmod tests").next().unwrap_or_default();
    let lines = code.lines().count();
    (lines > LONGEST_FILE).then(|| format!("{} has {lines} lines, {LONGEST_FILE} are allowed", path.display()))
}
