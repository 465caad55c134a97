//! Reads a topic from its first record to where it ended when the reading began, and shows how far it has come.

use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

use keylane_log::{EventLog, Extent, LogError, Offset, Record};

/// Shows every record between these extents to `see`, each partition in its order; answers with the next offset of each.
pub fn each_record(
    log: &dyn EventLog,
    topic: &str,
    extents: &[Extent],
    mut see: impl FnMut(&Record),
) -> Result<Vec<Offset>, LogError> {
    let total = extents
        .iter()
        .map(|extent| extent.end.0.saturating_sub(extent.start.0))
        .sum();
    let mut progress = Progress::of(format!("reading {topic}"), total);
    log.scan(topic, extents, &mut |record| {
        see(record);
        progress.add(1);
    })
}

/// How far something has come, on a terminal; elsewhere nothing.
pub struct Progress {
    what: String,
    total: u64,
    done: u64,
    shown: Option<Instant>,
    on_terminal: bool,
}

/// Between two looks.
const LOOK: Duration = Duration::from_millis(200);

impl Progress {
    /// Nothing is done yet of `total`; 0 if nobody knows how much there is.
    pub fn of(what: impl Into<String>, total: u64) -> Self {
        Self {
            what: what.into(),
            total,
            done: 0,
            shown: None,
            on_terminal: std::io::stderr().is_terminal(),
        }
    }

    /// So much more is done.
    pub fn add(&mut self, done: u64) {
        self.done += done;
        if self.on_terminal && self.shown.is_none_or(|shown| shown.elapsed() >= LOOK) {
            self.shown = Some(Instant::now());
            let (what, done) = (&self.what, self.done);
            let of = if self.total > 0 {
                format!(" of {}", self.total)
            } else {
                String::new()
            };
            let _ = write!(std::io::stderr().lock(), "\r\x1b[K{what}: {done}{of}");
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if self.shown.is_some() {
            let _ = write!(std::io::stderr().lock(), "\r\x1b[K");
        }
    }
}
