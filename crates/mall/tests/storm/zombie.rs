//! A zombie: an instance is frozen in the midst of a modification, past its session and past `max.poll.interval.ms`,
//! until the group has given it up. Another instance does its work; then the first one wakes up and wants to write.

use rustix::process::Signal;

use crate::assignor::Assignor;
use crate::fleet::Fleet;
use crate::handlers::{Part, Turn, now, time_of};
use crate::load::Load;
use crate::support::http::{delete, patch, post};
use crate::support::tools::sql;
use crate::support::wait_for;

/// Whose modifications are slow: nobody's of the load.
const SLOW_CUSTOMER: &str = "7";

/// After so many milliseconds without a poll a member has left its group; no shorter than a session.
const POLL_INTERVAL: u64 = 6_000;

#[test]
fn a_frozen_instance_wakes_up_and_is_refused() {
    Assignor::of_storm(Assignor::Range).into_iter().for_each(wakes_up);
}

fn wakes_up(assignor: Assignor) {
    let mut fleet = Fleet::new(assignor, "2");
    let slow = |delay| ["--modify-delay", delay, "--modify-delay-customer", SLOW_CUSTOMER];
    let interval = format!("max.poll.interval.ms={POLL_INTERVAL}");
    let first = [&slow("15s")[..], &["--kafka-property", &interval]].concat();
    fleet.start("delivery-1", &first);
    fleet.start("delivery-2", &slow("10ms"));
    let load = Load::start(fleet.order.address());
    load.more(40);

    let order = begun_by_the_first(&fleet);
    fleet.delivery("delivery-1").signal(Signal::STOP);
    let frozen = now();
    assert_eq!(delete(fleet.order.address(), &format!("/orders/{order}")).status, 204);
    let heir = fleet.delivery("delivery-2");
    heir.wait_line(&format!("OrderModified order={order} v2"));
    heir.wait_line(&format!("OrderCancelled order={order} v3"));
    load.more(20);
    wait_for("its poll interval to pass", || {
        (now() > frozen + POLL_INTERVAL).then_some(())
    });
    let zombie = fleet.delivery("delivery-1");
    zombie.signal(Signal::CONT);
    let refused = zombie.wait_line(&format!("OrderModified order={order} v2 P"));
    assert!(refused.contains("takes"), "it had begun: {refused}");
    zombie.wait_line("… refused: another instance has applied it during the slow work");
    let given_up = time_of(&zombie.wait_line("\"lost: another member may own it"));
    load.more(40);

    let by = format!("select instance from delivery_apply where order_id = {order} and version = 2");
    let by = sql(&fleet.stack, &by);
    assert!(
        by.trim().starts_with("delivery-2/") && !by.trim().contains('\n'),
        "{by}"
    );
    fleet.nothing_is_lost(&load.stop());
    let while_frozen = |turn: &Turn| turn.instance == "delivery-1" && turn.to >= frozen && turn.from <= given_up;
    fleet.handlers.one_at_a_time(Part::Whole, while_frozen);
    let overlaps = fleet.handlers.overlaps(Part::Whole, |_| false);
    assert!(
        overlaps.iter().any(|(one, _)| (one.order, one.version) == (order, 2)),
        "both were at order {order}: {overlaps:?}"
    );
}

/// An order whose modification the first instance has begun and not finished.
fn begun_by_the_first(fleet: &Fleet) -> i64 {
    let orders = fleet.order.address();
    wait_for("an order that is the first instance's", || {
        let order = place_and_change(orders);
        let begun = format!("OrderModified order={order} v2");
        let by_whom = wait_for("its modification to begin", || {
            let has_begun = |name: &&str| fleet.delivery(name).said().contains(&begun);
            ["delivery-1", "delivery-2"].into_iter().find(has_begun)
        });
        (by_whom == "delivery-1").then_some(order)
    })
}

fn place_and_change(orders: std::net::SocketAddr) -> i64 {
    let fields = [
        ("customerId", SLOW_CUSTOMER),
        ("productId", "100"),
        ("productName", "RADIO"),
        ("qty", "3"),
    ];
    let placed = post(orders, "/orders", &[&fields[..], &[("address", "PUSAN")]].concat());
    assert_eq!(placed.status, 201, "{placed:?}");
    let order = placed.id();
    assert_eq!(
        patch(orders, &format!("/orders/{order}"), &[("address", "SEOUL")]).status,
        200
    );
    order
}
