//! An event that can't be handled parks its order, and no other; a person decides, and the order goes on where it stood.

use std::net::SocketAddr;

use crate::assignor::Assignor;
use crate::fleet::Fleet;
use crate::support::http::{delete, patch, post};
use crate::support::tools::{Printed, feed, java, mariadb, records, sql};
use crate::support::wait_for;

const DEAD_LETTERS: &str = "dlq-kafka.delivery";

/// Java sends an order event whose `qty` is no number, and a cancellation behind it.
#[test]
fn what_java_sends_and_nobody_can_read_waits_for_a_person() {
    let fleet = fleet();
    let orders = fleet.order.address();
    let kim = place(&fleet, orders);
    let unreadable = format!("type:OrderModified,ce_sequence:2\t{kim}\t{{\"id\":{kim},\"qty\":\"many\"}}\n");
    let behind = format!("type:OrderCancelled,ce_sequence:3\t{kim}\t{{\"id\":{kim}}}\n");
    produce(&fleet, &(unreadable + &behind));
    refused(&fleet, kim, 1);
    others_go_on(&fleet, orders);
    it_waits(&fleet, kim, "\"many\"");
    its_dead_letter_says_where_it_was(&fleet, kim);

    assert_eq!(mall(&fleet, &["parked", "retry", &kim.to_string()]).0, Some(0));
    refused(&fleet, kim, 2);
    assert_eq!(mall(&fleet, &["parked", "discard", &kim.to_string(), "2"]).0, Some(0));
    wait_status(&fleet, kim, "DELIVERY CANCELLED");
    assert_eq!(history(&fleet, kim), ["applied 1", "discarded 2", "applied 3"]);
    assert!(mall(&fleet, &["parked", "list"]).1.contains("Nothing is parked."));
}

/// The database refuses the value that an event brings, until somebody lifts the rule.
#[test]
fn what_the_database_refuses_is_handled_once_it_no_longer_does() {
    let mut fleet = fleet();
    let orders = fleet.order.address();
    let kim = place(&fleet, orders);
    alter(&fleet, "add constraint few check (qty < 100)");
    let path = format!("/orders/{kim}");
    assert_eq!(patch(orders, &path, &[("qty", "100")]).status, 200);
    assert_eq!(patch(orders, &path, &[("qty", "5")]).status, 200);
    assert_eq!(delete(orders, &path).status, 204);
    refused(&fleet, kim, 1);
    let mut placed = others_go_on(&fleet, orders);
    it_waits(&fleet, kim, "100");

    alter(&fleet, "drop constraint few");
    assert_eq!(mall(&fleet, &["parked", "retry", &kim.to_string()]).0, Some(0));
    wait_status(&fleet, kim, "DELIVERY CANCELLED");
    assert_eq!(
        history(&fleet, kim),
        ["applied 1", "applied 2", "applied 3", "applied 4"]
    );
    placed.push(kim);
    fleet.nothing_is_lost(&placed);
}

/// Java sends garbage that says it is the next version, and then the order is changed.
#[test]
fn what_java_sends_and_nobody_can_read_swallows_no_event() {
    let mut fleet = fleet();
    let orders = fleet.order.address();
    let mut placed: Vec<i64> = (0..3).map(|_| place(&fleet, orders)).collect();
    // At the head, above it, and before the order is placed.
    let next = placed[2] + 1;
    let garbage = |order: i64, version: i64| {
        format!("type:OrderModified,ce_subject:{order},ce_sequence:{version}\t{order}\t{{nope\n")
    };
    let slots = [(placed[0], 2), (placed[1], 3), (next, 1), (next, 2)];
    produce(&fleet, &slots.map(|(order, version)| garbage(order, version)).concat());
    buried(&fleet, placed[0], 1);
    buried(&fleet, placed[1], 1);
    buried(&fleet, next, 2);
    placed.push(place(&fleet, orders));
    assert_eq!(placed[3], next, "garbage was there before it");
    for order in &placed {
        let path = format!("/orders/{order}");
        assert_eq!(patch(orders, &path, &[("address", "SEOUL")]).status, 200);
        assert_eq!(delete(orders, &path).status, 204);
        wait_status(&fleet, *order, "DELIVERY CANCELLED");
        assert_eq!(history(&fleet, *order), ["applied 1", "applied 2", "applied 3"]);
    }
    assert!(mall(&fleet, &["parked", "list"]).1.contains("Nothing is parked."));
    fleet.nothing_is_lost(&placed);
}

fn fleet() -> Fleet {
    let mut fleet = Fleet::new(Assignor::CooperativeSticky, "2");
    // The order service would settle what is parked once the deadline of a gap has passed, and here a person has to.
    fleet.start("delivery-1", &["--modify-delay", "0s", "--gap-deadline", "1h"]);
    fleet
}

/// Places an order whose delivery starts.
fn place(fleet: &Fleet, orders: SocketAddr) -> i64 {
    let fields = [("customerId", "2000"), ("productId", "100"), ("productName", "RADIO")];
    let placed = post(
        orders,
        "/orders",
        &[&fields[..], &[("qty", "3"), ("address", "PUSAN")]].concat(),
    );
    assert_eq!(placed.status, 201, "{placed:?}");
    wait_status(fleet, placed.id(), "DELIVERY STARTED");
    placed.id()
}

fn wait_status(fleet: &Fleet, order: i64, wanted: &str) {
    let status = format!("select status from Delivery_table where orderId = {order}");
    wait_for(&format!("order {order} to be {wanted}"), || {
        (sql(&fleet.stack, &status).trim() == wanted).then_some(())
    });
}

/// Sends records as Kafka's own producer does: `headers\tkey\tvalue`.
fn produce(fleet: &Fleet, lines: &str) {
    let real = fleet.real();
    let mut producer = java("kafka-console-producer", real);
    producer.args(["--topic", &real.topic]);
    for property in ["parse.key=true", "parse.headers=true"] {
        producer.args(["--reader-property", property]);
    }
    feed(&mut producer, lines);
}

fn refused(fleet: &Fleet, order: i64, times: usize) {
    let waits = format!("order {order} waits from here on, see mall parked");
    let delivery = fleet.delivery("delivery-1");
    wait_for(&format!("order {order} to be refused {times} time(s)"), || {
        let refusals = delivery.lines().iter().filter(|line| line.contains(&waits)).count();
        (refusals == times).then_some(())
    });
}

/// So many of an order's events have become dead letters. Lines of the log would not tell: what repeats is told in numbers.
fn buried(fleet: &Fleet, order: i64, letters: usize) {
    let count = format!("select count(*) from dead_letter where order_id = {order}");
    wait_for(&format!("{letters} dead letter(s) of order {order}"), || {
        (sql(&fleet.stack, &count).trim() == letters.to_string()).then_some(())
    });
}

/// Orders of both partitions, while one is parked.
fn others_go_on(fleet: &Fleet, orders: SocketAddr) -> Vec<i64> {
    let placed: Vec<i64> = (0..6).map(|_| place(fleet, orders)).collect();
    for order in &placed {
        assert_eq!(patch(orders, &format!("/orders/{order}"), &[("qty", "4")]).status, 200);
    }
    placed
        .iter()
        .for_each(|order| wait_status(fleet, *order, "DELIVERY MODIFIED"));
    placed
}

/// Its second version waits for a person, and what came after it waits behind.
fn it_waits(fleet: &Fleet, order: i64, value: &str) {
    let behind = format!("order={order} v3 behind");
    wait_for("the event behind it to be parked", || {
        let shown = mall(fleet, &["parked", "show", &order.to_string()]).1;
        (shown.contains(&behind) && shown.contains(value)).then_some(())
    });
    let listed = mall(fleet, &["parked", "list"]).1;
    let waits = |line: &&str| line.contains("poison") && line.contains("waits for retry or discard");
    assert!(
        listed.lines().filter(waits).count() == 1,
        "order {order} alone waits: {listed}"
    );
    wait_status(fleet, order, "DELIVERY STARTED");
}

fn its_dead_letter_says_where_it_was(fleet: &Fleet, order: i64) {
    let found = records(&fleet.stack);
    let unreadable = |record: &&Printed| record.value["qty"] == "many";
    let original = found.iter().find(unreadable).expect("what Java sent");
    let topic = &fleet.real().topic;
    let letter = wait_for("the dead letter", || {
        let ours = format!("__connect.errors.topic:{topic},");
        dead_letters(fleet)
            .lines()
            .find(|line| line.contains(&ours))
            .map(str::to_owned)
    });
    let wanted = [
        "type:OrderModified,ce_sequence:2,".to_owned(),
        format!("__connect.errors.partition:{},", original.partition),
        format!("__connect.errors.offset:{},", original.offset),
        format!("__connect.errors.connector.name:{},", fleet.real().group),
        "__connect.errors.exception.message:".to_owned(),
        format!("kafka_dlt-original-topic:{topic},"),
        "kafka_dlt-exception-message:".to_owned(),
        format!("\t{order}\t{{\"id\":{order},\"qty\":\"many\"}}"),
    ];
    for piece in wanted {
        assert!(letter.contains(&piece), "{piece} is not in {letter:?}");
    }
}

/// Everybody's dead letters as Java's console consumer prints them. Some headers are bytes: numbers, as Spring writes them.
fn dead_letters(fleet: &Fleet) -> String {
    let mut consumer = java("kafka-console-consumer", fleet.real());
    consumer.args(["--topic", DEAD_LETTERS, "--from-beginning", "--timeout-ms", "4000"]);
    for shown in ["print.headers=true", "print.key=true"] {
        consumer.args(["--formatter-property", shown]);
    }
    let printed = consumer.output().expect("Kafka's tool runs").stdout;
    String::from_utf8_lossy(&printed).into_owned()
}

/// What became of an order's events, in order.
fn history(fleet: &Fleet, order: i64) -> Vec<String> {
    let applies =
        format!("select concat(kind, ' ', version) from delivery_apply where order_id = {order} order by seq");
    sql(&fleet.stack, &applies).lines().map(str::to_owned).collect()
}

fn alter(fleet: &Fleet, how: &str) {
    let real = fleet.real();
    let altered = mariadb(
        real,
        &format!("use `{}`; alter table Delivery_table {how}", real.database),
    );
    let altered = altered.expect("the client runs");
    assert!(
        altered.status.success(),
        "{how}: {}",
        String::from_utf8_lossy(&altered.stderr)
    );
}

/// One of the tools that look into the deliveries' database.
fn mall(fleet: &Fleet, args: &[&str]) -> (Option<i32>, String) {
    let real = fleet.real();
    let mut command = fleet.stack.bare(args);
    command
        .arg("--database-url")
        .arg(format!("{}/{}", real.mysql, real.database));
    let output = command.output().expect("mall runs");
    (
        output.status.code(),
        String::from_utf8_lossy(&output.stdout).into_owned(),
    )
}
