//! What the two resources differ in: the rest of this module is written once for both.

use serde::ser::SerializeMap;

use shop::domain::{Delivery, DeliveryId, Order, OrderFields, OrderId, Version};
use shop::store::{Page, PageRequest, Result, Store};

/// Rows that are shown over HTTP.
pub(super) trait Entity: Sized + Send + Sync {
    /// The collection's path, which is its rel after a slash.
    const PATH: &'static str;
    /// The rel of an item.
    const ITEM_REL: &'static str;
    /// The properties, in body order.
    const PROPERTIES: &'static [&'static str];
    /// Whether clients may change it over HTTP, and so see what they changed as events.
    const WRITABLE: bool;
    /// The one search it has.
    const SEARCH: Option<&'static str>;

    /// The rel of the collection.
    fn rel() -> &'static str {
        &Self::PATH[1..]
    }

    /// The number that its href ends in.
    fn number(&self) -> i64;

    /// What its `ETag` says: it changes whenever the row does.
    fn revision(&self) -> Version;

    /// Writes the properties, in body order.
    fn write_properties<M: SerializeMap>(&self, map: &mut M) -> Result<(), M::Error>;

    /// The row of this number.
    fn find(store: &dyn Store, number: i64) -> impl Future<Output = Result<Option<Self>>> + Send;

    /// A page of all rows.
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

    /// Not the version of the order: without a fence events may change a delivery that name none.
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

    async fn page(store: &dyn Store, page: &PageRequest) -> Result<Page<Self>> {
        store.deliveries(page).await
    }
}
