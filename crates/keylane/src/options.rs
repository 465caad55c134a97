//! How a runner is to behave.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use keylane_log::{EventLog, LogError, Offset};

use crate::metrics::Metrics;

/// Tells the ends of a topic's partitions in order (the next offset to be written to each).
pub type EndsOf = Arc<dyn Fn(&str) -> Result<Vec<Offset>, LogError> + Send + Sync>;

/// What makes a lane.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Mode {
    /// A lane per key, as the handler names it.
    #[default]
    ByKey,
    /// A lane per partition.
    ByPartition,
    /// One lane for the whole instance: one record at a time in the order in which the log hands them out.
    OneByOne,
}

/// How a runner is to behave; begin with the default.
#[derive(Clone)]
pub struct Options {
    /// What makes a lane.
    pub mode: Mode,
    /// How many lanes may be in flight at once; 1 at least.
    pub lanes: usize,
    /// How long what is done may wait for its commit while there is more to do (a commit takes a broker 5 to 15 ms).
    pub commit_every: Duration,
    /// How long after the last record was done it is committed when nothing more comes.
    pub commit_idle: Duration,
    /// About how many bytes of records are kept in memory; beyond that, partitions pause.
    pub buffer_bytes: usize,
    /// How long a shutdown waits for what is in flight.
    pub shutdown_timeout: Duration,
    /// Where the counters are kept.
    pub metrics: Arc<Metrics>,
    /// Where to learn the ends of logs. Records that a former owner has done behind its committed offset are skipped only
    /// if this proves that they are still the same log's; without it they are handled again.
    pub ends_of: Option<EndsOf>,
}

impl Options {
    /// Options for up to `lanes` lanes at once. One lane is the whole instance one record at a time, in poll order.
    pub fn lanes(lanes: usize) -> Self {
        Self {
            lanes,
            mode: if lanes == 1 { Mode::OneByOne } else { Mode::ByKey },
            ..Self::default()
        }
    }

    /// Asks this log for the ends of its partitions.
    pub fn with_log(mut self, log: Arc<dyn EventLog>) -> Self {
        self.ends_of = Some(Arc::new(move |topic| {
            let extents = log.extents(topic)?;
            Ok(extents.into_iter().map(|extent| extent.end).collect())
        }));
        self
    }
}

impl Default for Options {
    fn default() -> Self {
        Self {
            mode: Mode::ByKey,
            lanes: 64,
            commit_every: Duration::from_millis(200),
            commit_idle: Duration::from_millis(20),
            buffer_bytes: 64 << 20,
            shutdown_timeout: Duration::from_secs(30),
            metrics: Arc::default(),
            ends_of: None,
        }
    }
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options")
            .field("mode", &self.mode)
            .field("lanes", &self.lanes)
            .field("commit_every", &self.commit_every)
            .field("commit_idle", &self.commit_idle)
            .field("buffer_bytes", &self.buffer_bytes)
            .field("shutdown_timeout", &self.shutdown_timeout)
            .finish_non_exhaustive()
    }
}
