//! `mall verify` after what the course does, on either stack.

use std::io::{BufRead, BufReader};
use std::process::{Child, Output, Stdio};
use std::sync::{Arc, Mutex};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::course::{both_partitions_are_written, change_and_cancel, place, wait_status};
use crate::support::role::Role;
use crate::support::stack::Stack;
use crate::support::tools::{feed, grow};
use crate::support::wait_for;

/// Long enough for whatever is under way on a busy machine; nobody waits for it in vain.
const WAIT: [&str; 2] = ["--wait", "60s"];

#[test]
fn what_goes_wrong_without_a_key_is_proved_on_the_embedded_default() {
    without_a_key(&Stack::embedded());
}

#[test]
fn what_goes_wrong_without_a_key_is_proved_on_kafka_and_mariadb() {
    without_a_key(&Stack::real());
}

#[test]
fn with_the_key_there_is_no_harm_on_the_embedded_default() {
    with_the_key(&Stack::embedded());
}

#[test]
fn with_the_key_there_is_no_harm_on_kafka_and_mariadb() {
    with_the_key(&Stack::real());
}

/// The services of the course's second experiment, with these options: two partitions, and a delivery instance for each.
#[track_caller]
fn second_experiment(stack: &Stack, options: &[&str]) -> (Role, [Role; 2]) {
    let order = stack.role("order", options);
    let delivery = [options, &["--modify-delay", "2s"]].concat();
    let first = stack.role("delivery", &delivery);
    first.wait_line("assigned");
    grow(stack, 2);
    let second = stack.role("delivery", &delivery);
    second.wait_line("assigned");
    (order, [first, second])
}

#[expect(clippy::too_many_lines, reason = "one story")]
fn without_a_key(stack: &Stack) {
    let (order, _deliveries) = second_experiment(stack, &["--course"]);
    both_partitions_are_written(stack, order.address());
    let park = place(stack, order.address());
    change_and_cancel(order.address(), park);
    wait_status(stack, park, "DELIVERY CANCELLED");
    wait_status(stack, park, "DELIVERY MODIFIED");

    let (code, text) = verify(stack, &WAIT);
    assert_eq!(code, Some(1), "{text}");
    let story: Vec<&str> = text
        .lines()
        .skip_while(|line| {
            !line.starts_with(&format!(
                "harm split-key order={park}: its events stand in the partitions"
            ))
        })
        .collect();
    let should = "status is \"DELIVERY MODIFIED\" and should be \"DELIVERY CANCELLED\"";
    for follows in ["inversion: v2 took effect after v3", &format!("divergence: {should}")] {
        assert!(story.contains(&&*format!("  → {follows}")), "{follows}: {text}");
    }
    let remedy = story.iter().find(|line| line.starts_with("  remedy: "));
    assert!(remedy.is_some_and(|line| line.contains("--key order-id")), "{text}");
    let evidence: Vec<&str> = text
        .lines()
        .filter(|line| line.contains("v2 OrderModified applied, P"))
        .collect();
    assert!(
        evidence
            .iter()
            .any(|line| line.contains("by delivery") && line.contains('@')),
        "{text}"
    );

    let (code, text) = verify(stack, &["--json", "--order", &park.to_string()]);
    let found: Value = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"));
    assert_eq!(
        (code, &found["answer"], &found["orders"]),
        (Some(1), &"harm".into(), &1.into())
    );
    let verdicts = found["verdicts"].as_array().expect("a list");
    assert!(verdicts.iter().all(|verdict| verdict["order"] == park), "{text}");
    let split = verdicts
        .iter()
        .find(|verdict| verdict["name"] == "split-key")
        .expect("keyless");
    assert_eq!(split["kind"], "hazard", "{text}");

    a_history_is_exported(stack, park);
    broken_timeline(stack, park);
    the_doctor_knows(stack, park);

    let (code, text) = audit(stack, &["--key", "header:ce_subject"]);
    assert_eq!(code, Some(1), "{text}");
    assert!(
        text.contains("split-key: ") && text.contains(&format!("key {park}: first P0@")),
        "{text}"
    );

    for (sought, check) in [
        (&["--order", "99"][..], "an order 99"),
        (&["--since", "1ms"], "--since"),
        (&["--order", "99", "--since", "1h"], "an order 99 since"),
    ] {
        let (code, text) = verify(stack, sought);
        assert_eq!(code, Some(2), "{sought:?}: {text}");
        assert!(
            text.contains("could not tell (nothing-compared): nothing was compared: ") && text.contains(check),
            "{text}"
        );
        assert!(
            text.contains("0 order(s): 0 harm, 0 hazard(s), 1 could not be told: unknown"),
            "{text}"
        );
    }
    let (code, text) = verify(stack, &["--order", "99", "--json"]);
    let found: Value = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"));
    assert_eq!(
        (code, &found["answer"], &found["doubts"][0]["name"]),
        (Some(2), &"unknown".into(), &"nothing-compared".into())
    );
}

/// What was found goes into a file that the live page opens: everything, or one order alone.
fn a_history_is_exported(stack: &Stack, park: i64) {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("night.jsonl");
    let path = file.to_str().expect("a plain path");
    let lines = || -> Vec<Value> {
        let text = std::fs::read_to_string(&file).expect("a history");
        text.lines()
            .map(|line| serde_json::from_str(line).expect(line))
            .collect()
    };
    let last = |lines: &[Value], event: &str| lines.iter().rev().find(|line| line["event"] == event).cloned();

    let (code, text) = verify(stack, &["--export", path]);
    assert_eq!(code, Some(1), "{text}");
    let all = lines();
    assert_eq!(
        (&all[0]["source"], &all[1]["event"]),
        (&"verify".into(), &"snapshot".into())
    );
    let readers = &all[1]["data"]["seen"];
    assert_eq!(readers[0]["what"], "assigned", "{readers}");
    let verdict = last(&all, "verdict").expect("a verdict");
    assert_eq!(verdict["data"]["state"], "harm", "{verdict}");
    let of_park = |line: &&Value| line["event"] == "seen" && line["data"][0]["event"]["order"] == park;
    let endings = all
        .iter()
        .filter(of_park)
        .filter_map(|line| line["data"][0]["ending"].as_str());
    assert_eq!(
        endings.collect::<Vec<_>>(),
        ["applied", "applied-early", "out-of-order"]
    );
    let partitions = last(&all, "partitions").expect("partitions");
    assert_eq!(partitions["data"][1]["lag"], 0, "{partitions}");

    let (code, text) = said(stack.run(&["timeline", &park.to_string(), "--export", path]));
    assert_eq!(code, Some(0), "{text}");
    let one = lines();
    assert_eq!(
        (&one[0]["source"], &one[0]["order"]),
        (&"timeline".into(), &park.into())
    );
    let row = last(&one, "deliveries").expect("a row");
    assert_eq!(row["data"][0]["expected"]["status"], "DELIVERY CANCELLED", "{row}");
    assert_eq!(row["data"][0]["actual"]["status"], "DELIVERY MODIFIED", "{row}");
}

fn the_doctor_knows(stack: &Stack, park: i64) {
    let (code, text) = said(stack.run(&["doctor"]));
    assert_eq!(code, Some(1), "{text}");
    let harm = format!("WRONG  order {park} was harmed: split-key (its events stand in the partitions ");
    let told = text.lines().find(|line| line.starts_with(&harm));
    assert!(
        told.is_some_and(|line| line.contains("inversion") && line.contains("divergence")),
        "{text}"
    );
    assert!(text.contains("publish with --key order-id"), "{text}");
}

/// The timeline of an order whose cancellation overtook its modification.
fn broken_timeline(stack: &Stack, park: i64) {
    let (code, text) = said(stack.run(&["timeline", &park.to_string()]));
    assert_eq!(code, Some(0), "{text}");
    let lines: Vec<&str> = text.lines().collect();
    let at = |what: &str| {
        let found = lines.iter().position(|line| line.contains(what));
        found.unwrap_or_else(|| panic!("{what}: {text}"))
    };
    let happened = [
        "v1 OrderPlaced written: address \"PUSAN\"",
        "v3 OrderCancelled applied, P",
        "v2 OrderModified applied, P",
        "◀ harm inversion: v2 took effect after v3",
    ];
    assert!(happened.is_sorted_by_key(|what| at(what)), "{text}");
    assert!(
        lines
            .iter()
            .any(|line| line.starts_with("now ") && line.contains("DELIVERY MODIFIED")),
        "{text}"
    );
    assert!(
        at("v1 OrderPlaced in the topic, P") < at("DeliveryStarted (v1 of delivery"),
        "{text}"
    );
    assert!(text.contains(&format!("\nharm split-key order={park}: ")), "{text}");
    assert!(text.contains("\n  remedy: "), "{text}");

    let (code, text) = said(stack.run(&["timeline", &park.to_string(), "--json"]));
    let found: Value = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"));
    assert_eq!((code, &found["order"]), (Some(0), &park.into()));
    let entries = found["entries"].as_array().expect("a list");
    let broken = entries
        .iter()
        .find(|entry| entry["marks"][0]["name"] == "inversion")
        .unwrap_or_else(|| panic!("the broken place: {text}"));
    assert_eq!((&broken["stage"], &broken["version"]), (&"applied".into(), &2.into()));
    assert_eq!(found["story"]["chapters"][0]["cause"], "split-key", "{text}");

    let (code, text) = said(stack.run(&["timeline", "99"]));
    assert!(
        code == Some(1) && text.contains("Nothing is known of an order 99"),
        "{text}"
    );
}

#[test]
fn the_fence_keeps_the_order_without_a_key_on_the_embedded_default() {
    fenced(&Stack::embedded());
}

#[test]
fn the_fence_keeps_the_order_without_a_key_on_kafka_and_mariadb() {
    fenced(&Stack::real());
}

fn fenced(stack: &Stack) {
    let (order, _deliveries) = second_experiment(stack, &["--course", "--guard", "version"]);
    both_partitions_are_written(stack, order.address());
    let park = place(stack, order.address());
    change_and_cancel(order.address(), park);
    let (code, text) = verify(stack, &WAIT);
    assert_eq!(code, Some(0), "{text}");
    assert!(text.contains(&format!("hazard split-key order={park}")), "{text}");
    wait_status(stack, park, "DELIVERY CANCELLED");
}

#[test]
fn an_event_without_a_version_leaves_its_order_open() {
    let stack = Stack::embedded();
    let order = stack.role("order", &[]);
    let delivery = stack.role("delivery", &["--modify-delay", "0s"]);
    delivery.wait_line("assigned");
    let placed = place(&stack, order.address());
    let mut producer = stack.bare(&["kafka-console-producer", "--topic", "kafka.scaling"]);
    producer.arg("--data").arg(stack.folder.path().join("mall-data"));
    let event = format!("{{\"eventType\":\"OrderModified\",\"id\":{placed},\"qty\":9}}\n");
    feed(&mut producer, &event);
    delivery.wait_line("OrderModified");
    let other = place(&stack, order.address());
    let (code, text) = verify(&stack, &["--wait", "5s"]);
    assert_eq!(code, Some(2), "{text}");
    assert!(
        text.contains(&format!(
            "could not tell (unsequenced): an event of order {placed}, P0@"
        )),
        "{text}"
    );
    let (code, text) = verify(&stack, &["--order", &other.to_string(), "--wait", "5s"]);
    assert_eq!(code, Some(0), "{text}");
}

#[test]
fn what_waits_for_a_person_and_what_one_passed_over_is_named() {
    let stack = Stack::embedded();
    let order = stack.role("order", &[]);
    let delivery = stack.role("delivery", &["--modify-delay", "0s"]);
    delivery.wait_line("assigned");
    let placed = place(&stack, order.address());
    let mut producer = stack.bare(&["kafka-console-producer", "--topic", "kafka.scaling"]);
    producer.args(["--property", "parse.headers=true", "--property", "headers.delimiter=|"]);
    producer.arg("--data").arg(stack.folder.path().join("mall-data"));
    let headers = format!("type:OrderModified,ce_subject:{placed},ce_sequence:2");
    feed(&mut producer, &format!("{headers}|nobody can read this\n"));
    let (_, text) = wait_for("the event to be parked", || {
        Some(verify(&stack, &[])).filter(|(_, text)| text.contains("could not tell (parked)"))
    });
    assert!(
        text.contains(&format!("order {placed} waits at v2 for a person")),
        "{text}"
    );
    assert!(
        text.contains(&format!("hazard phantom order={placed}: v2 is in the topic")),
        "{text}"
    );

    let discard = stack
        .tool(&["parked", "discard", &placed.to_string(), "2"])
        .expect("it runs");
    assert!(discard.status.success(), "{}", String::from_utf8_lossy(&discard.stderr));
    let (code, text) = verify(&stack, &WAIT);
    assert_eq!(code, Some(0), "the phantom is still there, and changed nothing: {text}");
    assert!(
        text.contains(&format!(
            "hazard discarded order={placed}: v2 was passed over by a person"
        )),
        "{text}"
    );
    let (code, timeline) = said(stack.run(&["timeline", &placed.to_string()]));
    assert!(
        code == Some(0)
            && timeline.contains("v2 in the topic, and can't be read, P0@")
            && timeline.contains("v2 passed over"),
        "{timeline}"
    );
    assert!(timeline.contains("v2 became a dead letter, from P0@"), "{timeline}");
    assert!(
        !text.contains("could not tell") && !text.contains("divergence"),
        "{text}"
    );
}

fn with_the_key(stack: &Stack) {
    let order = stack.role("order", &["--partitions", "2"]);
    let deliveries = [0, 1].map(|_| stack.role("delivery", &["--modify-delay", "100ms"]));
    deliveries
        .iter()
        .for_each(|delivery| _ = delivery.wait_line("assigned"));
    for _ in 0..3 {
        let id = place(stack, order.address());
        change_and_cancel(order.address(), id);
    }
    let (code, text) = verify(stack, &WAIT);
    assert_eq!(code, Some(0), "{text}");
    assert!(
        text.contains("3 order(s): 0 harm, 0 hazard(s), 0 could not be told: no harm"),
        "{text}"
    );
}

#[test]
fn what_was_before_the_last_start_can_be_left_aside_on_the_embedded_default() {
    only_since_the_last_start(&Stack::embedded());
}

#[test]
fn what_was_before_the_last_start_can_be_left_aside_on_kafka_and_mariadb() {
    only_since_the_last_start(&Stack::real());
}

fn only_since_the_last_start(stack: &Stack) {
    let mut order = stack.role("order", &[]);
    let delivery = stack.role("delivery", &["--modify-delay", "0s"]);
    delivery.wait_line("assigned");
    place(stack, order.address());
    let since = ["--since", "last-start", "--wait", "30s"];
    let (code, text) = verify(stack, &since);
    assert_eq!(code, Some(0), "{text}");
    assert!(
        text.contains("1 order(s) (0 placed before the last start, ") && text.contains(", left aside): 0 harm"),
        "{text}"
    );

    assert_eq!(order.stop(), Some(0));
    let order = stack.role("order", &[]);
    let (code, text) = verify(stack, &since);
    assert_eq!(code, Some(2), "{text}");
    assert!(
        text.contains("no order was placed since the last start, ") && text.contains("(1 before it)"),
        "{text}"
    );
    place(stack, order.address());
    let (code, text) = verify(stack, &since);
    assert_eq!(code, Some(0), "{text}");
    assert!(text.contains("1 order(s) (1 placed before the last start, "), "{text}");
    let (_, text) = verify(stack, &["--since", "last-start", "--json"]);
    let found: Value = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"));
    assert_eq!(
        (&found["orders"], &found["leftAside"]["orders"]),
        (&1.into(), &1.into()),
        "{text}"
    );
    assert!(verify(stack, &WAIT).1.contains("2 order(s): 0 harm"));
}

#[test]
fn what_is_under_way_can_not_be_told() {
    let stack = Stack::embedded();
    let order = stack.role("order", &[]);
    let mut delivery = stack.role("delivery", &[]);
    delivery.wait_line("assigned");
    place(&stack, order.address());
    assert_eq!(verify(&stack, &WAIT).0, Some(0));
    assert_eq!(delivery.stop(), Some(0));
    change_and_cancel(order.address(), 1);
    let (code, text) = verify(&stack, &["--wait", "1s"]);
    assert_eq!(code, Some(2), "{text}");
    assert!(text.contains("could not tell (lagging): partition 0"), "{text}");
}

/// A `mall verify --watch` that runs beside the mall.
struct Watching {
    child: Child,
    lines: Arc<Mutex<Vec<String>>>,
}

impl Watching {
    fn of(stack: &Stack, args: &[&str]) -> Self {
        let mut command = stack.command(&[&["verify", "--watch"], args].concat());
        let mut child = command.stdout(Stdio::piped()).spawn().expect("it starts");
        let stdout = BufReader::new(child.stdout.take().expect("piped"));
        let lines = Arc::new(Mutex::new(Vec::new()));
        let sink = lines.clone();
        std::thread::spawn(move || {
            let read = stdout.lines().map_while(Result::ok);
            read.for_each(|line| sink.lock().expect("nobody panics").push(line));
        });
        Self { child, lines }
    }

    fn lines(&self) -> Vec<String> {
        self.lines.lock().expect("nobody panics").clone()
    }

    /// Waits for a line that it prints.
    fn until(&self, what: &str, is_it: impl Fn(&str) -> bool) {
        wait_for(what, || self.lines().iter().any(|line| is_it(line)).then_some(()));
    }

    /// Stops it as Ctrl-C does. Answers with its exit code and all that it has printed.
    fn stop(mut self) -> (Option<i32>, Vec<String>) {
        kill_process(Pid::from_child(&self.child), Signal::INT).expect("it runs");
        let code = self.child.wait().expect("it ends").code();
        let mut last = 0;
        let settled = || {
            let now = self.lines().len();
            (std::mem::replace(&mut last, now) == now && now > 0).then_some(())
        };
        wait_for("the last line", settled);
        (code, self.lines())
    }
}

#[test]
fn a_watch_says_whenever_all_has_come_to_its_end() {
    let stack = Stack::embedded();
    let order = stack.role("order", &[]);
    let delivery = stack.role("delivery", &["--modify-delay", "0s"]);
    delivery.wait_line("assigned");
    let watch = Watching::of(&stack, &[]);
    let ends = |end: &'static str| move |line: &str| line.ends_with(end);
    watch.until(
        "an empty mall",
        ends("0 order(s): 0 harm, 0 hazard(s), 1 could not be told: unknown"),
    );
    let park = place(&stack, order.address());
    let fine = "1 order(s): 0 harm, 0 hazard(s), 0 could not be told: no harm";
    watch.until("a placed order", ends(fine));
    change_and_cancel(order.address(), park);
    let told = || watch.lines().iter().filter(|line| line.ends_with(fine)).count() > 1;
    wait_for("a cancelled order", || told().then_some(()));
    let (code, lines) = watch.stop();
    assert_eq!(code, Some(0), "{lines:?}");
    assert_eq!(lines.last().map(String::as_str), Some(fine), "{lines:?}");
    assert!(!lines.iter().any(|line| line.contains("order=")), "{lines:?}");
}

#[test]
fn what_breaks_is_told_while_it_breaks_on_the_embedded_default() {
    watched_without_a_key(&Stack::embedded());
}

#[test]
fn what_breaks_is_told_while_it_breaks_on_kafka_and_mariadb() {
    watched_without_a_key(&Stack::real());
}

fn watched_without_a_key(stack: &Stack) {
    let (order, _deliveries) = second_experiment(stack, &["--course"]);
    both_partitions_are_written(stack, order.address());
    let (watch, json) = (Watching::of(stack, &["--lang", "en"]), Watching::of(stack, &["--json"]));
    let begun = |line: &str| line.contains(" order(s): ") || line.contains("\"what\"");
    watch.until("the first look", begun);
    let park = place(stack, order.address());
    change_and_cancel(order.address(), park);
    let names = |anomaly: &'static str| {
        let (cause, follows) = (format!("harm {anomaly} order={park}: "), format!("  → {anomaly}: "));
        move |line: &str| line.starts_with(&cause) || line.starts_with(&follows)
    };
    for anomaly in ["inversion", "resurrection", "divergence"] {
        watch.until(anomaly, names(anomaly));
        let is_it = |line: &str| {
            let found: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
            (&found["what"], &found["name"], &found["order"]) == (&"verdict".into(), &anomaly.into(), &park.into())
        };
        json.until(anomaly, is_it);
    }
    let (code, lines) = watch.stop();
    assert_eq!(code, Some(1), "{lines:?}");
    let inversion = format!("harm inversion order={park}: v2 took effect after v3");
    let told = lines.iter().filter(|line| **line == inversion).count();
    assert_eq!(told, 1, "each verdict once: {lines:?}");
    assert!(lines.last().is_some_and(|line| line.ends_with(": harm")), "{lines:?}");
    let (code, lines) = json.stop();
    assert_eq!(code, Some(1), "{lines:?}");
    let last: Value = serde_json::from_str(lines.last().expect("an answer")).expect("JSON");
    assert_eq!((&last["what"], &last["answer"]), (&"answer".into(), &"harm".into()));
}

/// With the fence the same experiment leads to a hazard, which isn't harm, and to nothing else.
#[test]
fn what_does_not_break_is_not_told() {
    let stack = Stack::embedded();
    let (order, _deliveries) = second_experiment(&stack, &["--course", "--guard", "version"]);
    let watch = Watching::of(&stack, &[]);
    watch.until("the first look", |line| line.contains(" order(s): "));
    both_partitions_are_written(&stack, order.address());
    let park = place(&stack, order.address());
    change_and_cancel(order.address(), park);
    wait_status(&stack, park, "DELIVERY CANCELLED");
    let split = format!("hazard split-key order={park}");
    watch.until("a hazard", |line| line.starts_with(&split));
    let end = ", 0 could not be told: no harm";
    let after = || watch.lines().into_iter().skip_while(|line| !line.starts_with(&split));
    wait_for("the end of all", || {
        after().any(|line| line.ends_with(end)).then_some(())
    });
    let (code, lines) = watch.stop();
    assert_eq!(code, Some(0), "{lines:?}");
    assert!(!lines.iter().any(|line| line.starts_with("harm ")), "{lines:?}");
}

#[test]
fn a_watch_that_waits_is_refused() {
    let stack = Stack::embedded();
    let (code, text) = verify(&stack, &["--watch", "--wait", "5s"]);
    assert!(
        code == Some(64) && text.contains("--watch") && text.contains("--wait"),
        "{code:?}: {text}"
    );
}

#[test]
fn where_nothing_is_nothing_is_made() {
    let stack = Stack::embedded();
    let (code, text) = verify(&stack, &[]);
    assert!(
        code == Some(2) && text.contains("nothing has been started there"),
        "{text}"
    );
    assert!(!stack.folder.path().join("mall-data").exists());
    let (code, text) = verify(&stack, &["--since", "yesterday"]);
    assert!(
        code == Some(64) && text.contains("--since") && text.contains("10m"),
        "{text}"
    );
    let (code, text) = verify(&stack, &["--since", "2999-01-01T00:00:00Z"]);
    assert!(
        code == Some(64) && text.contains("--since") && text.contains("in the future"),
        "{text}"
    );
    for asked in [&["list"][..], &["show", "6"], &["retry", "6"], &["discard", "6", "2"]] {
        let (code, text) = said(stack.run(&[&["parked"], asked].concat()));
        assert!(
            code == Some(2) && text.contains("no deliveries.db"),
            "{asked:?}: {text}"
        );
    }
    assert!(!stack.folder.path().join("mall-data").exists());
}

fn verify(stack: &Stack, args: &[&str]) -> (Option<i32>, String) {
    said(stack.run(&[&["verify"], args].concat()))
}

/// The audit of the stack's own topic.
fn audit(stack: &Stack, args: &[&str]) -> (Option<i32>, String) {
    let output = match &stack.real {
        None => stack.tool(&[&["audit", "--topic", "kafka.scaling"], args].concat()),
        Some(real) => {
            let there = ["audit", "--topic", &real.topic, "--bootstrap-server", &real.kafka];
            stack.bare(&[&there[..], args].concat()).output()
        }
    };
    said(output.expect("it runs"))
}

fn said(output: Output) -> (Option<i32>, String) {
    let text = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    (output.status.code(), text)
}
