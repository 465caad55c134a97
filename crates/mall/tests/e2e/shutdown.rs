//! SIGTERM while a modification takes its time: it is finished, committed, and handled once.

use std::os::unix::process::CommandExt;

use rustix::process::Signal;

use crate::support::http::{get, patch, post};
use crate::support::role::Role;
use crate::support::stack::Stack;
use crate::support::tools::sql;
use crate::support::wait_for;

const ORDER: [(&str, &str); 5] = [
    ("customerId", "2000"),
    ("productId", "100"),
    ("productName", "RADIO"),
    ("qty", "3"),
    ("address", "PUSAN"),
];

#[test]
fn a_delivery_alone_on_the_embedded_default() {
    a_delivery_finishes_its_work(&Stack::embedded());
}

#[test]
fn a_delivery_alone_on_kafka_and_mariadb() {
    a_delivery_finishes_its_work(&Stack::real());
}

fn a_delivery_finishes_its_work(stack: &Stack) {
    let order = stack.role("order", &[]);
    let mut delivery = stack.role("delivery", &["--modify-delay", "3s"]);
    modify(&order);
    delivery.wait_line("OrderModified order=1 v2");
    assert_eq!(delivery.stop(), Some(0));
    assert_eq!(
        sql(stack, "select status from Delivery_table").trim(),
        "DELIVERY MODIFIED"
    );

    let again = stack.role("delivery", &["--modify-delay", "3s"]);
    again.wait_line("assigned");
    let placed = post(order.address(), "/orders", &ORDER);
    again.wait_line(&format!("OrderPlaced order={}", placed.id()));
    assert!(
        !again.said().contains("order=1 "),
        "handled a second time:\n{}",
        again.said()
    );
    assert_eq!(
        sql(stack, "select count(*) from Delivery_table where orderId = 1").trim(),
        "1"
    );
}

/// `mall up` gets Ctrl-C: its children drain and end before it does.
#[test]
fn the_whole_mall_by_ctrl_c() {
    let stack = Stack::embedded();
    let ports = ["0", "0", "0"];
    let mut command = stack.command(&["up", "--modify-delay", "3s"]);
    command.args([
        "--order-port",
        ports[0],
        "--delivery-port",
        ports[1],
        "--gateway-port",
        ports[2],
    ]);
    // A terminal signals the foreground group; the children have groups of their own and are told by the supervisor.
    let mut mall = Role::start("up", command.process_group(0));
    let orders = wait_for("the order service", || {
        let lines = mall.lines();
        let line = lines
            .iter()
            .find(|line| line.starts_with("order") && line.contains("listening on http://"))?;
        line.split("listening on http://")
            .nth(1)?
            .split_whitespace()
            .next()?
            .parse()
            .ok()
    });
    wait_for("an order to be taken", || {
        (get(orders, "/readyz").status == 200).then_some(())
    });
    let placed = post(orders, "/orders", &ORDER);
    patch(orders, &format!("/orders/{}", placed.id()), &[("address", "SEOUL")]);
    mall.wait_line("OrderModified order=1 v2 P0@");
    mall.signal_group(Signal::INT);
    assert_eq!(mall.wait_exit().code(), Some(0), "{}", mall.said());
    assert_eq!(
        sql(&stack, "select status from Delivery_table").trim(),
        "DELIVERY MODIFIED"
    );
}

fn modify(order: &Role) {
    let placed = post(order.address(), "/orders", &ORDER);
    assert_eq!(placed.status, 201, "{placed:?}");
    assert_eq!(patch(order.address(), "/orders/1", &[("address", "SEOUL")]).status, 200);
}
