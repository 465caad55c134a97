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
mod orders;

pub use deliveries::{DeliveriesDone, DeliveryDecision, NewDelivery, decide_deliveries, looked_up_orders};
pub use orders::{OrderDecision, OrdersDone, decide_orders, named_orders};

use eventlog::Timestamp;

use super::{EventType, OrderId, Version};

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

#[cfg(test)]
mod tests;
