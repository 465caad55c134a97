//! `mall lab` as a person meets it: what there is, what it says, and what is refused.

use super::program::Folder;

#[test]
fn the_list_names_scenarios_in_either_language() {
    let folder = Folder::new();
    let list = folder.run(&["lab", "list"]);
    assert_eq!(list.code, Some(0), "{list:?}");
    let zombie = list
        .out
        .lines()
        .find(|line| line.starts_with("zombie "))
        .expect("the zombie");
    assert!(zombie.contains("Zombie") && zombie.contains("the fence"), "{zombie}");
    let korean = folder.run(&["lab", "list", "--lang", "ko"]);
    assert!(korean.out.contains("좀비"), "{korean:?}");
    let json = folder.run(&["lab", "list", "--json"]);
    let all: serde_json::Value = serde_json::from_str(&json.out).expect("JSON");
    assert_eq!(all[0]["name"], "lesson-1");
    assert!(!folder.has_data(), "looking makes no data folder");
}

#[test]
fn a_scenario_is_shown_as_its_file_and_explained_with_a_question() {
    let folder = Folder::new();
    let shown = folder.run(&["lab", "show", "zombie"]);
    let file = include_str!("../../../../scenarios/a21-zombie.lab");
    assert_eq!((shown.code, shown.out.as_str()), (Some(0), file));
    let explained = folder.run(&["lab", "explain", "a21"]);
    assert!(explained.out.contains("What will the row say?"), "{explained:?}");
    assert!(
        !explained.out.contains("DELIVERY MODIFIED without the fence"),
        "that is the answer"
    );
    let answered = folder.run(&["lab", "explain", "zombie", "--answer", "--lang", "ko"]);
    assert!(answered.out.contains("펜스가 없으면 DELIVERY MODIFIED"), "{answered:?}");
    let described = folder.run(&["lab", "explain", "kafka-transaction"]);
    assert!(described.out.contains("Nothing can be run: "), "{described:?}");
}

#[test]
fn what_makes_no_sense_is_refused_with_what_would() {
    let folder = Folder::new();
    let refused = |words: &[&str], sentence: &str| {
        let ended = folder.run(words);
        assert!(
            ended.code == Some(64) && ended.err.contains(sentence),
            "{words:?}: {ended:?}"
        );
    };
    refused(
        &["lab", "show", "zombi"],
        "there is no scenario zombi; did you mean zombie?",
    );
    refused(&["lab", "run"], "required");
    refused(&["lab", "run", "zombie", "--all"], "cannot be used with");
    refused(&["lab", "run", "zombie", "--speed", "0"], "from 0.01 to 1000");
    refused(
        &["lab", "run", "kafka-transaction"],
        "kafka-transaction is only described: ",
    );
    refused(
        &["lab", "run", "lesson-1", "--broken"],
        "lesson-1 has only this run: fixed",
    );
    std::fs::write(folder.path().join("own.lab"), "place KIM\nfreze delivery-1\n").expect("a file");
    refused(
        &["lab", "run", "own.lab"],
        "own.lab:2: found \"freze\", did you mean freeze?",
    );
    refused(&["lab", "show", "./none.lab"], "can't read ./none.lab: ");
}

#[test]
fn the_same_seeds_give_the_same_output_and_harm_is_shown_as_a_small_history() {
    let folder = Folder::new();
    let naive = ["lab", "simulate", "--mode", "naive", "--seeds", "12", "--lang", "en"];
    let (first, second) = (folder.run(&naive), folder.run(&naive));
    assert_eq!(first.code, Some(1), "{first:?}");
    assert_eq!(first.out, second.out);
    let (_, history) = first.out.split_once("\n\n").expect("the counts, and then a history");
    let file = folder.path().join("found.lab");
    std::fs::write(&file, history).expect("a file");
    let again = folder.run(&["lab", "simulate", "--replay", file.to_str().expect("a plain path")]);
    assert_eq!(again.code, Some(1), "{again:?}");
    let fixed = folder.run(&["lab", "simulate", "--seeds", "5"]);
    assert_eq!(fixed.code, Some(0), "{fixed:?}");
    let wrong = folder.run(&["lab", "simulate", "--mode", "odd"]);
    assert_eq!(wrong.code, Some(64), "{wrong:?}");
}
