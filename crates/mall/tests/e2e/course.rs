//! The course's three experiments, with their observations, on either stack and with the tools that belong to it.

use std::net::SocketAddr;

use crate::support::http::{delete, get, patch, post};
use crate::support::role::Role;
use crate::support::stack::Stack;
use crate::support::tools::{Printed, grow, records, sql};
use crate::support::wait_for;

/// The course waits ten seconds for a modification; the interleavings are the same with three. `MALL_TEST_COURSE_DELAY=10s`
/// runs it as written.
fn delay() -> String {
    std::env::var("MALL_TEST_COURSE_DELAY").unwrap_or_else(|_| "3s".to_owned())
}

#[test]
fn the_course_on_the_embedded_default() {
    teach(&Stack::embedded());
}

#[test]
fn the_course_on_kafka_and_mariadb() {
    teach(&Stack::real());
}

fn teach(stack: &Stack) {
    let mut order = stack.role("order", &["--course"]);
    let first = stack.role("delivery", &["--course", "--modify-delay", &delay()]);
    first.wait_line("assigned");
    one_partition_keeps_the_order(stack, order.address());
    assert_eq!(out_of_order([&first]), Vec::<String>::new());

    grow(stack, 2);
    let second = stack.role("delivery", &["--course", "--modify-delay", &delay()]);
    second.wait_line("assigned");
    both_partitions_are_written(stack, order.address());
    let park = without_a_key_the_cancellation_overtakes(stack, order.address());
    the_broken_order_is_announced(park, [&first, &second]);

    assert_eq!(order.stop(), Some(0));
    let order = stack.role("order", &["--course", "--key", "order-id"]);
    with_the_key_the_order_is_kept(stack, order.address(), [&first, &second]);
    assert_eq!(out_of_order([&first, &second]).len(), 1, "only the second experiment's");
}

/// What was said of events that took effect out of their order, and counted as often.
fn out_of_order<const N: usize>(deliveries: [&Role; N]) -> Vec<String> {
    let lines = deliveries.iter().flat_map(|delivery| delivery.lines());
    let said: Vec<String> = lines.filter(|line| line.contains("OUT OF ORDER")).collect();
    let counted = deliveries.map(|delivery| {
        let metrics = get(delivery.address(), "/metrics").body;
        let count = metrics
            .lines()
            .find_map(|line| line.strip_prefix("mall_delivery_out_of_order_total "));
        count.and_then(|count| count.parse::<usize>().ok()).expect("a counter")
    });
    assert_eq!(counted.iter().sum::<usize>(), said.len(), "{said:?}");
    said
}

/// Whoever watches the instances sees which order broke, and what it should be.
fn the_broken_order_is_announced(order: i64, deliveries: [&Role; 2]) {
    let said = wait_for("a word about the broken order", || {
        let said: Vec<String> = deliveries.iter().flat_map(|delivery| delivery.lines()).collect();
        said.iter().any(|line| line.contains("OUT OF ORDER")).then_some(said)
    });
    let says = |part: &str| said.iter().any(|line| line.contains(part));
    assert!(
        says(&format!("order={order} v3"))
            && says("took effect before its turn: v2 of its order has not taken effect yet")
    );
    let broken = out_of_order(deliveries);
    let [line] = &broken[..] else { panic!("{broken:?}") };
    assert!(
        line.contains("ERROR") && line.contains(&format!("order={order} v2")),
        "{line}"
    );
    assert!(
        line.contains("after v3 of its order, applied by delivery-")
            && line.ends_with("is DELIVERY MODIFIED and should still be DELIVERY CANCELLED"),
        "{line}"
    );
}

/// Experiment 1: one partition, one consumer. The cancellation waits behind the modification.
fn one_partition_keeps_the_order(stack: &Stack, orders: SocketAddr) {
    let kim = place(stack, orders);
    change_and_cancel(orders, kim);
    assert_eq!(
        status(stack, kim),
        "DELIVERY STARTED",
        "the modification is at work, the cancellation behind it waits"
    );
    wait_status(stack, kim, "DELIVERY CANCELLED");
    assert_eq!(
        delivery_events(stack, kim),
        ["DeliveryStarted", "DeliveryModified", "DeliveryCancelled"]
    );
}

/// A producer learns of a new partition within some seconds.
pub fn both_partitions_are_written(stack: &Stack, orders: SocketAddr) {
    wait_for("a record in partition 1", || {
        place(stack, orders);
        records(stack).iter().any(|record| record.partition == 1).then_some(())
    });
}

/// Experiment 2: two partitions, two consumers, no key.
fn without_a_key_the_cancellation_overtakes(stack: &Stack, orders: SocketAddr) -> i64 {
    let park = place(stack, orders);
    change_and_cancel(orders, park);
    wait_status(stack, park, "DELIVERY CANCELLED");
    wait_status(stack, park, "DELIVERY MODIFIED");
    assert_eq!(
        get(orders, &format!("/orders/{park}")).status,
        404,
        "the order itself is cancelled"
    );
    assert_eq!(
        delivery_events(stack, park),
        ["DeliveryStarted", "DeliveryCancelled", "DeliveryModified"]
    );
    let partitions: Vec<u32> = order_events(stack, park)
        .iter()
        .map(|record| record.partition)
        .collect();
    assert_ne!(
        partitions[1], partitions[2],
        "modification and cancellation went to different partitions"
    );
    park
}

/// Experiment 3: the order's number as the key.
fn with_the_key_the_order_is_kept(stack: &Stack, orders: SocketAddr, deliveries: [&Role; 2]) {
    let lee = place(stack, orders);
    change_and_cancel(orders, lee);
    wait_status(stack, lee, "DELIVERY CANCELLED");
    assert_eq!(
        delivery_events(stack, lee),
        ["DeliveryStarted", "DeliveryModified", "DeliveryCancelled"]
    );
    assert_eq!(status(stack, lee), "DELIVERY CANCELLED");
    let events = order_events(stack, lee);
    assert!(
        events
            .iter()
            .all(|record| record.key.as_deref() == Some(&lee.to_string())),
        "{events:?}"
    );
    assert!(
        events.iter().all(|record| record.partition == events[0].partition),
        "{events:?}"
    );
    let handled = format!("OrderCancelled order={lee} ");
    let handlers = deliveries
        .iter()
        .filter(|delivery| delivery.said().contains(&handled))
        .count();
    assert_eq!(handlers, 1, "one instance handled the order");
}

/// Places an order and waits for its delivery to start.
pub fn place(stack: &Stack, orders: SocketAddr) -> i64 {
    let order = place_without_delivery(orders);
    wait_status(stack, order, "DELIVERY STARTED");
    order
}

pub fn place_without_delivery(orders: SocketAddr) -> i64 {
    let fields = [
        ("customerId", "2000"),
        ("productId", "100"),
        ("productName", "RADIO"),
        ("qty", "3"),
    ];
    let placed = post(orders, "/orders", &[&fields[..], &[("address", "PUSAN")]].concat());
    assert_eq!(placed.status, 201, "{placed:?}");
    placed.id()
}

pub fn change_and_cancel(orders: SocketAddr, order: i64) {
    let path = format!("/orders/{order}");
    assert_eq!(patch(orders, &path, &[("address", "SEOUL")]).status, 200);
    assert_eq!(delete(orders, &path).status, 204);
}

fn status(stack: &Stack, order: i64) -> String {
    sql(
        stack,
        &format!("select status from Delivery_table where orderId = {order}"),
    )
    .trim()
    .to_owned()
}

pub fn wait_status(stack: &Stack, order: i64, wanted: &str) {
    wait_for(&format!("order {order} to be {wanted}"), || {
        (status(stack, order) == wanted).then_some(())
    });
}

pub fn order_events(stack: &Stack, order: i64) -> Vec<Printed> {
    let ours = |record: &Printed| record.order() == order && record.event().starts_with("Order");
    let mut events: Vec<Printed> = records(stack).into_iter().filter(ours).collect();
    events.sort_by_key(|record| record.timestamp);
    events
}

/// The delivery events of an order in the order in which they happened: by timestamp, and by the journal's version where
/// two fall into one millisecond. The console shows them partition by partition.
pub fn delivery_events(stack: &Stack, order: i64) -> Vec<String> {
    let mut events = wait_for(&format!("three delivery events of order {order}"), || {
        let ours = |record: &Printed| record.order() == order && record.event().starts_with("Delivery");
        let events: Vec<Printed> = records(stack).into_iter().filter(ours).collect();
        (events.len() >= 3).then_some(events)
    });
    events.sort_by_key(|record| (record.timestamp, sequence(record)));
    events.iter().map(|record| record.event().to_owned()).collect()
}

fn sequence(record: &Printed) -> String {
    record
        .headers
        .split("ce_sequence:")
        .nth(1)
        .and_then(|rest| rest.split(',').next())
        .unwrap_or_default()
        .to_owned()
}
