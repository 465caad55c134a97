//! Ordered parallel consumption: one record of a key at a time, many keys at once.
//!
//! ```text
//!                polling thread                       worker tasks
//!   log ── poll ──▶ lane of each key ── ready ──▶ handler ── Done | Retry | Park
//!    ▲                                                           │
//!    └──── commit: frontier, and what is done behind it ◀────────┘
//! ```
//!
//! Implement [`Handler`], join a consumer group of any [`EventLog`], and pass both to [`run()`], or take every step of a
//! [`Runner`] by yourself. This crate re-exports what that takes of `keylane-log`: the feature `kafka` brings the module
//! `kafka`, the feature `embedded` brings `embedded`.
//!
//! # Words
//! * A *lane* is a queue of the records with one key.
//! * An *epoch* is the number of one assignment of one partition to this member. The assignment lasts until the
//!   partition is given back or lost; what the engine keeps of it meanwhile is a *grant*.
//! * A *run* is the records of a lane that are handed to the handler in one call.
//! * A partition's *frontier* says up to where all of its records are done, and which are done behind the first one
//!   that is not.
//!
//! # Invariants
//! * No two records of one key are handled at the same time in one instance, and they start in the order in which the
//!   log has them, through rebalances too.
//! * A record that waits for its next try holds up its own key, and no other.
//! * A position is committed only when every record before it is done.
//! * Memory is bounded: when the buffer is full, partitions pause.
//! * Nothing in this crate knows what the records are about, or what a database is.

#![warn(clippy::missing_errors_doc)]

mod backoff;
mod driver;
mod engine;
mod event;
mod frontier;
mod handler;
pub mod measure;
pub mod metadata;
mod metrics;
mod options;
mod outage;
mod pool;
mod rebalance;
mod runner;
mod scheduler;
mod worker;

#[cfg(feature = "embedded")]
pub use keylane_log::embedded;
#[cfg(feature = "kafka")]
pub use keylane_log::kafka;
pub use keylane_log::{Consumer, EventLog, LogError, Offset, Partition, Record, Subscription, TopicPartition};
pub use tokio;
pub use tokio_util::sync::CancellationToken;

pub use backoff::Backoff;
pub use driver::run;
pub use event::{Event, Listener};
pub use handler::{Attempt, Handler, Outcome};
pub use metrics::Metrics;
pub use options::{EndsOf, Mode, Options};
pub use outage::Outage;
pub use runner::{Runner, Summary};
pub use scheduler::Epoch;
