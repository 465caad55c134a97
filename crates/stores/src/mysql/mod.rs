//! The MySQL adapter: orders or deliveries on a MySQL 8 or MariaDB server (10.6 or later), with the same SQL for both.
//!
//! ```text
//!  MysqlStore ─┬─ transactions ── orders, deliveries, fence: lock and load, decide, write, commit
//!              └─ statements ──── pages, journal, lease: one statement, one transaction
//!                     │
//!                  Sessions: connections with a deadline ── Session: one of them
//! ```
//!
//! # Invariants
//! * Statements always name their columns, because tables that another system made have them in another order.
//! * Transactions are READ COMMITTED and lock rows in ascending order, so batches queue instead of deadlocking.
//! * Every call returns within 2 s, whatever the server does.

mod address;
mod applies;
mod backlog;
mod deliveries;
mod error;
mod fence;
mod history;
mod journal;
mod lease;
mod letters;
mod orders;
mod parked;
mod remove;
mod rows;
mod schema;
mod session;
mod sessions;
mod silence;
mod writable;

pub use parked::pages as parked_pages;
pub use remove::drop_database;
pub use writable::takes_writes;

pub use schema::Trial;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use keylane_log::Timestamp;

use self::address::Address;
use self::session::Ending;
use self::sessions::{Server, Sessions};
use shop::domain::fence::{DeadLetter, FenceCommand, FenceOutcome, Mark, ParkedEvent, ParkedKey};
use shop::domain::{
    Delivery, DeliveryId, DeliveryOutcome, DeliveryRequest, JournalEntry, Order, OrderId, OrderOutcome, OrderRequest,
    Source, Version,
};
use shop::store::{ApplyRow, Backlog, FenceStore, HistoryStore, JournalRow, Page, PageRequest, Result, Store};

/// How many connections run batches: one for the running batch, others for requests that are retried alone.
const TRANSACTIONS: usize = 8;
/// How many connections serve everything else.
const STATEMENTS: usize = 8;

/// The database of one service on a MySQL or MariaDB server. Both services may share a database, as each has its own tables.
pub struct MysqlStore {
    transactions: Sessions,
    statements: Sessions,
    server: Arc<Server>,
    source: Source,
}

impl MysqlStore {
    /// Opens the database at `mysql://user:password@host:port/database`. Creates the database and the service's tables if
    /// they are missing, and brings the tables of an older system up to date, keeping their rows. Any number of processes
    /// may do so at once.
    ///
    /// # Errors
    /// [`Unavailable`](shop::store::StoreError::Unavailable) while the server can't be reached or another session holds the
    /// tables, [`Broken`](shop::store::StoreError::Broken) for an address, a login or tables that can't be used.
    pub async fn connect(url: &str, source: Source) -> Result<Self> {
        let address = Address::parse(url)?;
        schema::prepare(&address, source).await?;
        Ok(Self::at(address, source))
    }

    /// Opens a database that a service has made ready, to read from it. An account that may only select is enough, and
    /// nothing is created or changed.
    ///
    /// # Errors
    /// As for [`connect`](Self::connect), and [`Broken`](shop::store::StoreError::Broken) for tables that are missing or not
    /// up to date.
    pub async fn connect_to_read(url: &str, source: Source) -> Result<Self> {
        let address = Address::parse(url)?;
        schema::must_be_ready(&address, source).await?;
        Ok(Self::at(address, source))
    }

    /// Runs a service's statements on temporary tables, to find out whether the server takes them; nothing stays.
    ///
    /// # Errors
    /// The error of the first statement that fails.
    pub async fn try_out(url: &str, source: Source) -> Result<Trial> {
        schema::try_out(&Address::parse(url)?, source).await
    }

    fn at(address: Address, source: Source) -> Self {
        let server = Arc::new(Server::default());
        Self {
            transactions: Sessions::new(address.clone(), Ending::Commit, TRANSACTIONS, server.clone()),
            statements: Sessions::new(address, Ending::Auto, STATEMENTS, server.clone()),
            server,
            source,
        }
    }
}

/// Runs `$work` with a session of `$sessions`. The session moves into the future and out again, because the compiler can't
/// see that a future which borrows from a closure's argument is `Send`.
macro_rules! with {
    ($sessions:expr, |$session:ident| $work:expr) => {
        $sessions
            .run(|mut owned| async move {
                let $session = &mut owned;
                let result = $work.await;
                (owned, result)
            })
            .await
    };
}

#[async_trait]
impl Store for MysqlStore {
    async fn run_orders(&self, batch: &[OrderRequest], now: Timestamp) -> Result<Vec<OrderOutcome>> {
        with!(self.transactions, |session| orders::run(session, batch, now))
    }

    async fn run_deliveries(&self, batch: &[DeliveryRequest], now: Timestamp) -> Result<Vec<DeliveryOutcome>> {
        with!(self.transactions, |session| deliveries::run(session, batch, now))
    }

    async fn next_order(&self) -> Result<OrderId> {
        with!(self.statements, |session| orders::next(session))
    }

    async fn order(&self, id: OrderId) -> Result<Option<Order>> {
        with!(self.statements, |session| orders::one(session, id))
    }

    async fn orders(&self, page: &PageRequest) -> Result<Page<Order>> {
        with!(self.statements, |session| orders::page(session, page))
    }

    async fn order_events(&self, id: OrderId) -> Result<Vec<JournalEntry>> {
        with!(self.statements, |session| journal::of_order(session, id))
    }

    async fn delivery(&self, id: DeliveryId) -> Result<Option<Delivery>> {
        with!(self.statements, |session| deliveries::one(session, id))
    }

    async fn deliveries(&self, page: &PageRequest) -> Result<Page<Delivery>> {
        with!(self.statements, |session| deliveries::page(session, page))
    }

    async fn delivery_of(&self, order: OrderId) -> Result<Option<Delivery>> {
        with!(self.statements, |session| deliveries::of(session, order))
    }

    async fn unpublished(&self, source: Source, after: i64, limit: usize) -> Result<Vec<JournalRow>> {
        with!(self.statements, |session| journal::unpublished(
            session, source, after, limit
        ))
    }

    async fn mark_published(&self, source: Source, ids: &[i64]) -> Result<()> {
        with!(self.statements, |session| journal::mark_published(session, source, ids))
    }

    async fn lease(&self, name: &str, holder: &str, ttl: Duration, now: Timestamp) -> Result<bool> {
        with!(self.statements, |session| lease::take(session, name, holder, ttl, now))
    }

    async fn lease_holder(&self, name: &str, now: Timestamp) -> Result<Option<String>> {
        with!(self.statements, |session| lease::holder(session, name, now))
    }

    async fn note_start(&self, source: Source, now: Timestamp) -> Result<()> {
        with!(self.statements, |session| lease::note_start(session, source, now))
    }

    async fn last_start(&self, source: Source) -> Result<Option<Timestamp>> {
        with!(self.statements, |session| lease::last_start(session, source))
    }

    async fn backlog(&self, source: Source) -> Result<Backlog> {
        with!(self.statements, |session| backlog::of(session, source))
    }

    async fn ping(&self) -> Result<()> {
        let suspect = self.server.is_suspect();
        with!(self.statements, |session| writable::probe(
            session,
            self.source,
            suspect
        ))?;
        self.server.takes_writes();
        Ok(())
    }
}

#[async_trait]
impl FenceStore for MysqlStore {
    async fn run_fence(&self, batch: &[FenceCommand], now: Timestamp) -> Result<Vec<FenceOutcome>> {
        with!(self.transactions, |session| fence::run(session, batch, now))
    }

    async fn parked_keys(&self, after: OrderId, limit: usize) -> Result<Vec<ParkedKey>> {
        with!(self.statements, |session| parked::keys(session, after, limit))
    }

    async fn marked_keys(&self, mark: Mark, after: OrderId, limit: usize) -> Result<Vec<ParkedKey>> {
        with!(self.statements, |session| parked::marked(session, mark, after, limit))
    }

    async fn parked_events(&self, order: OrderId, after: Version, limit: usize) -> Result<Vec<ParkedEvent>> {
        with!(self.statements, |session| parked::events(session, order, after, limit))
    }

    async fn dead_letters(&self, unpublished: bool, after: i64, limit: usize) -> Result<Vec<DeadLetter>> {
        with!(self.statements, |session| letters::page(
            session,
            unpublished,
            after,
            limit
        ))
    }

    async fn mark_letters_published(&self, ids: &[i64]) -> Result<()> {
        with!(self.statements, |session| letters::mark_published(session, ids))
    }
}

#[async_trait]
impl HistoryStore for MysqlStore {
    async fn journal(&self, source: Source, after: i64, limit: usize) -> Result<Vec<JournalRow>> {
        with!(self.statements, |session| journal::all(session, source, after, limit))
    }

    async fn applies(&self, after: i64, limit: usize) -> Result<Vec<ApplyRow>> {
        with!(self.statements, |session| history::applies(session, after, limit))
    }

    async fn applies_of(&self, order: OrderId, after: i64, span: i64) -> Result<Option<Vec<ApplyRow>>> {
        with!(self.statements, |session| history::applies_of(
            session, order, after, span
        ))
    }

    async fn deliveries_of(&self, order: OrderId) -> Result<Vec<Delivery>> {
        with!(self.statements, |session| deliveries::all_of(session, order))
    }

    async fn recent_apply(&self, order: OrderId, version: Version) -> Result<Option<ApplyRow>> {
        with!(self.statements, |session| history::recent_apply(
            session, order, version
        ))
    }

    async fn deliveries_after(&self, after: DeliveryId, limit: usize) -> Result<Vec<Delivery>> {
        with!(self.statements, |session| deliveries::after(session, after, limit))
    }
}
