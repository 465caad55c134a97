//! What callers may send as an order: JSON to fields, coerced as Jackson 2.11 does, and the rules an order obeys.
//!
//! ```text
//!  body text ─▶ Document ─▶ Scalar per field ─▶ OrderPatch ─▶ check_new / check_change
//!  RFC 6902  ─▶ document of the order ─▶ patched ─▶ Scalar per field ─▶ OrderFields ─▶ check_change
//! ```
//!
//! # Invariants
//! * Coercion ([`patch_from_slice`]) only asks whether a value fits its type; the rules only ask whether an order may look
//!   like that. Each names every bad field at once.
//! * Of a key that occurs several times the last one counts.

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde::de::{self, MapAccess, Visitor};
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use super::{OrderFields, OrderPatch};

/// The most characters (Unicode scalar values) a string may have: what `varchar(255)` holds.
pub const MAX_CHARS: usize = 255;

const PRODUCT_ID: &str = "productId";
const PRODUCT_NAME: &str = "productName";
const QTY: &str = "qty";
const CUSTOMER_ID: &str = "customerId";
const ADDRESS: &str = "address";

const UTF8_BOM: &[u8] = b"\xEF\xBB\xBF";

/// Input that can't be accepted: every field that is wrong, and why.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct InvalidInput {
    /// A sentence for the caller that names every bad field and what is allowed.
    pub message: String,
    /// The names of the bad fields, in body order; empty if it is not about fields.
    pub fields: Vec<&'static str>,
}

/// Reads the order fields that a JSON text carries, which must be an object. Unknown fields are ignored; a number for a
/// string field keeps its digits as written (`3.70` becomes `"3.70"`).
pub fn patch_from_slice(body: &[u8]) -> Result<OrderPatch, InvalidInput> {
    read(serde_json::from_str(text_of(body)?).map_err(malformed)?)
}

/// Reads the order fields that a JSON object carries, like [`patch_from_slice`], from a value that is parsed already.
pub fn patch_from_json(body: &Value) -> Result<OrderPatch, InvalidInput> {
    let object = body.as_object().ok_or_else(not_an_object)?;
    read(Document::from_object(object))
}

/// Reads an RFC 6902 patch; whether it fits an order is seen when it is applied.
pub fn json_patch_from_slice(body: &[u8]) -> Result<json_patch::Patch, InvalidInput> {
    serde_json::from_str(text_of(body)?).map_err(|error| {
        InvalidInput::whole(match error.classify() {
            serde_json::error::Category::Data => format!(
                "The body is not a JSON Patch (RFC 6902), which is an array of operations such as \
                 {{\"op\":\"replace\",\"path\":\"/address\",\"value\":\"SEOUL\"}}: {error}."
            ),
            _ => format!("The body is not well-formed JSON: {error}."),
        })
    })
}

/// Applies an RFC 6902 patch to the JSON document of an order. A field that the patch removes becomes null. The rules
/// are not asked: that is [`check_change`]'s part.
pub fn apply_json_patch(fields: &OrderFields, patch: &json_patch::Patch) -> Result<OrderFields, InvalidInput> {
    let mut document = document_of(fields);
    json_patch::patch(&mut document, patch).map_err(|error| {
        let operation = patch.get(error.operation).map(ToString::to_string).unwrap_or_default();
        InvalidInput::whole(format!(
            "Operation {} of the JSON Patch, {}, can't be applied: {}.",
            error.operation + 1,
            clip(&operation),
            error.kind
        ))
    })?;
    patch_from_json(&document).map(all_fields)
}

/// The fields of a whole order: what was not sent is null.
pub fn all_fields(sent: OrderPatch) -> OrderFields {
    OrderFields {
        product_id: sent.product_id.flatten(),
        product_name: sent.product_name.flatten(),
        qty: sent.qty.flatten(),
        customer_id: sent.customer_id.flatten(),
        address: sent.address.flatten(),
    }
}

/// The rules of a new order: customerId, productId, address are there and not blank, qty is at least 1, and no string is
/// longer than 255 characters.
pub fn check_new(fields: &OrderFields) -> Result<(), InvalidInput> {
    check(None, fields)
}

/// The rules of a change: no field may change to a value that [`check_new`] refuses. One that older rows hold already may
/// stay.
pub fn check_change(before: &OrderFields, after: &OrderFields) -> Result<(), InvalidInput> {
    check(Some(before), after)
}

fn check(before: Option<&OrderFields>, after: &OrderFields) -> Result<(), InvalidInput> {
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
    faults.into_result()
}

fn required_text(text: Option<&str>) -> Result<(), String> {
    match text {
        None => Err("must be given".into()),
        Some(text) if text.trim().is_empty() => Err("must not be blank".into()),
        Some(_) => short_text(text),
    }
}

fn short_text(text: Option<&str>) -> Result<(), String> {
    // Characters are never more than bytes, so most strings need not be counted.
    match text
        .filter(|text| text.len() > MAX_CHARS)
        .map(|text| text.chars().count())
    {
        Some(chars) if chars > MAX_CHARS => Err(format!("must not be longer than {MAX_CHARS} characters, not {chars}")),
        _ => Ok(()),
    }
}

/// The values that a body has for an order's fields; absent where it says nothing.
#[derive(Default)]
struct Document<'a> {
    product_id: Option<Scalar<'a>>,
    product_name: Option<Scalar<'a>>,
    qty: Option<Scalar<'a>>,
    customer_id: Option<Scalar<'a>>,
    address: Option<Scalar<'a>>,
}

/// A value before it is coerced.
enum Scalar<'a> {
    Null,
    Bool(bool),
    /// As written.
    Number(Cow<'a, str>),
    Text(Cow<'a, str>),
    /// An object or an array.
    Nested,
    /// A string with half of a surrogate pair.
    NotUnicode,
}

fn read(document: Document<'_>) -> Result<OrderPatch, InvalidInput> {
    let mut faults = Faults::default();
    let patch = OrderPatch {
        product_id: faults.coerced(PRODUCT_ID, document.product_id, Scalar::into_text),
        product_name: faults.coerced(PRODUCT_NAME, document.product_name, Scalar::into_text),
        qty: faults.coerced(QTY, document.qty, Scalar::into_int32),
        customer_id: faults.coerced(CUSTOMER_ID, document.customer_id, Scalar::into_int64),
        address: faults.coerced(ADDRESS, document.address, Scalar::into_text),
    };
    faults.into_result().map(|()| patch)
}

impl<'a> Scalar<'a> {
    fn into_text(self) -> Result<Option<String>, String> {
        match self {
            Self::Null => Ok(None),
            Self::Bool(value) => Ok(Some(value.to_string())),
            Self::Number(text) | Self::Text(text) => Ok(Some(text.into_owned())),
            Self::Nested | Self::NotUnicode => Err(format!("must be a string, not {self}")),
        }
    }

    fn into_int32(self) -> Result<Option<i32>, String> {
        Ok(self
            .into_integer(i32::MIN.into(), i32::MAX.into())?
            .map(|value| value as i32))
    }

    fn into_int64(self) -> Result<Option<i64>, String> {
        self.into_integer(i64::MIN, i64::MAX)
    }

    fn into_integer(self, min: i64, max: i64) -> Result<Option<i64>, String> {
        let parsed = match &self {
            Self::Null => return Ok(None),
            Self::Number(text) if text.contains(['.', 'e', 'E']) => truncated(text, min, max),
            Self::Number(text) => text.parse().ok(),
            Self::Text(text) => match text.trim_matches(|c| c <= ' ') {
                "" | "null" => return Ok(None),
                trimmed => trimmed.parse().ok(),
            },
            Self::Bool(_) | Self::Nested | Self::NotUnicode => None,
        };
        let fits = parsed.filter(|value| (min..=max).contains(value));
        fits.map(Some)
            .ok_or_else(|| format!("must be a whole number between {min} and {max}, not {self}"))
    }

    fn from_raw(raw: &'a RawValue) -> Self {
        let text = raw.get();
        match text.as_bytes()[0] {
            b'n' => Self::Null,
            b't' => Self::Bool(true),
            b'f' => Self::Bool(false),
            b'{' | b'[' => Self::Nested,
            b'"' if !text.contains('\\') => Self::Text(Cow::Borrowed(&text[1..text.len() - 1])),
            b'"' => serde_json::from_str(text).map_or(Self::NotUnicode, |text| Self::Text(Cow::Owned(text))),
            _ => Self::Number(Cow::Borrowed(text)),
        }
    }

    fn from_value(value: &'a Value) -> Self {
        match value {
            Value::Null => Self::Null,
            Value::Bool(value) => Self::Bool(*value),
            Value::Number(number) => Self::Number(Cow::Owned(number.to_string())),
            Value::String(text) => Self::Text(Cow::Borrowed(text)),
            Value::Array(_) | Value::Object(_) => Self::Nested,
        }
    }
}

/// A number with a fraction or an exponent, cut off towards zero.
fn truncated(text: &str, min: i64, max: i64) -> Option<i64> {
    let value: f64 = text.parse().ok()?;
    (min as f64..=max as f64).contains(&value).then_some(value as i64)
}

/// As an error message quotes it.
impl fmt::Display for Scalar<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("null"),
            Self::Bool(value) => value.fmt(f),
            Self::Number(text) => f.write_str(&clip(text)),
            Self::Text(text) => write!(f, "\"{}\"", clip(text)),
            Self::Nested => f.write_str("an object or an array"),
            Self::NotUnicode => f.write_str("half of a surrogate pair"),
        }
    }
}

/// What is quoted in a message should not drown it.
fn clip(text: &str) -> Cow<'_, str> {
    const SHOWN: usize = 80;
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => Cow::Owned(format!("{}…", &text[..end])),
        None => Cow::Borrowed(text),
    }
}

#[derive(Deserialize)]
#[serde(field_identifier, rename_all = "camelCase")]
enum Key {
    ProductId,
    ProductName,
    Qty,
    CustomerId,
    Address,
    #[serde(other)]
    Unknown,
}

impl<'a> Document<'a> {
    fn from_object(object: &'a Map<String, Value>) -> Self {
        let field = |name| object.get(name).map(Scalar::from_value);
        Self {
            product_id: field(PRODUCT_ID),
            product_name: field(PRODUCT_NAME),
            qty: field(QTY),
            customer_id: field(CUSTOMER_ID),
            address: field(ADDRESS),
        }
    }

    fn slot(&mut self, key: Key) -> Option<&mut Option<Scalar<'a>>> {
        match key {
            Key::ProductId => Some(&mut self.product_id),
            Key::ProductName => Some(&mut self.product_name),
            Key::Qty => Some(&mut self.qty),
            Key::CustomerId => Some(&mut self.customer_id),
            Key::Address => Some(&mut self.address),
            Key::Unknown => None,
        }
    }
}

impl<'de> Deserialize<'de> for Document<'de> {
    fn deserialize<D: de::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(DocumentVisitor)
    }
}

struct DocumentVisitor;

impl<'de> Visitor<'de> for DocumentVisitor {
    type Value = Document<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut document = Document::default();
        while let Some(key) = map.next_key()? {
            let value: &RawValue = map.next_value()?;
            if let Some(slot) = document.slot(key) {
                *slot = Some(Scalar::from_raw(value));
            }
        }
        Ok(document)
    }
}

/// Jackson skips a byte order mark, so clients may be sending one.
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
        serde_json::error::Category::Data => not_an_object(),
        _ => InvalidInput::whole(format!("The body is not well-formed JSON: {error}.")),
    }
}

fn not_an_object() -> InvalidInput {
    InvalidInput::whole("The body must be a JSON object with the fields of an order.".into())
}

fn document_of(fields: &OrderFields) -> Value {
    serde_json::json!({
        PRODUCT_ID: fields.product_id,
        PRODUCT_NAME: fields.product_name,
        QTY: fields.qty,
        CUSTOMER_ID: fields.customer_id,
        ADDRESS: fields.address,
    })
}

impl InvalidInput {
    fn whole(message: String) -> Self {
        Self {
            message,
            fields: Vec::new(),
        }
    }
}

/// What is wrong with which field, in body order.
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
#[path = "input_tests.rs"]
mod tests;
