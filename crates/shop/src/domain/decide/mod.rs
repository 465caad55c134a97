//! Decides what a batch does: every rule of the domain, and nothing of any database.
//!
//! ```text
//!   named_orders(batch) ─▶ adapter locks and loads those rows
//!   decide_orders(rows, batch) ─▶ OrderDecision: rows to insert, update, delete
//!   adapter inserts and learns the new rows' numbers
//!   decision.complete(numbers, now) ─▶ journal rows to append, one outcome for each request
//! ```
//! Deliveries go the same way. The requests of a batch are decided in order, and each sees what those before it did.
//!
//! # Invariants
//! * Each event has its own journal row, and the versions of one order (or one delivery) rise by one.
//! * A request that changes nothing writes nothing, neither in the table nor in the journal.

mod deliveries;
mod effects;
mod fence;
mod orders;

pub use deliveries::{DeliveriesDone, DeliveryDecision, decide_deliveries, looked_up_orders};
pub use effects::NewDelivery;
pub use fence::{CursorChange, FenceDecision, FenceDone, FenceRow, HeadChange, NewParked, decide_fence, fenced_orders};
pub use orders::{OrderDecision, OrdersDone, decide_orders, named_orders};

use keylane_log::Timestamp;

use super::{DeliveryId, OrderEventType, OrderId, Provenance, Version};

/// A row of the apply history that is about to be appended: an event's effect on an order's delivery, with what the checker
/// needs to judge it. It is numbered while the order's row is locked, so that the numbers of an order ascend as its effects
/// do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewApply {
    /// The order of the event.
    pub order_id: OrderId,
    /// The event's version; none if its producer doesn't number events.
    pub version: Option<Version>,
    /// The event's type; none for a version that was passed over without reading it.
    pub event_type: Option<OrderEventType>,
    /// Whether the event took effect or was passed over.
    pub kind: ApplyKind,
    /// The number of the order's delivery; none if it has none.
    pub delivery_id: Option<DeliveryId>,
    /// The version before the effect: the cursor's, or the delivery's if there is no fence. 0 if there was none.
    pub before: Version,
    /// The same version after the effect.
    pub after: Version,
    /// The instance that applied the event, and the record's place.
    pub provenance: Provenance,
    /// When the event was applied.
    pub at: Timestamp,
}

/// What a row of the apply history says about an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ApplyKind {
    /// The event took effect.
    Applied,
    /// The event was passed over, because a person had marked it to be discarded.
    Discarded,
}

impl ApplyKind {
    /// The name that the apply history's table has for it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Applied => "applied",
            Self::Discarded => "discarded",
        }
    }

    /// The kind with this name; none if there is no such kind.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Applied, Self::Discarded]
            .into_iter()
            .find(|kind| kind.name() == name)
    }
}

#[cfg(test)]
mod tests;
