//! Writing to stdout, where nobody may be reading any more.

use std::io::{self, Write};

/// Writes all of it at once.
pub fn print(text: &str) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    stdout.write_all(text.as_bytes())?;
    stdout.flush()
}
