//! Reads what callers send as an order: JSON is coerced to fields as Jackson 2.11 does it, and fields are checked by the
//! rules that an order obeys.
//!
//! ```text
//!  body text ─▶ Document ─▶ Scalar per field ─▶ OrderPatch ─▶ check_new / check_change
//!  RFC 6902  ─▶ JsonPatch, applied to the order's document ─▶ Scalar per field ─▶ OrderFields ─▶ check_change
//! ```
//!
//! # Invariants
//! * Coercion ([`patch_from_slice`]) only asks whether a value fits its field's type; the rules only ask whether an order
//!   may have these fields. Each names every bad field at once.
//! * If a key occurs several times, its last value counts.

mod document;
mod json;
mod names;
mod number;
mod patch;

pub use patch::JsonPatch;

use serde_json::Value;
use serde_json::error::Category;

use super::{OrderFields, OrderPatch};
use document::{Document, Scalar};
use json::Json;
use names::{ADDRESS, BODY_ORDER, CUSTOMER_ID, PRODUCT_ID, PRODUCT_NAME, QTY};

/// The most characters (Unicode scalar values) that a string may have: as many as `varchar(255)` holds.
pub const MAX_CHARS: usize = 255;

const UTF8_BOM: &[u8] = b"\xEF\xBB\xBF";

/// Input that can't be accepted, with every field that is wrong and why.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct InvalidInput {
    /// A sentence for the caller that names every bad field and what is allowed.
    pub message: String,
    /// The JSON names of the bad fields, in body order; empty if the input as a whole is wrong.
    pub fields: Vec<&'static str>,
}

/// Reads the order fields that a JSON text carries, which must be an object. Unknown fields are ignored; a number for a
/// string field keeps its digits as written (`3.70` becomes `"3.70"`).
///
/// # Errors
/// If the text is not a JSON object, or a value can't be coerced to its field's type.
pub fn patch_from_slice(body: &[u8]) -> Result<OrderPatch, InvalidInput> {
    let (sent, faults) = coerced(document(body)?);
    faults.into_result().map(|()| sent)
}

/// Reads a whole new order, like [`patch_from_slice`]. If a value does not fit its field, the other fields are checked by the
/// rules of [`check_new`] as well, so that every bad one is named at once.
///
/// # Errors
/// If the text is not a JSON object, or a value can't be coerced to its field's type.
pub fn new_order_from_slice(body: &[u8]) -> Result<OrderFields, InvalidInput> {
    let (sent, mut faults) = coerced(document(body)?);
    let fields = all_fields(sent);
    if !faults.0.is_empty() {
        faults.merge(broken_rules(None, &fields));
    }
    faults.into_result().map(|()| fields)
}

/// Reads the order fields that a JSON object carries, like [`patch_from_slice`], from a value that is parsed already.
///
/// # Errors
/// If the value is not an object, or a member can't be coerced to its field's type.
pub fn patch_from_json(body: &Value) -> Result<OrderPatch, InvalidInput> {
    let object = body.as_object().ok_or_else(not_an_object)?;
    let (sent, faults) = coerced(Document::from_object(object));
    faults.into_result().map(|()| sent)
}

/// Reads an RFC 6902 patch; whether it fits an order is seen when it is applied. It may have 100 operations and copy
/// nothing but a field to a field: a few dozen copies of a document into itself would fill any memory.
///
/// # Errors
/// If the text is not a JSON Patch, an operation is not allowed, or it names a field that no order has.
pub fn json_patch_from_slice(body: &[u8]) -> Result<JsonPatch, InvalidInput> {
    JsonPatch::read(text_of(body)?)
}

/// Applies an RFC 6902 patch to the JSON document of an order. A field that the patch removes becomes null. Whether an order
/// may have the fields that result is for [`check_change`] to say.
///
/// # Errors
/// If an operation can't be applied, or leaves a value that can't be coerced to its field's type.
pub fn apply_json_patch(fields: &OrderFields, patch: &JsonPatch) -> Result<OrderFields, InvalidInput> {
    let Json::Object(members) = patch.apply(document_of(fields))? else {
        return Err(not_an_object());
    };
    let (after, faults) = coerced(Document::from_members(&members));
    faults.into_result().map(|()| all_fields(after))
}

/// The fields of a whole order; a field that was not sent is null.
pub fn all_fields(sent: OrderPatch) -> OrderFields {
    OrderFields {
        product_id: sent.product_id.flatten(),
        product_name: sent.product_name.flatten(),
        qty: sent.qty.flatten(),
        customer_id: sent.customer_id.flatten(),
        address: sent.address.flatten(),
    }
}

/// Checks the rules of a new order: customerId, productId and address are given and not blank, qty is at least 1, and no
/// string is longer than 255 characters.
///
/// # Errors
/// If a field breaks a rule.
pub fn check_new(fields: &OrderFields) -> Result<(), InvalidInput> {
    broken_rules(None, fields).into_result()
}

/// Checks the rules of a change: no field may change to a value that [`check_new`] refuses. Such a value may stay, as tables
/// of older systems hold some.
///
/// # Errors
/// If a field changes to a value that breaks a rule.
pub fn check_change(before: &OrderFields, after: &OrderFields) -> Result<(), InvalidInput> {
    broken_rules(Some(before), after).into_result()
}

fn broken_rules(before: Option<&OrderFields>, after: &OrderFields) -> Faults {
    let set = |same: fn(&OrderFields, &OrderFields) -> bool| before.is_none_or(|before| !same(before, after));
    let mut faults = Faults::default();
    if set(|a, b| a.product_id == b.product_id) {
        faults.note(PRODUCT_ID, required_text(after.product_id.as_deref()));
    }
    if set(|a, b| a.product_name == b.product_name) {
        faults.note(PRODUCT_NAME, short_text(after.product_name.as_deref()));
    }
    if set(|a, b| a.qty == b.qty) {
        faults.note(
            QTY,
            if after.qty < Some(1) {
                Err("must be at least 1".into())
            } else {
                Ok(())
            },
        );
    }
    if set(|a, b| a.customer_id == b.customer_id) {
        faults.note(CUSTOMER_ID, after.customer_id.map(|_| ()).ok_or("must be given".into()));
    }
    if set(|a, b| a.address == b.address) {
        faults.note(ADDRESS, required_text(after.address.as_deref()));
    }
    faults
}

fn required_text(text: Option<&str>) -> Result<(), String> {
    match text {
        None => Err("must be given".into()),
        Some(text) if text.trim().is_empty() => Err("must not be blank".into()),
        Some(_) => short_text(text),
    }
}

fn short_text(text: Option<&str>) -> Result<(), String> {
    // A string never has more characters than bytes, so the characters of short strings need not be counted.
    match text
        .filter(|text| text.len() > MAX_CHARS)
        .map(|text| text.chars().count())
    {
        Some(chars) if chars > MAX_CHARS => Err(format!("must not be longer than {MAX_CHARS} characters, not {chars}")),
        _ => Ok(()),
    }
}

fn document(body: &[u8]) -> Result<Document<'_>, InvalidInput> {
    serde_json::from_str(text_of(body)?).map_err(malformed)
}

/// The fields whose values fit their types, and what is wrong with the others.
fn coerced(document: Document<'_>) -> (OrderPatch, Faults) {
    let mut faults = Faults::default();
    let sent = OrderPatch {
        product_id: faults.coerced(PRODUCT_ID, document.product_id, Scalar::into_text),
        product_name: faults.coerced(PRODUCT_NAME, document.product_name, Scalar::into_text),
        qty: faults.coerced(QTY, document.qty, Scalar::into_int32),
        customer_id: faults.coerced(CUSTOMER_ID, document.customer_id, Scalar::into_int64),
        address: faults.coerced(ADDRESS, document.address, Scalar::into_text),
    };
    (sent, faults)
}

/// The body as text. A byte order mark is skipped, as Jackson does, because clients may send one.
fn text_of(body: &[u8]) -> Result<&str, InvalidInput> {
    let body = body.strip_prefix(UTF8_BOM).unwrap_or(body);
    if body.is_empty() {
        return Err(InvalidInput::whole("The body is empty; it must be JSON.".into()));
    }
    std::str::from_utf8(body).map_err(|error| {
        InvalidInput::whole(format!(
            "The body is not UTF-8 from byte {} on; JSON must be.",
            error.valid_up_to()
        ))
    })
}

fn malformed(error: serde_json::Error) -> InvalidInput {
    match error.classify() {
        Category::Data => not_an_object(),
        _ => InvalidInput::whole(format!("The body is not well-formed JSON: {error}.")),
    }
}

fn not_an_object() -> InvalidInput {
    InvalidInput::whole("The body must be a JSON object with the fields of an order.".into())
}

fn document_of(fields: &OrderFields) -> Json {
    let text = |text: &Option<String>| text.clone().map_or(Json::Null, Json::Text);
    let number = |number: Option<i64>| number.map_or(Json::Null, |number| Json::Number(number.to_string()));
    let members = [
        (PRODUCT_ID, text(&fields.product_id)),
        (PRODUCT_NAME, text(&fields.product_name)),
        (QTY, number(fields.qty.map(i64::from))),
        (CUSTOMER_ID, number(fields.customer_id)),
        (ADDRESS, text(&fields.address)),
    ];
    Json::Object(members.map(|(name, value)| (name.to_owned(), value)).into())
}

impl InvalidInput {
    fn whole(message: String) -> Self {
        Self {
            message,
            fields: Vec::new(),
        }
    }
}

/// The fields that are wrong, each with a sentence without its subject ("must not be blank"), in body order.
#[derive(Default)]
struct Faults(Vec<(&'static str, String)>);

impl Faults {
    fn note(&mut self, field: &'static str, found: Result<(), String>) {
        self.0.extend(found.err().map(|reason| (field, reason)));
    }

    fn coerced<'a, T>(
        &mut self,
        field: &'static str,
        sent: Option<Scalar<'a>>,
        coerce: impl Fn(Scalar<'a>) -> Result<Option<T>, String>,
    ) -> Option<Option<T>> {
        coerce(sent?).map_err(|reason| self.0.push((field, reason))).ok()
    }

    /// Adds the faults of fields that have none yet.
    fn merge(&mut self, others: Faults) {
        let known: Vec<&str> = self.0.iter().map(|(field, _)| *field).collect();
        self.0
            .extend(others.0.into_iter().filter(|(field, _)| !known.contains(field)));
        self.0
            .sort_by_key(|(field, _)| BODY_ORDER.iter().position(|known| known == field));
    }

    fn into_result(self) -> Result<(), InvalidInput> {
        if self.0.is_empty() {
            return Ok(());
        }
        let sentences: Vec<_> = self
            .0
            .iter()
            .map(|(field, reason)| format!("{field} {reason}"))
            .collect();
        Err(InvalidInput {
            message: format!("{}.", sentences.join("; ")),
            fields: self.0.into_iter().map(|(field, _)| field).collect(),
        })
    }
}

#[cfg(test)]
mod tests;
