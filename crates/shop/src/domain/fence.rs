//! The fence's commands and outcomes, and the events that it parks.
//!
//! ```text
//!   version ≤ cursor       duplicate: dropped before any slow work
//!   version = cursor + 1   look ─▶ slow work ─▶ apply: compared again, cursor advances
//!   version > cursor + 1   parked, durably
//!   can't be handled       parked as poison, and everything of its order behind it
//! ```
//!
//! Each version of an order has one slot, which holds what is parked as that version. The slot belongs to the event that was
//! written, which the order's journal knows, and not to the record that came first:
//!
//! ```text
//!   a readable event        takes over a slot that something unreadable holds
//!   an unreadable record    takes over nothing: it is a dead letter
//!   two readable events     that differ: the slot is disputed until the journal is asked
//!   what the journal holds  takes over whatever holds the slot
//! ```
//! A person's decision to pass a version over wins against all of these.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use keylane_log::{Header, Timestamp};
use planted::Bug;

use super::{Delivery, DeliveryRequest, EventRecord, IncomingEvent, OrderId, Origin, Version};

/// How long a parked event is leased to the instance that took it, from each renewal on.
pub const LEASE: Duration = Duration::from_secs(10);

/// A command to the fence.
#[derive(Debug, Clone)]
pub enum FenceCommand {
    /// Asks, before an event's slow work, whether the work is worth doing.
    Look(Received),
    /// Asks the same, and notes until when this instance will be busy with the event at most, so that others can say whom they
    /// wait for. For slow work only.
    Begin(Received, Timestamp),
    /// Applies an event whose slow work is done, if it is still the next one after the cursor.
    Apply(Received),
    /// Parks a record that can't be handled as poison, unless a readable event holds its version's slot.
    Refuse(Refused),
    /// Removes what is parked as a version that the order service's journal never held, if it can't be read or a person has
    /// marked it to be discarded.
    Forget {
        /// The order that the parked record names.
        order_id: OrderId,
        /// The version under which the record is parked.
        version: Version,
    },
    /// Appends a dead letter, and parks nothing.
    Bury(NewDeadLetter),
    /// Hands over the parked event that is next after the cursor, and passes over the versions that a person has marked to
    /// be discarded.
    Resume {
        /// The order whose parked events are looked at.
        order_id: OrderId,
        /// The name of the instance that takes the event.
        holder: Arc<str>,
    },
    /// Renews or ends the lease of a parked event.
    Renew {
        /// The order of the event.
        order_id: OrderId,
        /// The version of the event.
        version: Version,
        /// The name of the instance that holds the lease.
        holder: Arc<str>,
        /// Whether the lease is renewed; otherwise it ends.
        keep: bool,
    },
    /// Marks a parked event with a person's decision.
    Mark {
        /// The order of the event.
        order_id: OrderId,
        /// The version of the event.
        version: Version,
        /// What is to be done with the event.
        mark: Mark,
    },
    /// Takes away the mark to retry of a parked event, because it has been acted on.
    Heard {
        /// The order of the event.
        order_id: OrderId,
        /// The version of the event.
        version: Version,
    },
}

/// An event and the record that it was read from.
#[derive(Debug, Clone)]
pub struct Received {
    /// The event to apply, and who applies it.
    pub request: DeliveryRequest,
    /// The record, which is parked if the event has to wait.
    pub record: Arc<EventRecord>,
}

/// A record that can't be handled, though it names its order and version.
#[derive(Debug, Clone)]
pub struct Refused {
    /// The order that the record names.
    pub order_id: OrderId,
    /// The version that the record names.
    pub version: Version,
    /// The event that the record carries; none if it can't be read.
    pub event: Option<IncomingEvent>,
    /// The record, which is parked for a later attempt.
    pub record: Arc<EventRecord>,
    /// Why the record can't be handled.
    pub error: String,
    /// The dead letter that is written about it.
    pub letter: NewDeadLetter,
}

/// The outcome of a command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FenceOutcome {
    /// The event's version has been applied or passed over before.
    Duplicate,
    /// The event is next: the caller does its slow work and then has it applied.
    Next {
        /// Whether the event is parked and now leased to the caller, who renews the lease during the slow work.
        leased: bool,
    },
    /// The event came before its turn and is parked.
    Early(Early),
    /// The record is parked, and stays so for this reason.
    Parked(ParkReason),
    /// Another readable event is parked as this version. The caller refuses this one, which makes the slot disputed.
    Disputed,
    /// The event is dropped, because a person has marked its version to be discarded.
    GivenUp,
    /// The record became a dead letter, and nothing is parked.
    Buried,
    /// The event has no version and does not fit the delivery's state; it is dropped. The text says why.
    Ignored(String),
    /// The event does not fit the delivery's state and can't be handled. The text says why.
    Refused(String),
    /// The event took effect.
    Applied {
        /// The delivery after the event.
        delivery: Delivery,
        /// The parked event that waited for this one, which the caller is to handle now.
        next: Option<Box<ParkedEvent>>,
        /// The versions after this one that were passed over, because a person has marked them to be discarded.
        discarded: Vec<Version>,
    },
    /// The parked events of an order were looked at.
    Resumed {
        /// The parked event that the caller is to handle now.
        next: Option<Box<ParkedEvent>>,
        /// The versions that were passed over, because a person has marked them to be discarded.
        discarded: Vec<Version>,
    },
    /// Whether the command found what it is about: the lease to renew, the mark to take away, the record to remove.
    Noted(bool),
    /// What came of marking a version.
    Marked(Marked),
}

/// An event that waits in parking for others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Early {
    /// Why the event is parked.
    pub reason: ParkReason,
    /// The version that comes next after the cursor: the one that is waited for, or the event's own if another instance has
    /// taken it out of parking.
    pub next: Version,
    /// Who works on that version, as far as is known.
    pub worker: Option<Worker>,
}

/// An instance that has begun the slow work of an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Worker {
    /// The name of the instance.
    pub instance: String,
    /// When the work is over at the latest, unless the instance was stopped.
    pub until: Timestamp,
}

/// What came of marking a version with a person's decision.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Marked {
    /// The version is parked for this reason, and is marked now.
    Parked(ParkReason),
    /// The version has not come and others wait for it; it is marked to be passed over.
    Missing,
    /// The version took effect before, or was passed over; nothing is marked.
    Passed,
    /// The version is not parked, and is not the one that others wait for; nothing is marked.
    NotThere,
}

/// Why an event is parked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ParkReason {
    /// A version before this one has not come.
    Gap,
    /// The record can't be handled.
    Poison,
    /// A version before this one can't be handled.
    Behind,
    /// Two readable events that differ claim to be this version.
    Disputed,
}

/// A person's decision about a parked event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mark {
    /// The event is to be handled once more.
    Retry,
    /// The event is to be passed over and never to take effect.
    Discard,
}

/// An event that waits in the delivery service's database until it can be handled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParkedEvent {
    /// The order under which the event is parked.
    pub order_id: OrderId,
    /// The event's version, reason, mark and lease.
    pub head: ParkedHead,
    /// Why the event can't be handled; none if it merely waits.
    pub error: Option<String>,
    /// The record that the event was read from.
    pub record: EventRecord,
}

/// What the fence needs of a parked event to decide.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    /// The event's version, reason, mark and lease.
    pub head: ParkedHead,
    /// The event that the record carries; none if it can't be read, or is an event of another order or version.
    pub event: Option<IncomingEvent>,
    /// Where the record came from.
    pub origin: Origin,
}

/// The state of a parked event, without its record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParkedHead {
    /// The version under which the event is parked.
    pub version: Version,
    /// Why the event is parked.
    pub reason: ParkReason,
    /// What a person has decided about the event, if anything.
    pub mark: Option<Mark>,
    /// When the event was parked.
    pub since: Timestamp,
    /// The name of the instance that leased the event last; empty if none ever did.
    pub lease_holder: String,
    /// When that lease ends; 0 if there is none.
    pub lease_until: Timestamp,
}

/// An order with parked events.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParkedKey {
    /// The order's number.
    pub order_id: OrderId,
    /// The version that was applied or passed over last; 0 if none was.
    pub cursor: Version,
    /// How many events of the order are parked.
    pub parked: i64,
    /// The parked event with the lowest version.
    pub lowest: ParkedHead,
}

/// A dead letter that is about to be appended to its journal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewDeadLetter {
    /// The order that the record names, if it names one.
    pub order_id: Option<OrderId>,
    /// The version that the record names, if it names one.
    pub version: Option<Version>,
    /// The topic that the letter is published to.
    pub topic: Arc<str>,
    /// When the record was given up.
    pub timestamp: Timestamp,
    /// The record's key.
    pub key: Option<Bytes>,
    /// The record's value.
    pub value: Option<Bytes>,
    /// The record's headers, followed by those that say where it stood and what was wrong with it.
    pub headers: Vec<Header>,
}

/// A dead letter in its journal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadLetter {
    /// The letter's number in its journal; numbers ascend.
    pub id: i64,
    /// The letter itself.
    pub letter: NewDeadLetter,
}

impl FenceCommand {
    /// The order that the command is about; none for a dead letter, which parks nothing.
    pub fn order_id(&self) -> Option<OrderId> {
        match self {
            Self::Look(received) | Self::Begin(received, _) | Self::Apply(received) => {
                Some(received.request.event.order_id)
            }
            Self::Refuse(refused) => Some(refused.order_id),
            Self::Bury(_) => None,
            Self::Resume { order_id, .. }
            | Self::Renew { order_id, .. }
            | Self::Mark { order_id, .. }
            | Self::Heard { order_id, .. }
            | Self::Forget { order_id, .. } => Some(*order_id),
        }
    }

    /// The version that the command is about, if it is about a single one.
    pub fn version(&self) -> Option<Version> {
        match self {
            Self::Look(received) | Self::Begin(received, _) | Self::Apply(received) => received.request.event.version,
            Self::Refuse(refused) => Some(refused.version),
            Self::Bury(_) | Self::Resume { .. } => None,
            Self::Renew { version, .. }
            | Self::Mark { version, .. }
            | Self::Heard { version, .. }
            | Self::Forget { version, .. } => Some(*version),
        }
    }
}

impl Received {
    /// Whether the record comes from the order service's journal, and not from the log.
    pub fn is_written(&self) -> bool {
        self.record.origin == Origin::Journal
    }
}

impl ParkedHead {
    /// Whether the event may be leased once it is the next one: no instance has leased it, and it is not blocked.
    pub fn may_be_taken(&self, now: Timestamp) -> bool {
        let free = match planted::is_in(Bug::LeaseNeverExpires) {
            true => self.lease_until == Timestamp(0),
            false => self.lease_until <= now,
        };
        free && !self.is_blocked()
    }

    /// Whether the event stays parked until a person marks it to be retried, or the order service's journal settles what
    /// its version is.
    pub fn is_blocked(&self) -> bool {
        self.reason.is_refused() && self.mark != Some(Mark::Retry)
    }
}

impl ParkedKey {
    /// Whether a [`FenceCommand::Resume`] of this order has something to do.
    pub fn is_ready(&self, now: Timestamp) -> bool {
        let head = &self.lowest;
        head.version <= self.cursor.next() && (head.mark == Some(Mark::Discard) || head.may_be_taken(now))
    }

    /// Whether only the order service's journal can tell how the order goes on: a version has not come, or the record that
    /// came as it can't be handled.
    pub fn waits_for_journal(&self) -> bool {
        self.has_gap() || self.lowest.is_blocked()
    }

    /// Whether the parked events wait for a version that has not come.
    pub fn has_gap(&self) -> bool {
        self.lowest.version > self.cursor.next()
    }
}

impl ParkReason {
    /// All reasons.
    pub const ALL: [Self; 4] = [Self::Gap, Self::Poison, Self::Behind, Self::Disputed];

    /// Whether the parked record must not be handled as it is: it is poison, or disputed.
    pub fn is_refused(self) -> bool {
        matches!(self, Self::Poison | Self::Disputed)
    }

    /// The name that the tables and the command line have for this reason.
    pub fn name(self) -> &'static str {
        match self {
            Self::Gap => "gap",
            Self::Poison => "poison",
            Self::Behind => "behind",
            Self::Disputed => "disputed",
        }
    }

    /// The reason with this name; none if there is no such reason.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| reason.name() == name)
    }
}

impl Mark {
    /// The name that the tables and the command line have for this mark.
    pub fn name(self) -> &'static str {
        match self {
            Self::Retry => "retry",
            Self::Discard => "discard",
        }
    }

    /// The mark with this name; none if there is no such mark.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Retry, Self::Discard]
            .into_iter()
            .find(|mark| mark.name() == name)
    }
}

impl fmt::Display for ParkReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
