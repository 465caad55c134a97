//! The port to the databases. Every method is a whole unit of work: it happens altogether or not at all.
//!
//! A unit of work that writes is a *batch*: the adapter locks and loads the rows that the batch names, in the order of their
//! numbers, has the domain's pure functions decide in memory, writes with as few statements as there are tables, and commits
//! once. Of several commands about one order in one batch, each sees what those before it did.

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

/// The reason why a store did not do a unit of work, named by what the caller does next.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// The database can't be reached; nothing was done. The caller tries again later.
    #[error("{0}")]
    Unavailable(String),
    /// The batch was rolled back because another transaction holds or changed the same rows (deadlock, lock timeout). The
    /// caller runs the batch again, or its requests one by one.
    #[error("{0}")]
    Conflict(String),
    /// The connection was lost during the COMMIT, so the batch happened or it did not. The caller never runs a customer's
    /// command again.
    #[error("{0}")]
    Unknown(String),
    /// The database refused a statement, for a value that it can't hold, and the batch was rolled back. Running the same
    /// batch again is in vain.
    #[error("{0}")]
    Rejected(String),
    /// The database answers and takes no writes (read-only, full), which may pass; nothing was done. The caller tries again
    /// later.
    #[error("{0}")]
    Unwritable(String),
    /// The database is damaged or forbidden (corrupt, wrong password, no rights, no tables); nothing was done. A role that
    /// starts stops and tells a person; a role that runs waits, as for a database that can't be reached, until it is mended.
    #[error("{0}")]
    Broken(String),
    /// A row holds a value that can't be read. Other rows are fine; asking for this one again is in vain.
    #[error("{0}")]
    Unreadable(String),
}

impl StoreError {
    /// Whether the database itself is in trouble, so that any other unit of work would fail too.
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
    /// Runs order commands as one batch and returns their outcomes, in order. `now` becomes the events' timestamp.
    async fn run_orders(&self, batch: &[OrderRequest], now: Timestamp) -> Result<Vec<OrderOutcome>>;

    /// Applies order events to the deliveries as one batch, in the order given and without a fence, and returns their
    /// outcomes. `now` becomes the timestamp of the delivery events.
    async fn run_deliveries(&self, batch: &[DeliveryRequest], now: Timestamp) -> Result<Vec<DeliveryOutcome>>;

    /// The number that the next order gets, unless others take it first or give some up.
    async fn next_order(&self) -> Result<OrderId>;

    /// The order with this number.
    async fn order(&self, id: OrderId) -> Result<Option<Order>>;

    /// One page of all orders.
    async fn orders(&self, page: &PageRequest) -> Result<Page<Order>>;

    /// Every event of an order, oldest first, also after its cancellation; empty if it never existed.
    async fn order_events(&self, id: OrderId) -> Result<Vec<JournalEntry>>;

    /// The delivery with this number.
    async fn delivery(&self, id: DeliveryId) -> Result<Option<Delivery>>;

    /// One page of all deliveries.
    async fn deliveries(&self, page: &PageRequest) -> Result<Page<Delivery>>;

    /// The delivery of this order; if there are several, the one with the lowest number.
    async fn delivery_of(&self, order: OrderId) -> Result<Option<Delivery>>;

    /// The first `limit` events of a journal that have not been marked as published, in journal order, of those with row
    /// numbers above `after` (0: from the first).
    async fn unpublished(&self, source: Source, after: i64, limit: usize) -> Result<Vec<JournalRow>>;

    /// Marks journal rows as published.
    async fn mark_published(&self, source: Source, ids: &[i64]) -> Result<()>;

    /// Takes or renews a lease for `ttl`; `false` while another holder has it. A `ttl` of zero gives the lease back.
    async fn lease(&self, name: &str, holder: &str, ttl: Duration, now: Timestamp) -> Result<bool>;

    /// Who holds a lease at `now`, as that holder named itself; none if it is free.
    async fn lease_holder(&self, name: &str, now: Timestamp) -> Result<Option<String>>;

    /// Notes that the service `source` was started now.
    async fn note_start(&self, source: Source, now: Timestamp) -> Result<()>;

    /// When the service `source` was last started; none if that was never noted.
    async fn last_start(&self, source: Source) -> Result<Option<Timestamp>>;

    /// How much waits in the database of the service `source`.
    async fn backlog(&self, source: Source) -> Result<Backlog>;

    /// Fails unless the database answers and would take the service's writes. A service asks before it takes work, and then
    /// every second.
    async fn ping(&self) -> Result<()>;
}

/// The fence in the delivery service's database: cursors, parked events and dead letters.
#[async_trait]
pub trait FenceStore: Send + Sync + 'static {
    /// Runs commands to the fence as one batch, in the order given, and returns their outcomes. `now` becomes the timestamp
    /// of the delivery events and the time by which leases are judged.
    async fn run_fence(&self, batch: &[FenceCommand], now: Timestamp) -> Result<Vec<FenceOutcome>>;

    /// The first `limit` orders with parked events and with numbers above `after`, ascending (`OrderId::BEFORE_ALL`: from the
    /// first).
    async fn parked_keys(&self, after: OrderId, limit: usize) -> Result<Vec<ParkedKey>>;

    /// The first `limit` orders of which a person has marked an event with `mark`, with numbers above `after`, ascending
    /// (`OrderId::BEFORE_ALL`: from the first). The cost does not grow with the number of other parked orders.
    async fn marked_keys(&self, mark: Mark, after: OrderId, limit: usize) -> Result<Vec<ParkedKey>>;

    /// The first `limit` parked events of an order with versions above `after`, ascending by version.
    async fn parked_events(&self, order: OrderId, after: Version, limit: usize) -> Result<Vec<ParkedEvent>>;

    /// The first `limit` dead letters with numbers above `after` (0: from the first): all of them, or only those that have
    /// not been marked as published.
    async fn dead_letters(&self, unpublished: bool, after: i64, limit: usize) -> Result<Vec<DeadLetter>>;

    /// Marks dead letters as published.
    async fn mark_letters_published(&self, ids: &[i64]) -> Result<()>;
}

/// The history in a database, from its beginning, which the checker reads.
#[async_trait]
pub trait HistoryStore: Send + Sync + 'static {
    /// The first `limit` events of a journal with row numbers above `after` (0: from the first), in journal order. An event
    /// that is committed late may have a lower number than events that were committed before it, so a reader that only goes
    /// on from the highest number it has seen misses that event.
    async fn journal(&self, source: Source, after: i64, limit: usize) -> Result<Vec<JournalRow>>;

    /// The first `limit` rows of the apply history with numbers above `after` (0: from the first). Within an order the
    /// numbers ascend as the effects do; across orders rows may be committed in another sequence.
    async fn applies(&self, after: i64, limit: usize) -> Result<Vec<ApplyRow>>;

    /// The rows about this order among the `span` numbers of the apply history above `after` (0: from the first), ascending.
    /// None if there is no row above `after`. Nothing finds an order's rows quickly, as every apply would have to keep an
    /// index for that, so whoever wants all of them asks span by span.
    async fn applies_of(&self, order: OrderId, after: i64, span: i64) -> Result<Option<Vec<ApplyRow>>>;

    /// The newest row about this version of this order among the last [`RECENT_APPLIES`] rows of the apply history. The cost
    /// does not grow with the table.
    async fn recent_apply(&self, order: OrderId, version: Version) -> Result<Option<ApplyRow>>;

    /// All deliveries of this order, ascending. There is more than one if it was made twice, or an older system made them.
    async fn deliveries_of(&self, order: OrderId) -> Result<Vec<Delivery>>;

    /// The first `limit` deliveries with numbers above `after`, ascending. The cost does not grow with the table.
    async fn deliveries_after(&self, after: DeliveryId, limit: usize) -> Result<Vec<Delivery>>;
}

/// How far back [`HistoryStore::recent_apply`] looks, in rows.
pub const RECENT_APPLIES: i64 = 10_000;

/// The name of the row in which a service's start is noted. It is kept among the leases, as one that expired at that moment and
/// that nobody ever takes.
pub fn start_note(source: Source) -> String {
    format!("start{}", source.path())
}

/// A row of a journal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JournalRow {
    /// The row's number in its journal. Within an order it ascends with the version; across orders the order of numbers is
    /// not the order of commits.
    pub id: i64,
    /// The event that the row holds.
    pub entry: JournalEntry,
    /// Whether the event is marked as published.
    pub published: bool,
}

/// A row of the apply history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApplyRow {
    /// The row's number.
    pub seq: i64,
    /// The effect that the row tells of.
    pub apply: NewApply,
}

/// A request for one page of a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PageRequest {
    /// The page's number, from 0.
    pub page: u64,
    /// How many rows a page has, 1 to 1000.
    pub size: u64,
    /// The properties to sort by, the most important first. Rows that are equal in all of them are sorted by number.
    pub sort: Vec<Sort>,
}

/// A property to sort by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sort {
    /// The property's name, which is also its column's name. It is one of the entity's properties; the adapter puts it into
    /// SQL as it is.
    pub property: &'static str,
    /// Whether the largest value comes first.
    pub descending: bool,
}

impl Sort {
    /// Whether the property is a text. Texts are sorted as by MySQL's `utf8mb4_general_ci`: without regard to case and accents.
    pub fn is_text(&self) -> bool {
        matches!(self.property, "address" | "productId" | "productName" | "status")
    }
}

/// One page of a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page<T> {
    /// The rows of this page.
    pub items: Vec<T>,
    /// How many rows the table has in all.
    pub total: u64,
}

mod backlog;

pub use backlog::{Backlog, Waiting};
