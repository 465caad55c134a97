//! The fence's rows: loads cursors and parked events, and writes what a batch decides.

use std::collections::{BTreeMap, BTreeSet};

use keylane_log::Timestamp;
use rusqlite::{Connection, OptionalExtension, params};

use super::database::{Database, Durability};
use super::{applies, deliveries, journal, letters, parked};
use shop::domain::decide::{FenceDecision, FenceRow, decide_fence, fenced_orders};
use shop::domain::fence::{FenceCommand, FenceOutcome, ParkedEvent, Worker};
use shop::domain::{DeliveryId, OrderId, Source, Version};
use shop::store::Result;

const CURSOR: &str = "select version, parked, worker, worker_until from order_cursor where order_id = ?";
const MOVE: &str = "insert into order_cursor (order_id, version, parked, worker, worker_until) values (?1, ?2, ?3, ?4, ?5) \
                    on conflict (order_id) do update set version = ?2, parked = ?3, worker = ?4, worker_until = ?5";

impl Database {
    /// Runs commands to the fence as one batch, and returns their outcomes, in order. A transaction that writes has the whole
    /// file to itself until it ends, so no rows have to be locked.
    ///
    /// # Errors
    /// As [`FenceStore::run_fence`](shop::store::FenceStore::run_fence), never `Unknown`.
    pub fn run_fence(&mut self, batch: &[FenceCommand], now: Timestamp) -> Result<Vec<FenceOutcome>> {
        self.run_fence_on(BTreeMap::new(), batch, now)
    }

    /// Runs commands to the fence as one batch. The rows of the orders in `known` are not loaded, but taken as they are.
    pub(super) fn run_fence_on(
        &mut self,
        known: BTreeMap<OrderId, FenceRow>,
        batch: &[FenceCommand],
        now: Timestamp,
    ) -> Result<Vec<FenceOutcome>> {
        self.serves(Source::Deliveries)?;
        self.write(Durability::Full, |connection| {
            let mut rows = load(connection, &fenced_orders(batch))?;
            rows.extend(known);
            let decision = decide_fence(rows, batch, now);
            let (inserted, handed_over) = write(connection, &decision)?;
            let done = decision.complete(&inserted, handed_over, now);
            journal::append(connection, Source::Deliveries, &done.journal)?;
            applies::append(connection, &done.applies)?;
            Ok(done.outcomes)
        })
    }
}

/// Loads the rows of these orders, each with the parked events of the versions that are named.
pub(super) fn load(
    connection: &Connection,
    orders: &BTreeMap<OrderId, BTreeSet<Version>>,
) -> rusqlite::Result<BTreeMap<OrderId, FenceRow>> {
    let mut rows = BTreeMap::new();
    for (order, versions) in orders {
        let mut row = cursor(connection, *order)?;
        row.delivery = deliveries::find(connection, *order)?;
        row.heads = parked::heads(connection, *order, &row.wanted(versions))?;
        rows.insert(*order, row);
    }
    Ok(rows)
}

fn cursor(connection: &Connection, order: OrderId) -> rusqlite::Result<FenceRow> {
    let row = connection.prepare_cached(CURSOR)?.query_row([order.0], |row| {
        Ok(FenceRow {
            cursor: row.get::<_, Option<i64>>(0)?.map(Version),
            parked: row.get(1)?,
            worker: worker(row.get(2)?, row.get(3)?),
            ..FenceRow::default()
        })
    });
    Ok(row.optional()?.unwrap_or_default())
}

fn worker(instance: Option<String>, until: Option<i64>) -> Option<Worker> {
    let (instance, until) = (instance?, Timestamp(until?));
    Some(Worker { instance, until })
}

fn write(connection: &Connection, decision: &FenceDecision) -> rusqlite::Result<(Vec<DeliveryId>, Vec<ParkedEvent>)> {
    let inserted = deliveries::insert(connection, &decision.inserts)?;
    deliveries::update(connection, &decision.updates)?;
    let mut statement = connection.prepare_cached(MOVE)?;
    for cursor in &decision.cursors {
        let worker = cursor.worker.as_ref();
        statement.execute(params![
            cursor.order_id.0,
            cursor.version.0,
            cursor.parked,
            worker.map(|worker| &worker.instance),
            worker.map(|worker| worker.until.0)
        ])?;
    }
    parked::write(connection, decision)?;
    letters::append(connection, &decision.letters)?;
    Ok((inserted, parked::handed_over(connection, &decision.handed_over)?))
}
