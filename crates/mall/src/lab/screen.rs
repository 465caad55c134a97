//! Writes lines to the terminal, coloured by what they mean where that is wanted.

use std::io::{self, Write};

use lab::narration::{Shown, Tone};

use crate::console::escape;
use crate::telemetry::colours;

/// How many columns there are where nobody can say.
const COLUMNS: usize = 80;

/// Where the results of a command are written.
#[derive(Debug, Clone, Copy)]
pub struct Screen {
    coloured: bool,
    /// How many columns a line may have.
    pub width: usize,
}

/// Codes of ECMA-48: what begins a colour, and what ends it.
const BOLD: &str = "\x1b[1m";
const DIM: &str = "\x1b[2m";
const RED: &str = "\x1b[31m";
const GREEN: &str = "\x1b[32m";
const CYAN: &str = "\x1b[36m";
const PLAIN: &str = "\x1b[0m";

/// A colour that a line may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Colour {
    /// As it is.
    Plain,
    /// A heading.
    Bold,
    /// What is less important.
    Dim,
    /// What went wrong.
    Red,
    /// What went well.
    Green,
    /// A word of the language.
    Cyan,
}

impl Screen {
    /// Standard output as it is.
    pub fn stdout() -> Self {
        let stdout = io::stdout();
        let columns = rustix::termios::tcgetwinsize(&stdout).ok();
        let columns = columns
            .map(|size| usize::from(size.ws_col))
            .filter(|columns| *columns > 0);
        Self {
            coloured: colours(&stdout),
            width: columns.unwrap_or(COLUMNS),
        }
    }

    /// A text in a colour, made fit for a terminal.
    pub fn painted(self, text: &str, colour: Colour) -> String {
        let text = escape::line(text);
        let begin = match colour {
            Colour::Plain => return text.into_owned(),
            Colour::Bold => BOLD,
            Colour::Dim => DIM,
            Colour::Red => RED,
            Colour::Green => GREEN,
            Colour::Cyan => CYAN,
        };
        match self.coloured {
            true => format!("{begin}{text}{PLAIN}"),
            false => text.into_owned(),
        }
    }

    /// Writes a line. If nobody reads the output any more, the line is dropped, which is no error.
    pub fn line(self, text: &str, colour: Colour) {
        self.write(&self.painted(text, colour));
    }

    /// Writes a text of several lines in one colour.
    pub fn lines(self, text: &str, colour: Colour) {
        text.lines().for_each(|line| self.line(line, colour));
    }

    /// Writes a line that was painted before.
    pub fn write(self, painted: &str) {
        let mut stdout = io::stdout().lock();
        let _ = writeln!(stdout, "{painted}").and_then(|()| stdout.flush());
    }

    /// Writes lines of a narration.
    pub fn narrated(self, lines: &[Shown]) {
        for Shown { line, tone } in lines {
            let colour = match tone {
                Tone::Plain => Colour::Plain,
                Tone::Step => Colour::Dim,
                Tone::Bad => Colour::Red,
                Tone::Good => Colour::Green,
            };
            self.line(line, colour);
        }
    }
}
