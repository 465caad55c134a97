//! The exit codes of commands: 0 it was done, 1 the answer is no, 2 it could not be done, 64 the usage was wrong.

use std::fmt;
use std::process::ExitCode;

/// The exit code with which a command ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Exit(pub u8);

impl Exit {
    /// The command did what it was asked.
    pub const DONE: Self = Self(0);
    /// The command could answer, and the answer is no (something is wrong, or there was nothing to do it to).
    pub const NO: Self = Self(1);
    /// The command could not do it, or could not find out.
    pub const COULD_NOT: Self = Self(2);
    /// The options make no sense (`EX_USAGE` of sysexits.h).
    pub const USAGE: Self = Self(64);
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.0)
    }
}

/// An error about an option, a value or a file that is not allowed. Its sentence says which one, and what is allowed.
#[derive(Debug)]
pub struct Usage(pub String);

impl fmt::Display for Usage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Usage {}

/// The exit code for a command that ended with this error.
pub fn of(error: &anyhow::Error) -> Exit {
    if error.is::<Usage>() {
        Exit::USAGE
    } else {
        Exit::COULD_NOT
    }
}
