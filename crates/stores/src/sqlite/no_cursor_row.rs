//! The planted defect [`Bug::NoCursorRow`](planted::Bug::NoCursorRow): what happens on a server where an order's cursor is not
//! inserted before the order is decided on.
//!
//! ```text
//!   one instance:      reads: no cursor ──▶ applies v1, writes cursor 1, nothing parked ─────────────────────┐
//!   another instance:  reads: no cursor ──▶ parks v2, writes cursor 0, one parked ──▶ whose row is written last?
//! ```
//! A row that is missing can't be locked, so both decide on what they have read before either of them writes. In a SQLite file a
//! transaction that writes has no other beside it; here the reading is a unit of work of its own, with room for others behind it.

use std::collections::BTreeMap;

use keylane_log::Timestamp;

use super::database::Database;
use super::{SqliteStore, fence};
use shop::domain::decide::{FenceRow, fenced_orders};
use shop::domain::fence::{FenceCommand, FenceOutcome};
use shop::domain::{OrderId, Source};
use shop::store::Result;

impl SqliteStore {
    /// Runs a batch that locks the cursors that are there, and no others.
    pub(super) async fn run_fence_without_cursors(
        &self,
        batch: Vec<FenceCommand>,
        now: Timestamp,
    ) -> Result<Vec<FenceOutcome>> {
        let read = batch.clone();
        let unborn = self.read("run_fence", move |database| database.unborn(&read)).await?;
        self.write("run_fence", move |database| database.run_fence_on(unborn, &batch, now))
            .await
    }
}

impl Database {
    /// The rows of the orders that a batch names and that have no cursor.
    fn unborn(&mut self, batch: &[FenceCommand]) -> Result<BTreeMap<OrderId, FenceRow>> {
        self.serves(Source::Deliveries)?;
        let mut rows = self.read(|connection| fence::load(connection, &fenced_orders(batch)))?;
        rows.retain(|_, row| row.cursor.is_none());
        Ok(rows)
    }
}
