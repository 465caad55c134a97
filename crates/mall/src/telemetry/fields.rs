//! The fields of a log line, as JSON values.

use std::fmt;

use serde_json::{Map, Value};
use tracing::field::{Field, Visit};

use crate::console::escape;

/// The field that names the kind of a line which may repeat.
pub const KIND: &str = "tally";

/// The fields of a line, in the order in which they were given.
#[derive(Default)]
pub struct Fields(pub Map<String, Value>);

impl Fields {
    /// Takes out the kind of a line that may repeat. Other lines have none.
    pub fn take_kind(&mut self) -> Option<String> {
        let kind = self.0.shift_remove(KIND)?;
        kind.as_str().map(str::to_owned)
    }

    /// The line's message, on one line.
    pub fn message(&self) -> Option<String> {
        self.0.get("message").map(shown)
    }

    /// Drops every field but the message.
    pub fn keep_message(&mut self) {
        self.0.retain(|name, _| name == "message");
    }

    fn put(&mut self, field: &Field, value: impl Into<Value>) {
        self.0.insert(field.name().to_owned(), value.into());
    }
}

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.put(field, format!("{value:?}"));
    }
    fn record_str(&mut self, field: &Field, value: &str) {
        self.put(field, value);
    }
    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field, value);
    }
    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(field, value);
    }
    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field, value);
    }
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.put(field, value);
    }
}

/// The text of a field without quotes, and on one line whatever it holds.
pub fn shown(value: &Value) -> String {
    let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    escape::line(&text).into_owned()
}
