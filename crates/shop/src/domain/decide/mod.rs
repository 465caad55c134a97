//! What a batch does: every rule of the domain, and nothing of any database.
//!
//! ```text
//!   named_orders(batch) ─▶ adapter locks and loads those rows
//!   decide_orders(rows, batch) ─▶ OrderDecision: rows to insert, update, delete
//!   adapter inserts and learns the new rows' numbers
//!   decision.complete(numbers, now) ─▶ journal rows to append, one outcome a request
//! ```
//! Deliveries go the same way. The pieces of a batch fold in order: each sees what those before it did.
//!
//! # Invariants
//! * Each event has its own journal row, and the versions of one order (or one delivery) rise by one.
//! * Whatever changes nothing writes nothing, in the table or in the journal.

mod deliveries;
mod effects;
mod fence;
mod orders;

pub use deliveries::{DeliveriesDone, DeliveryDecision, decide_deliveries, looked_up_orders};
pub use effects::NewDelivery;
pub use fence::{FenceDecision, FenceDone, FenceRow, HeadChange, NewParked, decide_fence, fenced_orders};
pub use orders::{OrderDecision, OrdersDone, decide_orders, named_orders};

use keylane_log::Timestamp;

use super::{DeliveryId, EventType, OrderEventType, OrderId, Provenance, Version};

/// A journal row that is about to be appended; the journal gives it its number and notes it as unpublished.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewEntry {
    /// The number of the order or delivery that it is about.
    pub row_id: i64,
    /// The order, which is the record's key.
    pub order_id: OrderId,
    /// Counts the events of that order or of that delivery.
    pub version: Version,
    /// What happened.
    pub event_type: EventType,
    /// When.
    pub timestamp: Timestamp,
    /// The record's value, as it is published.
    pub payload: String,
    /// The trace it belongs to.
    pub traceparent: Option<String>,
}

/// A row of the apply history that is about to be appended: an effect on an order's delivery, with what it needs to be
/// judged by. It is numbered while the order's row is locked, so that the numbers of an order ascend as its effects do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewApply {
    /// Whose event.
    pub order_id: OrderId,
    /// Which one of that order; none from producers that don't count.
    pub version: Option<Version>,
    /// What happened; none if what is passed over can't even be read.
    pub event_type: Option<OrderEventType>,
    /// Whether it took effect.
    pub kind: ApplyKind,
    /// The delivery; none if there is none.
    pub delivery_id: Option<DeliveryId>,
    /// The version before (of the cursor; without a fence, of the delivery), 0 if there was none.
    pub before: Version,
    /// The version after.
    pub after: Version,
    /// By whom, and from where.
    pub provenance: Provenance,
    /// When.
    pub at: Timestamp,
}

/// What an entry of the apply history says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ApplyKind {
    /// The event took effect.
    Applied,
    /// A person had it passed over.
    Discarded,
}

impl ApplyKind {
    /// Its name in the history.
    pub fn name(self) -> &'static str {
        match self {
            Self::Applied => "applied",
            Self::Discarded => "discarded",
        }
    }

    /// The kind of this name.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Applied, Self::Discarded]
            .into_iter()
            .find(|kind| kind.name() == name)
    }
}

#[cfg(test)]
mod tests;
