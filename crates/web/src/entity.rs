//! The differences between the two resources, orders and deliveries. The other modules are written once for both.

use serde::ser::SerializeMap;

use shop::domain::{Delivery, DeliveryId, EventType, Order, OrderEventType, OrderFields, OrderId, Version};
use shop::store::{Page, PageRequest, Result, Store};

/// Rows that are shown over HTTP.
pub(super) trait Entity: Sized + Send + Sync {
    /// The collection's path: a slash and the collection's rel.
    const PATH: &'static str;
    /// The link relation (rel) of an item.
    const ITEM_REL: &'static str;
    /// The names of the properties, in body order.
    const PROPERTIES: &'static [&'static str];
    /// Whether clients may change rows over HTTP and read their events.
    const WRITABLE: bool;
    /// The name of the only search that the resource has.
    const SEARCH: Option<&'static str>;

    /// The rel of the collection.
    fn rel() -> &'static str {
        &Self::PATH[1..]
    }

    /// The row's number, in which its href ends.
    fn number(&self) -> i64;

    /// The number in the row's `ETag`, which changes whenever the row does.
    fn revision(&self) -> Version;

    /// Writes the properties, in body order.
    fn write_properties<M: SerializeMap>(&self, map: &mut M) -> Result<(), M::Error>;

    /// The row with this number.
    fn find(store: &dyn Store, number: i64) -> impl Future<Output = Result<Option<Self>>> + Send;

    /// A sentence about what became of a row that is not there; none if there is nothing to say.
    fn departure(store: &dyn Store, number: i64) -> impl Future<Output = Result<Option<String>>> + Send;

    /// One page of all rows.
    fn page(store: &dyn Store, page: &PageRequest) -> impl Future<Output = Result<Page<Self>>> + Send;
}

impl Entity for Order {
    const PATH: &'static str = "/orders";
    const ITEM_REL: &'static str = "order";
    const PROPERTIES: &'static [&'static str] = &["productId", "productName", "qty", "customerId", "address"];
    const WRITABLE: bool = true;
    const SEARCH: Option<&'static str> = None;

    fn number(&self) -> i64 {
        self.id.0
    }

    fn revision(&self) -> Version {
        self.version
    }

    fn write_properties<M: SerializeMap>(&self, map: &mut M) -> Result<(), M::Error> {
        let OrderFields {
            product_id,
            product_name,
            qty,
            customer_id,
            address,
        } = &self.fields;
        map.serialize_entry("productId", product_id)?;
        map.serialize_entry("productName", product_name)?;
        map.serialize_entry("qty", qty)?;
        map.serialize_entry("customerId", customer_id)?;
        map.serialize_entry("address", address)
    }

    async fn find(store: &dyn Store, number: i64) -> Result<Option<Self>> {
        store.order(OrderId(number)).await
    }

    async fn departure(store: &dyn Store, number: i64) -> Result<Option<String>> {
        let events = store.order_events(OrderId(number)).await?;
        let cancelled = EventType::Order(OrderEventType::Cancelled);
        let cancelled = events.last().is_some_and(|last| last.event_type == cancelled);
        Ok(cancelled
            .then(|| format!("Order {number} was cancelled. What happened to it is told at /orders/{number}/events.")))
    }

    async fn page(store: &dyn Store, page: &PageRequest) -> Result<Page<Self>> {
        store.orders(page).await
    }
}

impl Entity for Delivery {
    const PATH: &'static str = "/deliveries";
    const ITEM_REL: &'static str = "delivery";
    const PROPERTIES: &'static [&'static str] = &[
        "orderId",
        "customerId",
        "productId",
        "productName",
        "qty",
        "address",
        "status",
    ];
    const WRITABLE: bool = false;
    const SEARCH: Option<&'static str> = Some("findByOrderId");

    fn number(&self) -> i64 {
        self.id.0
    }

    /// The count of the delivery's own events. The order's version would not do: without a fence, events that have no version
    /// may change a delivery.
    fn revision(&self) -> Version {
        self.events
    }

    fn write_properties<M: SerializeMap>(&self, map: &mut M) -> Result<(), M::Error> {
        let OrderFields {
            product_id,
            product_name,
            qty,
            customer_id,
            address,
        } = &self.fields;
        map.serialize_entry("orderId", &self.order_id.map(|order| order.0))?;
        map.serialize_entry("customerId", customer_id)?;
        map.serialize_entry("productId", product_id)?;
        map.serialize_entry("productName", product_name)?;
        map.serialize_entry("qty", qty)?;
        map.serialize_entry("address", address)?;
        map.serialize_entry("status", &self.status)
    }

    async fn find(store: &dyn Store, number: i64) -> Result<Option<Self>> {
        store.delivery(DeliveryId(number)).await
    }

    /// A delivery stays, whatever becomes of its order.
    async fn departure(_: &dyn Store, _: i64) -> Result<Option<String>> {
        Ok(None)
    }

    async fn page(store: &dyn Store, page: &PageRequest) -> Result<Page<Self>> {
        store.deliveries(page).await
    }
}
