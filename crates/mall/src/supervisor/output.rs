//! The children's lines, each behind the name of whoever wrote it.

use std::io::{self, Write};

use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, BufReader};

use crate::telemetry;

/// A longer line is broken.
const LONGEST_LINE: u64 = 64 * 1024;

/// One colour a name, in turn.
const COLOURS: [&str; 6] = ["36", "33", "32", "35", "34", "31"];

/// Where a child's line goes.
#[derive(Debug, Clone, Copy)]
pub enum Stream {
    Out,
    Err,
}

/// Writes prefixed lines.
#[derive(Debug, Clone)]
pub struct Output {
    width: usize,
    colours: bool,
}

impl Output {
    /// For names of up to `width` letters.
    pub fn new(width: usize) -> Self {
        Self {
            width: width.max("mall".len()),
            colours: telemetry::colours(&io::stderr()),
        }
    }

    /// Whether children may colour their lines.
    pub fn coloured(&self) -> bool {
        self.colours
    }

    /// A line of the supervisor's own.
    pub fn own(&self, line: &str) {
        self.line("mall", line.as_bytes(), Stream::Err);
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
        let mut bytes = self.prefix(name).into_bytes();
        bytes.extend_from_slice(line);
        bytes.push(b'\n');
        // Nobody may be reading any more; the mall goes on.
        let _ = match stream {
            Stream::Out => io::stdout().lock().write_all(&bytes),
            Stream::Err => io::stderr().lock().write_all(&bytes),
        };
    }

    fn prefix(&self, name: &str) -> String {
        let padded = format!("{name:width$} | ", width = self.width);
        match self.colours {
            true => format!("\x1b[{}m{padded}\x1b[0m", colour(name)),
            false => padded,
        }
    }
}

fn colour(name: &str) -> &'static str {
    let sum: usize = name.bytes().map(usize::from).sum();
    COLOURS[sum % COLOURS.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefixes_line_up_and_are_coloured_only_on_a_terminal() {
        let mut output = Output {
            width: 10,
            colours: false,
        };
        assert_eq!(output.prefix("order"), "order      | ");
        assert_eq!(output.prefix("delivery-1"), "delivery-1 | ");
        output.colours = true;
        assert!(output.prefix("order").starts_with("\x1b["));
    }
}
