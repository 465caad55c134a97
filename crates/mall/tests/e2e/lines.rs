//! What the roles say while they work: where each event went, and why an event did not simply take effect.

use crate::course::{change_and_cancel, order_events, place, wait_status};
use crate::support::role::Role;
use crate::support::stack::Stack;
use crate::support::tools::Printed;

#[test]
fn each_event_says_where_it_went_on_the_embedded_default() {
    each_event_says_where_it_went(&Stack::embedded());
}

#[test]
fn each_event_says_where_it_went_on_kafka_and_mariadb() {
    each_event_says_where_it_went(&Stack::real());
}

/// The relay's lines name the places at which the records really stand.
fn each_event_says_where_it_went(stack: &Stack) {
    let mut order = stack.role("order", &["--partitions", "2", "--key", "none"]);
    let delivery = stack.role("delivery", &["--modify-delay", "0s"]);
    let kim = place(stack, order.address());
    change_and_cancel(order.address(), kim);
    wait_status(stack, kim, "DELIVERY CANCELLED");
    for record in &order_events(stack, kim) {
        order.wait_line(&format!("{}, no key: round robin", went(record, kim)));
    }
    delivery.wait_line(&format!("DeliveryCancelled order={kim} delivery=1 v3 → P"));

    assert_eq!(order.stop(), Some(0));
    let order = stack.role("order", &["--key", "order-id"]);
    let lee = place(stack, order.address());
    change_and_cancel(order.address(), lee);
    let said: Vec<String> = ["Placed", "Modified", "Cancelled"]
        .map(|what| order.wait_line(&format!("Order{what} order={lee} v")))
        .into();
    let events = order_events(stack, lee);
    for (line, record) in said.iter().zip(&events) {
        assert!(line.ends_with(&format!("{}, key {lee}", went(record, lee))), "{line}");
    }
}

/// How the relay's line of a record goes on behind its version.
fn went(record: &Printed, order: i64) -> String {
    let (event, partition, offset) = (record.event(), record.partition, record.offset);
    let version = match event {
        "OrderPlaced" => 1,
        "OrderModified" => 2,
        _ => 3,
    };
    format!("{event} order={order} v{version} → P{partition}@{offset}")
}

/// Records that are read again say that they do nothing, and who had applied them.
#[test]
fn a_duplicate_says_who_was_first() {
    let stack = Stack::embedded();
    let order = stack.role("order", &[]);
    let mut first = named(&stack, "delivery-a");
    let kim = place(&stack, order.address());
    assert_eq!(first.stop(), Some(0));
    let reset = [
        "--reset-offsets",
        "--to-earliest",
        "--execute",
        "--topic",
        "kafka.scaling",
    ];
    let back = stack.tool(&[&["kafka-consumer-groups", "--group", "delivery"], &reset[..]].concat());
    assert!(back.expect("the tool runs").status.success());
    let second = named(&stack, "delivery-b");
    let line = second.wait_line(&format!("OrderPlaced order={kim} v1 P0@0"));
    assert!(
        line.ends_with("… again: delivery-a has applied v1 from this record before"),
        "{line}"
    );
}

fn named(stack: &Stack, name: &str) -> Role {
    stack.role("delivery", &["--modify-delay", "0s", "--name", name])
}
