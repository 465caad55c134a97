//! The log: on stderr, with one readable line an event, or one JSON object.
//!
//! ```text
//! 12:03:04.123Z delivery-1 OrderModified order=2 v2 P1@7 … DELIVERY MODIFIED 10.01s
//! ```

mod fields;
mod filter;
mod tally;

pub use filter::tell_the_rest;

use std::fmt::{self, Write as _};
use std::io::{self, IsTerminal, Write};

use clap::ValueEnum;
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::layer::{Layer, SubscriberExt};
use tracing_subscriber::registry::LookupSpan;

use keylane_log::Timestamp;
use shop::lines::EVENTS;
use shop::rfc3339;
use shop::text::Language;

use fields::{Fields, shown};

use crate::console::json;
use crate::{clock, console, supervised};

/// The variable that `mall up` sets for its children when it writes to a terminal that shows colours.
pub const COLOURED: &str = "MALL_COLOURED";

/// The form of log lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// One readable line an event.
    Text,
    /// One JSON object an event.
    Json,
}

/// Sends the log of this process to stderr from now on. `name` is the role's or the instance's (`order`, `delivery-1`). The
/// first call in a process counts.
pub fn init(name: &str, format: LogFormat, level: &str, language: Language) {
    // What machines read is the same in every language.
    let language = match format {
        LogFormat::Text => language,
        LogFormat::Json => Language::English,
    };
    let lines = Lines {
        // The supervisor puts the name in front of every text line by itself.
        name: (!supervised::is_supervised() || format == LogFormat::Json).then(|| name.to_owned()),
        format,
        language,
        colours: colours(&io::stderr()),
    };
    let filter = EnvFilter::try_new(level).unwrap_or_else(|_| EnvFilter::new("info"));
    let layer = tracing_subscriber::fmt::layer()
        .with_writer(|| Stderr)
        .event_format(lines)
        .with_filter(filter::count_repeated_lines(language));
    let subscriber = tracing_subscriber::registry().with(filter).with(layer);
    let _ = tracing::subscriber::set_global_default(subscriber);
    if format == LogFormat::Json {
        json::speak_json(name);
        std::panic::set_hook(Box::new(|panic| console::say(&panic.to_string())));
    }
}

/// Whether lines to this stream are coloured: on a terminal alone, and not if the user has set `NO_COLOR`.
pub fn colours(stream: &impl IsTerminal) -> bool {
    let refused = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    !refused && (stream.is_terminal() || std::env::var_os(COLOURED).is_some())
}

/// Stderr, as a writer that never fails: roles go on and finish their work when the supervisor that read their lines was
/// killed.
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
    /// The name at the beginning of each line. None in lines that the supervisor puts it in front of.
    name: Option<String>,
    format: LogFormat,
    language: Language,
    colours: bool,
}

impl<S, N> FormatEvent<S, N> for Lines
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(&self, _: &FmtContext<'_, S, N>, mut writer: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let mut fields = Fields::of(event, self.language);
        let level = *event.metadata().level();
        let line = match self.format {
            LogFormat::Text => {
                fields.take_kind();
                // The message of a line about an event says everything that its fields say.
                if event.metadata().target() == EVENTS {
                    fields.keep_message();
                }
                self.text(clock::now(), level, &fields)
            }
            LogFormat::Json => self.json(level, event.metadata().target(), fields),
        };
        writeln!(writer, "{line}")
    }
}

impl Lines {
    fn text(&self, now: Timestamp, level: Level, fields: &Fields) -> String {
        let time_of_day = &rfc3339(now)["2025-06-12T".len()..];
        let mut line = self.coloured("2", time_of_day);
        if let Some(name) = &self.name {
            line += " ";
            line += &self.coloured("36", name);
        }
        match level {
            Level::ERROR => line += &format!(" {}", self.coloured("1;31", "ERROR")),
            Level::WARN => line += &format!(" {}", self.coloured("33", "WARN")),
            Level::INFO => {}
            other => line += &format!(" {other}"),
        }
        if let Some(message) = fields.message() {
            line += " ";
            line += &match level {
                Level::ERROR => self.coloured("31", &message),
                _ => message,
            };
        }
        for (name, value) in fields.0.iter().filter(|(name, _)| *name != "message") {
            let _ = write!(line, " {name}={}", shown(value));
        }
        line
    }

    fn json(&self, level: Level, target: &str, fields: Fields) -> String {
        json::line(level, self.name.as_deref().unwrap_or_default(), target, fields.0)
    }

    fn coloured(&self, code: &str, text: &str) -> String {
        match self.colours {
            true => format!("\x1b[{code}m{text}\x1b[0m"),
            false => text.to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Map, Value};

    use super::*;

    fn lines(colours: bool) -> Lines {
        Lines {
            name: Some("delivery-1".into()),
            format: LogFormat::Text,
            language: Language::English,
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
        let line = lines(false).text(Timestamp(43_384_123), Level::INFO, &fields());
        assert_eq!(
            line,
            "12:03:04.123Z delivery-1 OrderModified\\nforged \\u{202e}line\\u{1b}[2J order=2"
        );
    }

    #[test]
    fn only_what_went_wrong_names_its_level() {
        let line = lines(true).text(Timestamp(0), Level::WARN, &fields());
        assert!(line.contains("\x1b[33mWARN\x1b[0m"), "{line}");
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
