//! JSON values whose numbers keep the digits as sent, compared with each other as RFC 6902 (4.6) says.

use std::collections::BTreeMap;

use serde_json::value::RawValue;

use super::number;

/// How deep arrays and objects may be nested. The document of an order has no depth at all, so this is ample.
const MAX_DEPTH: usize = 32;

/// A JSON value.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Json {
    Null,
    Bool(bool),
    /// A number, in the digits as written.
    Number(String),
    Text(String),
    Array(Vec<Json>),
    /// An object; if a name occurs several times, its last value counts.
    Object(BTreeMap<String, Json>),
}

impl Json {
    /// Reads a value whose syntax has been checked.
    ///
    /// # Errors
    /// A sentence without its subject ("must not …"), if the value is nested too deep or has half of a surrogate pair.
    pub(super) fn read(raw: &RawValue) -> Result<Self, String> {
        Self::read_within(raw, MAX_DEPTH)
    }

    fn read_within(raw: &RawValue, depth: usize) -> Result<Self, String> {
        let text = raw.get();
        let nested = || {
            let too_deep = || format!("must not be nested deeper than {MAX_DEPTH} levels");
            depth.checked_sub(1).ok_or_else(too_deep)
        };
        Ok(match text.as_bytes()[0] {
            b'n' => Self::Null,
            b't' => Self::Bool(true),
            b'f' => Self::Bool(false),
            b'"' => Self::Text(serde_json::from_str(text).map_err(not_unicode)?),
            b'[' => {
                let depth = nested()?;
                let items: Vec<&RawValue> = serde_json::from_str(text).map_err(not_unicode)?;
                let items = items.into_iter().map(|item| Self::read_within(item, depth));
                Self::Array(items.collect::<Result<_, _>>()?)
            }
            b'{' => {
                let depth = nested()?;
                let members: BTreeMap<String, &RawValue> = serde_json::from_str(text).map_err(not_unicode)?;
                let members = members
                    .into_iter()
                    .map(|(name, value)| Ok((name, Self::read_within(value, depth)?)));
                Self::Object(members.collect::<Result<_, String>>()?)
            }
            _ => Self::Number(text.to_owned()),
        })
    }

    /// Whether both are the same value: numbers are compared by value, objects without regard to the order of their members.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Number(one), Self::Number(other)) => number::same(one, other),
            (Self::Array(one), Self::Array(other)) => {
                one.len() == other.len() && one.iter().zip(other).all(|(one, other)| one.is_same(other))
            }
            (Self::Object(one), Self::Object(other)) => {
                let same = |((name, one), (other_name, other)): ((&String, &Json), (&String, &Json))| {
                    name == other_name && one.is_same(other)
                };
                one.len() == other.len() && one.iter().zip(other).all(same)
            }
            (one, other) => one == other,
        }
    }
}

/// The message for a text that serde_json refuses. The syntax was checked before, so half of a surrogate pair is the only
/// possible reason.
fn not_unicode(_: serde_json::Error) -> String {
    "must not have half of a surrogate pair".to_owned()
}
