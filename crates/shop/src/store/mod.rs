//! The port to the databases. Every method is a whole unit of work: it happens altogether or not at all.
//!
//! A unit of work that writes is a *batch*: lock and load the named rows in id order, decide in memory with the domain's
//! pure functions, write with as few statements as there are tables, commit once. Several commands of one order in one
//! batch simply fold.

use std::time::Duration;

use async_trait::async_trait;
use keylane_log::Timestamp;

use crate::domain::decide::NewApply;
use crate::domain::fence::{DeadLetter, FenceCommand, FenceOutcome, Mark, ParkedEvent, ParkedKey};
use crate::domain::{
    Delivery, DeliveryId, DeliveryOutcome, DeliveryRequest, JournalEntry, Order, OrderId, OrderOutcome, OrderRequest,
    Source, Version,
};

/// The result of a call to a store.
pub type Result<T, E = StoreError> = std::result::Result<T, E>;

/// Why a store did not do what it was asked, named by what the caller does next.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// The database can't be reached; nothing was done. Try again later.
    #[error("{0}")]
    Unavailable(String),
    /// Rolled back because somebody else holds or changed the same rows (deadlock, lock timeout); nothing was done. The
    /// same batch may be run again, or its pieces one by one.
    #[error("{0}")]
    Conflict(String),
    /// The connection was lost inside the COMMIT: it happened, or it did not. Never run it again for a command.
    #[error("{0}")]
    Unknown(String),
    /// The database refused a statement of this batch (a value it can't hold): rolled back. Repeating it is in vain.
    #[error("{0}")]
    Rejected(String),
    /// The database answers and takes no writes (read-only, full), which may pass; nothing was done. Try again later.
    #[error("{0}")]
    Unwritable(String),
    /// The database is damaged or forbidden (corrupt, wrong password, no rights, no tables); nothing was done. Who starts
    /// stops and tells a person; who runs waits, as for one that can't be reached, until somebody has mended it.
    #[error("{0}")]
    Broken(String),
    /// A row holds what can't be read. Others are fine; asking again is in vain.
    #[error("{0}")]
    Unreadable(String),
}

impl StoreError {
    /// Whether it is the database that is in trouble, whatever it was asked for.
    pub fn is_outage(&self) -> bool {
        match self {
            Self::Unavailable(_) | Self::Unknown(_) | Self::Unwritable(_) | Self::Broken(_) => true,
            Self::Conflict(_) | Self::Rejected(_) | Self::Unreadable(_) => false,
        }
    }
}

/// The database of a service.
#[async_trait]
pub trait Store: FenceStore + HistoryStore {
    /// Runs order commands as one batch; one outcome each, in order. `now` becomes the events' timestamp.
    async fn run_orders(&self, batch: &[OrderRequest], now: Timestamp) -> Result<Vec<OrderOutcome>>;

    /// Applies order events to the deliveries as one batch, in the order given, in the naive consumer's way; one outcome
    /// each. `now` becomes the timestamp of the delivery events.
    async fn run_deliveries(&self, batch: &[DeliveryRequest], now: Timestamp) -> Result<Vec<DeliveryOutcome>>;

    /// The order of this number.
    async fn order(&self, id: OrderId) -> Result<Option<Order>>;

    /// A page of all orders.
    async fn orders(&self, page: &PageRequest) -> Result<Page<Order>>;

    /// Every event of an order, oldest first, also after its cancellation; empty if it never existed.
    async fn order_events(&self, id: OrderId) -> Result<Vec<JournalEntry>>;

    /// The delivery of this number.
    async fn delivery(&self, id: DeliveryId) -> Result<Option<Delivery>>;

    /// A page of all deliveries.
    async fn deliveries(&self, page: &PageRequest) -> Result<Page<Delivery>>;

    /// The delivery of this order; of several, the one with the lowest number.
    async fn delivery_of(&self, order: OrderId) -> Result<Option<Delivery>>;

    /// The oldest `limit` events of a journal that have not been marked as published, in journal order, from behind the
    /// row `after` (0: from the first).
    async fn unpublished(&self, source: Source, after: i64, limit: usize) -> Result<Vec<JournalEntry>>;

    /// Marks journal rows as published.
    async fn mark_published(&self, source: Source, ids: &[i64]) -> Result<()>;

    /// Takes or renews a lease for `ttl`; `false` while somebody else holds it. A `ttl` of zero gives it back.
    async fn lease(&self, name: &str, holder: &str, ttl: Duration, now: Timestamp) -> Result<bool>;

    /// How much waits in the database of `source`, for whoever watches it.
    async fn backlog(&self, source: Source) -> Result<Backlog>;

    /// Whether the database answers, and would take what the service writes: asked before the service takes work, and every
    /// second.
    async fn ping(&self) -> Result<()>;
}

/// The fence in the delivery service's database, and what is parked before it.
#[async_trait]
pub trait FenceStore: Send + Sync + 'static {
    /// Runs commands of the fence as one batch, in the order given; one outcome each. `now` becomes the timestamp of the
    /// delivery events, and the leases' clock.
    async fn run_fence(&self, batch: &[FenceCommand], now: Timestamp) -> Result<Vec<FenceOutcome>>;

    /// The first `limit` orders behind `after` of which something is parked, ascending (`OrderId::BEFORE_ALL`: from the first).
    async fn parked_keys(&self, after: OrderId, limit: usize) -> Result<Vec<ParkedKey>>;

    /// The first `limit` orders behind `after` of which a person has marked an event so, ascending (`OrderId::BEFORE_ALL`: from the
    /// first). However many others are parked, it costs the same.
    async fn marked_keys(&self, mark: Mark, after: OrderId, limit: usize) -> Result<Vec<ParkedKey>>;

    /// The first `limit` parked events of an order behind the version `after`, by version.
    async fn parked_events(&self, order: OrderId, after: Version, limit: usize) -> Result<Vec<ParkedEvent>>;

    /// The oldest `limit` dead letters behind the letter `after` (0: from the first), all of them or just those that have
    /// not been marked as published.
    async fn dead_letters(&self, unpublished: bool, after: i64, limit: usize) -> Result<Vec<DeadLetter>>;

    /// Marks dead letters as published.
    async fn mark_letters_published(&self, ids: &[i64]) -> Result<()>;
}

/// What has happened, from the beginning: for whoever checks it.
#[async_trait]
pub trait HistoryStore: Send + Sync + 'static {
    /// The first `limit` events of a journal behind the row `after` (0: from the first), in journal order. An event
    /// that is committed late may have a lower number than events that were committed before it, so whoever only goes
    /// on behind the highest number it has seen misses that event.
    async fn journal(&self, source: Source, after: i64, limit: usize) -> Result<Vec<JournalRow>>;

    /// The first `limit` rows of the apply history behind the row `after` (0: from the first). Per order they ascend as the
    /// effects do; across orders they may be committed in another sequence.
    async fn applies(&self, after: i64, limit: usize) -> Result<Vec<ApplyRow>>;

    /// The first `limit` deliveries behind `after`, by number. However many there are, a page costs the same.
    async fn deliveries_after(&self, after: DeliveryId, limit: usize) -> Result<Vec<Delivery>>;
}

/// A row of a journal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JournalRow {
    /// The event.
    pub entry: JournalEntry,
    /// Whether it is marked as published.
    pub published: bool,
}

/// A row of the apply history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApplyRow {
    /// Its number.
    pub seq: i64,
    /// What took effect.
    pub apply: NewApply,
}

/// Which part of a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PageRequest {
    /// The page's number, from 0.
    pub page: u64,
    /// Rows a page, 1 to 1000.
    pub size: u64,
    /// What to sort by, most important first; by number where that leaves a choice.
    pub sort: Vec<Sort>,
}

/// A property to sort by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sort {
    /// The property's name, which is its column's name too: one of the entity's, checked by whoever made this.
    pub property: &'static str,
    /// Largest first.
    pub descending: bool,
}

/// A part of a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page<T> {
    /// The rows.
    pub items: Vec<T>,
    /// How many rows the table has in all.
    pub total: u64,
}

mod backlog;

pub use backlog::{Backlog, Waiting};
