//! Deliveries: applies a batch of order events as one transaction, and reads deliveries.

use std::collections::BTreeMap;

use keylane_log::Timestamp;
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::database::{Database, Durability};
use super::{applies, journal, pages};
use shop::domain::decide::{NewDelivery, decide_deliveries, looked_up_orders};
use shop::domain::{Delivery, DeliveryId, DeliveryOutcome, DeliveryRequest, OrderFields, OrderId, Source, Version};
use shop::store::{Page, PageRequest, Result};

const COLUMNS: &str = "id, orderId, productId, productName, qty, customerId, address, status, version, events";
const BY_ID: &str = "select id, orderId, productId, productName, qty, customerId, address, status, version, events \
                     from Delivery_table where id = ?";
const AFTER: &str = "select id, orderId, productId, productName, qty, customerId, address, status, version, events \
                     from Delivery_table where id > ? order by id limit ?";
const BY_ORDER: &str = "select id, orderId, productId, productName, qty, customerId, address, status, version, events \
                        from Delivery_table where orderId = ? order by id limit 1";
const ALL_BY_ORDER: &str = "select id, orderId, productId, productName, qty, customerId, address, status, version, events \
                            from Delivery_table where orderId = ? order by id";
const INSERT: &str = "insert into Delivery_table (orderId, customerId, productId, productName, qty, address, status, \
                      version, events) values (?, ?, ?, ?, ?, ?, ?, ?, ?)";
const UPDATE: &str = "update Delivery_table set customerId = ?, productId = ?, productName = ?, qty = ?, \
                      address = ?, status = ?, version = ?, events = ? where id = ?";

impl Database {
    /// Applies order events as one batch, without a fence, and returns their outcomes, in order.
    ///
    /// # Errors
    /// As [`Store::run_deliveries`](shop::store::Store::run_deliveries), never `Unknown`.
    pub fn run_deliveries(&mut self, batch: &[DeliveryRequest], now: Timestamp) -> Result<Vec<DeliveryOutcome>> {
        self.serves(Source::Deliveries)?;
        self.write(Durability::Full, |connection| {
            let deliveries = load(connection, &looked_up_orders(batch))?;
            let decision = decide_deliveries(deliveries, batch);
            let inserted = insert(connection, &decision.inserts)?;
            update(connection, &decision.updates)?;
            let done = decision.complete(&inserted, now);
            journal::append(connection, Source::Deliveries, &done.journal)?;
            applies::append(connection, &done.applies)?;
            Ok(done.outcomes)
        })
    }

    /// The delivery with this number.
    ///
    /// # Errors
    /// As [`Store::delivery`](shop::store::Store::delivery); `Rejected` if the database is the order service's.
    pub fn delivery(&mut self, id: DeliveryId) -> Result<Option<Delivery>> {
        self.serves(Source::Deliveries)?;
        self.read(|connection| connection.prepare_cached(BY_ID)?.query_row([id.0], delivery).optional())
    }

    /// One page of all deliveries.
    ///
    /// # Errors
    /// As [`Store::deliveries`](shop::store::Store::deliveries); `Rejected` if the database is the order service's.
    pub fn deliveries(&mut self, page: &PageRequest) -> Result<Page<Delivery>> {
        self.serves(Source::Deliveries)?;
        self.read(|connection| pages::page(connection, "Delivery_table", COLUMNS, page, delivery))
    }

    /// The first `limit` deliveries with numbers above `after`, ascending.
    ///
    /// # Errors
    /// As [`HistoryStore::deliveries_after`](shop::store::HistoryStore::deliveries_after); `Rejected` if the database is the
    /// order service's.
    pub fn deliveries_after(&mut self, after: DeliveryId, limit: usize) -> Result<Vec<Delivery>> {
        self.serves(Source::Deliveries)?;
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        self.read(|connection| {
            let mut statement = connection.prepare_cached(AFTER)?;
            let rows = statement.query_map([after.0, limit], delivery)?;
            rows.collect()
        })
    }

    /// All deliveries of this order, ascending.
    ///
    /// # Errors
    /// As [`HistoryStore::deliveries_of`](shop::store::HistoryStore::deliveries_of); `Rejected` if the database is the order
    /// service's.
    pub fn deliveries_of(&mut self, order: OrderId) -> Result<Vec<Delivery>> {
        self.serves(Source::Deliveries)?;
        self.read(|connection| {
            let mut statement = connection.prepare_cached(ALL_BY_ORDER)?;
            let rows = statement.query_map([order.0], delivery)?;
            rows.collect()
        })
    }

    /// The delivery of this order; if there are several, the one with the lowest number.
    ///
    /// # Errors
    /// As [`Store::delivery_of`](shop::store::Store::delivery_of); `Rejected` if the database is the order service's.
    pub fn delivery_of(&mut self, order: OrderId) -> Result<Option<Delivery>> {
        self.serves(Source::Deliveries)?;
        self.read(|connection| find(connection, order))
    }
}

fn load(connection: &Connection, orders: &[OrderId]) -> rusqlite::Result<BTreeMap<OrderId, Delivery>> {
    let mut deliveries = BTreeMap::new();
    for order in orders {
        if let Some(delivery) = find(connection, *order)? {
            deliveries.insert(*order, delivery);
        }
    }
    Ok(deliveries)
}

/// The delivery of an order; if there are several, the one with the lowest number.
pub(super) fn find(connection: &Connection, order: OrderId) -> rusqlite::Result<Option<Delivery>> {
    connection
        .prepare_cached(BY_ORDER)?
        .query_row([order.0], delivery)
        .optional()
}

/// Inserts new rows. Returns their numbers, which ascend in the rows' order.
pub(super) fn insert(connection: &Connection, deliveries: &[NewDelivery]) -> rusqlite::Result<Vec<DeliveryId>> {
    let mut statement = connection.prepare_cached(INSERT)?;
    let insert = |delivery: &NewDelivery| {
        let fields = &delivery.fields;
        statement.insert(params![
            delivery.order_id.0,
            fields.customer_id,
            fields.product_id,
            fields.product_name,
            fields.qty,
            fields.address,
            delivery.status,
            delivery.version.0,
            delivery.events.0
        ])
    };
    deliveries.iter().map(insert).map(|id| id.map(DeliveryId)).collect()
}

/// Updates rows to the given state.
pub(super) fn update(connection: &Connection, deliveries: &[Delivery]) -> rusqlite::Result<()> {
    let mut statement = connection.prepare_cached(UPDATE)?;
    for delivery in deliveries {
        let fields = &delivery.fields;
        statement.execute(params![
            fields.customer_id,
            fields.product_id,
            fields.product_name,
            fields.qty,
            fields.address,
            delivery.status,
            delivery.version.0,
            delivery.events.0,
            delivery.id.0
        ])?;
    }
    Ok(())
}

fn delivery(row: &Row<'_>) -> rusqlite::Result<Delivery> {
    Ok(Delivery {
        id: DeliveryId(row.get(0)?),
        order_id: row.get::<_, Option<i64>>(1)?.map(OrderId),
        fields: OrderFields {
            product_id: row.get(2)?,
            product_name: row.get(3)?,
            qty: row.get(4)?,
            customer_id: row.get(5)?,
            address: row.get(6)?,
        },
        status: row.get(7)?,
        version: Version(row.get(8)?),
        events: Version(row.get(9)?),
    })
}
