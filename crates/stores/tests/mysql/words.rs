//! Short functions for what the tests do with a store.

use std::time::{Duration, Instant};

use keylane_log::Timestamp;
use shop::domain::{
    Change, Condition, DeliveryRequest, IncomingEvent, OrderCommand, OrderEventType, OrderFields, OrderId,
    OrderOutcome, OrderPatch, OrderRequest, Provenance, Version,
};

/// The timestamp of every command.
pub const NOW: Timestamp = Timestamp(1_749_697_512_193);

/// Waits until a condition holds.
pub async fn until<F: Future<Output = bool>>(what: &str, condition: impl Fn() -> F) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !condition().await {
        assert!(Instant::now() < deadline, "{what}: not within a minute");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

pub fn radio() -> OrderFields {
    OrderFields {
        product_id: Some("100".into()),
        product_name: Some("RADIO".into()),
        qty: Some(3),
        customer_id: Some(2000),
        address: Some("부산 🏠".into()),
    }
}

pub fn request(command: OrderCommand) -> OrderRequest {
    OrderRequest {
        command,
        condition: Condition::default(),
        traceparent: None,
    }
}

pub fn place() -> OrderRequest {
    request(OrderCommand::Place(radio()))
}

pub fn move_to(id: OrderId, address: &str) -> OrderRequest {
    let patch = OrderPatch {
        address: Some(Some(address.to_owned())),
        ..OrderPatch::default()
    };
    request(OrderCommand::Change(id, Change::Merge(patch)))
}

pub fn number_of(outcome: &OrderOutcome) -> OrderId {
    match outcome {
        OrderOutcome::Placed(order) => order.id,
        other => panic!("not placed: {other:?}"),
    }
}

/// An event that sets the quantity to 7.
pub fn event(order: i64, version: i64, event_type: OrderEventType) -> DeliveryRequest {
    let fields = OrderPatch {
        qty: Some(Some(7)),
        ..OrderPatch::default()
    };
    DeliveryRequest {
        event: IncomingEvent {
            order_id: OrderId(order),
            version: Some(Version(version)),
            event_type,
            fields,
        },
        traceparent: None,
        provenance: Provenance::default(),
    }
}
