//! The words of the vocabulary: what can happen, to which event, where, and how it ended.
//!
//! # Invariants
//! * A word says what its observer saw by itself. What it means is for a checker to say, and is a [`What::Verdict`].
//! * Lengths of time are microseconds.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

/// What can happen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "what", rename_all = "kebab-case")]
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
        /// The record's key; none if it has none, and the producer chose the partition in turn.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        key: Option<String>,
    },
    /// Partitions were assigned to an instance.
    Assigned {
        /// The partitions, with where each is read from.
        partitions: Vec<Assignment>,
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
    /// An instance has taken a record from the log. It waits in the lane of its order.
    Taken {
        /// The event that the record's headers name; none if they name no order's event.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        event: Option<Event>,
        /// Where the record stands.
        place: Place,
        /// The number of the assignment under which it was taken.
        epoch: u64,
    },
    /// An instance has taken a record from the log and does nothing with it, as an earlier owner of the partition was done with it.
    Skipped {
        /// The event that the record's headers name; none if they name no order's event.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        event: Option<Event>,
        /// Where the record stands.
        place: Place,
        /// The number of the assignment under which it was taken.
        epoch: u64,
    },
    /// The log has gone back: it was truncated, or repeats records, which are taken anew.
    Rewound {
        /// The partition.
        partition: u32,
        /// The offset that the log has gone back to.
        offset: u64,
        /// The number of the partition's assignment.
        epoch: u64,
    },
    /// The log has taken the commit of an instance's position.
    OffsetCommitted {
        /// The partition.
        partition: u32,
        /// The offset of the first record that is not known to be done.
        position: u64,
    },
    /// The log has refused the commit of an instance's position, as the partition is no longer the instance's.
    OffsetRefused {
        /// The partition.
        partition: u32,
        /// The offset that was to be committed.
        position: u64,
    },
    /// An instance begins slow work for an event.
    Begun {
        /// The event.
        event: Event,
        /// Where the record stands; none if it came from the order service's journal.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        place: Option<Place>,
        /// How long the work takes, in microseconds.
        takes: u64,
    },
    /// An instance could not handle a record this time, and tries again after a pause.
    TriedAgain {
        /// The event that the record holds; none if it can't be read.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        event: Option<Event>,
        /// Where the record stands; none if it came from the order service's journal.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        place: Option<Place>,
        /// Why it could not be handled.
        why: String,
    },
    /// A parked event was handed over to an instance, which handles it now. Its [`What::Finished`] follows.
    HandedOver {
        /// The event.
        event: Event,
        /// Where the record stands; none if it came from the order service's journal.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        place: Option<Place>,
        /// Why now.
        turn: Turn,
        /// For how long it was parked, in microseconds.
        waited: u64,
    },
    /// A version of an order was passed over for good, as a person wanted.
    PassedOver {
        /// The order.
        order: i64,
        /// The version.
        version: i64,
    },
    /// An instance is done with a record.
    Finished {
        /// The event that the record holds; none if it can't be read or is no order's event.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        event: Option<Event>,
        /// Where the record stands; none if it came from the order service's journal.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        place: Option<Place>,
        /// The number of the assignment under which it was taken; none for an event that had been parked.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        epoch: Option<u64>,
        /// How long it took to handle it, in microseconds.
        took: u64,
        /// What became of it.
        #[serde(flatten)]
        ending: Ending,
    },
    /// A role has won a lease, such as the relay's, and does from now on what only one may do.
    LeaseWon {
        /// The lease's name.
        lease: String,
    },
    /// A role holds a lease no longer.
    LeaseLost {
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
    Started {
        /// The name under which the apply history knows the process, such as `delivery-1/4711`; none of a role that applies
        /// nothing.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        instance: Option<String>,
    },
    /// A role ends in good order: it finishes what it has begun.
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
        #[serde(default, skip_serializing_if = "Option::is_none")]
        order: Option<i64>,
        /// Whether it is harm, and not only a hazard.
        harm: bool,
        /// The evidence, in English.
        english: String,
        /// The evidence, in Korean.
        korean: String,
    },
}

/// An event of an order, or of a delivery.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// The order that the event is about, or that is delivered.
    pub order: i64,
    /// The delivery that the event is about; none if it is an order's event.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delivery: Option<i64>,
    /// The event's number among those of its order or of its delivery; none if its producer doesn't number events.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<i64>,
    /// The event's name, such as `OrderModified`; none if it can't be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<Cow<'static, str>>,
}

/// Where a record stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Place {
    /// The record's partition.
    pub partition: u32,
    /// The record's own offset.
    pub offset: u64,
}

/// An assignment of one partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Assignment {
    /// The partition.
    pub partition: u32,
    /// The offset of the first record that is read.
    pub position: u64,
    /// The number of the assignment within the instance; later ones are higher.
    pub epoch: u64,
}

/// What became of a record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "ending", rename_all = "kebab-case")]
pub enum Ending {
    /// It took effect, in its turn as far as the instance can tell.
    Applied(Effect),
    /// It took effect after a later version of its order, which only an instance without the fence lets happen.
    OutOfOrder(Effect),
    /// It took effect a second time, which only an instance without the fence lets happen.
    AppliedAgain(Effect),
    /// It took effect before its predecessor, which only an instance without the fence lets happen.
    AppliedEarly(Effect),
    /// Its version took effect before, or was passed over.
    Duplicate {
        /// Who applied it, as far as that is known.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        by: Option<Applier>,
        /// Why this record itself could not have been handled; none if it could.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        why: Option<String>,
    },
    /// It came before its turn and is parked until then.
    Early {
        /// Why it waits.
        reason: Reason,
        /// The version that its order needs next.
        next: i64,
        /// Who works on that version; none if nobody is known to.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        worker: Option<Worker>,
    },
    /// It came again while it is parked, and stays so.
    Parked {
        /// Why it stays parked.
        reason: Reason,
    },
    /// Its slow work was done, but meanwhile another instance had applied it, so the fence refused the write.
    Stale {
        /// Who applied it, as far as that is known.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        by: Option<Applier>,
    },
    /// It can't be handled and is parked; what follows of its order waits.
    Poison {
        /// Why it can't be handled.
        why: String,
    },
    /// It can't be handled and has become a dead letter; nothing waits for it.
    Buried {
        /// Why it can't be handled.
        why: String,
    },
    /// A person has marked its version to be passed over.
    GivenUp,
    /// There was nothing to do about it.
    Ignored {
        /// Why not.
        why: String,
    },
    /// It is no order's event, so it is none of the instance's business.
    Foreign,
}

/// What an event did to a delivery.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Effect {
    /// The delivery's number.
    pub delivery: i64,
    /// The delivery's status after the event.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<Cow<'static, str>>,
    /// What the delivery was before the event; none if the event made it, or if the fence has seen to the order.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<Before>,
}

/// What a delivery was when an event took effect on it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Before {
    /// The highest version of the order that had been applied.
    pub version: i64,
    /// The delivery's status.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<String>,
}

/// Who applied a version, or passed it over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Applier {
    /// The instance's name, such as `delivery-1`.
    pub instance: String,
    /// Whether that is the observer itself.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub own: bool,
    /// The place of the record that it applied; none if that did not come from the log.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place: Option<Place>,
    /// Whether it passed the version over, as a person wanted.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub discarded: bool,
}

/// Who works on a version at present.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Worker {
    /// The instance's name, such as `delivery-1`.
    pub instance: String,
    /// Whether that is the observer itself.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub own: bool,
}

/// Why an event is parked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reason {
    /// A version before it has not been applied yet.
    Gap,
    /// It can't be handled.
    Poison,
    /// A version before it can't be handled.
    Behind,
    /// Another event claims to be the same version, and they differ.
    Disputed,
}

/// Why a parked event is handled now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Turn {
    /// The versions before it are done, and whoever did the last of them goes on with it.
    Reached,
    /// A person wants it tried again.
    Marked,
    /// Its turn had come, and nobody was handling it, as after a crash.
    Found,
}

impl What {
    /// The word for what happened, as it stands in JSON: `committed`, `handed-over`.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Committed { .. } => "committed",
            Self::Published { .. } => "published",
            Self::Assigned { .. } => "assigned",
            Self::Revoked { .. } => "revoked",
            Self::Lost { .. } => "lost",
            Self::Taken { .. } => "taken",
            Self::Skipped { .. } => "skipped",
            Self::Rewound { .. } => "rewound",
            Self::OffsetCommitted { .. } => "offset-committed",
            Self::OffsetRefused { .. } => "offset-refused",
            Self::Begun { .. } => "begun",
            Self::TriedAgain { .. } => "tried-again",
            Self::HandedOver { .. } => "handed-over",
            Self::PassedOver { .. } => "passed-over",
            Self::Finished { .. } => "finished",
            Self::LeaseWon { .. } => "lease-won",
            Self::LeaseLost { .. } => "lease-lost",
            Self::Grown { .. } => "grown",
            Self::Started { .. } => "started",
            Self::Stopped => "stopped",
            Self::Killed => "killed",
            Self::Frozen => "frozen",
            Self::Woken => "woken",
            Self::Verdict { .. } => "verdict",
        }
    }

    /// The event that it is about, if it is about one.
    pub fn event(&self) -> Option<&Event> {
        match self {
            Self::Committed { event }
            | Self::Published { event, .. }
            | Self::Begun { event, .. }
            | Self::HandedOver { event, .. } => Some(event),
            Self::Taken { event, .. }
            | Self::Skipped { event, .. }
            | Self::TriedAgain { event, .. }
            | Self::Finished { event, .. } => event.as_ref(),
            _ => None,
        }
    }

    /// The order that it is about, if it is about one.
    pub fn order(&self) -> Option<i64> {
        match self {
            Self::PassedOver { order, .. } => Some(*order),
            Self::Verdict { order, .. } => *order,
            _ => self.event().map(|event| event.order),
        }
    }
}

impl Ending {
    /// The word for what became of the record, as it stands in JSON: `applied`, `out-of-order`.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Applied(_) => "applied",
            Self::OutOfOrder(_) => "out-of-order",
            Self::AppliedAgain(_) => "applied-again",
            Self::AppliedEarly(_) => "applied-early",
            Self::Duplicate { .. } => "duplicate",
            Self::Early { .. } => "early",
            Self::Parked { .. } => "parked",
            Self::Stale { .. } => "stale",
            Self::Poison { .. } => "poison",
            Self::Buried { .. } => "buried",
            Self::GivenUp => "given-up",
            Self::Ignored { .. } => "ignored",
            Self::Foreign => "foreign",
        }
    }

    /// What the event did to its order's delivery; none if it did nothing.
    pub fn effect(&self) -> Option<&Effect> {
        match self {
            Self::Applied(effect)
            | Self::OutOfOrder(effect)
            | Self::AppliedAgain(effect)
            | Self::AppliedEarly(effect) => Some(effect),
            _ => None,
        }
    }
}
