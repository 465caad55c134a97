//! What others have written is shown on a terminal, and never obeyed by it.

use super::program::{Ended, Folder};

const EVIL: &str = "\u{1b}[2J\u{9b}31m\u{202e}\u{7f}";

/// Nothing in the output is obeyed, and what was written is there to be seen.
fn shown(what: &str, ended: &Ended) {
    let text = format!("{}{}", ended.out, ended.err);
    let obeyed = |c: &char| (c.is_control() && !['\n', '\t'].contains(c)) || *c == '\u{202e}';
    assert_eq!(text.chars().find(obeyed), None, "{what}: {text:?}");
    // Some servers do it by themselves.
    assert!(
        text.contains("\\u{1b}[2J") || text.contains("\\001B[2J"),
        "{what}: {text:?}"
    );
}

#[test]
fn names_and_values_of_others_are_shown() {
    let folder = Folder::new();
    let made = folder.run(&["kafka-topics", "--create", "--topic", "t", "--partitions", "2"]);
    assert_eq!(made.code, Some(0), "{made:?}");
    let lines = format!("a{EVIL}|{{}}\na{EVIL}|{{}}\n");
    let keyed = [
        "--reader-property",
        "parse.key=true",
        "--reader-property",
        "key.separator=|",
    ];
    let produced = folder.run_with(
        &[&["kafka-console-producer", "--topic", "t"], &keyed[..]].concat(),
        &lines,
    );
    assert_eq!(produced.code, Some(0), "{produced:?}");
    let group = format!("g{EVIL}");
    let consumed = folder.run(&[
        "kafka-console-consumer",
        "--topic",
        "t",
        "--from-beginning",
        "--max-messages",
        "2",
        "--group",
        &group,
        "--formatter-property",
        "print.key=true",
    ]);
    assert!(
        consumed.out.contains(EVIL),
        "the console consumer is raw, as Kafka's is: {consumed:?}"
    );

    for (what, words) in [
        (
            "audit",
            vec![
                "audit",
                "--topic",
                "t",
                "--key",
                "record-key",
                "--version",
                "header:none",
            ],
        ),
        ("audit of no such topic", vec!["audit", "--topic", &group]),
        ("groups", vec!["kafka-consumer-groups", "--list"]),
        (
            "a group",
            vec!["kafka-consumer-groups", "--describe", "--group", &group],
        ),
        ("a topic", vec!["kafka-topics", "--describe", "--topic", &group]),
    ] {
        let ended = folder.run(&words);
        let text = format!("{}{}", ended.out, ended.err);
        if what != "audit" || text.contains("u{1b}") {
            shown(what, &ended);
        }
    }
}

#[test]
fn columns_values_and_errors_of_a_database_are_shown() {
    let folder = Folder::new();
    let url = format!("{}/information_schema", super::real::required("MALL_TEST_MYSQL"));
    for (what, statement) in [
        ("a column", format!("select 1 as `a{EVIL}`")),
        ("a value", format!("select 'a{EVIL}'")),
        ("an error of the server", format!("select * from `a{EVIL}`")),
        ("a refusal", format!("delete from `a{EVIL}`")),
    ] {
        let ended = folder.run(&["sql", "--database-url", &url, &statement]);
        if what != "a refusal" || ended.err.contains("u{1b}") {
            shown(what, &ended);
        }
    }
}
