//! What the mall survives: its own processes killed, and the broker or the database gone for a while.
//!
//! The tests that take a service away run one at a time, and in a process of their own: everybody else's tests use the
//! same broker and database.
#![allow(missing_docs)]

#[path = "../support/mod.rs"]
mod support;

mod broker;
mod database;
mod files;
mod gate;
mod losses;
mod outage;
mod topic;
mod traffic;

use std::process::Command;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use outage::Outage;
use support::http::{Answer, get, patch, post, try_send};
use support::role::Role;
use support::stack::Stack;
use support::tools::{records, sql};
use support::wait_for;
use traffic::{ORDER, Traffic};

/// How long a service stays away.
const AWAY: Duration = Duration::from_secs(10);

/// One test at a time.
fn alone() -> MutexGuard<'static, ()> {
    static ONE: Mutex<()> = Mutex::new(());
    ONE.lock().unwrap_or_else(PoisonError::into_inner)
}

#[test]
fn the_order_service_is_killed_on_the_embedded_default() {
    let _alone = alone();
    the_order_service_is_killed(&Stack::embedded());
}

#[test]
fn the_order_service_is_killed_on_kafka_and_mariadb() {
    let _alone = alone();
    the_order_service_is_killed(&Stack::real());
}

fn the_order_service_is_killed(stack: &Stack) {
    let mut order = stack.role("order", &["--partitions", "2"]);
    let _delivery = stack.role("delivery", &[]);
    let traffic = Traffic::start(order.address());
    wait_for("two hundred orders", || (traffic.placed() >= 200).then_some(()));
    order.kill();
    let mut placed = traffic.stop();
    let order = stack.role("order", &[]);
    placed.push(post(order.address(), "/orders", &ORDER).id());
    everything_arrived(stack, &placed);
}

#[test]
fn a_delivery_is_killed_in_its_delay_on_the_embedded_default() {
    let _alone = alone();
    a_delivery_is_killed_in_its_delay(&Stack::embedded());
}

#[test]
fn a_delivery_is_killed_in_its_delay_on_kafka_and_mariadb() {
    let _alone = alone();
    a_delivery_is_killed_in_its_delay(&Stack::real());
}

fn a_delivery_is_killed_in_its_delay(stack: &Stack) {
    let order = stack.role("order", &[]);
    let mut first = stack.role("delivery", &["--modify-delay", "1h"]);
    let placed = post(order.address(), "/orders", &ORDER).id();
    assert_eq!(
        patch(order.address(), &format!("/orders/{placed}"), &[("address", "SEOUL")]).status,
        200
    );
    first.wait_line(&format!("OrderModified order={placed} v2"));
    first.kill();
    let _second = stack.role("delivery", &["--modify-delay", "0s"]);
    // The killed instance had not committed the offset of this event, so the log delivers the event again (redelivery);
    // it takes effect once all the same.
    let modified = format!(
        "select count(*) from Delivery_table where orderId = {placed} and address = 'SEOUL' and status = 'DELIVERY MODIFIED'"
    );
    wait_for("the modification", || {
        (sql(stack, &modified).trim() == "1").then_some(())
    });
}

#[test]
fn the_broker_is_away_for_ten_seconds() {
    let _alone = alone();
    let stack = Stack::real();
    let order = stack.role("order", &["--partitions", "2"]);
    let _delivery = stack.role("delivery", &[]);
    let mut placed = vec![post(order.address(), "/orders", &ORDER).id()];
    everything_arrived(&stack, &placed);
    let outage = Outage::of("kafka");
    let traffic = Traffic::start(order.address());
    let since = Instant::now();
    wait_for("ten seconds without a broker", || {
        (since.elapsed() >= AWAY).then_some(())
    });
    wait_for("a service that says so", || log_is(&order, "DOWN"));
    assert_eq!(
        traffic.refused(),
        0,
        "every order is answered 201 while the broker is away"
    );
    let meanwhile = traffic.stop();
    assert!(meanwhile.len() > 100, "{} orders in ten seconds", meanwhile.len());
    placed.extend(meanwhile);
    outage.end();
    everything_arrived(&stack, &placed);
    wait_for("a service that says that it is over", || log_is(&order, "UP"));
}

#[test]
fn the_database_is_away_for_ten_seconds() {
    let _alone = alone();
    let stack = Stack::real();
    let order = stack.role("order", &["--partitions", "2"]);
    let _delivery = stack.role("delivery", &[]);
    let traffic = Traffic::start(order.address());
    wait_for("a hundred orders", || (traffic.placed() >= 100).then_some(()));
    let outage = Outage::of("mariadb");
    let since = Instant::now();
    while since.elapsed() < AWAY {
        refused_in_time(&order);
    }
    outage.end();
    let before = traffic.placed();
    wait_for("orders to be taken again", || {
        (traffic.placed() > before + 100).then_some(())
    });
    let placed = traffic.stop();
    everything_arrived(&stack, &placed);
    nothing_is_half_done(&stack);
}

/// Without a database a command is answered 503 within two seconds, with a time to come back.
fn refused_in_time(order: &Role) {
    let asked = Instant::now();
    let answer = try_send(order.address(), "POST", "/orders", Some(&ORDER)).expect("an answer, not a hang");
    assert!(
        asked.elapsed() < Duration::from_secs(2),
        "the answer took {:?}",
        asked.elapsed()
    );
    assert_eq!(answer.status, 503, "{answer:?}");
    is_a_problem(&answer);
}

fn is_a_problem(answer: &Answer) {
    assert_eq!(
        answer.header("content-type"),
        Some("application/problem+json"),
        "{answer:?}"
    );
    assert!(answer.header("retry-after").is_some(), "{answer:?}");
    assert!(answer.json()["message"].is_string(), "{answer:?}");
}

/// Every order that was answered has its event in the topic and its delivery.
#[track_caller]
fn everything_arrived(stack: &Stack, placed: &[i64]) {
    let orders: Vec<String> = placed.iter().map(ToString::to_string).collect();
    let count = format!(
        "select count(distinct orderId) from Delivery_table where orderId in ({})",
        orders.join(",")
    );
    let wanted = orders.len().to_string();
    wait_for(&format!("{wanted} deliveries"), || {
        (sql(stack, &count).trim() == wanted).then_some(())
    });
    let published: std::collections::HashSet<i64> = records(stack)
        .iter()
        .filter(|record| record.event() == "OrderPlaced")
        .map(|record| record.order())
        .collect();
    let lost: Vec<&i64> = placed.iter().filter(|order| !published.contains(order)).collect();
    assert!(lost.is_empty(), "answered but not in the topic: {lost:?}");
}

fn nothing_is_half_done(stack: &Stack) {
    let orphans = "select count(*) from Order_table o left join order_event e on e.order_id = o.id where e.id is null";
    assert_eq!(sql(stack, orphans).trim(), "0", "orders without an event");
    let phantoms = "select count(*) from order_event e left join Order_table o on e.order_id = o.id where o.id is null";
    assert_eq!(sql(stack, phantoms).trim(), "0", "events without an order");
}

/// What the service says of the log; it stays ready, since orders wait in its journal.
fn log_is(order: &Role, state: &str) -> Option<()> {
    let ready = get(order.address(), "/readyz");
    assert_eq!(ready.status, 200, "{ready:?}");
    (ready.json()["checks"]["log"]["status"] == state).then_some(())
}
