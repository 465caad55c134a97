//! Reads a topic up to where it ended when the reading began, and shows on a terminal how far it has come.

use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

use keylane_log::{EventLog, Extent, LogError, Offset, Record};

/// Gives every record within these extents to `see`, those of each partition in their order. Answers with the next offset
/// of each partition.
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
    let mut progress = ProgressLine::of(format!("reading {topic}"), Some(total));
    log.scan(topic, extents, &mut |record| {
        see(record);
        progress.add(1);
    })
}

/// A line on the terminal that shows how far some work has come. Without a terminal nothing is shown.
pub struct ProgressLine {
    what: String,
    /// How much there is to do, where that is known.
    total: Option<u64>,
    done: u64,
    /// When the line was last written, or the work began.
    last: Instant,
    /// Whether the line was ever written, which it is not for work that is soon done.
    shown: bool,
    on_terminal: bool,
}

/// The time between two updates of the line.
const UPDATE_INTERVAL: Duration = Duration::from_millis(200);

impl ProgressLine {
    /// The progress of work of which nothing is done yet.
    pub fn of(what: impl Into<String>, total: Option<u64>) -> Self {
        Self {
            what: what.into(),
            total,
            done: 0,
            last: Instant::now(),
            shown: false,
            // A role's log lines stand there alone.
            on_terminal: std::io::stderr().is_terminal() && !tracing::dispatcher::has_been_set(),
        }
    }

    /// Notes that so much more is done.
    pub fn add(&mut self, done: u64) {
        self.done += done;
        if self.on_terminal && self.last.elapsed() >= UPDATE_INTERVAL {
            (self.last, self.shown) = (Instant::now(), true);
            let (what, done) = (&self.what, self.done);
            let of_total = self.total.map_or(String::new(), |total| format!(" of {total}"));
            let _ = write!(std::io::stderr().lock(), "\r\x1b[K{what}: {done}{of_total}");
        }
    }
}

impl Drop for ProgressLine {
    fn drop(&mut self) {
        if self.shown {
            let _ = write!(std::io::stderr().lock(), "\r\x1b[K");
        }
    }
}
