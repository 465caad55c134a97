//! The lines of the supervisor and its children on the terminal: each behind the name of who wrote it, or as JSON that has the
//! name in a field.

use std::io::{self, Write};
use std::sync::{Arc, PoisonError, RwLock};

use serde_json::{Map, Value};
use shop::text::{Language, Text};
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, BufReader};
use tracing::Level;

use crate::console::json;
use crate::telemetry::{self, LogFormat};

/// The supervisor's name among its children's.
const SUPERVISOR: &str = "mall";

/// The log target of the supervisor's own lines.
const TARGET: &str = "mall::supervisor";

/// The length in bytes at which a line is broken in two.
const LONGEST_LINE: u64 = 64 * 1024;

/// The colours of names, as codes of ANSI terminals, in the order in which they are given out. Red is left for what is wrong.
const COLOURS: [&str; 10] = ["36", "33", "32", "35", "34", "96", "93", "92", "95", "94"];

/// The stream that a child's line goes to.
#[derive(Debug, Clone, Copy)]
pub enum Stream {
    Out,
    Err,
}

/// Writes lines.
#[derive(Debug, Clone)]
pub struct Output {
    /// Who writes lines: the supervisor, then its children.
    names: Arc<RwLock<Vec<String>>>,
    colours: bool,
    format: LogFormat,
    language: Language,
}

impl Output {
    /// An output for the lines of the supervisor and of these children.
    pub fn new(children: impl Iterator<Item = String>, format: LogFormat, language: Language) -> Self {
        Self {
            names: Arc::new(RwLock::new(
                std::iter::once(SUPERVISOR.to_owned()).chain(children).collect(),
            )),
            colours: telemetry::colours(&io::stderr()),
            format,
            language,
        }
    }

    /// Has one more child, of this name.
    pub fn add(&self, name: &str) {
        self.names
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .push(name.to_owned());
    }

    /// Whether children may colour their lines.
    pub fn coloured(&self) -> bool {
        self.colours
    }

    /// A line of the supervisor's own.
    pub fn own(&self, line: impl Into<Text>) {
        self.say(Level::INFO, line.into());
    }

    /// A line of the supervisor's own about something that went wrong.
    pub fn trouble(&self, line: impl Into<Text>) {
        self.say(Level::WARN, line.into());
    }

    /// What was started and where: some lines for people, or one JSON object.
    pub fn greeting(&self, lines: Vec<Text>, fields: Map<String, Value>) {
        match self.format {
            LogFormat::Text => lines.into_iter().for_each(|line| self.own(line)),
            LogFormat::Json => write(
                &json::line(Level::INFO, SUPERVISOR, TARGET, fields).into_bytes(),
                Stream::Err,
            ),
        }
    }

    /// What to try, for people alone.
    pub fn hints(&self, lines: Vec<Text>) {
        if self.format == LogFormat::Text {
            lines.into_iter().for_each(|line| self.own(line));
        }
    }

    fn say(&self, level: Level, line: Text) {
        match self.format {
            LogFormat::Text => {
                let line = line.into_language(self.language);
                self.line(SUPERVISOR, line.as_bytes(), Stream::Err);
            }
            LogFormat::Json => {
                let fields = Map::from_iter([json::message(&line.english)]);
                write(&json::line(level, SUPERVISOR, TARGET, fields).into_bytes(), Stream::Err);
            }
        }
    }

    /// Copies lines until the other end closes.
    pub async fn copy(&self, name: &str, source: impl AsyncRead + Unpin, stream: Stream) {
        let mut source = BufReader::new(source);
        let mut line = Vec::new();
        loop {
            line.clear();
            let read = (&mut source).take(LONGEST_LINE).read_until(b'\n', &mut line).await;
            if !matches!(read, Ok(1..)) {
                return;
            }
            self.line(name, line.strip_suffix(b"\n").unwrap_or(&line), stream);
        }
    }

    fn line(&self, name: &str, line: &[u8], stream: Stream) {
        let bytes = match self.format {
            LogFormat::Text => [self.prefix(name).as_bytes(), line].concat(),
            LogFormat::Json => json::line_of_child(name, line).into_bytes(),
        };
        write(&bytes, stream);
    }

    fn prefix(&self, name: &str) -> String {
        let names = self.names.read().unwrap_or_else(PoisonError::into_inner);
        let width = names.iter().map(String::len).max().unwrap_or(0);
        let padded = format!("{name:width$} | ");
        match self.colours {
            true => format!("\x1b[{}m{padded}\x1b[0m", colour(&names, name)),
            false => padded,
        }
    }
}

/// A colour that no other name has, as long as there are enough.
fn colour(names: &[String], name: &str) -> &'static str {
    let place = names.iter().position(|known| known == name);
    COLOURS[place.unwrap_or(0) % COLOURS.len()]
}

fn write(line: &[u8], stream: Stream) {
    let bytes = [line, b"\n"].concat();
    // The mall goes on when nobody reads its lines any more.
    let _ = match stream {
        Stream::Out => io::stdout().lock().write_all(&bytes),
        Stream::Err => io::stderr().lock().write_all(&bytes),
    };
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn prefixes_line_up_and_are_coloured_only_on_a_terminal() {
        let children = ["order", "delivery-1", "delivery-2", "delivery-3", "gateway"];
        let mut output = Output::new(
            children.into_iter().map(str::to_owned),
            LogFormat::Text,
            Language::English,
        );
        output.colours = false;
        assert_eq!(output.prefix("order"), "order      | ");
        assert_eq!(output.prefix("delivery-1"), "delivery-1 | ");
        output.colours = true;
        let prefixes = ["mall"].into_iter().chain(children).map(|name| output.prefix(name));
        let colours: HashSet<String> = prefixes.map(|prefix| prefix[..5].to_owned()).collect();
        assert_eq!(colours.len(), 6, "each has its own: {colours:?}");
        assert!(
            colours
                .iter()
                .all(|colour| colour.starts_with("\x1b[") && colour != "\x1b[31m")
        );
    }
}
