//! One vocabulary of what happens in a mall: plain data, which every role and every world of the lab speaks.
//!
//! # Invariants
//! * No clock, no input or output: whoever observes something passes the time in.
//! * Numbers are those of the mall: an offset is a record's own; a position is the offset of the *next* record.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// Something that has happened, when, and to whom.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Observation {
    /// Counts the observations of one source from 1. A gap says that some were dropped.
    pub seq: u64,
    /// When it happened, in milliseconds since 1970 (UTC).
    pub at: i64,
    /// The role or instance that saw it, such as `order` or `delivery-1`.
    pub who: Arc<str>,
    /// What happened.
    #[serde(flatten)]
    pub what: What,
}

/// Where a record stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Place {
    /// The record's partition.
    pub partition: u32,
    /// The record's own offset.
    pub offset: u64,
}

/// An event of an order, or of a delivery.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// The order that the event is about, or that is delivered.
    pub order: i64,
    /// The event's number among those of its order or of its delivery; none if its producer doesn't number events.
    pub version: Option<i64>,
    /// The event's name, such as `OrderModified`.
    pub name: Arc<str>,
}

/// What can happen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "what", rename_all = "kebab-case", rename_all_fields = "kebab-case")]
pub enum What {
    /// A service has committed an event to its journal.
    Committed {
        /// The event.
        event: Event,
    },
    /// A relay has published an event, and the log has acknowledged it.
    Published {
        /// The event.
        event: Event,
        /// Where the log put the record.
        place: Place,
        /// The record's key; none if it has none.
        key: Option<String>,
    },
    /// Partitions were assigned to an instance, which reads them from these positions on.
    Assigned {
        /// The partitions and their positions.
        positions: Vec<Place>,
        /// The number of the assignment within the instance.
        epoch: u64,
    },
    /// An instance has given partitions back in good order.
    Revoked {
        /// The partitions.
        partitions: Vec<u32>,
    },
    /// Partitions were taken away from an instance.
    Lost {
        /// The partitions.
        partitions: Vec<u32>,
    },
    /// An instance has taken a record from the log.
    Taken {
        /// The event that the record holds.
        event: Event,
        /// Where the record stands.
        place: Place,
        /// The number of the assignment under which it was taken.
        epoch: u64,
    },
    /// An instance begins slow work for an event.
    Begun {
        /// The event.
        event: Event,
        /// Where the record stands; none if it came from the order service's journal.
        place: Option<Place>,
        /// How long the work takes, in milliseconds.
        delay_ms: u64,
    },
    /// An instance is done with a record.
    Finished {
        /// The event.
        event: Event,
        /// Where the record stands; none if it came from the order service's journal.
        place: Option<Place>,
        /// The number of the assignment under which it was taken; none for an event that had been parked.
        epoch: Option<u64>,
        /// What became of it.
        ending: Ending,
        /// The delivery's status afterwards, where the event took effect.
        status: Option<String>,
    },
    /// An instance has won a lease, such as the relay's.
    LeaseWon {
        /// The lease's name.
        lease: String,
    },
    /// A topic has more partitions.
    Grown {
        /// The topic's name.
        topic: String,
        /// How many partitions it has now.
        partitions: u32,
    },
    /// A role serves.
    Started,
    /// A role has ended in good order.
    Stopped,
    /// A role was killed.
    Killed,
    /// A role was frozen.
    Frozen,
    /// A frozen role goes on.
    Woken,
    /// The checker has found something.
    Verdict {
        /// The verdict's name, such as `inversion`.
        name: String,
        /// The order that it is about; none if it is about no single order.
        order: Option<i64>,
        /// Whether it is harm, and not only a hazard.
        harm: bool,
    },
}

/// What became of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Ending {
    /// It took effect.
    Applied,
    /// It took effect out of order, which only an instance without the fence lets happen.
    AppliedOutOfOrder,
    /// It had taken effect before.
    Duplicate,
    /// It came before its predecessor and is parked.
    Parked,
    /// It was parked, and was handed over to be handled now. Its own ending follows.
    HandedOver,
    /// Its slow work was done, but meanwhile another instance had applied it, so the fence refused the write.
    Stale,
    /// It can't be handled, and what follows of its order waits.
    Poison,
    /// It can't be handled and has become a dead letter.
    Buried,
    /// There was nothing to do about it.
    Ignored,
}
