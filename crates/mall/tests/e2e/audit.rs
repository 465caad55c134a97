//! `mall audit` over a topic that the console tools wrote, as a person would try it.

use std::process::Output;

use serde_json::Value;

use crate::support::stack::Stack;
use crate::support::tools::feed;

const TOPIC: &str = "invoices";

fn audit(stack: &Stack, args: &[&str]) -> (Option<i32>, String) {
    let output = stack.tool(&[&["audit", "--topic", TOPIC], args].concat());
    said(output.expect("it runs"))
}

fn said(output: Output) -> (Option<i32>, String) {
    let trouble = String::from_utf8_lossy(&output.stderr).into_owned();
    (
        output.status.code(),
        String::from_utf8_lossy(&output.stdout).into_owned() + &trouble,
    )
}

fn topic(partitions: &str) -> Stack {
    let stack = Stack::embedded();
    let created = stack.tool(&["kafka-topics", "--create", "--topic", TOPIC, "--partitions", partitions]);
    assert!(created.expect("it runs").status.success());
    stack
}

/// Lines of `key:value`, or of values alone.
fn produce(stack: &Stack, properties: &[&str], lines: &str) {
    let mut command = stack.bare(&["kafka-console-producer", "--topic", TOPIC]);
    command.arg("--data").arg(stack.folder.path().join("mall-data"));
    properties
        .iter()
        .for_each(|property| _ = command.args(["--property", property]));
    feed(&mut command, lines);
}

const KEYED: [&str; 2] = ["parse.key=true", "key.separator=|"];

#[test]
fn a_topic_in_order_is_kept_and_its_growth_is_seen() {
    let stack = topic("1");
    let lines: String = (1..40)
        .map(|n| format!("{}|{{\"id\":{},\"version\":{n}}}\n", n % 5, n % 5))
        .collect();
    produce(&stack, &KEYED, &lines);
    let (code, text) = audit(&stack, &["--version", "json:/version"]);
    assert_eq!(code, Some(0), "{text}");
    assert!(text.contains("39 records, 5 keys, 39 versions"), "{text}");

    let grown = stack.tool(&["kafka-topics", "--alter", "--topic", TOPIC, "--partitions", "3"]);
    assert!(grown.expect("it runs").status.success());
    let (code, text) = audit(&stack, &["--version", "json:/version"]);
    assert_eq!(code, Some(1), "{text}");
    assert!(
        text.contains("where they belong in a topic of 1 partition(s): it has 3 now"),
        "{text}"
    );

    produce(&stack, &KEYED, &lines);
    let (code, text) = audit(&stack, &["--key", "json:/id", "--version", "json:/version"]);
    assert_eq!(code, Some(1), "{text}");
    assert!(text.contains("split-key: "), "{text}");
}

#[test]
fn what_goes_backwards_is_named_with_its_places() {
    let stack = topic("1");
    produce(
        &stack,
        &KEYED,
        "7|{\"v\":1}\n7|{\"v\":3}\n8|{\"v\":1}\n7|{\"v\":2}\n7|{\"v\":3}\n",
    );
    let (code, text) = audit(&stack, &["--version", "json:/v"]);
    assert_eq!(code, Some(1), "{text}");
    assert!(text.contains("key 7: v2 at P0@3 behind v3 at P0@1"), "{text}");
    assert!(text.contains("key 7: v3 again at P0@4"), "{text}");
    let (code, text) = audit(&stack, &["--version", "json:/v", "--json"]);
    let found: Value = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"));
    assert_eq!(
        (code, &found["backwards"]["count"], &found["answer"]),
        (Some(1), &1.into(), &"endangered".into())
    );
}

#[test]
fn records_without_a_key_endanger_the_order() {
    let stack = topic("2");
    produce(&stack, &[], "one\ntwo\n");
    let (code, text) = audit(&stack, &[]);
    assert_eq!(code, Some(1), "{text}");
    assert!(text.contains("keyless: 2 record(s)"), "{text}");
}

#[test]
fn what_can_not_be_audited_is_said() {
    let stack = Stack::embedded();
    let (code, text) = audit(&stack, &[]);
    assert!(code == Some(2) && text.contains("no embedded log"), "{text}");
    assert!(
        !stack.folder.path().join("mall-data").exists(),
        "whoever reads creates nothing"
    );
    let stack = topic("1");
    let (code, text) = said(stack.tool(&["audit", "--topic", "other"]).expect("it runs"));
    assert!(code == Some(2) && text.contains("other"), "{text}");
    let (code, text) = audit(&stack, &["--key", "value"]);
    assert!(
        code == Some(64) && text.contains("--key") && text.contains("json:/POINTER"),
        "{text}"
    );
    produce(&stack, &KEYED, "7|{\"v\":1}\n");
    let (code, text) = audit(&stack, &["--key", "json:/id"]);
    assert!(code == Some(2) && text.contains("no key was found"), "{text}");
    let (code, text) = audit(&stack, &[]);
    let note = "in 1 record(s) no version was found where --version says (header:ce_sequence)";
    assert!(code == Some(2) && text.contains(note), "{text}");
    // The relay's option of that name means something else.
    std::fs::write(stack.folder.path().join("mall.toml"), "key = \"none\"\ntopic = \"x\"\n").expect("written");
    let (code, text) = audit(&stack, &["--version", "json:/v"]);
    assert_eq!(code, Some(0), "{text}");
}

#[test]
fn an_empty_topic_shows_nothing() {
    let stack = topic("3");
    let (code, text) = audit(&stack, &[]);
    assert!(code == Some(2) && text.contains("the topic holds no record"), "{text}");
    let (code, text) = audit(&stack, &["--json"]);
    let found: Value = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"));
    assert_eq!((code, &found["answer"]), (Some(2), &"unknown".into()));
}
