//! The topic itself: deleted by somebody on a broker that makes none by itself, and too small for an event.

use std::process::Command;

use super::support::http::{get, patch, post};
use super::support::role::Role;
use super::support::stack::{Real, Stack};
use super::support::tools::{java, sql};
use super::support::wait_for;
use super::traffic::ORDER;

const AWAY: &str = "the log takes no events, which wait in the journal";
const BLOCKED: &str = "the log refuses events for good";

#[track_caller]
fn done(command: &mut Command) {
    let output = command.output().expect("it runs");
    let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {said}");
}

/// What a check of `/readyz` says; the service is ready all the time.
fn check(role: &Role, name: &str) -> String {
    let ready = get(role.address(), "/readyz");
    assert_eq!(ready.status, 200, "{ready:?}");
    ready.json()["checks"][name]["status"]
        .as_str()
        .unwrap_or_default()
        .to_owned()
}

#[track_caller]
fn becomes(role: &Role, name: &str, word: &str) {
    wait_for(&format!("{name} to be {word}"), || {
        (check(role, name) == word).then_some(())
    });
}

/// Every order has its delivery.
#[track_caller]
fn delivered(stack: &Stack, orders: &[i64]) {
    for order in orders {
        let count = format!("select count(*) from Delivery_table where orderId = {order}");
        wait_for(&format!("the delivery of order {order}"), || {
            (sql(stack, &count).trim() == "1").then_some(())
        });
    }
}

#[test]
fn the_topic_is_deleted_and_made_again() {
    let _alone = super::alone();
    let stack = Stack::real();
    let real = stack.real.as_ref().expect("a real stack");
    let order = stack.role("order", &["--partitions", "2"]);
    let delivery = stack.role("delivery", &[]);
    delivered(&stack, &[post(order.address(), "/orders", &ORDER).id()]);
    becomes(&order, "log", "UP");
    done(java("kafka-topics", real).args(["--delete", "--topic", &real.topic]));
    becomes(&order, "log", "DOWN");
    let meanwhile = post(order.address(), "/orders", &ORDER);
    assert_eq!(meanwhile.status, 201, "{meanwhile:?}");
    let said = get(order.address(), "/readyz").json()["checks"]["log"]["message"].to_string();
    assert!(said.contains("there is no topic"), "{said}");
    done(java("kafka-topics", real).args(["--create", "--topic", &real.topic, "--partitions", "3"]));
    delivered(&stack, &[meanwhile.id()]);
    becomes(&order, "log", "UP");
    order.told_once(AWAY);
    assert!(!delivery.said().contains("panicked"), "{}", delivery.said());
}

#[test]
fn an_event_that_is_too_large_blocks_its_order_until_the_topic_takes_it() {
    let _alone = super::alone();
    let stack = Stack::real();
    let real = stack.real.as_ref().expect("a real stack");
    let order = stack.role("order", &["--partitions", "1"]);
    let _delivery = stack.role("delivery", &["--modify-delay", "0s"]);
    let (small, large) = (
        post(order.address(), "/orders", &ORDER).id(),
        post(order.address(), "/orders", &ORDER).id(),
    );
    delivered(&stack, &[small, large]);
    limit(real, "1000");
    let long = "X".repeat(250);
    let changed = [
        ("address", long.as_str()),
        ("productName", long.as_str()),
        ("productId", long.as_str()),
    ];
    assert_eq!(
        patch(order.address(), &format!("/orders/{large}"), &changed).status,
        200
    );
    becomes(&order, "blocked", "WARN");
    let metrics = get(order.address(), "/metrics").body;
    assert!(metrics.contains("mall_blocked_orders 1"), "{metrics}");
    // Somebody else's order passes, before and after the blocked one is tried again.
    delivered(&stack, &[post(order.address(), "/orders", &ORDER).id()]);
    limit(real, "1048576");
    becomes(&order, "blocked", "UP");
    order.told_once(BLOCKED);
    let refusals = order
        .lines()
        .iter()
        .filter(|line| line.contains("whose later events wait behind it"))
        .count();
    assert_eq!(refusals, 1, "{}", order.said());
}

#[test]
fn hundreds_of_refused_orders_hold_up_nobody() {
    let _alone = super::alone();
    const MANY: usize = 300;
    let stack = Stack::real();
    let real = stack.real.as_ref().expect("a real stack");
    let order = stack.role("order", &["--partitions", "1"]);
    let _delivery = stack.role("delivery", &["--modify-delay", "0s"]);
    let place = || post(order.address(), "/orders", &ORDER).id();
    let orders: Vec<i64> = (0..MANY).map(|_| place()).collect();
    wait_for("all deliveries", || {
        let count = sql(&stack, "select count(*) from Delivery_table");
        (count.trim() == MANY.to_string()).then_some(())
    });
    limit(real, "1000");
    let long = "X".repeat(250);
    let changed = [("address", &*long), ("productName", &*long), ("productId", &*long)];
    for large in orders {
        let answer = patch(order.address(), &format!("/orders/{large}"), &changed);
        assert_eq!(answer.status, 200, "{answer:?}");
    }
    // Behind all of them in the journal, while they are refused for the first time.
    delivered(&stack, &[place()]);
    let blocked = format!("mall_blocked_orders {MANY}");
    let all_are_blocked = || get(order.address(), "/metrics").body.contains(&blocked);
    wait_for(&blocked, || all_are_blocked().then_some(()));
    delivered(&stack, &[place()]);
    assert!(all_are_blocked());
    // One that breaks a session off is enough to know of the others.
    let sessions = sessions(real);
    assert!(sessions < MANY / 10, "{sessions} sessions: {}", order.said());
    let alarms = order.lines().iter().filter(|line| line.contains("Fatal error")).count();
    assert!(alarms < MANY / 10, "{alarms} alarms: {}", order.said());
}

/// How many producers the topic's first partition has had records of, each session of a producer for itself.
#[track_caller]
fn sessions(real: &Real) -> usize {
    let mut tool = java("kafka-transactions", real);
    tool.args(["describe-producers", "--topic", &real.topic, "--partition", "0"]);
    let output = tool.output().expect("it runs");
    assert!(output.status.success(), "{output:?}");
    // Below a heading.
    String::from_utf8_lossy(&output.stdout).trim().lines().count() - 1
}

/// The largest batch that the topic takes.
#[track_caller]
fn limit(real: &Real, bytes: &str) {
    let config = format!("max.message.bytes={bytes}");
    done(java("kafka-configs", real).args([
        "--alter",
        "--entity-type",
        "topics",
        "--entity-name",
        &real.topic,
        "--add-config",
        &config,
    ]));
}
