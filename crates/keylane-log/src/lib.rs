//! A partitioned, keyed event log behind one port, and two adapters of it.
//!
//! ```text
//!   producer ── append ──▶ topic ─┬─ P0 ▮▮▮▮ ──▶ member of a consumer group
//!                                 └─ P1 ▮▮   ──▶ another member
//! ```
//!
//! * [`EventLog`] is the port: topics, appends, scans and consumer groups.
//! * [`embedded`] is a SQLite file that any number of processes of one machine share.
//! * [`kafka`] is Apache Kafka, through librdkafka.
//! * [`turnstile`], [`database_files`], [`connection`] and [`headers`] are parts of the embedded log that other SQLite
//!   databases of the same program can use as well.
//!
//! # Invariants
//! * An [`Offset`] in a position always means the *next* record to read, never the last one read.
//! * A partition of a group has at most one owner at a time, and a commit by any other member is refused.
//! * A record with a key goes to the partition where Java's default partitioner would put it ([`partitioner`]).
//! * Nothing in this crate knows what the records are about.

#![warn(clippy::missing_errors_doc)]

mod group;
mod port;
mod record;
#[cfg(any(feature = "embedded", feature = "kafka"))]
mod sync;
mod topic;

pub mod headers;
pub mod partitioner;

#[cfg(feature = "embedded")]
pub mod connection;
#[cfg(feature = "embedded")]
pub mod database_files;
#[cfg(feature = "embedded")]
pub mod turnstile;

#[cfg(feature = "embedded")]
pub mod embedded;
#[cfg(feature = "kafka")]
pub mod kafka;

pub use group::{GroupKind, GroupListing, GroupState, OffsetKept};
pub use port::{
    Assignment, Consumer, Coordinator, EventLog, Extent, GroupError, GroupInfo, GroupMember, LogError, Position,
    Rebalance, Result, Subscription,
};
pub use record::{Header, NewRecord, Offset, Partition, Placed, Record, Timestamp, TimestampType, TopicPartition};
pub use topic::{NewTopic, PartitionInfo, TopicInfo};
