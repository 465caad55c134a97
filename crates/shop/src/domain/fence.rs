//! What is asked of the fence, what it answers, and what it keeps.
//!
//! ```text
//!   version ≤ cursor       duplicate: done before any slow work
//!   version = cursor + 1   look ─▶ slow work ─▶ apply: compared again, cursor advances
//!   version > cursor + 1   parked, durably
//!   can't be handled       parked as poison, and everything of its order behind it
//! ```
//!
//! The slot of a version belongs to what was written, which the order's journal knows, and not to who came first:
//!
//! ```text
//!   a readable event        takes over a slot that something unreadable holds
//!   an unreadable record    takes over nothing: it is a dead letter
//!   two readable events     that differ: the slot is disputed until the journal is asked
//!   what the journal holds  takes over whatever holds the slot
//! ```
//! A person's decision to pass a version over stands above all of these.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use keylane_log::{Header, Timestamp};

use super::{Delivery, DeliveryRequest, EventRecord, IncomingEvent, OrderId, Origin, Version};

/// For how long a parked event is left to whoever took it, unless they say that they are still at it.
pub const LEASE: Duration = Duration::from_secs(10);

/// Something asked of the fence.
#[derive(Debug, Clone)]
pub enum FenceCommand {
    /// What is to become of this event? Asked before its slow work.
    Look(Received),
    /// Its slow work is done: apply it, if it is still its turn.
    Apply(Received),
    /// It can't be handled: park its order, unless something readable is known of its version.
    Refuse(Refused),
    /// The order service's journal was asked, and never held this version: what is parked under it is no event, if it can't
    /// be read or a person wants it passed over, and is parked no longer.
    Forget {
        /// Whose event it said it was.
        order_id: OrderId,
        /// Which one.
        version: Version,
    },
    /// Keep this for the dead letters; it parks nothing.
    Bury(NewDeadLetter),
    /// Hand over what is parked and has its turn, or act on what a person has marked.
    Resume {
        /// Whose events.
        order_id: OrderId,
        /// Who takes it.
        holder: Arc<str>,
    },
    /// Whoever took a parked event is still at it, or gives it back.
    Renew {
        /// Whose event.
        order_id: OrderId,
        /// Which one.
        version: Version,
        /// Who took it.
        holder: Arc<str>,
        /// Whether they are still at it.
        keep: bool,
    },
    /// A person's decision about a parked event.
    Mark {
        /// Whose event.
        order_id: OrderId,
        /// Which one.
        version: Version,
        /// What is to be done with it.
        mark: Mark,
    },
    /// What a person marked to be retried has been tried: the mark has been heard, and goes.
    Heard {
        /// Whose event.
        order_id: OrderId,
        /// Which one.
        version: Version,
    },
}

/// An event and the record that it was read from.
#[derive(Debug, Clone)]
pub struct Received {
    /// What to apply, and for whom.
    pub request: DeliveryRequest,
    /// Kept if it has to wait.
    pub record: Arc<EventRecord>,
}

/// A record that can't be handled, though it says whose event it is.
#[derive(Debug, Clone)]
pub struct Refused {
    /// Whose event.
    pub order_id: OrderId,
    /// Which one.
    pub version: Version,
    /// What it says; none if it can't be read.
    pub event: Option<IncomingEvent>,
    /// Kept for a later try.
    pub record: Arc<EventRecord>,
    /// Why it can't be handled.
    pub error: String,
    /// What goes to the dead letters.
    pub letter: NewDeadLetter,
}

/// What the fence answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FenceOutcome {
    /// It has been applied before, or passed over.
    Duplicate,
    /// It has its turn: do the slow work, then have it applied.
    Next {
        /// It was parked, and nobody else takes it for as long as this is renewed.
        leased: bool,
    },
    /// It is kept, and will be handled in its turn.
    Parked(ParkReason),
    /// Another event is parked as this version, and says something else: refuse this one, so that the slot is disputed.
    Disputed,
    /// It is not kept, because a person has this version passed over.
    GivenUp,
    /// It went to the dead letters, and changed nothing else.
    Buried,
    /// An event without a version that the delivery's state leaves no room for.
    Ignored(String),
    /// The delivery's state says that this can't be.
    Refused(String),
    /// It took effect.
    Applied {
        /// The delivery as it stands after.
        delivery: Delivery,
        /// The event that was waiting for this one, to be handled now by whoever asked.
        next: Option<Box<ParkedEvent>>,
        /// The versions behind this one that were passed over because a person wants it so.
        discarded: Vec<Version>,
    },
    /// What was asked for is done.
    Resumed {
        /// An event that is now whoever asked's to handle.
        next: Option<Box<ParkedEvent>>,
        /// The versions that were passed over because a person wants it so.
        discarded: Vec<Version>,
    },
    /// Whether what a renewal is about was there.
    Noted(bool),
    /// What a person's decision came to.
    Marked(Marked),
}

/// What a person's decision about a version came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Marked {
    /// It is parked for this reason, and marked now.
    Parked(ParkReason),
    /// It has not come, others wait for it, and it is marked to be passed over.
    Missing,
    /// It took effect before, or was passed over; nothing is marked.
    Passed,
    /// It is not parked, and nothing waits for it next; nothing is marked.
    NotThere,
}

/// Why an event is parked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ParkReason {
    /// A version before it has not come.
    Gap,
    /// It can't be handled.
    Poison,
    /// One before it can't be handled.
    Behind,
    /// Two events that differ claim to be it.
    Disputed,
}

/// A person's decision.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mark {
    /// Handle it once more.
    Retry,
    /// Pass it over.
    Discard,
}

/// An event that waits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParkedEvent {
    /// Whose event.
    pub order_id: OrderId,
    /// How it stands.
    pub head: ParkedHead,
    /// Why it can't be handled, if that is so.
    pub error: Option<String>,
    /// What it was read from; its topic is empty if it was asked from the order service.
    pub record: EventRecord,
}

/// A parked event as the fence sees it when it decides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    /// How it stands.
    pub head: ParkedHead,
    /// What its record says; none if that can't be read, or is another order's or another version's event.
    pub event: Option<IncomingEvent>,
    /// Where its record came from.
    pub origin: Origin,
}

/// How it stands with an event that waits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParkedHead {
    /// Which of its order's events.
    pub version: Version,
    /// Why it waits.
    pub reason: ParkReason,
    /// What a person wants done.
    pub mark: Option<Mark>,
    /// Since when it waits.
    pub since: Timestamp,
    /// Who took it last, or nobody.
    pub lease_holder: String,
    /// Until when it is theirs.
    pub lease_until: Timestamp,
}

/// An order of which something is parked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParkedKey {
    /// The order.
    pub order_id: OrderId,
    /// The version that was applied last, 0 if none was.
    pub cursor: Version,
    /// How many of its events wait.
    pub parked: i64,
    /// The one with the lowest version.
    pub lowest: ParkedHead,
}

/// A record on its way to the dead letters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewDeadLetter {
    /// Whose event it is, if that can be told.
    pub order_id: Option<OrderId>,
    /// Which one, if that can be told.
    pub version: Option<Version>,
    /// The topic of the dead letters.
    pub topic: Arc<str>,
    /// When it was given up.
    pub timestamp: Timestamp,
    /// The record's key.
    pub key: Option<Bytes>,
    /// The record's value.
    pub value: Option<Bytes>,
    /// The record's headers, and those that say what happened.
    pub headers: Vec<Header>,
}

/// A dead letter in its journal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadLetter {
    /// Its number, ascending.
    pub id: i64,
    /// The letter.
    pub letter: NewDeadLetter,
}

impl FenceCommand {
    /// The order that it is about; none for a letter that parks nothing.
    pub fn order_id(&self) -> Option<OrderId> {
        match self {
            Self::Look(received) | Self::Apply(received) => Some(received.request.event.order_id),
            Self::Refuse(refused) => Some(refused.order_id),
            Self::Bury(_) => None,
            Self::Resume { order_id, .. }
            | Self::Renew { order_id, .. }
            | Self::Mark { order_id, .. }
            | Self::Heard { order_id, .. }
            | Self::Forget { order_id, .. } => Some(*order_id),
        }
    }

    /// The version that it is about, if it is about one.
    pub fn version(&self) -> Option<Version> {
        match self {
            Self::Look(received) | Self::Apply(received) => received.request.event.version,
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
    /// Whether it comes from the order service's journal, and not from the log.
    pub fn is_written(&self) -> bool {
        self.record.origin == Origin::Journal
    }
}

impl ParkedHead {
    /// Whether it may be taken once it has its turn: nobody is at it, and it waits for no decision.
    pub fn may_be_taken(&self, now: Timestamp) -> bool {
        self.lease_until <= now && !self.is_blocked()
    }

    /// Whether it stays where it is until a person wants it retried, or the order service's journal says otherwise.
    pub fn is_blocked(&self) -> bool {
        self.reason.is_refused() && self.mark != Some(Mark::Retry)
    }
}

impl ParkedKey {
    /// Whether a [`FenceCommand::Resume`] has something to do.
    pub fn is_ready(&self, now: Timestamp) -> bool {
        let head = &self.lowest;
        head.version <= self.cursor.next() && (head.mark == Some(Mark::Discard) || head.may_be_taken(now))
    }

    /// Whether the order service's journal can tell how it goes on: a version has not come, or what came can't be handled.
    pub fn waits_for_journal(&self) -> bool {
        self.has_gap() || self.lowest.is_blocked()
    }

    /// Whether a version that has not come is what all of it waits for.
    pub fn has_gap(&self) -> bool {
        self.lowest.version > self.cursor.next()
    }
}

impl ParkReason {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Gap, Self::Poison, Self::Behind, Self::Disputed];

    /// Whether what is parked is not to be handled as it is.
    pub fn is_refused(self) -> bool {
        matches!(self, Self::Poison | Self::Disputed)
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Gap => "gap",
            Self::Poison => "poison",
            Self::Behind => "behind",
            Self::Disputed => "disputed",
        }
    }

    /// The reason of this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| reason.name() == name)
    }
}

impl Mark {
    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Retry => "retry",
            Self::Discard => "discard",
        }
    }

    /// The mark of this name.
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
