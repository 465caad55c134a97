//! Finds a value in a record, at a place that is written as `key`, `header:NAME` or `json:/pointer`.

use std::fmt;
use std::str::FromStr;

use keylane_log::Record;
use serde_json::Value;

/// A place in a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Locator {
    /// The record's key.
    Key,
    /// The last header of this name.
    Header(String),
    /// What this JSON pointer (RFC 6901) finds in the value.
    Json(String),
}

impl Locator {
    /// The text at this place. None if there is nothing, or no single value (but an object, an array or null).
    pub fn text(&self, record: &Record) -> Option<String> {
        match self {
            Self::Key => {
                let key = record.key.as_deref().filter(|key| !key.is_empty())?;
                Some(String::from_utf8(key.to_vec()).unwrap_or_else(|_| hex(key)))
            }
            Self::Header(name) => header_text(record, name),
            Self::Json(pointer) => {
                let value: Value = serde_json::from_slice(record.value.as_deref()?).ok()?;
                match value.pointer(pointer)? {
                    Value::String(text) => Some(text.clone()),
                    Value::Number(number) => Some(number.to_string()),
                    Value::Bool(_) | Value::Null | Value::Array(_) | Value::Object(_) => None,
                }
            }
        }
    }

    /// The whole number at this place.
    pub fn number(&self, record: &Record) -> Option<i64> {
        self.text(record)?.trim().parse().ok()
    }
}

/// A header's text, without the quotes that Spring puts around it.
pub(super) fn header_text(record: &Record, name: &str) -> Option<String> {
    let text = std::str::from_utf8(record.header(name)?).ok()?;
    let unquoted = text.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
    Some(unquoted.unwrap_or(text).to_owned())
}

/// A form for keys that are no text, in which different keys differ.
fn hex(bytes: &[u8]) -> String {
    let digits = bytes.iter().map(|byte| format!("{byte:02x}"));
    std::iter::once("0x".to_owned()).chain(digits).collect()
}

/// The form in which it is given: `json:/orderId`.
impl fmt::Display for Locator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Key => f.write_str("key"),
            Self::Header(name) => write!(f, "header:{name}"),
            Self::Json(pointer) => write!(f, "json:{pointer}"),
        }
    }
}

impl FromStr for Locator {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once(':') {
            None if text == "key" => Ok(Self::Key),
            Some(("header", name)) if !name.is_empty() => Ok(Self::Header(name.to_owned())),
            Some(("json", pointer)) if pointer.starts_with('/') => Ok(Self::Json(pointer.to_owned())),
            _ => Err("allowed: key, header:NAME, json:/POINTER (json:/orderId)".to_owned()),
        }
    }
}
