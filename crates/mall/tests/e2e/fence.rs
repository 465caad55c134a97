//! The delivery side's fence and its lanes, on either stack: order without a key, no waiting for strangers, and an order
//! that can't be handled.

use std::io::Write;
use std::process::{Output, Stdio};
use std::time::{Duration, Instant};

use crate::course::{change_and_cancel, delivery_events, order_events, place, place_without_delivery, wait_status};
use crate::support::http::{delete, patch};
use crate::support::stack::Stack;
use crate::support::tools::sql;
use crate::support::wait_for;

#[test]
fn a_keyless_topic_keeps_the_order_on_the_embedded_default() {
    a_keyless_topic_keeps_the_order(&Stack::embedded());
}

#[test]
fn a_keyless_topic_keeps_the_order_on_kafka_and_mariadb() {
    a_keyless_topic_keeps_the_order(&Stack::real());
}

/// The course's second experiment, with the fence.
fn a_keyless_topic_keeps_the_order(stack: &Stack) {
    let options = [
        "--course",
        "--guard",
        "version",
        "--partitions",
        "2",
        "--modify-delay",
        "3s",
    ];
    let order = stack.role("order", &options);
    let deliveries = [stack.role("delivery", &options), stack.role("delivery", &options)];
    for delivery in &deliveries {
        delivery.wait_line("assigned");
    }
    let kim = place(stack, order.address());
    change_and_cancel(order.address(), kim);
    wait_status(stack, kim, "DELIVERY CANCELLED");
    assert_eq!(
        delivery_events(stack, kim),
        ["DeliveryStarted", "DeliveryModified", "DeliveryCancelled"]
    );
    let partitions: Vec<u32> = order_events(stack, kim).iter().map(|record| record.partition).collect();
    assert_ne!(partitions[1], partitions[2], "they went to different partitions");
    let parked = format!("OrderCancelled order={kim} v3");
    let waited = |line: &String| line.contains(&parked) && line.contains("parked: a version before it has not come");
    assert!(
        deliveries.iter().any(|delivery| delivery.lines().iter().any(waited)),
        "the cancellation came first, and waited"
    );
}

#[test]
fn nobody_waits_for_a_slow_order_on_the_embedded_default() {
    nobody_waits_for_a_slow_order(&Stack::embedded());
}

#[test]
fn nobody_waits_for_a_slow_order_on_kafka_and_mariadb() {
    nobody_waits_for_a_slow_order(&Stack::real());
}

/// One partition, one instance (A30).
fn nobody_waits_for_a_slow_order(stack: &Stack) {
    let order = stack.role("order", &[]);
    let delivery = stack.role("delivery", &["--modify-delay", "10s"]);
    delivery.wait_line("assigned");
    let kim = place(stack, order.address());
    let changed = patch(order.address(), &format!("/orders/{kim}"), &[("address", "SEOUL")]);
    assert_eq!(changed.status, 200);
    delivery.wait_line(&format!("OrderModified order={kim} "));
    let start = Instant::now();
    place(stack, order.address());
    let took = start.elapsed();
    assert!(
        took < Duration::from_secs(5),
        "PARK's order took {took:?} while KIM's modification takes 10 s"
    );
    assert!(!delivery.said().contains("DELIVERY MODIFIED"), "KIM's is still at work");
}

/// What can't be read parks its order; a person has it passed over, and the order goes on.
#[test]
fn an_order_that_cannot_be_handled_waits_for_a_person() {
    let stack = Stack::embedded();
    let order = stack.role("order", &[]);
    let delivery = stack.role("delivery", &["--modify-delay", "0s"]);
    let (kim, park) = (place(&stack, order.address()), place(&stack, order.address()));
    produce(
        &stack,
        &format!("type:OrderModified,ce_sequence:2\t{kim}\t{{\"id\":{kim},\"qty\":\"many\"}}\n"),
    );
    produce(
        &stack,
        &format!("type:OrderCancelled,ce_sequence:3\t{kim}\t{{\"id\":{kim}}}\n"),
    );
    delivery.wait_line(&format!("OrderCancelled order={kim} v3"));
    assert_eq!(
        patch(order.address(), &format!("/orders/{park}"), &[("qty", "4")]).status,
        200
    );
    wait_status(&stack, park, "DELIVERY MODIFIED");

    let listed = said(&stack.run(&["parked", "list"]));
    assert!(
        listed.contains("poison") && listed.contains("waits for retry or discard"),
        "{listed}"
    );
    let shown = said(&stack.run(&["parked", "show", &kim.to_string()]));
    assert!(
        shown.contains("\"many\"") && shown.contains(&format!("order={kim} v3 behind")),
        "{shown}"
    );
    assert_eq!(stack.run(&["parked", "show", &park.to_string()]).status.code(), Some(1));
    assert_eq!(stack.run(&["parked", "retry", &kim.to_string()]).status.code(), Some(0));
    wait_for("the second refusal", || {
        let refusals = delivery
            .lines()
            .iter()
            .filter(|line| line.contains("waits from here on"))
            .count();
        (refusals == 2).then_some(())
    });
    assert_eq!(
        stack.run(&["parked", "discard", &kim.to_string(), "2"]).status.code(),
        Some(0)
    );
    wait_status(&stack, kim, "DELIVERY CANCELLED");
    delivery.wait_line(&format!("order={kim} v2 … passed over for good"));
    assert!(said(&stack.run(&["parked", "list"])).contains("Nothing is parked."));
}

fn produce(stack: &Stack, line: &str) {
    let headers = ["--property", "parse.headers=true", "--property", "parse.key=true"];
    let mut command = stack.command(&["kafka-console-producer", "--topic", "kafka.scaling"]);
    let mut producer = command.args(headers).stdin(Stdio::piped()).spawn().expect("a producer");
    let mut stdin = producer.stdin.take().expect("it reads");
    stdin.write_all(line.as_bytes()).expect("written");
    drop(stdin);
    assert!(producer.wait().expect("it ends").success());
}

fn said(output: &Output) -> String {
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// A version that the log will never have: its event was committed and marked, and never sent (A26). Everything behind it
/// waits, until the order service is asked for it.
#[test]
fn what_the_log_lost_is_asked_of_the_order_service() {
    let stack = Stack::embedded();
    let mut order = stack.role("order", &[]);
    let kim = place_without_delivery(order.address());
    assert_eq!(order.stop(), Some(0));
    let journal = rusqlite::Connection::open(stack.folder.path().join("mall-data/orders.db")).expect("a journal");
    let lost = format!(
        "update Order_table set version = 2, qty = 7 where id = {kim};
         insert into order_event (order_id, version, type, payload, timestamp, published)
         values ({kim}, 2, 'OrderModified', '{{\"eventType\":\"OrderModified\",\"id\":{kim},\"qty\":7}}', 5, 1);"
    );
    journal.execute_batch(&lost).expect("an event that nobody sends");
    drop(journal);

    let order = stack.role("order", &[]);
    let url = format!("http://{}", order.address());
    let options = ["--modify-delay", "0s", "--gap-deadline", "1s", "--order-url", &url];
    let delivery = stack.role("delivery", &options);
    assert_eq!(delete(order.address(), &format!("/orders/{kim}")).status, 204);
    delivery.wait_line(&format!("OrderCancelled order={kim} v3"));
    delivery.wait_line("has not come, though everything in the log has been handled");
    wait_status(&stack, kim, "DELIVERY CANCELLED");
    assert!(
        delivery
            .said()
            .contains(&format!("OrderModified order={kim} v2 from the order service"))
    );
    assert_eq!(
        sql(&stack, &format!("select qty from Delivery_table where orderId = {kim}")).trim(),
        "7"
    );
}
