//! Logs: one readable line per event on stderr, or one JSON object per line.
//!
//! ```text
//! 12:03:04.123Z delivery-1 OrderModified order=2 v2 P1@7 … DELIVERY MODIFIED 10.01s
//! ```

mod calm;
mod tally;

pub use calm::end;

use std::fmt::{self, Write as _};
use std::io::{self, IsTerminal, Write};
use std::sync::OnceLock;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use clap::ValueEnum;
use serde_json::{Map, Value};
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::layer::{Layer, SubscriberExt};
use tracing_subscriber::registry::LookupSpan;

use shop::delivery::EVENTS;

use crate::exit;
use crate::plain;
use crate::shutdown::SUPERVISED;

/// Set by `mall up` for its children when it writes to a terminal itself.
pub const COLOURED: &str = "MALL_COLOURED";

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// One readable line an event.
    Text,
    /// One JSON object an event.
    Json,
}

/// Set once every line of this process is to be JSON, to the role that they name.
static SPEAKER: OnceLock<String> = OnceLock::new();

/// From now on whatever this process says outside of the log is JSON as well, as `role`.
pub fn speak_json(role: &str) {
    let _ = SPEAKER.set(role.to_owned());
}

/// A sentence as this process is to say it: as it is, or as a line of JSON.
pub fn spoken(sentence: &str) -> String {
    match SPEAKER.get() {
        Some(role) => json_line(Level::WARN, role, SAID, Map::from_iter([message(sentence)])),
        None => sentence.to_owned(),
    }
}

/// The target of sentences that no log wrote.
const SAID: &str = "mall::said";

/// A line of JSON that no log wrote.
pub fn json_line(level: Level, role: &str, target: &str, fields: Map<String, Value>) -> String {
    let mut object = Map::new();
    object.insert("timestamp".into(), Value::from(now().as_millis() as u64));
    object.insert("level".into(), Value::from(level.as_str()));
    object.insert("role".into(), Value::from(role));
    object.insert("target".into(), Value::from(target));
    object.extend(fields);
    Value::Object(object).to_string()
}

/// A child's line as JSON that names its role: its own object, or its text in one.
pub fn json_of(role: &str, line: &[u8]) -> String {
    let text = String::from_utf8_lossy(line);
    match serde_json::from_str(&text) {
        Ok(Value::Object(mut object)) => {
            object.insert("role".into(), Value::from(role));
            Value::Object(object).to_string()
        }
        // A panic, or what a library writes by itself.
        _ => json_line(Level::WARN, role, SAID, Map::from_iter([message(&text)])),
    }
}

/// The field that holds a line's text.
pub fn message(text: &str) -> (String, Value) {
    ("message".into(), Value::from(text))
}

/// Sends the log to stderr from now on, as `name` (`order`, `delivery-1`). The first call in a process counts.
pub fn init(name: &str, format: Format, level: &str) {
    let lines = Lines {
        // The supervisor puts the name in front of every line by itself.
        name: (std::env::var_os(SUPERVISED).is_none() || format == Format::Json).then(|| name.to_owned()),
        format,
        colours: colours(&io::stderr()),
    };
    let filter = EnvFilter::try_new(level).unwrap_or_else(|_| EnvFilter::new("info"));
    let layer = tracing_subscriber::fmt::layer()
        .with_writer(|| Stderr)
        .event_format(lines)
        .with_filter(calm::begin());
    let subscriber = tracing_subscriber::registry().with(filter).with(layer);
    let _ = tracing::subscriber::set_global_default(subscriber);
    if format == Format::Json {
        speak_json(name);
        std::panic::set_hook(Box::new(|panic| exit::say(&panic.to_string())));
    }
}

/// Whether to colour what goes to `stream`: only on a terminal, and never against the user's `NO_COLOR`.
pub fn colours(stream: &impl IsTerminal) -> bool {
    let refused = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    !refused && (stream.is_terminal() || std::env::var_os(COLOURED).is_some())
}

/// Stderr that never fails: a supervisor that was killed must not break the children which drain after it.
struct Stderr;

impl Write for Stderr {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let _ = io::stderr().lock().write_all(line);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

struct Lines {
    name: Option<String>,
    format: Format,
    colours: bool,
}

impl<S, N> FormatEvent<S, N> for Lines
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(&self, _: &FmtContext<'_, S, N>, mut writer: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let mut fields = Fields::default();
        event.record(&mut fields);
        let level = *event.metadata().level();
        let line = match self.format {
            Format::Text => {
                fields.take_kind();
                if event.metadata().target() == EVENTS {
                    fields.keep_message();
                }
                self.text(now(), level, &fields)
            }
            Format::Json => self.json(level, event.metadata().target(), fields),
        };
        writeln!(writer, "{line}")
    }
}

impl Lines {
    fn text(&self, now: Duration, level: Level, fields: &Fields) -> String {
        let mut line = self.paint("2", &time_of_day(now));
        if let Some(name) = &self.name {
            line += " ";
            line += &self.paint("36", name);
        }
        match level {
            Level::ERROR => line += &format!(" {}", self.paint("1;31", "ERROR")),
            Level::WARN => line += &format!(" {}", self.paint("33", "WARN")),
            Level::INFO => {}
            other => line += &format!(" {other}"),
        }
        if let Some(message) = fields.0.get("message") {
            line += " ";
            line += &shown(message);
        }
        for (name, value) in fields.0.iter().filter(|(name, _)| *name != "message") {
            let _ = write!(line, " {name}={}", shown(value));
        }
        line
    }

    fn json(&self, level: Level, target: &str, fields: Fields) -> String {
        json_line(level, self.name.as_deref().unwrap_or_default(), target, fields.0)
    }

    fn paint(&self, code: &str, text: &str) -> String {
        match self.colours {
            true => format!("\x1b[{code}m{text}\x1b[0m"),
            false => text.to_owned(),
        }
    }
}

/// An event's fields in the order in which they were given.
#[derive(Default)]
struct Fields(Map<String, Value>);

impl Fields {
    /// Of which kind it is, if it is one of those that are counted. In a readable line that would say nothing.
    fn take_kind(&mut self) -> Option<String> {
        let kind = self.0.shift_remove(calm::KIND)?;
        kind.as_str().map(str::to_owned)
    }

    /// The lines of this target say everything in their text.
    fn keep_message(&mut self) {
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

/// Text without quotes, and on one line whatever it holds.
fn shown(value: &Value) -> String {
    let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    plain::line(&text).into_owned()
}

fn now() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

fn time_of_day(now: Duration) -> String {
    let seconds = now.as_secs() % 86_400;
    let (hours, minutes) = (seconds / 3600, seconds / 60 % 60);
    format!(
        "{hours:02}:{minutes:02}:{:02}.{:03}Z",
        seconds % 60,
        now.subsec_millis()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(colours: bool) -> Lines {
        Lines {
            name: Some("delivery-1".into()),
            format: Format::Text,
            colours,
        }
    }

    fn fields() -> Fields {
        let mut map = Map::new();
        map.insert(
            "message".into(),
            Value::from("OrderModified\nforged \u{202e}line\u{1b}[2J"),
        );
        map.insert("order".into(), Value::from(2));
        Fields(map)
    }

    #[test]
    fn a_text_line_is_one_line() {
        let line = lines(false).text(Duration::from_millis(43_384_123), Level::INFO, &fields());
        assert_eq!(
            line,
            "12:03:04.123Z delivery-1 OrderModified\\nforged \\u{202e}line\\u{1b}[2J order=2"
        );
    }

    #[test]
    fn only_what_went_wrong_names_its_level() {
        let line = lines(true).text(Duration::ZERO, Level::WARN, &fields());
        assert!(line.contains("\x1b[33mWARN\x1b[0m"), "{line}");
    }

    #[test]
    fn whatever_a_child_says_becomes_json_with_its_role() {
        let said = |line: &[u8]| -> Value { serde_json::from_str(&json_of("delivery-1", line)).expect("JSON") };
        let own = said(br#"{"level":"INFO","role":"delivery","message":"m"}"#);
        assert_eq!((&own["role"], &own["message"]), (&"delivery-1".into(), &"m".into()));
        for text in [
            "thread 'main' panicked at src/x.rs:1:2",
            "",
            "{\"half\": ",
            "[1]",
            "7",
            "\"quoted\"\tand more",
        ] {
            let wrapped = said(text.as_bytes());
            assert_eq!(
                (&wrapped["role"], &wrapped["message"]),
                (&"delivery-1".into(), &text.into())
            );
            assert_eq!(wrapped["level"], "WARN");
        }
        assert_eq!(said(&[b'a', 0xff])["message"], "a\u{fffd}");
    }

    #[test]
    fn a_json_line_carries_every_field() {
        let line = lines(false).json(Level::INFO, "shop", fields());
        let value: Value = serde_json::from_str(&line).expect("JSON");
        assert!(value["timestamp"].as_u64() > Some(1_700_000_000_000), "{line}");
        assert_eq!(value["role"], "delivery-1");
        assert_eq!(value["order"], 2);
    }
}
