//! Histories that the live page opens: of a scenario's run, and of what `mall verify` and `mall timeline` read.
//!
//! ```text
//!   lab::run ─ steps, observations ─▶ Scene ─┐
//!                                            ├─▶ web::live::Recorder ─▶ lines of JSON
//!   journal, topic, applies, rows ─▶ export ─┘
//! ```
//!
//! # Invariants
//! * A scene is pure, and holds what is known of its processes and orders. The same run in a simulated world gives the same bytes.

mod export;
pub mod guess;
mod recording;
mod scene;

pub use export::export;
pub use recording::Recording;
pub use scene::{holds, judged};

use std::fs::File;
use std::io::{self, BufWriter};
use std::path::Path;

use anyhow::{Context, Result};

/// A file for a history. One that is there already is replaced.
///
/// # Errors
/// It can't be written.
pub fn file(path: &Path) -> Result<BufWriter<File>> {
    let file = File::create(path).with_context(|| unwritten(path))?;
    Ok(BufWriter::new(file))
}

/// What writing a history came to.
///
/// # Errors
/// It could not be written.
pub fn written<T>(path: &Path, done: io::Result<T>) -> Result<T> {
    done.with_context(|| unwritten(path))
}

fn unwritten(path: &Path) -> String {
    format!("the history can't be written to {}", path.display())
}
