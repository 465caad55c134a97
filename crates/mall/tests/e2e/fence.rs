//! The delivery side's fence and its lanes, on either stack: order without a key, no waiting for strangers, and an order
//! that can't be handled.

use std::process::Output;
use std::time::{Duration, Instant};

use crate::course::{delivery_events, order_events, place, place_without_delivery, wait_status};
use crate::support::http::{delete, patch};
use crate::support::role::Role;
use crate::support::stack::Stack;
use crate::support::tools::{feed, mariadb, sql};
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
    let path = format!("/orders/{kim}");
    assert_eq!(patch(order.address(), &path, &[("address", "SEOUL")]).status, 200);
    // Only then can the other instance say who works on it.
    let begun = |line: &String| line.contains(&format!("OrderModified order={kim} v2")) && line.contains("takes");
    wait_for("an instance to begin the modification", || {
        let begun = deliveries.iter().any(|delivery| delivery.lines().iter().any(begun));
        begun.then_some(())
    });
    assert_eq!(delete(order.address(), &path).status, 204);
    wait_status(stack, kim, "DELIVERY CANCELLED");
    assert_eq!(
        delivery_events(stack, kim),
        ["DeliveryStarted", "DeliveryModified", "DeliveryCancelled"]
    );
    let partitions: Vec<u32> = order_events(stack, kim).iter().map(|record| record.partition).collect();
    assert_ne!(partitions[1], partitions[2], "they went to different partitions");
    let parked = format!("OrderCancelled order={kim} v3");
    let waited = |line: &String| {
        line.contains(&parked) && line.contains("… early: v3 waits; v2 is still being worked on by delivery-")
    };
    assert!(
        deliveries.iter().any(|delivery| delivery.lines().iter().any(waited)),
        "the cancellation came first, and waited"
    );
    let turn = |line: &String| line.contains(&parked) && line.contains("its turn: v2 is done, for which v3 waited ");
    assert!(
        deliveries.iter().any(|delivery| delivery.lines().iter().any(turn)),
        "and was told when it had its turn"
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

/// Head-of-line blocking does not happen: all orders share one partition and one instance, and a slow one holds up no
/// other.
fn nobody_waits_for_a_slow_order(stack: &Stack) {
    let order = stack.role("order", &[]);
    let delivery = stack.role("delivery", &["--modify-delay", "60s"]);
    delivery.wait_line("assigned");
    let kim = place(stack, order.address());
    let changed = patch(order.address(), &format!("/orders/{kim}"), &[("address", "SEOUL")]);
    assert_eq!(changed.status, 200);
    delivery.wait_line(&format!("OrderModified order={kim} "));
    let start = Instant::now();
    place(stack, order.address());
    let took = start.elapsed();
    assert!(
        took < Duration::from_secs(30),
        "PARK's order took {took:?} while KIM's modification takes 60 s"
    );
    assert!(!delivery.said().contains("DELIVERY MODIFIED"), "KIM's is still at work");
}

/// What can't be read parks its order; a person has it passed over, and the order goes on.
#[test]
fn an_order_that_cannot_be_handled_waits_for_a_person() {
    let stack = Stack::embedded();
    let order = stack.role("order", &[]);
    let url = format!("http://{}", order.address());
    let delivery = stack.role("delivery", &["--modify-delay", "0s", "--order-url", &url]);
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

    let listed = said(&parked(&stack, &["list"]));
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
    assert!(said(&parked(&stack, &["list"])).contains("Nothing is parked."));
}

/// Sends records as somebody else would: `headers\tkey\tvalue` a line.
fn produce(stack: &Stack, lines: &str) {
    let mut producer = stack.bare(&["kafka-console-producer"]);
    match &stack.real {
        None => producer
            .args(["--topic", "kafka.scaling", "--data"])
            .arg(stack.folder.path().join("mall-data")),
        Some(real) => producer.args(["--topic", &real.topic, "--bootstrap-server", &real.kafka]),
    };
    for property in ["parse.headers=true", "parse.key=true", "null.marker=NULL"] {
        producer.args(["--property", property]);
    }
    feed(&mut producer, lines);
}

fn said(output: &Output) -> String {
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// A removed event: the log will never hold this version, as if retention had taken it. Its event was committed and
/// marked as published, and never sent. Everything behind it waits until the order service is asked for it.
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

#[test]
fn garbage_swallows_no_event_on_the_embedded_default() {
    garbage_swallows_no_event(&Stack::embedded());
}

#[test]
fn garbage_swallows_no_event_on_kafka_and_mariadb() {
    garbage_swallows_no_event(&Stack::real());
}

/// A record says that it is version 2, and can't be read; then the real version 2 comes.
fn garbage_swallows_no_event(stack: &Stack) {
    let order = stack.role("order", &[]);
    let delivery = delivery_of(stack, &order, &["--modify-delay", "1s"]);
    let (kim, park) = (place(stack, order.address()), place(stack, order.address()));
    produce(stack, &garbage(kim, 2));
    produce(stack, &garbage(park, 3));
    delivery.wait_line(&format!("order {kim} waits from here on"));
    delivery.wait_line(&format!("order {park} waits from here on"));
    for id in [kim, park] {
        let path = format!("/orders/{id}");
        assert_eq!(patch(order.address(), &path, &[("address", "SEOUL")]).status, 200);
        wait_status(stack, id, "DELIVERY MODIFIED");
        assert_eq!(address(stack, id), "SEOUL");
        assert_eq!(delete(order.address(), &path).status, 204);
        wait_status(stack, id, "DELIVERY CANCELLED");
    }
    let listed = said(&parked(stack, &["list"]));
    assert!(
        listed.contains("Nothing is parked.") && listed.contains("is not JSON"),
        "{listed}"
    );
    let (code, text) = verify(stack);
    assert_eq!(code, Some(0), "{text}");
    assert!(
        text.contains(&format!("hazard divergent order={kim}: v2 has two contents")),
        "{text}"
    );
}

#[test]
fn what_a_person_discards_is_missed_on_the_embedded_default() {
    what_a_person_discards_is_missed(&Stack::embedded());
}

#[test]
fn what_a_person_discards_is_missed_on_kafka_and_mariadb() {
    what_a_person_discards_is_missed(&Stack::real());
}

/// Somebody discards the garbage, and with it the version: the row then lacks what was written, which is harm.
fn what_a_person_discards_is_missed(stack: &Stack) {
    let order = stack.role("order", &[]);
    let delivery = delivery_of(stack, &order, &["--modify-delay", "0s"]);
    let kim = place(stack, order.address());
    let discard = |version: &str| decided(&parked(stack, &["discard", &kim.to_string(), version]));
    let (code, text) = discard("2");
    assert!(
        code == Some(1) && text.contains(&format!("Order {kim} v2 is not parked")),
        "{text}"
    );
    let (code, text) = discard("1");
    assert!(
        code == Some(1) && text.contains("has taken effect or was passed over before"),
        "{text}"
    );
    produce(stack, &garbage(kim, 2));
    delivery.wait_line(&format!("order {kim} waits from here on"));
    let (code, text) = discard("2");
    assert!(
        code == Some(0) && text.contains(&format!("Order {kim} v2 is parked, and is marked now")),
        "{text}"
    );
    delivery.wait_line(&format!("order={kim} v2 … passed over for good"));
    let path = format!("/orders/{kim}");
    assert_eq!(patch(order.address(), &path, &[("address", "SEOUL")]).status, 200);
    let (code, text) = verify(stack);
    assert_eq!(code, Some(1), "{text}");
    assert!(
        text.contains(&format!("harm discarded order={kim}: v2 was passed over")),
        "{text}"
    );
    let harm = "  → divergence: status is \"DELIVERY STARTED\"";
    let blame = "(v2 was discarded by a person; the row therefore keeps what stood there without it)";
    assert!(text.contains(harm) && text.contains(blame), "{text}");
    assert_eq!(delete(order.address(), &path).status, 204);
    wait_status(stack, kim, "DELIVERY CANCELLED");
    assert_eq!(verify(stack).0, Some(1), "its address is still the old one");
}

#[test]
fn what_never_came_can_be_discarded_on_the_embedded_default() {
    what_never_came_can_be_discarded(&Stack::embedded());
}

#[test]
fn what_never_came_can_be_discarded_on_kafka_and_mariadb() {
    what_never_came_can_be_discarded(&Stack::real());
}

fn what_never_came_can_be_discarded(stack: &Stack) {
    let order = stack.role("order", &[]);
    let delivery = delivery_of(stack, &order, &["--modify-delay", "0s"]);
    let kim = place(stack, order.address());
    let third = format!("type:OrderCancelled,ce_sequence:3\t{kim}\t{{\"id\":{kim}}}\n");
    produce(stack, &third);
    delivery.wait_line(&format!("OrderCancelled order={kim} v3"));
    let discard = |version: &str| decided(&parked(stack, &["discard", &kim.to_string(), version]));
    let (code, text) = discard("5");
    assert!(
        code == Some(1) && text.contains("v5 is not parked, and nothing waits for it"),
        "{text}"
    );
    let (code, text) = discard("2");
    assert!(
        code == Some(0) && text.contains(&format!("Order {kim} v2 has not come, and others wait for it")),
        "{text}"
    );
    delivery.wait_line(&format!("order={kim} v2 … passed over for good"));
    wait_status(stack, kim, "DELIVERY CANCELLED");
}

#[test]
fn what_was_written_takes_the_place_of_garbage_on_the_embedded_default() {
    what_was_written_takes_the_place_of_garbage(&Stack::embedded());
}

#[test]
fn what_was_written_takes_the_place_of_garbage_on_kafka_and_mariadb() {
    what_was_written_takes_the_place_of_garbage(&Stack::real());
}

/// The log has garbage where two orders' second versions should be: one is retried by a person, one by nobody.
fn what_was_written_takes_the_place_of_garbage(stack: &Stack) {
    let mut order = stack.role("order", &[]);
    let mut delivery = delivery_of(stack, &order, &["--modify-delay", "0s"]);
    let (kim, park) = (place(stack, order.address()), place(stack, order.address()));
    produce(stack, &garbage(kim, 2));
    delivery.wait_line(&format!("order {kim} waits from here on"));
    assert_eq!(order.stop(), Some(0));
    lose_a_modification(stack, kim);
    let retry = || decided(&parked(stack, &["retry", &kim.to_string()]));
    let (code, text) = retry();
    assert!(
        code == Some(0) && text.contains("what the order service wrote as v2 is handled"),
        "{text}"
    );
    delivery.wait_line("the parked record itself is tried again");
    lose_a_modification(stack, park);
    assert_eq!(delivery.stop(), Some(0));

    let order = stack.role("order", &[]);
    let mut delivery = delivery_of(stack, &order, &["--modify-delay", "0s"]);
    assert_eq!(retry().0, Some(0));
    wait_status(stack, kim, "DELIVERY MODIFIED");
    assert_eq!(address(stack, kim), "LOST");
    assert!(
        delivery
            .said()
            .contains(&format!("OrderModified order={kim} v2 from the order service"))
    );
    assert_eq!(delivery.stop(), Some(0));

    let delivery = delivery_of(stack, &order, &["--modify-delay", "0s", "--gap-deadline", "1s"]);
    delivery.wait_line("assigned");
    produce(stack, &garbage(park, 2));
    produce(stack, &garbage(park, 9));
    wait_status(stack, park, "DELIVERY MODIFIED");
    assert_eq!(address(stack, park), "LOST");
    delivery.wait_line(&format!("order {park} v9 was never written"));
    wait_for("nothing to be parked", || {
        said(&parked(stack, &["list"]))
            .contains("Nothing is parked.")
            .then_some(())
    });
}

/// Records that say nothing of an order's version are dead letters, and park nobody.
#[test]
fn what_can_not_be_told_apart_parks_nobody_on_the_embedded_default() {
    what_can_not_be_told_apart_parks_nobody(&Stack::embedded());
}

#[test]
fn what_can_not_be_told_apart_parks_nobody_on_kafka_and_mariadb() {
    what_can_not_be_told_apart_parks_nobody(&Stack::real());
}

fn what_can_not_be_told_apart_parks_nobody(stack: &Stack) {
    let order = stack.role("order", &[]);
    let _delivery = delivery_of(stack, &order, &["--modify-delay", "0s"]);
    let (kim, park) = (place(stack, order.address()), place(stack, order.address()));
    let value = format!("{{\"id\":{kim},\"address\":\"NOWHERE\"}}");
    let cases = [
        ("ce_sequence:".to_owned(), value.clone()),
        ("ce_sequence:NULL".to_owned(), value.clone()),
        ("ce_sequence:+2".to_owned(), value.clone()),
        ("ce_sequence:9223372036854775807".to_owned(), value.clone()),
        ("ce_sequence:2,ce_sequence:3".to_owned(), value.clone()),
        (format!("ce_subject:{park},ce_sequence:2"), value.clone()),
        ("ce_subject:x,ce_sequence:2".to_owned(), value.clone()),
        (
            "ce_sequence:1".to_owned(),
            "{\"id\":0,\"address\":\"NOWHERE\"}".to_owned(),
        ),
        (
            "ce_sequence:1".to_owned(),
            "{\"id\":-4,\"address\":\"NOWHERE\"}".to_owned(),
        ),
    ];
    for (headers, value) in &cases {
        produce(stack, &format!("type:OrderModified,{headers}\t{kim}\t{value}\n"));
    }
    let letters = || {
        let listed = said(&parked(stack, &["list"]));
        assert!(listed.contains("Nothing is parked."), "{listed}");
        listed
            .lines()
            .filter(|line| line.contains("the header ce_") || line.contains("field id is"))
            .count()
    };
    wait_for("every dead letter", || (letters() == cases.len()).then_some(()));
    for id in [kim, park] {
        assert_eq!(address(stack, id), "PUSAN");
        let path = format!("/orders/{id}");
        assert_eq!(patch(order.address(), &path, &[("address", "SEOUL")]).status, 200);
        wait_status(stack, id, "DELIVERY MODIFIED");
    }
    let (code, text) = verify(stack);
    assert_eq!(code, Some(0), "{text}");
}

fn delivery_of(stack: &Stack, order: &Role, options: &[&str]) -> Role {
    let url = format!("http://{}", order.address());
    let delivery = stack.role("delivery", &[options, &["--order-url", &url]].concat());
    delivery.wait_line("assigned");
    delivery
}

/// A record that says which event it is, and that nobody can read.
fn garbage(order: i64, version: i64) -> String {
    format!("type:OrderModified,ce_subject:{order},ce_sequence:{version}\t{order}\t{{nope\n")
}

/// Commits the second version of an order, and marks it as published, though nobody sends it.
fn lose_a_modification(stack: &Stack, order: i64) {
    let payload = format!("{{\"eventType\":\"OrderModified\",\"id\":{order},\"address\":\"LOST\"}}");
    let lost = format!(
        "update Order_table set version = 2, address = 'LOST' where id = {order};
         insert into order_event (order_id, version, type, payload, timestamp, published)
         values ({order}, 2, 'OrderModified', '{payload}', 5, 1);"
    );
    match &stack.real {
        None => {
            let path = stack.folder.path().join("mall-data/orders.db");
            let journal = rusqlite::Connection::open(path).expect("a journal");
            journal.execute_batch(&lost).expect("an event that nobody sends");
        }
        Some(real) => {
            let done = mariadb(real, &format!("use `{}`; {lost}", real.database)).expect("the client runs");
            assert!(done.status.success(), "{done:?}");
        }
    }
}

fn address(stack: &Stack, order: i64) -> String {
    let query = format!("select address from Delivery_table where orderId = {order}");
    sql(stack, &query).trim().to_owned()
}

fn verify(stack: &Stack) -> (Option<i32>, String) {
    decided(&stack.run(&["verify", "--wait", "60s"]))
}

/// `mall parked`, which reads from a database alone.
fn parked(stack: &Stack, args: &[&str]) -> Output {
    let args = [&["parked"], args].concat();
    let output = match &stack.real {
        None => stack.tool(&args),
        Some(real) => {
            let url = format!("{}/{}", real.mysql, real.database);
            stack.bare(&args).args(["--database-url", &url]).output()
        }
    };
    output.expect("it runs")
}

fn decided(output: &Output) -> (Option<i32>, String) {
    let text = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    (output.status.code(), text)
}
