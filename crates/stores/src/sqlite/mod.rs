//! The SQLite adapter: a file of its own for each service, which any number of processes of one machine share.
//!
//! ```text
//!   SqliteStore ──▶ writer thread ── turn ──▶ Database ─▶ orders.db
//!              └──▶ reader threads ─────────▶ Database ─▶ (committed data only)
//! ```
//! [`Database`] is the synchronous core over one connection, which may also be one in memory. The threads that run it are in
//! the module `driver`.
//!
//! # Invariants
//! * Every write is one IMMEDIATE transaction, made by the writer thread while it has its turn at the file ([`Turnstile`]).
//! * A read never waits for the writer: SQLite's WAL mode gives each read a snapshot of the committed data.
//! * A commit is on the disk before its caller gets an answer, except for publication marks and leases, whose loss does no
//!   harm.
//! * A transaction that fails, even in its COMMIT, is rolled back: this adapter never returns `Unknown` for it.
//!
//! [`Turnstile`]: keylane_log::turnstile::Turnstile

mod applies;
mod backlog;
mod database;
mod deliveries;
mod driver;
mod error;
mod fence;
mod general_ci;
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

use driver::Threads;
use shop::domain::fence::{DeadLetter, FenceCommand, FenceOutcome, Mark, ParkedEvent, ParkedKey};
use shop::domain::{
    Delivery, DeliveryId, DeliveryOutcome, DeliveryRequest, JournalEntry, Order, OrderId, OrderOutcome, OrderRequest,
    Source, Version,
};
use shop::store::{ApplyRow, Backlog, FenceStore, HistoryStore, JournalRow, Page, PageRequest, Result, Store};

/// How many threads read. A page of a large table keeps one of them busy for a while; more threads would only compete for the
/// processor.
const READERS: usize = 2;

/// A service's SQLite file, as a [`Store`].
pub struct SqliteStore {
    writer: Threads,
    readers: Threads,
}

impl SqliteStore {
    /// Opens the database of `source` at `path`, and creates it if it is missing; its folder must exist. This blocks while
    /// another process opens the file or writes to it.
    ///
    /// The store refuses work of the other service with `Rejected`.
    ///
    /// # Errors
    /// `Unavailable` if another program keeps the file locked, `Broken` if the file can't be used at all (read-only folder,
    /// not a database, corrupt).
    pub fn open(path: &Path, source: Source) -> Result<Self> {
        let writer = Threads::writer(path, source)?;
        let readers = Threads::readers(path, source, READERS)?;
        Ok(Self { writer, readers })
    }

    /// Opens the database of `source` at `path`, which must be there, for reading: it is left as it is, and writes fail.
    ///
    /// # Errors
    /// As [`Self::open`], and `Broken` if the file was made by an older version and not brought up to date yet.
    pub fn open_to_read(path: &Path, source: Source) -> Result<Self> {
        let reader = || Threads::readers(path, source, 1);
        let (writer, readers) = (reader()?, reader()?);
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

    async fn next_order(&self) -> Result<OrderId> {
        self.readers.run(|database| database.next_order()).await
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

    async fn unpublished(&self, source: Source, after: i64, limit: usize) -> Result<Vec<JournalRow>> {
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

    async fn lease_holder(&self, name: &str, now: Timestamp) -> Result<Option<String>> {
        let name = name.to_owned();
        self.readers
            .run(move |database| database.lease_holder(&name, now))
            .await
    }

    async fn note_start(&self, source: Source, now: Timestamp) -> Result<()> {
        self.writer.run(move |database| database.note_start(source, now)).await
    }

    async fn last_start(&self, source: Source) -> Result<Option<Timestamp>> {
        self.readers.run(move |database| database.last_start(source)).await
    }

    async fn backlog(&self, source: Source) -> Result<Backlog> {
        self.readers.run(move |database| database.backlog(source)).await
    }

    async fn ping(&self) -> Result<()> {
        if self.writer.is_in_trouble() {
            // After a failed write, a successful read would not show that writes work again.
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

    async fn applies_of(&self, order: OrderId, after: i64, span: i64) -> Result<Option<Vec<ApplyRow>>> {
        self.readers
            .run(move |database| database.applies_of(order, after, span))
            .await
    }

    async fn deliveries_of(&self, order: OrderId) -> Result<Vec<Delivery>> {
        self.readers.run(move |database| database.deliveries_of(order)).await
    }

    async fn recent_apply(&self, order: OrderId, version: Version) -> Result<Option<ApplyRow>> {
        self.readers
            .run(move |database| database.recent_apply(order, version))
            .await
    }

    async fn deliveries_after(&self, after: DeliveryId, limit: usize) -> Result<Vec<Delivery>> {
        self.readers
            .run(move |database| database.deliveries_after(after, limit))
            .await
    }
}
