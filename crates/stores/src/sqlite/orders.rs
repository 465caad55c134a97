//! Orders: runs a batch of commands as one transaction, and reads orders.

use std::collections::BTreeMap;

use keylane_log::Timestamp;
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::database::{Database, Durability};
use super::{journal, pages};
use shop::domain::decide::{decide_orders, named_orders};
use shop::domain::{JournalEntry, Order, OrderFields, OrderId, OrderOutcome, OrderRequest, Source, Version};
use shop::store::{Page, PageRequest, Result};

const COLUMNS: &str = "id, version, productId, productName, qty, customerId, address";
const BY_ID: &str =
    "select id, version, productId, productName, qty, customerId, address from Order_table where id = ?";
const INSERT: &str =
    "insert into Order_table (address, customerId, productId, productName, qty, version) values (?, ?, ?, ?, ?, 1)";
const UPDATE: &str = "update Order_table set address = ?, customerId = ?, productId = ?, productName = ?, qty = ?, \
                      version = ? where id = ?";
/// SQLite notes the highest number that it has ever given to a row of such a table.
const LAST: &str = "select coalesce(max(seq), 0) from sqlite_sequence where name = 'Order_table'";
const DELETE: &str = "delete from Order_table where id = ?";

impl Database {
    /// Runs order commands as one batch, and returns their outcomes, in order.
    ///
    /// # Errors
    /// As [`Store::run_orders`](shop::store::Store::run_orders), never `Unknown`.
    pub fn run_orders(&mut self, batch: &[OrderRequest], now: Timestamp) -> Result<Vec<OrderOutcome>> {
        self.serves(Source::Orders)?;
        self.write(Durability::Full, |connection| {
            let orders = load(connection, &named_orders(batch))?;
            let decision = decide_orders(orders, batch);
            let inserted = insert(connection, &decision.inserts)?;
            update(connection, &decision.updates)?;
            delete(connection, &decision.deletes)?;
            let done = decision.complete(&inserted, now);
            journal::append(connection, Source::Orders, &done.journal)?;
            Ok(done.outcomes)
        })
    }

    /// The number that the next order gets.
    ///
    /// # Errors
    /// As [`Store::next_order`](shop::store::Store::next_order); `Rejected` if the database is the delivery service's.
    pub fn next_order(&mut self) -> Result<OrderId> {
        self.serves(Source::Orders)?;
        let last: i64 = self.read(|connection| connection.query_row(LAST, [], |row| row.get(0)))?;
        Ok(OrderId(last.saturating_add(1)))
    }

    /// The order with this number.
    ///
    /// # Errors
    /// As [`Store::order`](shop::store::Store::order); `Rejected` if the database is the delivery service's.
    pub fn order(&mut self, id: OrderId) -> Result<Option<Order>> {
        self.serves(Source::Orders)?;
        self.read(|connection| find(connection, id))
    }

    /// One page of all orders.
    ///
    /// # Errors
    /// As [`Store::orders`](shop::store::Store::orders); `Rejected` if the database is the delivery service's.
    pub fn orders(&mut self, page: &PageRequest) -> Result<Page<Order>> {
        self.serves(Source::Orders)?;
        self.read(|connection| pages::page(connection, "Order_table", COLUMNS, page, order))
    }

    /// Every event of an order, oldest first.
    ///
    /// # Errors
    /// As [`Store::order_events`](shop::store::Store::order_events); `Rejected` if the database is the delivery service's.
    pub fn order_events(&mut self, id: OrderId) -> Result<Vec<JournalEntry>> {
        self.serves(Source::Orders)?;
        self.read(|connection| journal::of_order(connection, id))
    }
}

fn load(connection: &Connection, ids: &[OrderId]) -> rusqlite::Result<BTreeMap<OrderId, Order>> {
    let mut orders = BTreeMap::new();
    for id in ids {
        if let Some(order) = find(connection, *id)? {
            orders.insert(*id, order);
        }
    }
    Ok(orders)
}

fn find(connection: &Connection, id: OrderId) -> rusqlite::Result<Option<Order>> {
    connection.prepare_cached(BY_ID)?.query_row([id.0], order).optional()
}

fn insert(connection: &Connection, orders: &[OrderFields]) -> rusqlite::Result<Vec<OrderId>> {
    let mut statement = connection.prepare_cached(INSERT)?;
    let insert = |fields: &OrderFields| {
        statement.insert(params![
            fields.address,
            fields.customer_id,
            fields.product_id,
            fields.product_name,
            fields.qty
        ])
    };
    orders.iter().map(insert).map(|id| id.map(OrderId)).collect()
}

fn update(connection: &Connection, orders: &[Order]) -> rusqlite::Result<()> {
    let mut statement = connection.prepare_cached(UPDATE)?;
    for Order { id, version, fields } in orders {
        statement.execute(params![
            fields.address,
            fields.customer_id,
            fields.product_id,
            fields.product_name,
            fields.qty,
            version.0,
            id.0
        ])?;
    }
    Ok(())
}

fn delete(connection: &Connection, ids: &[OrderId]) -> rusqlite::Result<()> {
    let mut statement = connection.prepare_cached(DELETE)?;
    for id in ids {
        statement.execute([id.0])?;
    }
    Ok(())
}

fn order(row: &Row<'_>) -> rusqlite::Result<Order> {
    Ok(Order {
        id: OrderId(row.get(0)?),
        version: Version(row.get(1)?),
        fields: OrderFields {
            product_id: row.get(2)?,
            product_name: row.get(3)?,
            qty: row.get(4)?,
            customer_id: row.get(5)?,
            address: row.get(6)?,
        },
    })
}
