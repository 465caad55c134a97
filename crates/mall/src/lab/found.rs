//! Finds a scenario by what a person calls it.

use std::path::Path;

use anyhow::Result;
use lab::scenario::{Scenario, name_of, parse};
use shop::spelling::nearest;

use super::shipped::FILES;
use crate::console::shell_word;
use crate::exit::Usage;

/// A scenario, with what it is called and the text of its file.
#[derive(Debug, Clone)]
pub struct Found {
    /// What commands call it: `zombie` for `a21-zombie.lab`.
    pub name: String,
    /// Where its text stands, for messages.
    pub file: String,
    /// The text of the file.
    pub text: String,
    /// What that says.
    pub scenario: Scenario,
}

/// All that are part of the program.
pub fn shipped() -> Vec<Found> {
    let read = |(file, text): &(&str, &str)| {
        let scenario = parse(file, text);
        Found {
            name: name_of(file).to_owned(),
            file: (*file).to_owned(),
            text: (*text).to_owned(),
            scenario: scenario.unwrap_or_else(|error| panic!("a scenario of this program can't be read: {error}")),
        }
    };
    FILES.iter().map(read).collect()
}

/// The scenario that is called so: by its name, by its file's name, by an anomaly's number, or by the path of any file.
///
/// # Errors
/// There is none, with the name that is probably meant; or the file can't be read or understood.
pub fn find(word: &str) -> Result<Found> {
    if word.contains('/') || Path::new(word).is_file() {
        return of_file(word);
    }
    let mut all = shipped();
    let called = |found: &Found| {
        let stem = found.file.trim_end_matches(".lab");
        [found.name.as_str(), stem, found.file.as_str(), number_of(stem)].contains(&word)
            || number_of(stem).replacen("a0", "a", 1) == word.to_lowercase()
    };
    match all.iter().position(called) {
        Some(index) => Ok(all.swap_remove(index)),
        None => Err(unknown(word, &all).into()),
    }
}

fn unknown(word: &str, all: &[Found]) -> Usage {
    let hint = match nearest(word, all.iter().map(|found| found.name.as_str())) {
        Some(name) => format!("did you mean {name}?"),
        None => "mall lab list names them; a file of your own is given by its path".to_owned(),
    };
    Usage(format!("there is no scenario {}; {hint}", shell_word(word)))
}

fn of_file(path: &str) -> Result<Found> {
    let text =
        std::fs::read_to_string(path).map_err(|error| Usage(format!("can't read {}: {error}", shell_word(path))))?;
    let scenario = parse(path, &text).map_err(|error| Usage(error.to_string()))?;
    let file = Path::new(path).file_name().unwrap_or_default().to_string_lossy();
    Ok(Found {
        name: name_of(&file).to_owned(),
        file: path.to_owned(),
        text,
        scenario,
    })
}

/// `a21` of `a21-zombie`.
fn number_of(stem: &str) -> &str {
    stem.split('-').next().unwrap_or(stem)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scenario_is_found_by_what_people_call_it() {
        for word in ["zombie", "a21-zombie", "a21-zombie.lab", "a21"] {
            assert_eq!(find(word).expect(word).name, "zombie");
        }
        assert_eq!(find("a4").expect("partition growth").name, "partition-growth");
        assert_eq!(find("lesson-2").expect("a lesson").name, "lesson-2");
    }

    #[test]
    fn a_misspelt_name_is_answered_with_the_one_that_is_meant() {
        let error = find("zombi").expect_err("misspelt").to_string();
        assert_eq!(error, "there is no scenario zombi; did you mean zombie?");
        let error = find("what is this").expect_err("nothing like it").to_string();
        assert_eq!(
            error,
            "there is no scenario 'what is this'; mall lab list names them; a file of your own is given by its path"
        );
        let error = find("./none.lab").expect_err("no such file").to_string();
        assert!(error.starts_with("can't read ./none.lab: "), "{error}");
    }

    #[test]
    fn names_are_unique() {
        let mut names: Vec<String> = shipped().into_iter().map(|found| found.name).collect();
        let all = names.len();
        names.sort();
        names.dedup();
        assert_eq!(names.len(), all);
    }
}
