//! What Java consumers rely on: value, headers, key and partition of every event, read back with a console consumer.

use std::process::Command;

use crate::support::http::{delete, patch, post};
use crate::support::stack::{Real, Stack};
use crate::support::tools::{self, Printed, java, records};
use crate::support::wait_for;

#[test]
fn records_on_kafka_are_as_the_contract_says() {
    check(&Stack::real(), 4);
}

#[test]
fn records_on_the_embedded_log_are_as_the_contract_says() {
    check(&Stack::embedded(), 4);
}

fn check(stack: &Stack, partitions: u32) {
    let order = stack.role("order", &["--partitions", &partitions.to_string()]);
    let orders = order.address();
    let _delivery = stack.role("delivery", &["--modify-delay", "0s"]);
    for address in ["PUSAN", "서울특별시 🚚"] {
        let placed = post(
            orders,
            "/orders",
            &[
                ("customerId", "2000"),
                ("productId", "100"),
                ("productName", "RADIO"),
                ("qty", "3"),
                ("address", address),
            ],
        );
        let path = format!("/orders/{}", placed.id());
        assert_eq!(patch(orders, &path, &[("qty", "5")]).status, 200);
        assert_eq!(delete(orders, &path).status, 204);
    }
    let all = wait_for("twelve records", || Some(records(stack)).filter(|all| all.len() >= 12));
    assert_eq!(all.len(), 12, "{all:#?}");
    for (order, address) in [(1, "PUSAN"), (2, "서울특별시 🚚")] {
        events_of(&all, order, address);
    }
    if let Some(real) = &stack.real {
        java_agrees_on_partitions(real, &all);
    }
}

fn events_of(all: &[Printed], order: i64, address: &str) {
    let tail = |qty| format!(r#""qty":{qty},"customerId":2000,"address":"{address}"}}"#);
    let expected = [
        ("OrderPlaced", 1, tail(3)),
        ("OrderModified", 2, tail(5)),
        ("OrderCancelled", 3, tail(5)),
    ];
    for (name, version, tail) in expected {
        let record = one(all, name, order);
        let value = format!(
            r#"{{"eventType":"{name}","timestamp":{},"id":{order},"productId":"100","productName":"RADIO",{tail}"#,
            record.timestamp
        );
        assert!(
            record.line.ends_with(&format!("\t{order}\t{value}")),
            "{} does not end with {value}",
            record.line
        );
        headers(record, "/orders", order, order, version);
    }
    let delivery = one(all, "DeliveryStarted", order).value["id"]
        .as_i64()
        .expect("a delivery has a number");
    for (name, version, status, qty) in [
        ("DeliveryStarted", 1, "DELIVERY STARTED", 3),
        ("DeliveryModified", 2, "DELIVERY MODIFIED", 5),
        ("DeliveryCancelled", 3, "DELIVERY CANCELLED", 5),
    ] {
        let record = one(all, name, order);
        let value = format!(
            r#"{{"eventType":"{name}","timestamp":{},"id":{delivery},"orderId":{order},"customerId":2000,"productId":"100","productName":"RADIO","qty":{qty},"address":"{address}","status":"{status}"}}"#,
            record.timestamp
        );
        assert!(
            record.line.ends_with(&format!("\t{order}\t{value}")),
            "{} does not end with {value}",
            record.line
        );
        headers(record, "/deliveries", delivery, order, version);
    }
    let partition = one(all, "OrderPlaced", order).partition;
    assert!(
        all.iter()
            .filter(|record| record.order() == order)
            .all(|record| record.partition == partition)
    );
}

#[track_caller]
fn one<'a>(all: &'a [Printed], event: &str, order: i64) -> &'a Printed {
    let found: Vec<&Printed> = all
        .iter()
        .filter(|record| record.event() == event && record.order() == order)
        .collect();
    assert_eq!(found.len(), 1, "{event} of order {order} in {all:#?}");
    found[0]
}

fn headers(record: &Printed, source: &str, row: i64, order: i64, version: i64) {
    let event = record.event();
    let expected = format!(
        "type:{event},contentType:\"application/json\",\
         spring_json_header_types:{{\"type\":\"java.lang.String\",\"contentType\":\"java.lang.String\"}},\
         ce_specversion:1.0,ce_id:{source}/{row}/{version},ce_type:{event},ce_source:{source},"
    );
    assert!(
        record.headers.starts_with(&expected),
        "{} does not start with {expected}",
        record.headers
    );
    let sequence = format!(",ce_subject:{order},ce_sequence:{version:020}");
    assert!(
        record.headers.contains(&sequence),
        "{} lacks {sequence}",
        record.headers
    );
    assert!(
        record.headers.contains(",traceparent:00-"),
        "{} lacks a trace",
        record.headers
    );
}

/// Lets Java's own producer place the same keys.
fn java_agrees_on_partitions(real: &Real, all: &[Printed]) {
    let topic = format!("{}.java", real.topic);
    run(java("kafka-topics", real).args(["--create", "--topic", &topic, "--partitions", "4"]));
    let mut producer = java("kafka-console-producer", real);
    producer.args([
        "--topic",
        &topic,
        "--reader-property",
        "parse.key=true",
        "--reader-property",
        "key.separator=:",
    ]);
    let keys: String = all
        .iter()
        .filter_map(|record| Some(format!("{0}:\"{0}\"\n", record.key.as_ref()?)))
        .collect();
    tools::feed(&mut producer, &keys);
    let placed = tools::records_of(real, &topic);
    for record in all {
        let key = record.key.as_deref();
        let java = placed
            .iter()
            .find(|placed| placed.key.as_deref() == key)
            .expect("Java wrote every key");
        assert_eq!(record.partition, java.partition, "the key {key:?}");
    }
}

fn run(command: &mut Command) {
    let output = command.output().expect("the tool runs");
    assert!(output.status.success(), "{output:?}");
}
