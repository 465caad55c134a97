//! What callers may send as an order: JSON to fields, coerced as Jackson does, and the rules an order obeys.

use super::{OrderFields, OrderPatch};

/// Input that can't be accepted: every field that is wrong, and why.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct InvalidInput {
    /// A sentence for the caller that names every bad field and what is allowed.
    pub message: String,
    /// The names of the bad fields, in body order.
    pub fields: Vec<&'static str>,
}

/// Reads the fields that a JSON object carries. Unknown ones are ignored.
pub fn patch_from_json(_body: &serde_json::Value) -> Result<OrderPatch, InvalidInput> {
    todo!("written by the HTTP part")
}

/// Applies an RFC 6902 patch to the JSON document of an order.
pub fn apply_json_patch(_fields: &OrderFields, _patch: &json_patch::Patch) -> Result<OrderFields, InvalidInput> {
    todo!("written by the HTTP part")
}

/// The rules of a new order: customerId, productId, address are there and not blank, qty is at least 1, and no string is
/// longer than 255 characters.
pub fn check_new(_fields: &OrderFields) -> Result<(), InvalidInput> {
    todo!("written by the HTTP part")
}

/// The rules of a change: no field that was fine may become one that [`check_new`] refuses.
pub fn check_change(_before: &OrderFields, _after: &OrderFields) -> Result<(), InvalidInput> {
    todo!("written by the HTTP part")
}
