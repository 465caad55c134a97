//! What a case needs of an adapter, and short functions for what it does with a store.

use std::sync::Arc;

use async_trait::async_trait;
use keylane_log::Timestamp;
use shop::domain::{
    Change, Condition, Delivery, DeliveryOutcome, DeliveryRequest, IncomingEvent, JournalEntry, Order, OrderCommand,
    OrderEventType, OrderFields, OrderId, OrderOutcome, OrderPatch, OrderRequest, Provenance, Source, Version,
};
use shop::store::{PageRequest, Sort, Store};

/// One empty database, or one for each service, which can be opened any number of times.
#[async_trait]
pub trait Fixture: Send + Sync {
    /// Opens the database of a service. A second call stands for another process, or for the same one after a restart.
    async fn open(&self, source: Source) -> Arc<dyn Store>;

    /// Runs one SQL statement on the database without the store, as another program would.
    async fn execute(&self, source: Source, sql: &str);
}

/// The timestamp of everything that a case gives no time of its own.
pub const NOW: Timestamp = Timestamp(1_749_697_512_193);

pub fn fields(address: &str) -> OrderFields {
    OrderFields {
        product_id: Some("100".into()),
        product_name: Some("RADIO".into()),
        qty: Some(3),
        customer_id: Some(2000),
        address: Some(address.into()),
    }
}

pub fn move_to(address: &str) -> OrderPatch {
    OrderPatch {
        address: Some(Some(address.into())),
        ..OrderPatch::default()
    }
}

pub fn request(command: OrderCommand) -> OrderRequest {
    OrderRequest {
        command,
        condition: Condition::default(),
        traceparent: None,
    }
}

pub fn place(address: &str) -> OrderRequest {
    request(OrderCommand::Place(fields(address)))
}

pub fn modify(id: OrderId, address: &str) -> OrderRequest {
    request(OrderCommand::Change(id, Change::Merge(move_to(address))))
}

pub fn cancel(id: OrderId) -> OrderRequest {
    request(OrderCommand::Cancel(id))
}

/// Runs one command and returns its outcome.
pub async fn run(store: &dyn Store, request: OrderRequest) -> OrderOutcome {
    let outcomes = store.run_orders(&[request], NOW).await.unwrap();
    let [outcome] = <[_; 1]>::try_from(outcomes).expect("one outcome a request");
    outcome
}

/// Places an order that the rules allow.
pub async fn placed(store: &dyn Store, fields: OrderFields) -> Order {
    match run(store, request(OrderCommand::Place(fields))).await {
        OrderOutcome::Placed(order) => order,
        other => panic!("not placed: {other:?}"),
    }
}

pub fn event(order: i64, version: Option<i64>, event_type: OrderEventType, fields: OrderPatch) -> DeliveryRequest {
    DeliveryRequest {
        event: IncomingEvent {
            order_id: OrderId(order),
            version: version.map(Version),
            event_type,
            fields,
        },
        traceparent: None,
        provenance: Provenance::default(),
    }
}

/// An event that carries every field, as the order service's events do.
pub fn full_event(order: i64, version: i64, event_type: OrderEventType, address: &str) -> DeliveryRequest {
    let fields = fields(address);
    let patch = OrderPatch {
        product_id: Some(fields.product_id),
        product_name: Some(fields.product_name),
        qty: Some(fields.qty),
        customer_id: Some(fields.customer_id),
        address: Some(fields.address),
    };
    event(order, Some(version), event_type, patch)
}

/// Applies one event without a fence.
pub async fn apply(store: &dyn Store, request: DeliveryRequest) -> DeliveryOutcome {
    let outcomes = store.run_deliveries(&[request], NOW).await.unwrap();
    let [outcome] = <[_; 1]>::try_from(outcomes).expect("one outcome an event");
    outcome
}

/// Applies one event without a fence, and expects that it finds its delivery.
pub async fn applied(store: &dyn Store, request: DeliveryRequest) -> Delivery {
    match apply(store, request).await {
        DeliveryOutcome::Applied { delivery, .. } => delivery,
        other => panic!("not applied: {other:?}"),
    }
}

/// Each journal row as `OrderModified v2`.
pub fn names<'a>(entries: impl IntoIterator<Item = &'a JournalEntry>) -> Vec<String> {
    let name = |entry: &JournalEntry| format!("{} v{}", entry.event_type.name(), entry.version);
    entries.into_iter().map(name).collect()
}

/// A request for a page, sorted by `qty` ascending or, with `-qty`, descending.
pub fn page(page: u64, size: u64, sort: &[&'static str]) -> PageRequest {
    let sort = sort.iter().map(|property| Sort {
        property: property.trim_start_matches('-'),
        descending: property.starts_with('-'),
    });
    PageRequest {
        page,
        size,
        sort: sort.collect(),
    }
}
