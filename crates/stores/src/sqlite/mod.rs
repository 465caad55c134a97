//! The SQLite adapter: a file of its own for each service, which any number of processes of one machine share.
//!
//! ```text
//!   SqliteStore ──▶ writer thread ── turn ──▶ Database ─▶ orders.db
//!              └──▶ reader threads ─────────▶ Database ─▶ (committed data only)
//!
//!   SqliteStore ──▶ RunWork, in the calling task ─▶ Database, in memory
//! ```
//! [`Database`] is the synchronous core over one connection. The threads that run it on a file are in the module `driver`; the
//! module `inline` does without threads.
//!
//! # Invariants
//! * Every write is one IMMEDIATE transaction. That of a file is made by the writer thread while it has its turn at the file
//!   ([`Turnstile`]).
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
mod inline;
mod journal;
mod letters;
mod no_cursor_row;
mod orders;
mod pages;
mod parked;
mod schema;

pub use database::Database;
pub use inline::{RunWork, Work};

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use keylane_log::Timestamp;
use planted::Bug;

use driver::Threads;
use inline::Inline;
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
pub struct SqliteStore(Connections);

/// The connections of a store, and who runs the work on them.
enum Connections {
    /// A file's, each with a thread of its own.
    Threads { writer: Threads, readers: Threads },
    /// One that other stores share, without a thread.
    Inline(Inline),
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
        Ok(Self(Connections::Threads { writer, readers }))
    }

    /// Opens the database of `source` at `path`, which must be there, for reading: it is left as it is, and writes fail.
    ///
    /// # Errors
    /// As [`Self::open`], and `Broken` if the file was made by an older version and not brought up to date yet.
    pub fn open_to_read(path: &Path, source: Source) -> Result<Self> {
        let reader = || Threads::readers(path, source, 1);
        let (writer, readers) = (reader()?, reader()?);
        Ok(Self(Connections::Threads { writer, readers }))
    }

    /// A store over a database that it shares with other stores. Each unit of work is run by `runner`.
    pub fn inline(database: Arc<Mutex<Database>>, runner: Arc<dyn RunWork>) -> Self {
        Self(Connections::Inline(Inline { database, runner }))
    }

    /// Has the unit of work `name` run, which writes.
    async fn write<T: Send + 'static>(
        &self,
        name: &'static str,
        work: impl FnOnce(&mut Database) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        match &self.0 {
            Connections::Threads { writer, .. } => writer.run(work).await,
            Connections::Inline(inline) => inline.run(name, work).await,
        }
    }

    /// Has the unit of work `name` run, which only reads.
    async fn read<T: Send + 'static>(
        &self,
        name: &'static str,
        work: impl FnOnce(&mut Database) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        match &self.0 {
            Connections::Threads { readers, .. } => readers.run(work).await,
            Connections::Inline(inline) => inline.run(name, work).await,
        }
    }

    /// Whether the last write failed because the database itself is in trouble, which one in memory never is.
    fn is_in_trouble(&self) -> bool {
        match &self.0 {
            Connections::Threads { writer, .. } => writer.is_in_trouble(),
            Connections::Inline(_) => false,
        }
    }
}

#[async_trait]
impl Store for SqliteStore {
    async fn run_orders(&self, batch: &[OrderRequest], now: Timestamp) -> Result<Vec<OrderOutcome>> {
        let batch = batch.to_vec();
        self.write("run_orders", move |database| database.run_orders(&batch, now))
            .await
    }

    async fn run_deliveries(&self, batch: &[DeliveryRequest], now: Timestamp) -> Result<Vec<DeliveryOutcome>> {
        let batch = batch.to_vec();
        self.write("run_deliveries", move |database| database.run_deliveries(&batch, now))
            .await
    }

    async fn next_order(&self) -> Result<OrderId> {
        self.read("next_order", |database| database.next_order()).await
    }

    async fn order(&self, id: OrderId) -> Result<Option<Order>> {
        self.read("order", move |database| database.order(id)).await
    }

    async fn orders(&self, page: &PageRequest) -> Result<Page<Order>> {
        let page = page.clone();
        self.read("orders", move |database| database.orders(&page)).await
    }

    async fn order_events(&self, id: OrderId) -> Result<Vec<JournalEntry>> {
        self.read("order_events", move |database| database.order_events(id))
            .await
    }

    async fn delivery(&self, id: DeliveryId) -> Result<Option<Delivery>> {
        self.read("delivery", move |database| database.delivery(id)).await
    }

    async fn deliveries(&self, page: &PageRequest) -> Result<Page<Delivery>> {
        let page = page.clone();
        self.read("deliveries", move |database| database.deliveries(&page))
            .await
    }

    async fn delivery_of(&self, order: OrderId) -> Result<Option<Delivery>> {
        self.read("delivery_of", move |database| database.delivery_of(order))
            .await
    }

    async fn unpublished(&self, source: Source, after: i64, limit: usize) -> Result<Vec<JournalRow>> {
        self.read("unpublished", move |database| {
            database.unpublished(source, after, limit)
        })
        .await
    }

    async fn mark_published(&self, source: Source, ids: &[i64]) -> Result<()> {
        let ids = ids.to_vec();
        self.write("mark_published", move |database| database.mark_published(source, &ids))
            .await
    }

    async fn lease(&self, name: &str, holder: &str, ttl: Duration, now: Timestamp) -> Result<bool> {
        let (name, holder) = (name.to_owned(), holder.to_owned());
        self.write("lease", move |database| database.lease(&name, &holder, ttl, now))
            .await
    }

    async fn lease_holder(&self, name: &str, now: Timestamp) -> Result<Option<String>> {
        let name = name.to_owned();
        self.read("lease_holder", move |database| database.lease_holder(&name, now))
            .await
    }

    async fn note_start(&self, source: Source, now: Timestamp) -> Result<()> {
        self.write("note_start", move |database| database.note_start(source, now))
            .await
    }

    async fn last_start(&self, source: Source) -> Result<Option<Timestamp>> {
        self.read("last_start", move |database| database.last_start(source))
            .await
    }

    async fn backlog(&self, source: Source) -> Result<Backlog> {
        self.read("backlog", move |database| database.backlog(source)).await
    }

    async fn ping(&self) -> Result<()> {
        if self.is_in_trouble() {
            // After a failed write, a successful read would not show that writes work again.
            return self.write("ping", Database::probe).await;
        }
        self.read("ping", |database| database.ping()).await
    }
}

#[async_trait]
impl FenceStore for SqliteStore {
    async fn run_fence(&self, batch: &[FenceCommand], now: Timestamp) -> Result<Vec<FenceOutcome>> {
        let batch = batch.to_vec();
        if planted::is_in(Bug::NoCursorRow) {
            return self.run_fence_without_cursors(batch, now).await;
        }
        self.write("run_fence", move |database| database.run_fence(&batch, now))
            .await
    }

    async fn parked_keys(&self, after: OrderId, limit: usize) -> Result<Vec<ParkedKey>> {
        self.read("parked_keys", move |database| database.parked_keys(after, limit))
            .await
    }

    async fn marked_keys(&self, mark: Mark, after: OrderId, limit: usize) -> Result<Vec<ParkedKey>> {
        self.read("marked_keys", move |database| database.marked_keys(mark, after, limit))
            .await
    }

    async fn parked_events(&self, order: OrderId, after: Version, limit: usize) -> Result<Vec<ParkedEvent>> {
        self.read("parked_events", move |database| {
            database.parked_events(order, after, limit)
        })
        .await
    }

    async fn dead_letters(&self, unpublished: bool, after: i64, limit: usize) -> Result<Vec<DeadLetter>> {
        self.read("dead_letters", move |database| {
            database.dead_letters(unpublished, after, limit)
        })
        .await
    }

    async fn mark_letters_published(&self, ids: &[i64]) -> Result<()> {
        let ids = ids.to_vec();
        self.write("mark_letters_published", move |database| {
            database.mark_letters_published(&ids)
        })
        .await
    }
}

#[async_trait]
impl HistoryStore for SqliteStore {
    async fn journal(&self, source: Source, after: i64, limit: usize) -> Result<Vec<JournalRow>> {
        self.read("journal", move |database| database.journal(source, after, limit))
            .await
    }

    async fn applies(&self, after: i64, limit: usize) -> Result<Vec<ApplyRow>> {
        self.read("applies", move |database| database.applies(after, limit))
            .await
    }

    async fn applies_of(&self, order: OrderId, after: i64, span: i64) -> Result<Option<Vec<ApplyRow>>> {
        self.read("applies_of", move |database| database.applies_of(order, after, span))
            .await
    }

    async fn deliveries_of(&self, order: OrderId) -> Result<Vec<Delivery>> {
        self.read("deliveries_of", move |database| database.deliveries_of(order))
            .await
    }

    async fn recent_apply(&self, order: OrderId, version: Version) -> Result<Option<ApplyRow>> {
        self.read("recent_apply", move |database| database.recent_apply(order, version))
            .await
    }

    async fn deliveries_after(&self, after: DeliveryId, limit: usize) -> Result<Vec<Delivery>> {
        self.read("deliveries_after", move |database| {
            database.deliveries_after(after, limit)
        })
        .await
    }
}
