//! Orders: a batch of commands as one transaction, and reading them.

use std::collections::BTreeMap;

use keylane_log::Timestamp;
use sqlx::mysql::MySqlRow;

use super::journal;
use super::rows::{self, FIELDS, bind_fields, column, fields, statement};
use super::session::Session;
use shop::domain::decide::{decide_orders, named_orders};
use shop::domain::{Order, OrderFields, OrderId, OrderOutcome, OrderRequest, Source, Version};
use shop::store::{Page, PageRequest, Result};

/// Runs a batch of commands: locks once, writes at most one insert, update and delete for each table, and commits once.
pub(super) async fn run(session: &mut Session, batch: &[OrderRequest], now: Timestamp) -> Result<Vec<OrderOutcome>> {
    let named = lock(session, &named_orders(batch)).await?;
    let decision = decide_orders(named, batch);
    if decision.is_empty() {
        session.roll_back().await;
        return Ok(decision.complete(&[], now).outcomes);
    }
    let inserted = insert(session, &decision.inserts).await?;
    update(session, &decision.updates).await?;
    delete(session, &decision.deletes).await?;
    let done = decision.complete(&inserted, now);
    journal::append(session, Source::Orders, &done.journal).await?;
    session.commit().await?;
    Ok(done.outcomes)
}

/// The number that the next order gets: what the server says, or the one behind the journal's highest, if the server tells an
/// older number from its cache.
pub(super) async fn next(session: &mut Session) -> Result<OrderId> {
    let sql = "select cast(coalesce(auto_increment, 1) as signed), \
               (select coalesce(max(order_id), 0) + 1 from order_event), (select coalesce(max(id), 0) + 1 from Order_table) \
               from information_schema.tables where table_schema = database() and table_name = 'Order_table'";
    let rows = session.fetch(statement(sql.to_owned())).await?;
    let mut next = 1;
    for row in &rows {
        for at in 0..3 {
            next = next.max(column::<i64>(row, at)?);
        }
    }
    Ok(OrderId(next))
}

/// The order with this number.
pub(super) async fn one(session: &mut Session, id: OrderId) -> Result<Option<Order>> {
    let sql = format!("select id, version, {FIELDS} from Order_table where id = ?");
    let rows = session.fetch(statement(sql).bind(id.0)).await?;
    rows.first().map(order).transpose()
}

/// One page of all orders.
pub(super) async fn page(session: &mut Session, request: &PageRequest) -> Result<Page<Order>> {
    let (rows, total) = rows::page(session, "Order_table", &format!("id, version, {FIELDS}"), request).await?;
    let items = rows.iter().map(order).collect::<Result<_>>()?;
    Ok(Page { items, total })
}

/// Locks and loads these orders. The index is named, because the server may otherwise scan, and lock, the whole of a table
/// that it takes for small. A row that another session has locked is not waited for: the batch is rolled back at once and
/// runs again request by request, so that only the requests about that row wait.
async fn lock(session: &mut Session, ids: &[OrderId]) -> Result<BTreeMap<OrderId, Order>> {
    let ids: Vec<i64> = ids.iter().map(|id| id.0).collect();
    let mut locked = BTreeMap::new();
    for list in rows::lists(&ids) {
        let marks = rows::marks(list.len());
        let mut query = statement(format!(
            "select id, version, {FIELDS} from Order_table force index (primary) \
             where id in ({marks}) order by id for update nowait"
        ));
        for id in list {
            query = query.bind(id);
        }
        for row in session.lock(query).await? {
            let order = order(&row)?;
            locked.insert(order.id, order);
        }
    }
    Ok(locked)
}

async fn insert(session: &mut Session, orders: &[OrderFields]) -> Result<Vec<OrderId>> {
    let mut ids = Vec::with_capacity(orders.len());
    for piece in rows::pieces(orders) {
        let tuples = rows::tuples(piece.len(), 5);
        let mut query = statement(format!("insert into Order_table ({FIELDS}) values {tuples}"));
        for fields in piece {
            query = bind_fields(query, fields);
        }
        ids.extend(session.insert(piece.len(), query).await?.into_iter().map(OrderId));
    }
    Ok(ids)
}

/// Updates rows, several in one statement. The rows exist and are locked, so each of these inserts becomes an update.
async fn update(session: &mut Session, orders: &[Order]) -> Result<()> {
    for piece in rows::pieces(orders) {
        let mut query = statement(format!(
            "insert into Order_table (id, version, {FIELDS}) values {} on duplicate key update version = values(version), \
             productId = values(productId), productName = values(productName), qty = values(qty), \
             customerId = values(customerId), address = values(address)",
            rows::tuples(piece.len(), 7)
        ));
        for order in piece {
            query = bind_fields(query.bind(order.id.0).bind(order.version.0), &order.fields);
        }
        session.execute(query).await?;
    }
    Ok(())
}

async fn delete(session: &mut Session, ids: &[OrderId]) -> Result<()> {
    let ids: Vec<i64> = ids.iter().map(|id| id.0).collect();
    for list in rows::lists(&ids) {
        let mut query = statement(format!(
            "delete from Order_table where id in ({})",
            rows::marks(list.len())
        ));
        for id in list {
            query = query.bind(id);
        }
        session.execute(query).await?;
    }
    Ok(())
}

fn order(row: &MySqlRow) -> Result<Order> {
    Ok(Order {
        id: OrderId(column(row, 0)?),
        version: Version(column(row, 1)?),
        fields: fields(row, 2)?,
    })
}
