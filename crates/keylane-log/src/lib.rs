//! A partitioned, keyed event log behind one port, and two adapters of it.
//!
//! ```text
//!   producer ── append ──▶ topic ─┬─ P0 ▮▮▮▮ ──▶ member of a consumer group
//!                                 └─ P1 ▮▮   ──▶ another member
//! ```
//!
//! * [`embedded`]: a SQLite file which any number of processes of one machine share.
//! * [`kafka`]: Apache Kafka, through librdkafka.
//!
//! # Invariants
//! * An [`Offset`] in a position always means the *next* record to read, never the last one read.
//! * A partition of a group has at most one owner at a time, and a commit by anybody else is refused.
//! * A record with a key goes where Java's default partitioner would put it ([`partitioner`]).
//! * Nothing in here knows what the records are about.

mod port;
mod record;

pub mod headers;
pub mod partitioner;

#[cfg(feature = "embedded")]
pub mod database_files;
#[cfg(feature = "embedded")]
pub mod turnstile;

#[cfg(feature = "embedded")]
pub mod embedded;
#[cfg(feature = "kafka")]
pub mod kafka;

pub use port::{
    Assignment, Consumer, Coordinator, EventLog, Extent, GroupInfo, GroupMember, GroupState, LogError, PartitionInfo,
    Position, Rebalance, Result, Subscription, TopicInfo,
};
pub use record::{Header, NewRecord, Offset, Partition, Placed, Record, Timestamp, TopicPartition};
