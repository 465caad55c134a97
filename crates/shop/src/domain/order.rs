//! Orders, the commands to change them, and the outcomes of these.

use super::input::{InvalidInput, JsonPatch};
use super::{Condition, OrderFields, OrderId, OrderPatch, Version};

/// A row of the orders' table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Order {
    /// The order's number.
    pub id: OrderId,
    /// How many events the order has had: the version of the last one.
    pub version: Version,
    /// The fields that the customer chose.
    pub fields: OrderFields,
}

/// A command to the order service, with its condition and its trace.
#[derive(Debug, Clone, PartialEq)]
pub struct OrderRequest {
    /// The command to carry out.
    pub command: OrderCommand,
    /// The condition on the order's version; a command whose condition is not met writes nothing.
    pub condition: Condition,
    /// The trace (`traceparent`, W3C Trace Context) that the event which this leads to will carry.
    pub traceparent: Option<String>,
}

/// A command to the order service.
#[derive(Debug, Clone, PartialEq)]
pub enum OrderCommand {
    /// Places a new order.
    Place(OrderFields),
    /// Changes an order. A change that leaves every field as it was makes no event.
    Change(OrderId, Change),
    /// Cancels an order: its row is removed, its journal stays.
    Cancel(OrderId),
}

/// A change to an order's fields.
#[derive(Debug, Clone, PartialEq)]
pub enum Change {
    /// Replaces all fields (PUT).
    Replace(OrderFields),
    /// Replaces some fields (PATCH).
    Merge(OrderPatch),
    /// Applies a JSON Patch (RFC 6902) to the order's JSON document.
    JsonPatch(JsonPatch),
}

/// What became of a command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OrderOutcome {
    /// The order was placed, with version 1.
    Placed(Order),
    /// The order was changed; this is the order after it.
    Changed(Order),
    /// The change left every field as it was; nothing was written.
    Unchanged(Order),
    /// The order was cancelled by the event with this version, and its row is gone.
    Cancelled(Version),
    /// The condition does not admit the order's version, which is this one; nothing was written.
    Otherwise(Version),
    /// There is no such order.
    Missing,
    /// The order would have fields that are not allowed; nothing was written.
    Invalid(InvalidInput),
}
