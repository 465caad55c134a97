//! Deliveries: a batch of order events as one transaction, and reading them.

use std::collections::BTreeMap;

use keylane_log::Timestamp;
use sqlx::mysql::MySqlRow;

use super::rows::{self, FIELDS, bind_fields, column, fields, statement};
use super::session::Session;
use super::{applies, journal};
use shop::domain::decide::{NewDelivery, decide_deliveries, looked_up_orders};
use shop::domain::{Delivery, DeliveryId, DeliveryOutcome, DeliveryRequest, OrderId, Source, Version};
use shop::store::{Page, PageRequest, Result};

const COLUMNS: &str = "id, orderId, status, version, events";

/// Applies a batch of events without a fence: it locks once, writes at most twice, and commits once.
pub(super) async fn run(
    session: &mut Session,
    batch: &[DeliveryRequest],
    now: Timestamp,
) -> Result<Vec<DeliveryOutcome>> {
    let looked_up = lock(session, &looked_up_orders(batch)).await?;
    let decision = decide_deliveries(looked_up, batch);
    if decision.is_empty() {
        session.roll_back().await;
        return Ok(decision.complete(&[], now).outcomes);
    }
    let inserted = insert(session, &decision.inserts).await?;
    update(session, &decision.updates).await?;
    let done = decision.complete(&inserted, now);
    journal::append(session, Source::Deliveries, &done.journal).await?;
    applies::append(session, &done.applies).await?;
    session.commit().await?;
    Ok(done.outcomes)
}

/// The delivery with this number.
pub(super) async fn one(session: &mut Session, id: DeliveryId) -> Result<Option<Delivery>> {
    first(session, "where id = ?", id.0).await
}

/// The delivery of an order; if there are several, the one with the lowest number.
pub(super) async fn of(session: &mut Session, order: OrderId) -> Result<Option<Delivery>> {
    first(session, "where orderId = ? order by id limit 1", order.0).await
}

/// All deliveries of an order, ascending.
pub(super) async fn all_of(session: &mut Session, order: OrderId) -> Result<Vec<Delivery>> {
    let sql = format!("select {COLUMNS}, {FIELDS} from Delivery_table where orderId = ? order by id");
    let rows = session.fetch(statement(sql).bind(order.0)).await?;
    rows.iter().map(delivery).collect()
}

/// One page of all deliveries.
pub(super) async fn page(session: &mut Session, request: &PageRequest) -> Result<Page<Delivery>> {
    let (rows, total) = rows::page(session, "Delivery_table", &format!("{COLUMNS}, {FIELDS}"), request).await?;
    let items = rows.iter().map(delivery).collect::<Result<_>>()?;
    Ok(Page { items, total })
}

/// The first `limit` deliveries with numbers above `after`.
pub(super) async fn after(session: &mut Session, after: DeliveryId, limit: usize) -> Result<Vec<Delivery>> {
    let sql = format!("select {COLUMNS}, {FIELDS} from Delivery_table where id > ? order by id limit ?");
    let rows = session.fetch(statement(sql).bind(after.0).bind(limit as u64)).await?;
    rows.iter().map(delivery).collect()
}

async fn first(session: &mut Session, condition: &str, number: i64) -> Result<Option<Delivery>> {
    let sql = format!("select {COLUMNS}, {FIELDS} from Delivery_table {condition}");
    let rows = session.fetch(statement(sql).bind(number)).await?;
    rows.first().map(delivery).transpose()
}

/// Locks and loads the deliveries of these orders. All transactions lock in the order of the index. The index is named,
/// because the server may otherwise scan, and lock, the whole of a table that it takes for small.
pub(super) async fn lock(session: &mut Session, orders: &[OrderId]) -> Result<BTreeMap<OrderId, Delivery>> {
    let orders: Vec<i64> = orders.iter().map(|order| order.0).collect();
    let mut lowest = BTreeMap::<OrderId, Delivery>::new();
    for list in rows::lists(&orders) {
        let marks = rows::marks(list.len());
        let mut query = statement(format!(
            "select {COLUMNS}, {FIELDS} from Delivery_table force index (Delivery_table_orderId) \
             where orderId in ({marks}) for update"
        ));
        for order in list {
            query = query.bind(order);
        }
        for row in session.lock(query).await? {
            let delivery = delivery(&row)?;
            let Some(order) = delivery.order_id else { continue };
            if lowest.get(&order).is_none_or(|other| delivery.id < other.id) {
                lowest.insert(order, delivery);
            }
        }
    }
    Ok(lowest)
}

/// Inserts new rows. Returns their numbers, which ascend in the rows' order.
pub(super) async fn insert(session: &mut Session, deliveries: &[NewDelivery]) -> Result<Vec<DeliveryId>> {
    let mut ids = Vec::with_capacity(deliveries.len());
    for piece in rows::pieces(deliveries) {
        let mut query = statement(format!(
            "insert into Delivery_table (orderId, status, version, events, {FIELDS}) values {}",
            rows::tuples(piece.len(), 9)
        ));
        for new in piece {
            query = query.bind(new.order_id.0).bind(new.status);
            query = bind_fields(query.bind(new.version.0).bind(new.events.0), &new.fields);
        }
        ids.extend(session.insert(piece.len(), query).await?.into_iter().map(DeliveryId));
    }
    Ok(ids)
}

/// Updates rows, several in one statement. The rows exist and are locked, so each of these inserts becomes an update.
pub(super) async fn update(session: &mut Session, deliveries: &[Delivery]) -> Result<()> {
    for piece in rows::pieces(deliveries) {
        let mut query = statement(format!(
            "insert into Delivery_table ({COLUMNS}, {FIELDS}) values {} on duplicate key update status = values(status), \
             version = values(version), events = values(events), productId = values(productId), \
             productName = values(productName), qty = values(qty), customerId = values(customerId), \
             address = values(address)",
            rows::tuples(piece.len(), 10)
        ));
        for delivery in piece {
            query = query.bind(delivery.id.0).bind(delivery.order_id.map(|order| order.0));
            query = query.bind(delivery.status.as_deref());
            query = bind_fields(query.bind(delivery.version.0).bind(delivery.events.0), &delivery.fields);
        }
        session.execute(query).await?;
    }
    Ok(())
}

fn delivery(row: &MySqlRow) -> Result<Delivery> {
    Ok(Delivery {
        id: DeliveryId(column(row, 0)?),
        order_id: column::<Option<i64>>(row, 1)?.map(OrderId),
        status: column(row, 2)?,
        version: Version(column(row, 3)?),
        events: Version(column(row, 4)?),
        fields: fields(row, 5)?,
    })
}
