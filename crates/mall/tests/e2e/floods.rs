//! Records in great number that nobody can use: they hold up nobody else, and are told in a few lines.

use std::fmt::Write;
use std::time::{Duration, Instant};

use crate::course::place;
use crate::support::stack::Stack;
use crate::support::tools::feed;
use crate::support::wait_for;

/// Where numbers of orders begin that nobody has placed.
const STRANGERS: i64 = 1_000_000;

#[test]
fn strangers_hold_nobody_up_on_the_embedded_default() {
    strangers_hold_nobody_up(&Stack::embedded());
}

#[test]
fn strangers_hold_nobody_up_on_kafka_and_mariadb() {
    strangers_hold_nobody_up(&Stack::real());
}

/// Each is tried three times, with a pause in between, because what it belongs to may still come. They would fill the 64
/// places for over a minute.
fn strangers_hold_nobody_up(stack: &Stack) {
    let order = stack.role("order", &[]);
    let delivery = stack.role("delivery", &["--modify-delay", "0s"]);
    delivery.wait_line("assigned");
    let mut records = String::new();
    for order in STRANGERS..STRANGERS + 5_000 {
        let value = format!(r#"{{"eventType":"OrderModified","id":{order},"qty":3}}"#);
        writeln!(records, "type:OrderModified\t{order}\t{value}").expect("written");
    }
    produce(stack, &records);
    delivery.wait_line("it is tried again");
    let start = Instant::now();
    place(stack, order.address());
    let took = start.elapsed();
    assert!(
        took < Duration::from_secs(30),
        "the order behind 5,000 strangers took {took:?}"
    );
}

#[test]
fn garbage_is_told_in_a_few_lines_on_the_embedded_default() {
    garbage_is_told_in_a_few_lines(&Stack::embedded());
}

#[test]
fn garbage_is_told_in_a_few_lines_on_kafka_and_mariadb() {
    garbage_is_told_in_a_few_lines(&Stack::real());
}

/// The first in full, then a count every ten seconds; all of them are counted, once.
fn garbage_is_told_in_a_few_lines(stack: &Stack) {
    const GARBAGE: u64 = 20_000;
    let _order = stack.role("order", &[]);
    let delivery = stack.role("delivery", &["--modify-delay", "0s"]);
    delivery.wait_line("assigned");
    let start = Instant::now();
    let mut records = String::new();
    for number in 0..GARBAGE {
        let order = STRANGERS + number.cast_signed();
        let value = format!(r#"{{"eventType":"OrderModified","id":{order},"qty":"many"}}"#);
        writeln!(records, "type:OrderModified\t{order}\t{value}").expect("written");
    }
    produce(stack, &records);
    let mut counted = 0;
    while counted < GARBAGE {
        counted = wait_for("more of them to be told", || {
            Some(told(&delivery.lines())).filter(|now| *now > counted)
        });
    }
    assert_eq!(counted, GARBAGE);
    delivery.wait_line(&format!("{KIND}: over, {GARBAGE} in all"));
    let lines = delivery.lines();
    let about = lines.iter().filter(|line| line.contains(KIND) || line.contains(BURIED));
    let bound = 3 + start.elapsed().as_secs() / 10;
    assert!(about.count() as u64 <= bound, "more than {bound}: {lines:#?}");
    assert!(lines.len() as u64 <= bound + 50, "{lines:#?}");
}

const KIND: &str = "records that can't be handled";
const BURIED: &str = "it goes to the dead letters";

/// How many records these lines stand for.
fn told(lines: &[String]) -> u64 {
    let counted = |line: &String| match line.split_once(&format!("{KIND}: ")) {
        Some((_, rest)) => rest
            .split_once(" more,")
            .map_or(0, |(count, _)| count.parse().expect("a count")),
        None => u64::from(line.contains(BURIED)),
    };
    lines.iter().map(counted).sum()
}

fn produce(stack: &Stack, records: &str) {
    let headers = ["--property", "parse.headers=true", "--property", "parse.key=true"];
    let mut command = stack.bare(&["kafka-console-producer"]);
    match &stack.real {
        None => command
            .args(["--topic", "kafka.scaling", "--data"])
            .arg(stack.folder.path().join("mall-data")),
        Some(real) => command.args(["--topic", &real.topic, "--bootstrap-server", &real.kafka]),
    };
    feed(command.args(headers), records);
}
