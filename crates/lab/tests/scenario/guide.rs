//! `docs/scenarios.md` tells people the language: its example is read, and no word of the language is missing in it.

use std::path::Path;

use lab::scenario::{Assignor, Change, Consumer, DoubtName, Guard, Key, KeyMode, Run, Stage, WorldName, parse};

fn guide() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/scenarios.md");
    std::fs::read_to_string(path).expect("the guide")
}

#[test]
fn its_example_makes_sense() {
    let guide = guide();
    let example = guide
        .split("```text\n")
        .nth(1)
        .and_then(|rest| rest.split("```").next());
    let example = parse("guide", example.expect("an example")).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(example.head.runs, Run::ALL);
}

#[test]
fn no_word_of_the_language_is_missing() {
    let guide = guide();
    let code: Vec<&str> = guide.split('`').skip(1).step_by(2).collect();
    let told = |word: &str| code.iter().any(|code| code.split(' ').any(|told| told == word));
    let refused = parse("own.lab", "nothing")
        .expect_err("no word of the language")
        .to_string();
    let commands = refused.split("Expected a command: ").nth(1).expect("all commands");
    let commands = commands.split(", ").flat_map(|words| words.split(" or "));
    let values = [
        Assignor::WORDS,
        Change::WORDS,
        Consumer::WORDS,
        DoubtName::WORDS,
        Guard::WORDS,
        Key::WORDS,
        KeyMode::WORDS,
        Stage::WORDS,
        WorldName::WORDS,
    ];
    let missing: Vec<&str> = commands.chain(values.concat()).filter(|word| !told(word)).collect();
    assert_eq!(missing, [""; 0]);
}
