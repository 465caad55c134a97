//! Writing where nobody may be reading any more.

use std::io::{self, Write};

use crate::plain;

/// Writes all of it to stdout at once; what a terminal would obey is shown.
pub fn print(text: &str) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    stdout.write_all(plain::lines(text).as_bytes())?;
    stdout.flush()
}

/// Writes it to stderr; nobody reading is no reason to fail.
pub fn warn(text: &str) {
    let _ = io::stderr().lock().write_all(plain::lines(text).as_bytes());
}
