//! A ratchet on the size of things: functions of at most 70 lines, files of at most 500. Tests, with their tables of
//! cases, may be longer.
#![allow(missing_docs)]

use std::path::{Path, PathBuf};

const LONGEST_FUNCTION: usize = 70;
const LONGEST_FILE: usize = 500;

#[test]
fn functions_and_files_stay_short() {
    let crates = Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("the crates' folder");
    let mut sources = rust_files(crates);
    sources.retain(|path| !is_test(path));
    assert!(
        sources.len() > 20,
        "only {} source files were found below {}",
        sources.len(),
        crates.display()
    );
    let complaints: Vec<String> = sources.iter().flat_map(|path| complaints_about(path)).collect();
    assert!(complaints.is_empty(), "\n{}", complaints.join("\n"));
}

#[test]
fn a_long_function_is_noticed() {
    let body = "    line();\n".repeat(LONGEST_FUNCTION);
    let text = format!("fn short() {{\n}}\n\nfn long() {{\n{body}}}\n");
    assert_eq!(
        long_functions(&text),
        [("fn long() {".to_owned(), LONGEST_FUNCTION + 2)]
    );
}

fn is_test(path: &Path) -> bool {
    path.components().any(|part| part.as_os_str() == "tests") || path.file_stem().is_some_and(|stem| stem == "tests")
}

fn complaints_about(path: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(path).expect("a source file is readable");
    let code = text.split("#[cfg(test)]\nmod tests").next().unwrap_or_default();
    let place = path.display();
    let mut complaints: Vec<String> = long_functions(code)
        .into_iter()
        .map(|(name, lines)| format!("{place}: {name} has {lines} lines, {LONGEST_FUNCTION} are allowed"))
        .collect();
    let lines = code.lines().count();
    if lines > LONGEST_FILE {
        complaints.push(format!("{place} has {lines} lines, {LONGEST_FILE} are allowed"));
    }
    complaints
}

/// Functions by the indentation that rustfmt gives them: from the line with `fn` to the brace that stands below it.
fn long_functions(text: &str) -> Vec<(String, usize)> {
    let lines: Vec<&str> = text.lines().collect();
    let starts = lines.iter().enumerate().filter(|(_, line)| is_function(line));
    starts
        .filter_map(|(start, line)| {
            let indentation = &line[..line.len() - line.trim_start().len()];
            let end = format!("{indentation}}}");
            let length = lines[start..].iter().position(|line| *line == end)? + 1;
            (length > LONGEST_FUNCTION).then(|| (line.trim().to_owned(), length))
        })
        .collect()
}

/// A declaration or a field of a function's type has no body to measure.
fn is_function(line: &str) -> bool {
    let line = line.trim();
    !line.starts_with("//")
        && !line.ends_with([';', ','])
        && line
            .split(['(', '<'])
            .next()
            .is_some_and(|head| head.split(' ').any(|word| word == "fn"))
}

fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder)
        .expect("a folder is readable")
        .map(|entry| entry.expect("an entry").path());
    entries
        .flat_map(|path| match path {
            folder if folder.is_dir() => rust_files(&folder),
            file if file.extension().is_some_and(|extension| extension == "rs") => vec![file],
            _ => Vec::new(),
        })
        .collect()
}
