//! The settings of a runner.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use keylane_log::{EventLog, LogError, Offset};

use crate::event::Listener;
use crate::metrics::Metrics;

/// Returns the ends of a topic's partitions in order; an end is the next offset to be written.
pub type EndsOf = Arc<dyn Fn(&str) -> Result<Vec<Offset>, LogError> + Send + Sync>;

/// Which records share a lane, so that they are handled one at a time and in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Mode {
    /// Records with the same key, as [`Handler::key`](crate::Handler::key) names it.
    #[default]
    ByKey,
    /// Records of the same partition.
    ByPartition,
    /// All records of the instance, in the order in which the log hands them out.
    OneByOne,
}

/// The settings of a runner. Start from [`Options::lanes`], [`Options::one_by_one`] or the default.
#[derive(Clone)]
pub struct Options {
    /// Which records share a lane.
    pub mode: Mode,
    /// How many lanes may be in flight at once; at least 1.
    pub lanes: usize,
    /// The longest time that finished work waits for its commit while there is more work. A commit takes a broker 5 to
    /// 15 ms.
    pub commit_every: Duration,
    /// How long the runner must be without work before it commits ahead of `commit_every`.
    pub commit_idle: Duration,
    /// About how many bytes of records are kept in memory. Beyond that, partitions pause.
    pub buffer_bytes: usize,
    /// How long a shutdown waits for the records in flight.
    pub shutdown_timeout: Duration,
    /// Where the runner counts what it does.
    pub metrics: Arc<Metrics>,
    /// Where to learn the ends of partitions. A commit's metadata names records behind the committed offset that are
    /// done already. They are skipped only if the ends prove that the log still holds these records; without `ends_of`
    /// they are handled again.
    pub ends_of: Option<EndsOf>,
    /// Who is told of everything that the runner does. Without one, telling costs nothing.
    pub listener: Option<Listener>,
}

impl Options {
    /// Options for a lane per key, and up to `lanes` of them in flight at once.
    pub fn lanes(lanes: usize) -> Self {
        Self {
            lanes,
            ..Self::default()
        }
    }

    /// Options for one record at a time in the whole instance, in the order in which the log hands them out.
    pub fn one_by_one() -> Self {
        Self {
            lanes: 1,
            mode: Mode::OneByOne,
            ..Self::default()
        }
    }

    /// Sets [`ends_of`](Self::ends_of) to ask `log`.
    pub fn with_log(mut self, log: Arc<dyn EventLog>) -> Self {
        self.ends_of = Some(Arc::new(move |topic| {
            let extents = log.extents(topic)?;
            Ok(extents.into_iter().map(|extent| extent.end).collect())
        }));
        self
    }
}

impl Default for Options {
    /// A lane per key, 64 lanes in flight, 64 MiB of records in memory, and 30 s for a shutdown.
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
            listener: None,
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
