//! The fields of a log line, as JSON values.

use std::fmt;

use serde_json::{Map, Value};
use shop::text::Language;
use tracing::Event;
use tracing::field::{Field, Visit};

use crate::console::escape;

/// The field that names the kind of a line which may repeat.
pub const KIND: &str = "tally";

/// The field that holds the line's message in Korean.
const KOREAN: &str = "ko";
const MESSAGE: &str = "message";

/// The fields of a line, in the order in which they were given. The message is the one in the reader's language.
#[derive(Default)]
pub struct Fields(pub Map<String, Value>);

impl Fields {
    /// The fields of this event, with its message in this language, or in English where there is none in it.
    pub fn of(event: &Event<'_>, language: Language) -> Self {
        let mut visitor = Reader {
            fields: Self::default(),
            language,
        };
        event.record(&mut visitor);
        visitor.fields
    }

    /// Takes out the kind of a line that may repeat. Other lines have none.
    pub fn take_kind(&mut self) -> Option<String> {
        let kind = self.0.shift_remove(KIND)?;
        kind.as_str().map(str::to_owned)
    }

    /// The line's message, on one line.
    pub fn message(&self) -> Option<String> {
        self.0.get(MESSAGE).map(shown)
    }

    /// Drops every field but the message.
    pub fn keep_message(&mut self) {
        self.0.retain(|name, _| name == MESSAGE);
    }
}

/// Reads an event. A message in another language than the reader's is not even written out.
struct Reader {
    fields: Fields,
    language: Language,
}

impl Reader {
    fn put(&mut self, field: &Field, value: impl Into<Value>) {
        let fields = &mut self.fields.0;
        match (field.name(), self.language) {
            (KOREAN, Language::English) => {}
            (KOREAN, Language::Korean) => drop(fields.insert(MESSAGE.to_owned(), value.into())),
            (name, _) => drop(fields.insert(name.to_owned(), value.into())),
        }
    }

    /// Whether a field is the message in a language that isn't wanted.
    fn passes_by(&self, field: &Field) -> bool {
        match self.language {
            Language::English => field.name() == KOREAN,
            Language::Korean => field.name() == MESSAGE && self.fields.0.contains_key(MESSAGE),
        }
    }
}

impl Visit for Reader {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if !self.passes_by(field) {
            self.put(field, format!("{value:?}"));
        }
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
