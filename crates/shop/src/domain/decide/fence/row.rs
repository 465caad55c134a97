//! What the fence knows of one order while it decides, and what of it has to be written.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use keylane_log::Timestamp;

use super::FenceDecision;
use crate::domain::fence::{Held, LEASE, Mark, ParkReason, ParkedHead};
use crate::domain::{Delivery, EventRecord, IncomingEvent, OrderId, Origin, Version};

/// An order as the adapter has locked and loaded it.
#[derive(Debug, Clone, Default)]
pub struct FenceRow {
    /// The version that was applied last; none if the cursor was made just now, or never decided on.
    pub cursor: Option<Version>,
    /// How many events are parked.
    pub parked: i64,
    /// The order's delivery; of several, the one with the lowest number.
    pub delivery: Option<Delivery>,
    /// Those parked events that the batch asks for.
    pub heads: Vec<Held>,
}

impl FenceRow {
    /// The versions whose parked events are to be loaded; none if nothing is parked.
    pub fn wanted(&self, named: &BTreeSet<Version>) -> Vec<Version> {
        let behind = self.cursor.unwrap_or(Version(0)).next();
        match self.parked {
            0 => Vec::new(),
            _ => named
                .iter()
                .copied()
                .chain([behind])
                .collect::<BTreeSet<_>>()
                .into_iter()
                .collect(),
        }
    }
}

/// An event that is about to be parked.
#[derive(Debug, Clone)]
pub struct NewParked {
    /// Whose event.
    pub order_id: OrderId,
    /// How it stands.
    pub head: ParkedHead,
    /// Why it can't be handled, if that is so.
    pub error: Option<String>,
    /// What it was read from.
    pub record: Arc<EventRecord>,
}

/// A parked event that stands differently now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeadChange {
    /// Whose event.
    pub order_id: OrderId,
    /// How it stands.
    pub head: ParkedHead,
    /// Why it can't be handled; left as it is if this is none.
    pub error: Option<String>,
}

/// Where a version stands to the cursor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    Passed,
    Next,
    Above,
}

/// What holds the slot of a version, as seen by an event that claims to be it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Claim {
    /// Nothing.
    Free,
    /// The same event.
    Same,
    /// Something that gives way to it.
    TakesOver,
    /// Another event, and only the order service's journal can say which one was written.
    Disputed,
    /// A person's decision that nothing takes effect there.
    GivenUp,
}

/// One order while the fence decides.
pub(super) struct Row {
    pub cursor: Version,
    pub delivery: DeliveryState,
    pub heads: BTreeMap<Version, Head>,
    parked: i64,
    unborn: bool,
    moved: bool,
    touched: bool,
    unparked: Vec<Version>,
}

/// The order's delivery.
pub(super) enum DeliveryState {
    None,
    /// A row that was there before.
    Existing(Delivery),
    /// A row of this batch's own, by its place among the inserts.
    New(usize),
}

/// A parked event while the fence decides.
pub(super) struct Head {
    pub state: ParkedHead,
    pub error: Option<String>,
    /// What it says, if that can be read.
    event: Option<IncomingEvent>,
    origin: Origin,
    /// Its record, if it is parked just now.
    record: Option<Arc<EventRecord>>,
    /// The database has a row of this version.
    stored: bool,
    changed: bool,
}

impl Row {
    pub fn of(row: FenceRow) -> Self {
        // Born over an existing delivery, a cursor begins at what that delivery has seen.
        let seen = row.delivery.as_ref().map_or(Version(0), |delivery| delivery.version);
        let heads = row
            .heads
            .into_iter()
            .map(|held| (held.head.version, Head::stored(held)));
        Self {
            unborn: row.cursor.is_none(),
            cursor: row.cursor.unwrap_or(seen),
            heads: heads.collect(),
            delivery: row.delivery.map_or(DeliveryState::None, DeliveryState::Existing),
            parked: row.parked,
            moved: false,
            touched: false,
            unparked: Vec::new(),
        }
    }

    pub fn standing(&self, version: Version) -> Standing {
        match version {
            version if version <= self.cursor => Standing::Passed,
            version if version == self.cursor.next() => Standing::Next,
            _ => Standing::Above,
        }
    }

    /// How the slot of a version stands to an event that claims to be it; `written` if the event is the journal's.
    pub fn claim(&self, version: Version, event: &IncomingEvent, written: bool) -> Claim {
        let Some(head) = self.heads.get(&version) else {
            return Claim::Free;
        };
        match &head.event {
            _ if head.state.mark == Some(Mark::Discard) => Claim::GivenUp,
            // The journal settles a dispute also where it says the same as what came first.
            Some(held) if held == event && !(written && head.state.reason == ParkReason::Disputed) => Claim::Same,
            Some(_) if !written => Claim::Disputed,
            Some(_) | None => Claim::TakesOver,
        }
    }

    /// Whether something waits for this version, which is not there itself.
    pub fn is_missed(&self, version: Version) -> bool {
        self.parked > 0 && self.standing(version) == Standing::Next && !self.heads.contains_key(&version)
    }

    /// The next version is over, one way or the other.
    pub fn advance(&mut self) {
        self.cursor = self.cursor.next();
        self.moved = true;
        if let Some(head) = self.heads.remove(&self.cursor) {
            self.is_over(&head);
        }
    }

    /// What was parked there never was an event.
    pub fn forget(&mut self, version: Version) {
        if let Some(head) = self.heads.remove(&version) {
            self.moved = true;
            self.is_over(&head);
        }
    }

    fn is_over(&mut self, head: &Head) {
        self.parked -= 1;
        if head.stored {
            self.unparked.push(head.state.version);
        }
    }

    /// Parks `head`, in the place of what holds its slot if something does.
    pub fn park(&mut self, mut head: Head) -> &mut Head {
        self.moved = true;
        let version = head.state.version;
        match self.heads.get(&version) {
            Some(before) => head.stored = before.stored,
            None => self.parked += 1,
        }
        self.heads.insert(version, head);
        self.heads.get_mut(&version).expect("it was inserted just now")
    }

    /// A delivery is made by an event without a version. That moves no cursor, but one that is born later, over this
    /// delivery, takes it for the first version: the producer's next events may count.
    pub fn made_unversioned(&mut self) {
        if self.unborn {
            self.cursor = Version(1);
        }
    }

    /// The delivery has changed.
    pub fn touch(&mut self) {
        self.touched = true;
    }

    pub fn finish(self, order_id: OrderId, decision: &mut FenceDecision) {
        if self.moved {
            decision.cursors.push((order_id, self.cursor, self.parked));
        }
        if let (true, DeliveryState::Existing(delivery)) = (self.touched, self.delivery) {
            decision.updates.push(delivery);
        }
        decision
            .unparks
            .extend(self.unparked.into_iter().map(|version| (order_id, version)));
        for head in self.heads.into_values() {
            match head.record {
                Some(record) => {
                    if head.stored {
                        decision.unparks.push((order_id, head.state.version));
                    }
                    decision.parks.push(NewParked {
                        order_id,
                        head: head.state,
                        error: head.error,
                        record,
                    });
                }
                None if head.changed => decision.changes.push(HeadChange {
                    order_id,
                    head: head.state,
                    error: head.error,
                }),
                None => {}
            }
        }
    }
}

impl Head {
    fn stored(held: Held) -> Self {
        Self {
            state: held.head,
            error: None,
            event: held.event,
            origin: held.origin,
            record: None,
            stored: true,
            changed: false,
        }
    }

    /// A record that is parked now, and what it says, if that can be read.
    pub fn new(
        version: Version,
        reason: ParkReason,
        since: Timestamp,
        event: Option<IncomingEvent>,
        record: Arc<EventRecord>,
    ) -> Self {
        Self {
            state: ParkedHead {
                version,
                reason,
                mark: None,
                since,
                lease_holder: String::new(),
                lease_until: Timestamp(0),
            },
            error: None,
            event,
            origin: record.origin.clone(),
            record: Some(record),
            stored: false,
            changed: false,
        }
    }

    /// Whether this record is what is parked here, or says the same.
    pub fn is_of(&self, record: &EventRecord, event: Option<&IncomingEvent>) -> bool {
        self.origin == record.origin || (event.is_some() && self.event.as_ref() == event)
    }

    /// Whether what is parked here can be read.
    pub fn is_readable(&self) -> bool {
        self.event.is_some()
    }

    /// Leaves it to `holder` from `now` on.
    pub fn lease(&mut self, holder: &str, now: Timestamp) {
        self.state.lease_holder = holder.to_owned();
        self.state.lease_until = Timestamp(now.0 + LEASE.as_millis() as i64);
        self.changed = true;
    }

    /// Nobody is at it any more.
    pub fn release(&mut self) {
        self.state.lease_until = Timestamp(0);
        self.changed = true;
    }

    /// It stays for this reason, and the try that a person wanted has been made.
    pub fn refuse(&mut self, reason: ParkReason, error: &str) {
        self.state.reason = reason;
        self.state.mark = self.state.mark.filter(|mark| *mark == Mark::Discard);
        self.error = Some(error.to_owned());
        self.release();
    }

    pub fn unmark(&mut self) {
        self.state.mark = None;
        self.changed = true;
    }

    pub fn mark(&mut self, mark: Mark) {
        self.state.mark = Some(mark);
        self.changed = true;
    }
}
