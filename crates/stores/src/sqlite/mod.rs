//! The SQLite adapter: a file of its own for each service, which any number of processes of one machine share.
//!
//! ```text
//!   SqliteStore ──▶ writer thread ── turn ──▶ Database ─▶ orders.db
//!              └──▶ reader threads ─────────▶ Database ─▶ (committed data only)
//! ```
//! [`Database`] is the synchronous core over one connection, in memory too; the threads around it are the driver.
//!
//! # Invariants
//! * Every write is one IMMEDIATE transaction, made by the writer while it holds the file's turn ([`Turnstile`]).
//! * A read never waits for the writer: WAL gives each a snapshot of what is committed.
//! * Commits reach the disk before they are answered, but for marks and leases, which can be lost without harm.
//! * A transaction that fails, in its COMMIT too, is rolled back: this adapter never answers `Unknown` for it.
//!
//! [`Turnstile`]: keylane_log::turnstile::Turnstile

mod applies;
mod backlog;
mod database;
mod deliveries;
mod driver;
mod error;
mod fence;
mod history;
mod journal;
mod letters;
mod orders;
mod pages;
mod parked;
mod schema;

pub use database::Database;

use std::path::Path;
use std::time::Duration;

use async_trait::async_trait;
use keylane_log::Timestamp;

use driver::Crew;
use shop::domain::fence::{DeadLetter, FenceCommand, FenceOutcome, Mark, ParkedEvent, ParkedKey};
use shop::domain::{
    Delivery, DeliveryId, DeliveryOutcome, DeliveryRequest, JournalEntry, Order, OrderId, OrderOutcome, OrderRequest,
    Source, Version,
};
use shop::store::{ApplyRow, Backlog, FenceStore, HistoryStore, JournalRow, Page, PageRequest, Result, Store};

/// Reads that run at once. A page of a large table keeps one of them busy for a while; more would only share two cores.
const READERS: usize = 2;

/// A service's SQLite file, as a [`Store`].
pub struct SqliteStore {
    writer: Crew,
    readers: Crew,
}

impl SqliteStore {
    /// Opens the database of `source` at `path` and creates it when it is missing; its folder must exist. Blocks for as
    /// long as it takes another process to open or write the file.
    ///
    /// Work of the other service is answered with `Rejected`.
    ///
    /// # Errors
    /// `Unavailable` if somebody keeps the file locked, `Broken` if it can't be used at all (read-only folder, not a
    /// database, corrupt).
    pub fn open(path: &Path, source: Source) -> Result<Self> {
        let writer = Crew::writer(path, source)?;
        let readers = Crew::readers(path, source, READERS)?;
        Ok(Self { writer, readers })
    }
}

#[async_trait]
impl Store for SqliteStore {
    async fn run_orders(&self, batch: &[OrderRequest], now: Timestamp) -> Result<Vec<OrderOutcome>> {
        let batch = batch.to_vec();
        self.writer.run(move |database| database.run_orders(&batch, now)).await
    }

    async fn run_deliveries(&self, batch: &[DeliveryRequest], now: Timestamp) -> Result<Vec<DeliveryOutcome>> {
        let batch = batch.to_vec();
        self.writer
            .run(move |database| database.run_deliveries(&batch, now))
            .await
    }

    async fn order(&self, id: OrderId) -> Result<Option<Order>> {
        self.readers.run(move |database| database.order(id)).await
    }

    async fn orders(&self, page: &PageRequest) -> Result<Page<Order>> {
        let page = page.clone();
        self.readers.run(move |database| database.orders(&page)).await
    }

    async fn order_events(&self, id: OrderId) -> Result<Vec<JournalEntry>> {
        self.readers.run(move |database| database.order_events(id)).await
    }

    async fn delivery(&self, id: DeliveryId) -> Result<Option<Delivery>> {
        self.readers.run(move |database| database.delivery(id)).await
    }

    async fn deliveries(&self, page: &PageRequest) -> Result<Page<Delivery>> {
        let page = page.clone();
        self.readers.run(move |database| database.deliveries(&page)).await
    }

    async fn delivery_of(&self, order: OrderId) -> Result<Option<Delivery>> {
        self.readers.run(move |database| database.delivery_of(order)).await
    }

    async fn unpublished(&self, source: Source, after: i64, limit: usize) -> Result<Vec<JournalEntry>> {
        self.readers
            .run(move |database| database.unpublished(source, after, limit))
            .await
    }

    async fn mark_published(&self, source: Source, ids: &[i64]) -> Result<()> {
        let ids = ids.to_vec();
        self.writer
            .run(move |database| database.mark_published(source, &ids))
            .await
    }

    async fn lease(&self, name: &str, holder: &str, ttl: Duration, now: Timestamp) -> Result<bool> {
        let (name, holder) = (name.to_owned(), holder.to_owned());
        self.writer
            .run(move |database| database.lease(&name, &holder, ttl, now))
            .await
    }

    async fn backlog(&self, source: Source) -> Result<Backlog> {
        self.readers.run(move |database| database.backlog(source)).await
    }

    async fn ping(&self) -> Result<()> {
        if self.writer.is_in_trouble() {
            // That it can be read says nothing while it takes no writes.
            return self.writer.run(Database::probe).await;
        }
        self.readers.run(|database| database.ping()).await
    }
}

#[async_trait]
impl FenceStore for SqliteStore {
    async fn run_fence(&self, batch: &[FenceCommand], now: Timestamp) -> Result<Vec<FenceOutcome>> {
        let batch = batch.to_vec();
        self.writer.run(move |database| database.run_fence(&batch, now)).await
    }

    async fn parked_keys(&self, after: OrderId, limit: usize) -> Result<Vec<ParkedKey>> {
        self.readers
            .run(move |database| database.parked_keys(after, limit))
            .await
    }

    async fn marked_keys(&self, mark: Mark, after: OrderId, limit: usize) -> Result<Vec<ParkedKey>> {
        self.readers
            .run(move |database| database.marked_keys(mark, after, limit))
            .await
    }

    async fn parked_events(&self, order: OrderId, after: Version, limit: usize) -> Result<Vec<ParkedEvent>> {
        self.readers
            .run(move |database| database.parked_events(order, after, limit))
            .await
    }

    async fn dead_letters(&self, unpublished: bool, after: i64, limit: usize) -> Result<Vec<DeadLetter>> {
        self.readers
            .run(move |database| database.dead_letters(unpublished, after, limit))
            .await
    }

    async fn mark_letters_published(&self, ids: &[i64]) -> Result<()> {
        let ids = ids.to_vec();
        self.writer
            .run(move |database| database.mark_letters_published(&ids))
            .await
    }
}

#[async_trait]
impl HistoryStore for SqliteStore {
    async fn journal(&self, source: Source, after: i64, limit: usize) -> Result<Vec<JournalRow>> {
        self.readers
            .run(move |database| database.journal(source, after, limit))
            .await
    }

    async fn applies(&self, after: i64, limit: usize) -> Result<Vec<ApplyRow>> {
        self.readers.run(move |database| database.applies(after, limit)).await
    }

    async fn deliveries_after(&self, after: DeliveryId, limit: usize) -> Result<Vec<Delivery>> {
        self.readers
            .run(move |database| database.deliveries_after(after, limit))
            .await
    }
}
