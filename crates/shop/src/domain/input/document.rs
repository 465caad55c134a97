//! The values of a JSON object before they have types, and their coercion to types as Jackson 2.11 does it.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use serde::Deserialize;
use serde::de::{self, MapAccess, Visitor};
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use super::json::Json;
use super::names::{ADDRESS, CUSTOMER_ID, PRODUCT_ID, PRODUCT_NAME, QTY};
use super::number;

/// The values that a body has for an order's fields; none for a field that the body does not name.
#[derive(Default)]
pub(super) struct Document<'a> {
    pub(super) product_id: Option<Scalar<'a>>,
    pub(super) product_name: Option<Scalar<'a>>,
    pub(super) qty: Option<Scalar<'a>>,
    pub(super) customer_id: Option<Scalar<'a>>,
    pub(super) address: Option<Scalar<'a>>,
}

/// A JSON value before it is coerced to a field's type.
pub(super) enum Scalar<'a> {
    Null,
    Bool(bool),
    /// A number, in the digits as written.
    Number(Cow<'a, str>),
    Text(Cow<'a, str>),
    /// An object or an array.
    Nested,
    /// A string that is not Unicode, because it has half of a surrogate pair.
    NotUnicode,
}

impl<'a> Scalar<'a> {
    pub(super) fn into_text(self) -> Result<Option<String>, String> {
        match self {
            Self::Null => Ok(None),
            Self::Bool(value) => Ok(Some(value.to_string())),
            Self::Number(text) | Self::Text(text) => Ok(Some(text.into_owned())),
            Self::Nested | Self::NotUnicode => Err(format!("must be a string, not {self}")),
        }
    }

    pub(super) fn into_int32(self) -> Result<Option<i32>, String> {
        Ok(self
            .into_integer(i32::MIN.into(), i32::MAX.into())?
            .map(|value| value as i32))
    }

    pub(super) fn into_int64(self) -> Result<Option<i64>, String> {
        self.into_integer(i64::MIN, i64::MAX)
    }

    fn into_integer(self, min: i64, max: i64) -> Result<Option<i64>, String> {
        let parsed = match &self {
            Self::Null => return Ok(None),
            Self::Number(text) if text.contains(['.', 'e', 'E']) => number::truncated(text, min, max),
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

    fn from_json(value: &'a Json) -> Self {
        match value {
            Json::Null => Self::Null,
            Json::Bool(value) => Self::Bool(*value),
            Json::Number(text) => Self::Number(Cow::Borrowed(text)),
            Json::Text(text) => Self::Text(Cow::Borrowed(text)),
            Json::Array(_) | Json::Object(_) => Self::Nested,
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

/// Displays a value as an error message quotes it.
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

/// The text's first 80 characters, for a message that quotes what was sent.
pub(super) fn clip(text: &str) -> Cow<'_, str> {
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
    pub(super) fn from_object(object: &'a Map<String, Value>) -> Self {
        Self::of_fields(|name| object.get(name).map(Scalar::from_value))
    }

    pub(super) fn from_members(members: &'a BTreeMap<String, Json>) -> Self {
        Self::of_fields(|name| members.get(name).map(Scalar::from_json))
    }

    fn of_fields(field: impl Fn(&str) -> Option<Scalar<'a>>) -> Self {
        Self {
            product_id: field(PRODUCT_ID),
            product_name: field(PRODUCT_NAME),
            qty: field(QTY),
            customer_id: field(CUSTOMER_ID),
            address: field(ADDRESS),
        }
    }

    fn field(&mut self, key: Key) -> Option<&mut Option<Scalar<'a>>> {
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
            if let Some(field) = document.field(key) {
                *field = Some(Scalar::from_raw(value));
            }
        }
        Ok(document)
    }
}
