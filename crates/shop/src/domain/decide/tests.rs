//! What batches of commands and events write, decided without a database.

use std::collections::BTreeMap;

use keylane_log::Timestamp;

use super::*;
use crate::domain::{
    Change, Condition, Delivery, DeliveryBefore, DeliveryEventType, DeliveryId, DeliveryOutcome, DeliveryRequest,
    EventType, IncomingEvent, JournalEntry, Order, OrderCommand, OrderEventType, OrderFields, OrderOutcome, OrderPatch,
    OrderRequest, Provenance,
};

const NOW: Timestamp = Timestamp(1000);

fn fields(address: &str) -> OrderFields {
    OrderFields {
        product_id: Some("100".into()),
        product_name: Some("RADIO".into()),
        qty: Some(3),
        customer_id: Some(2000),
        address: Some(address.into()),
    }
}

fn move_to(address: &str) -> OrderPatch {
    OrderPatch {
        address: Some(Some(address.into())),
        ..OrderPatch::default()
    }
}

fn order(id: i64, version: i64, address: &str) -> Order {
    Order {
        id: OrderId(id),
        version: Version(version),
        fields: fields(address),
    }
}

fn place(address: &str) -> OrderRequest {
    request(OrderCommand::Place(fields(address)))
}

fn modify(id: i64, address: &str) -> OrderRequest {
    request(OrderCommand::Change(OrderId(id), Change::Merge(move_to(address))))
}

fn cancel(id: i64) -> OrderRequest {
    request(OrderCommand::Cancel(OrderId(id)))
}

fn request(command: OrderCommand) -> OrderRequest {
    OrderRequest {
        command,
        condition: Condition::default(),
        traceparent: Some("00-1-2-01".into()),
    }
}

fn table(orders: impl IntoIterator<Item = Order>) -> BTreeMap<OrderId, Order> {
    orders.into_iter().map(|order| (order.id, order)).collect()
}

/// Each journal row as `OrderModified 1 v2`: type, order and version.
fn journal(entries: &[JournalEntry]) -> Vec<String> {
    let line = |entry: &JournalEntry| format!("{} {} v{}", entry.event_type.name(), entry.row_id, entry.version);
    entries.iter().map(line).collect()
}

#[test]
fn commands_of_one_order_fold() {
    let batch = [
        modify(1, "SEOUL"),
        modify(1, "SEOUL"),
        modify(1, "BUSAN"),
        cancel(1),
        modify(1, "JEJU"),
    ];
    assert_eq!(named_orders(&batch), [OrderId(1)]);
    let decision = decide_orders(table([order(1, 4, "PUSAN")]), &batch);
    assert_eq!(
        (&decision.updates[..], &decision.deletes[..]),
        (&[][..], &[OrderId(1)][..])
    );
    let done = decision.complete(&[], NOW);
    assert_eq!(
        journal(&done.journal),
        ["OrderModified 1 v5", "OrderModified 1 v6", "OrderCancelled 1 v7"]
    );
    assert!(
        done.journal[2].payload.contains(r#""address":"BUSAN""#),
        "the order as it was"
    );
    assert_eq!(done.journal[0].traceparent.as_deref(), Some("00-1-2-01"));
    assert_eq!(
        done.outcomes,
        [
            OrderOutcome::Changed(order(1, 5, "SEOUL")),
            OrderOutcome::Unchanged(order(1, 5, "SEOUL")),
            OrderOutcome::Changed(order(1, 6, "BUSAN")),
            OrderOutcome::Cancelled(Version(7)),
            OrderOutcome::Missing,
        ]
    );
}

#[test]
fn new_orders_take_their_numbers_in_order() {
    let batch = [place("A"), modify(3, "C"), place("B")];
    let decision = decide_orders(table([order(3, 1, "PUSAN")]), &batch);
    assert_eq!(decision.inserts, [fields("A"), fields("B")]);
    assert_eq!(decision.updates, [order(3, 2, "C")]);
    let done = decision.complete(&[OrderId(7), OrderId(8)], NOW);
    assert_eq!(
        journal(&done.journal),
        ["OrderPlaced 7 v1", "OrderModified 3 v2", "OrderPlaced 8 v1"]
    );
    assert_eq!(done.outcomes[2], OrderOutcome::Placed(order(8, 1, "B")));
}

#[test]
fn what_changes_nothing_or_is_not_allowed_writes_nothing() {
    let mut blank = fields("A");
    blank.customer_id = None;
    let batch = [
        request(OrderCommand::Place(blank.clone())),
        modify(1, "PUSAN"),
        request(OrderCommand::Change(OrderId(1), Change::Replace(blank))),
        modify(2, "SEOUL"),
        cancel(2),
    ];
    let decision = decide_orders(table([order(1, 1, "PUSAN")]), &batch);
    assert!(decision.is_empty());
    let done = decision.complete(&[], NOW);
    assert_eq!(done.journal, []);
    let [
        OrderOutcome::Invalid(new),
        OrderOutcome::Unchanged(_),
        OrderOutcome::Invalid(change),
        rest @ ..,
    ] = &done.outcomes[..]
    else {
        panic!("{:?}", done.outcomes);
    };
    assert_eq!(
        (&new.fields[..], &change.fields[..]),
        (&["customerId"][..], &["customerId"][..])
    );
    assert_eq!(rest, [OrderOutcome::Missing, OrderOutcome::Missing]);
}

#[test]
fn a_change_that_is_not_allowed_leaves_what_came_before_it_in_the_batch() {
    let nobody = OrderPatch {
        customer_id: Some(None),
        ..OrderPatch::default()
    };
    let batch = [
        modify(1, "SEOUL"),
        request(OrderCommand::Change(OrderId(1), Change::Merge(nobody))),
    ];
    let decision = decide_orders(table([order(1, 1, "PUSAN")]), &batch);
    assert_eq!(decision.updates, [order(1, 2, "SEOUL")]);
}

fn event(event_type: OrderEventType, version: Option<i64>, fields: OrderPatch) -> DeliveryRequest {
    DeliveryRequest {
        event: IncomingEvent {
            order_id: OrderId(6),
            version: version.map(Version),
            event_type,
            fields,
        },
        traceparent: None,
        provenance: Provenance::default(),
    }
}

fn delivery(id: i64, version: i64, events: i64, address: &str, status: &str) -> Delivery {
    Delivery {
        id: DeliveryId(id),
        order_id: Some(OrderId(6)),
        fields: OrderFields {
            address: Some(address.into()),
            ..OrderFields::default()
        },
        status: Some(status.into()),
        version: Version(version),
        events: Version(events),
    }
}

fn applied(delivery: Delivery, before: Option<(i64, &str)>) -> DeliveryOutcome {
    let before = before.map(|(version, status)| DeliveryBefore {
        version: Version(version),
        status: Some(status.to_owned()),
    });
    DeliveryOutcome::Applied { delivery, before }
}

#[test]
fn a_delivery_follows_its_order_within_one_batch() {
    let batch = [
        event(OrderEventType::Placed, Some(1), move_to("PUSAN")),
        event(OrderEventType::Modified, Some(2), move_to("SEOUL")),
        event(OrderEventType::Cancelled, Some(3), move_to("ELSEWHERE")),
    ];
    assert_eq!(looked_up_orders(&batch), [OrderId(6)]);
    let decision = decide_deliveries(BTreeMap::new(), &batch);
    assert_eq!(decision.inserts.len(), 1);
    assert_eq!(decision.inserts[0].status, "DELIVERY CANCELLED");
    let done = decision.complete(&[DeliveryId(8)], NOW);
    assert_eq!(
        done.outcomes,
        [
            applied(delivery(8, 1, 1, "PUSAN", "DELIVERY STARTED"), None),
            applied(
                delivery(8, 2, 2, "SEOUL", "DELIVERY MODIFIED"),
                Some((1, "DELIVERY STARTED"))
            ),
            applied(
                delivery(8, 3, 3, "SEOUL", "DELIVERY CANCELLED"),
                Some((2, "DELIVERY MODIFIED"))
            ),
        ]
    );
    assert_eq!(
        journal(&done.journal),
        [
            "DeliveryStarted 8 v1",
            "DeliveryModified 8 v2",
            "DeliveryCancelled 8 v3"
        ]
    );
    assert!(done.journal.iter().all(|entry| entry.order_id == OrderId(6)));
}

#[test]
fn a_late_modification_overwrites_a_cancellation() {
    let cancelled = BTreeMap::from([(OrderId(6), delivery(8, 3, 2, "PUSAN", "DELIVERY CANCELLED"))]);
    let batch = [event(OrderEventType::Modified, Some(2), move_to("SEOUL"))];
    let decision = decide_deliveries(cancelled, &batch);
    let modified = delivery(8, 3, 3, "SEOUL", "DELIVERY MODIFIED");
    assert_eq!(decision.updates, std::slice::from_ref(&modified));
    let done = decision.complete(&[], NOW);
    assert_eq!(done.outcomes, [applied(modified, Some((3, "DELIVERY CANCELLED")))]);
}

#[test]
fn a_second_placed_makes_a_second_delivery_and_the_first_one_is_found() {
    let batch = [
        event(OrderEventType::Placed, None, move_to("PUSAN")),
        event(OrderEventType::Placed, Some(1), move_to("PUSAN")),
        event(OrderEventType::Modified, None, move_to("SEOUL")),
    ];
    let decision = decide_deliveries(BTreeMap::new(), &batch);
    let done = decision.complete(&[DeliveryId(1), DeliveryId(2)], NOW);
    assert_eq!(
        done.outcomes[1..],
        [
            applied(delivery(2, 1, 1, "PUSAN", "DELIVERY STARTED"), None),
            applied(
                delivery(1, 1, 2, "SEOUL", "DELIVERY MODIFIED"),
                Some((1, "DELIVERY STARTED"))
            ),
        ]
    );
    assert_eq!(
        done.journal[2].event_type,
        EventType::Delivery(DeliveryEventType::Modified)
    );
}

#[test]
fn an_event_of_an_unknown_order_finds_nothing() {
    let batch = [event(OrderEventType::Cancelled, Some(3), OrderPatch::default())];
    let decision = decide_deliveries(BTreeMap::new(), &batch);
    assert!(decision.is_empty());
    assert_eq!(decision.complete(&[], NOW).outcomes, [DeliveryOutcome::NoDelivery]);
}
