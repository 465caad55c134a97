//! JSON Patch (RFC 6902) on the document of an order.
//!
//! ```text
//!   body ─▶ JsonPatch::read ─▶ operations, each with its path ─▶ apply, on a copy of the document
//! ```
//!
//! # Invariants
//! * A patch is done altogether or not at all: it works on a copy, which an error throws away.
//! * A path begins with a member that an order has, or is empty and means the whole order.
//! * No patch makes a document much larger than the patch itself: only a field can be copied, and only to a field.

use std::borrow::Cow;

use serde::{Deserialize, Deserializer};
use serde_json::error::Category;
use serde_json::value::RawValue;

use super::InvalidInput;
use super::document::clip;
use super::json::Json;
use super::names::BODY_ORDER;

/// The most operations that a patch may have: more than five fields ever need.
const MAX_OPERATIONS: usize = 100;

/// A patch that has been read: its operations, in order.
#[derive(Debug, Clone, PartialEq)]
pub struct JsonPatch(Vec<Operation>);

#[derive(Debug, Clone, PartialEq)]
struct Operation {
    kind: Kind,
    path: Pointer,
    /// The operation's text as it was sent, clipped, for messages.
    shown: String,
}

#[derive(Debug, Clone, PartialEq)]
enum Kind {
    Add(Json),
    Remove,
    Replace(Json),
    Move { from: Pointer },
    Copy { from: Pointer },
    Test(Json),
}

/// A JSON Pointer (RFC 6901): the decoded names of the members on the way to a value.
#[derive(Debug, Clone, PartialEq)]
struct Pointer(Vec<String>);

/// An operation as JSON has it.
#[derive(Deserialize)]
struct Sent<'a> {
    #[serde(borrow)]
    op: Cow<'a, str>,
    #[serde(borrow)]
    path: Cow<'a, str>,
    #[serde(borrow, default)]
    from: Option<Cow<'a, str>>,
    #[serde(borrow, default, deserialize_with = "given")]
    value: Option<&'a RawValue>,
}

/// Reads a value that is given, so that a given `null` differs from a value that is not given.
fn given<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<&'de RawValue>, D::Error> {
    <&RawValue>::deserialize(deserializer).map(Some)
}

impl JsonPatch {
    /// Reads a patch. Fields that no order has are refused here; whether the rest fits an order is seen when it is applied.
    ///
    /// # Errors
    /// If the text is not a JSON Patch, has too many operations, or has one that is not allowed, which the message quotes.
    pub(super) fn read(text: &str) -> Result<Self, InvalidInput> {
        let sent: Vec<&RawValue> = serde_json::from_str(text).map_err(not_a_patch)?;
        if sent.len() > MAX_OPERATIONS {
            let message = format!("A JSON Patch may have {MAX_OPERATIONS} operations, not {}.", sent.len());
            return Err(InvalidInput::whole(message));
        }
        let operations = sent.iter().enumerate().map(|(position, raw)| {
            let shown = clip(raw.get());
            Operation::read(raw).map_err(|reason| refused(position, &shown, &reason))
        });
        Ok(Self(operations.collect::<Result<_, _>>()?))
    }

    /// The document after all operations.
    ///
    /// # Errors
    /// If an operation can't be applied; the message quotes the first such operation.
    pub(super) fn apply(&self, mut document: Json) -> Result<Json, InvalidInput> {
        for (position, operation) in self.0.iter().enumerate() {
            let done = operation.apply(&mut document);
            done.map_err(|reason| refused(position, &operation.shown, reason))?;
        }
        Ok(document)
    }
}

fn not_a_patch(error: serde_json::Error) -> InvalidInput {
    InvalidInput::whole(match error.classify() {
        Category::Data => format!(
            "The body is not a JSON Patch (RFC 6902), which is an array of operations such as \
             {{\"op\":\"replace\",\"path\":\"/address\",\"value\":\"SEOUL\"}}: {error}."
        ),
        _ => format!("The body is not well-formed JSON: {error}."),
    })
}

fn refused(position: usize, shown: &str, reason: &str) -> InvalidInput {
    let number = position + 1;
    InvalidInput::whole(format!(
        "Operation {number} of the JSON Patch, {shown}, can't be applied: {reason}."
    ))
}

impl Operation {
    fn read(raw: &RawValue) -> Result<Self, String> {
        let sent: Sent<'_> = serde_json::from_str(raw.get()).map_err(|error| error.to_string())?;
        let path = Pointer::read("path", &sent.path)?;
        let value = || {
            let value = sent.value.ok_or("it needs a value")?;
            Json::read(value).map_err(|reason| format!("its value {reason}"))
        };
        let from = || Pointer::read("from", sent.from.as_ref().ok_or("it needs a from")?);
        let kind = match &*sent.op {
            "add" => Kind::Add(value()?),
            "remove" => Kind::Remove,
            "replace" => Kind::Replace(value()?),
            "move" => Kind::Move { from: from()? },
            "copy" => Kind::Copy { from: from()? },
            "test" => Kind::Test(value()?),
            _ => return Err("its op must be add, remove, replace, move, copy or test".into()),
        };
        if let Kind::Copy { from } = &kind
            && (from.0.len() != 1 || path.0.len() != 1)
        {
            return Err("only a field can be copied, and to a field".into());
        }
        let shown = clip(raw.get()).into_owned();
        Ok(Self { kind, path, shown })
    }

    fn apply(&self, document: &mut Json) -> Result<(), &'static str> {
        const NOTHING_THERE: &str = "there is nothing at its path";
        const NOTHING_FROM: &str = "there is nothing at its from";
        match &self.kind {
            Kind::Add(value) => self.path.add(document, value.clone()),
            Kind::Remove => self.path.remove(document).map(drop).ok_or(NOTHING_THERE),
            Kind::Replace(value) => {
                *self.path.find(document).ok_or(NOTHING_THERE)? = value.clone();
                Ok(())
            }
            Kind::Move { from } if *from == self.path => from.find(document).map(drop).ok_or(NOTHING_FROM),
            Kind::Move { from } if self.path.0.starts_with(&from.0) => Err("nothing can be moved into itself"),
            Kind::Move { from } => {
                let moved = from.remove(document).ok_or(NOTHING_FROM)?;
                self.path.add(document, moved)
            }
            Kind::Copy { from } => {
                let copy = from.find(document).ok_or(NOTHING_FROM)?.clone();
                self.path.add(document, copy)
            }
            Kind::Test(value) => match self.path.find(document) {
                Some(found) if found.is_same(value) => Ok(()),
                Some(_) => Err("the value there is another one"),
                None => Err(NOTHING_THERE),
            },
        }
    }
}

impl Pointer {
    fn read(role: &str, text: &str) -> Result<Self, String> {
        let mut names = text.split('/');
        if names.next() != Some("") {
            return Err(format!("its {role} must be empty or begin with a slash"));
        }
        let names: Option<Vec<String>> = names.map(unescaped).collect();
        let names = names.ok_or_else(|| format!("in its {role}, ~ must be followed by 0 or 1"))?;
        match names.first() {
            Some(first) if !BODY_ORDER.contains(&first.as_str()) => Err(format!(
                "an order has no {}; it has {}",
                clip(first),
                BODY_ORDER.join(", ")
            )),
            _ => Ok(Self(names)),
        }
    }

    /// The value that the pointer points at, if there is one.
    fn find<'a>(&self, document: &'a mut Json) -> Option<&'a mut Json> {
        self.0.iter().try_fold(document, |parent, name| match parent {
            Json::Object(members) => members.get_mut(name),
            Json::Array(items) => {
                let index = index(name)?;
                items.get_mut(index)
            }
            _ => None,
        })
    }

    /// The pointer to the container of the value, and the value's name in it; `None` if it points at the whole document.
    fn split(&self) -> Option<(Self, &str)> {
        let (last, parents) = self.0.split_last()?;
        Some((Self(parents.to_vec()), last))
    }

    fn add(&self, document: &mut Json, value: Json) -> Result<(), &'static str> {
        let Some((parent, name)) = self.split() else {
            *document = value;
            return Ok(());
        };
        match parent.find(document) {
            Some(Json::Object(members)) => _ = members.insert(name.to_owned(), value),
            Some(Json::Array(items)) if name == "-" => items.push(value),
            Some(Json::Array(items)) => match index(name).filter(|index| *index <= items.len()) {
                Some(index) => items.insert(index, value),
                None => return Err("its path ends in no place of the array"),
            },
            _ => return Err("there is nothing at its path that could take a member"),
        }
        Ok(())
    }

    fn remove(&self, document: &mut Json) -> Option<Json> {
        let (parent, name) = self.split()?;
        match parent.find(document)? {
            Json::Object(members) => members.remove(name),
            Json::Array(items) => {
                let index = index(name).filter(|index| *index < items.len())?;
                Some(items.remove(index))
            }
            _ => None,
        }
    }
}

/// A name of a pointer with `~0` and `~1` decoded; `None` if `~` is followed by anything else.
fn unescaped(name: &str) -> Option<String> {
    let mut pieces = name.split('~');
    let mut plain = pieces.next()?.to_owned();
    for piece in pieces {
        plain.push(match piece.as_bytes().first()? {
            b'0' => '~',
            b'1' => '/',
            _ => return None,
        });
        plain.push_str(&piece[1..]);
    }
    Some(plain)
}

/// The index in an array that a pointer's name stands for: digits without a leading zero.
fn index(name: &str) -> Option<usize> {
    let canonical = name == "0" || !name.starts_with('0');
    let digits = name.bytes().all(|b| b.is_ascii_digit());
    (canonical && digits).then(|| name.parse().ok()).flatten()
}

#[cfg(test)]
mod tests;
