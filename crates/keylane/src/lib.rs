//! Ordered parallel consumption: one record of a key at a time, many keys at once.
//!
//! ```text
//!                polling thread                       worker tasks
//!   log ── poll ──▶ lane of each key ── ready ──▶ handler ── Done | Retry | Park
//!    ▲                                                           │
//!    └──── commit: contiguous frontier, done-beyond-gap ◀────────┘
//! ```
//!
//! Bring a [`Handler`], join a group of any [`EventLog`], and [`run`] it. What that takes of the log is found here as well:
//! with the feature `kafka` there is [`kafka`], with `embedded` there is [`embedded`].
//!
//! # Invariants
//! * No two records of one key are handled at the same time in one instance, and they start in the order in which the
//!   log has them, through rebalances too.
//! * A record that waits for its next try holds up its key, and nobody else.
//! * A position is committed only when every record before it is done.
//! * Memory is bounded: beyond a number of bytes, partitions pause.
//! * Nothing in here knows what the records are about, or what a database is.

mod backoff;
#[cfg(test)]
mod dice;
mod handler;
mod metrics;
mod options;
mod outage;
mod pool;
mod rebalance;
mod runner;
mod worker;

pub mod engine;
pub mod frontier;
pub mod measure;
pub mod metadata;
pub mod scheduler;

#[cfg(feature = "embedded")]
pub use keylane_log::embedded;
#[cfg(feature = "kafka")]
pub use keylane_log::kafka;
pub use keylane_log::{Consumer, EventLog, LogError, Offset, Partition, Record, Subscription, TopicPartition};
pub use tokio;
pub use tokio_util::sync::CancellationToken;

pub use backoff::Backoff;
pub use handler::{Attempt, Handler, Outcome};
pub use metrics::Metrics;
pub use options::{EndsOf, Mode, Options};
pub use outage::Outage;
pub use runner::{Summary, run};
pub use scheduler::Epoch;
