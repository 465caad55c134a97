//! Orders and what can be done to them.

use super::input::{InvalidInput, JsonPatch};
use super::{Condition, OrderFields, OrderId, OrderPatch, Version};

/// An order as it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Order {
    /// Its number.
    pub id: OrderId,
    /// How many events it has had.
    pub version: Version,
    /// What the customer said.
    pub fields: OrderFields,
}

/// A command and the trace it belongs to (`traceparent`, W3C Trace Context), if any.
#[derive(Debug, Clone, PartialEq)]
pub struct OrderRequest {
    /// What to do.
    pub command: OrderCommand,
    /// What must hold of the order's version for the command to be done at all.
    pub condition: Condition,
    /// Goes with the event this leads to.
    pub traceparent: Option<String>,
}

/// What can be done to orders.
#[derive(Debug, Clone, PartialEq)]
pub enum OrderCommand {
    /// Takes a new order.
    Place(OrderFields),
    /// Changes an order; one that changes nothing makes no event.
    Change(OrderId, Change),
    /// Cancels an order: its row goes, its journal stays.
    Cancel(OrderId),
}

/// How an order is changed.
#[derive(Debug, Clone, PartialEq)]
pub enum Change {
    /// All fields anew (PUT).
    Replace(OrderFields),
    /// Some fields (PATCH).
    Merge(OrderPatch),
    /// RFC 6902, against the order's JSON document.
    JsonPatch(JsonPatch),
}

/// What became of a command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OrderOutcome {
    /// A new order, version 1.
    Placed(Order),
    /// The order after its change.
    Changed(Order),
    /// The change changed nothing, nothing was written.
    Unchanged(Order),
    /// The order is gone.
    Cancelled,
    /// The order is of this version, which the condition excludes; nothing was written.
    Otherwise(Version),
    /// There is no such order.
    Missing,
    /// The change would leave the order in a state that is not allowed; nothing was written.
    Invalid(InvalidInput),
}
