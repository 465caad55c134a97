//! The scenarios that are shipped: each reads, says what it is about, and reads the same after it was written.

use std::path::{Path, PathBuf};

use lab::scenario::{Scenario, parse};

/// The files, each with its name.
pub fn shipped() -> Vec<(String, Scenario)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scenarios");
    let entries = std::fs::read_dir(&folder).expect("the folder of scenarios");
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.expect("an entry").path()).collect();
    files.sort();
    let read = |path: &PathBuf| {
        let name = path.file_name().expect("a name").to_string_lossy().into_owned();
        let text = std::fs::read_to_string(path).expect("a text");
        let scenario = parse(&name, &text).unwrap_or_else(|error| panic!("{error}"));
        (name, scenario)
    };
    files.iter().map(read).collect()
}

#[test]
fn each_says_what_it_is_about() {
    for (name, scenario) in shipped() {
        let head = &scenario.head;
        let mut texts = vec![("title", &head.title), ("explain", &head.explain), ("cure", &head.cure)];
        match &head.described {
            Some(why) => texts.push(("described", why)),
            None => texts.extend([("question", &head.question), ("answer", &head.answer)]),
        }
        for (what, text) in texts {
            assert!(!text.english.is_empty(), "{name}: {what} en is missing");
            assert!(
                text.korean.chars().any(|c| ('가'..='힣').contains(&c)),
                "{name}: {what} ko is missing"
            );
        }
        let number = |prefix: char| {
            let digits = name.strip_prefix(prefix)?.split('-').next()?;
            digits.parse::<u32>().ok()
        };
        match head.lesson {
            Some(lesson) => assert!(
                name.starts_with(&format!("lesson-{lesson}")),
                "{name} is lesson {lesson}"
            ),
            None => assert_eq!(
                number('a'),
                head.anomalies.first().copied(),
                "{name}: its name begins with its number"
            ),
        }
        assert!(name.ends_with(".lab"), "{name} is no scenario");
    }
}

#[test]
fn each_reads_the_same_after_it_was_written() {
    for (name, scenario) in shipped() {
        let written = scenario.to_string();
        let again = parse(&name, &written).unwrap_or_else(|error| panic!("{error}:\n{written}"));
        assert!(scenario.says_the_same_as(&again), "{name}:\n{written}");
    }
}
