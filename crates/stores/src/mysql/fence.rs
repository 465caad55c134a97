//! The fence's rows: locks cursors, loads parked events, and writes what a batch decides.
//!
//! A cursor's row is inserted and locked before anything is decided. A missing row can't be locked, and an event that one
//! instance parks while another applies its predecessor would stay parked for ever.

use std::collections::{BTreeMap, BTreeSet};

use keylane_log::Timestamp;

use super::rows::{self, column, statement};
use super::session::Session;
use super::{applies, deliveries, journal, letters, parked};
use shop::domain::decide::{CursorChange, FenceDecision, FenceRow, decide_fence, fenced_orders};
use shop::domain::fence::{FenceCommand, FenceOutcome, ParkedEvent, Worker};
use shop::domain::{DeliveryId, OrderId, Source, Version};
use shop::store::Result;

/// Runs a batch of commands: inserts and locks the cursors, locks the deliveries, writes the decision, and commits once.
pub(super) async fn run(session: &mut Session, batch: &[FenceCommand], now: Timestamp) -> Result<Vec<FenceOutcome>> {
    let orders = fenced_orders(batch);
    let rows = load(session, &orders).await?;
    let decision = decide_fence(rows, batch, now);
    if decision.is_empty() {
        session.roll_back().await;
        return Ok(decision.complete(&[], Vec::new(), now).outcomes);
    }
    let (inserted, handed_over) = write(session, &decision).await?;
    let done = decision.complete(&inserted, handed_over, now);
    journal::append(session, Source::Deliveries, &done.journal).await?;
    applies::append(session, &done.applies).await?;
    session.commit().await?;
    Ok(done.outcomes)
}

async fn load(
    session: &mut Session,
    orders: &BTreeMap<OrderId, BTreeSet<Version>>,
) -> Result<BTreeMap<OrderId, FenceRow>> {
    let numbers: Vec<OrderId> = orders.keys().copied().collect();
    make_cursors(session, &numbers).await?;
    let mut rows = lock_cursors(session, &numbers).await?;
    for (order, delivery) in deliveries::lock(session, &numbers).await? {
        rows.entry(order).or_default().delivery = Some(delivery);
    }
    for (order, versions) in orders {
        let row = rows.entry(*order).or_default();
        let wanted = row.wanted(versions);
        row.heads = parked::heads(session, *order, &wanted).await?;
    }
    Ok(rows)
}

/// Inserts the cursors that are missing, in the order of their numbers. This is not an `insert ignore`, with which three
/// sessions deadlock on a new order. A cursor that exists already is locked as it has to be.
async fn make_cursors(session: &mut Session, orders: &[OrderId]) -> Result<()> {
    for piece in rows::pieces(orders) {
        let mut query = statement(format!(
            "insert into order_cursor (order_id) values {} on duplicate key update order_id = order_id",
            rows::tuples(piece.len(), 1)
        ));
        for order in piece {
            query = query.bind(order.0);
        }
        session.execute_locking(query).await?;
    }
    Ok(())
}

async fn lock_cursors(session: &mut Session, orders: &[OrderId]) -> Result<BTreeMap<OrderId, FenceRow>> {
    let numbers: Vec<i64> = orders.iter().map(|order| order.0).collect();
    let mut cursors = BTreeMap::new();
    for list in rows::lists(&numbers) {
        let marks = rows::marks(list.len());
        let mut query = statement(format!(
            "select order_id, version, cast(parked as signed), worker, worker_until from order_cursor force index (primary) \
             where order_id in ({marks}) for update"
        ));
        for order in list {
            query = query.bind(order);
        }
        for row in session.lock(query).await? {
            let cursor = FenceRow {
                cursor: column::<Option<i64>>(&row, 1)?.map(Version),
                parked: column(&row, 2)?,
                worker: worker(column(&row, 3)?, column(&row, 4)?),
                ..FenceRow::default()
            };
            cursors.insert(OrderId(column(&row, 0)?), cursor);
        }
    }
    Ok(cursors)
}

fn worker(instance: Option<String>, until: Option<i64>) -> Option<Worker> {
    let (instance, until) = (instance?, Timestamp(until?));
    Some(Worker { instance, until })
}

async fn write(session: &mut Session, decision: &FenceDecision) -> Result<(Vec<DeliveryId>, Vec<ParkedEvent>)> {
    let inserted = deliveries::insert(session, &decision.inserts).await?;
    deliveries::update(session, &decision.updates).await?;
    move_cursors(session, &decision.cursors).await?;
    parked::write(session, decision).await?;
    letters::append(session, &decision.letters).await?;
    let mut handed_over = Vec::with_capacity(decision.handed_over.len());
    for (order, version) in &decision.handed_over {
        handed_over.extend(parked::event(session, *order, *version).await?);
    }
    Ok((inserted, handed_over))
}

/// Updates cursors, several in one statement. The rows exist and are locked, so each of these inserts becomes an update.
async fn move_cursors(session: &mut Session, cursors: &[CursorChange]) -> Result<()> {
    for piece in rows::pieces(cursors) {
        let mut query = statement(format!(
            "insert into order_cursor (order_id, version, parked, worker, worker_until) values {} \
             on duplicate key update version = values(version), parked = values(parked), worker = values(worker), \
             worker_until = values(worker_until)",
            rows::tuples(piece.len(), 5)
        ));
        for cursor in piece {
            query = query.bind(cursor.order_id.0).bind(cursor.version.0).bind(cursor.parked);
            let worker = cursor.worker.as_ref();
            query = query.bind(worker.map(|worker| &*worker.instance));
            query = query.bind(worker.map(|worker| worker.until.0));
        }
        session.execute(query).await?;
    }
    Ok(())
}
