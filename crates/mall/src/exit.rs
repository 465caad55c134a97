//! How a command ends: 0 done, 1 the answer is no, 2 could not do it, 64 wrong usage.

use std::fmt;
use std::io::Write;
use std::process::ExitCode;

use crate::plain;
use crate::telemetry;

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Exit(pub u8);

impl Exit {
    /// It was done.
    pub const DONE: Self = Self(0);
    /// It was asked, and the answer is no.
    pub const NO: Self = Self(1);
    /// It could not be done.
    pub const COULD_NOT: Self = Self(2);
    /// It was asked for in a way that makes no sense.
    pub const USAGE: Self = Self(64);
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.0)
    }
}

/// Wrong usage: an option, a value or a file that is not allowed. Says which, and what is allowed.
#[derive(Debug)]
pub struct Usage(pub String);

impl fmt::Display for Usage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Usage {}

/// The exit code an error stands for.
pub fn of(error: &anyhow::Error) -> Exit {
    if error.is::<Usage>() {
        Exit::USAGE
    } else {
        Exit::COULD_NOT
    }
}

/// Writes a line to stderr, and goes on when nobody reads it (a supervisor that was killed): `eprintln!` would panic.
pub fn say(line: &str) {
    let line = telemetry::spoken(line);
    let _ = writeln!(std::io::stderr().lock(), "{}", plain::lines(&line));
}
