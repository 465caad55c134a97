//! One order's state while the fence decides, and what of it has changed and is to be written.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use keylane_log::Timestamp;
use planted::Bug;

use super::FenceDecision;
use crate::domain::fence::{Early, Held, LEASE, Mark, ParkReason, ParkedHead, Worker};
use crate::domain::{Delivery, EventRecord, IncomingEvent, OrderId, Origin, Version};

/// One order's state in the delivery service's database, which the adapter has locked and loaded.
#[derive(Debug, Clone, Default)]
pub struct FenceRow {
    /// The version that was applied or passed over last; none if the cursor's row is new or nothing has moved it yet.
    pub cursor: Option<Version>,
    /// How many events of the order are parked.
    pub parked: i64,
    /// Who has begun to work on the next version after the cursor.
    pub worker: Option<Worker>,
    /// The order's delivery; if there are several, the one with the lowest number.
    pub delivery: Option<Delivery>,
    /// The parked events of the versions that [`wanted`](Self::wanted) names.
    pub heads: Vec<Held>,
}

impl FenceRow {
    /// The versions whose parked events are to be loaded: those that the batch names, and the next one after the cursor.
    /// Empty if nothing is parked.
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

/// A cursor in its new state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CursorChange {
    /// The order of the cursor.
    pub order_id: OrderId,
    /// The version that was applied or passed over last.
    pub version: Version,
    /// How many events are parked.
    pub parked: i64,
    /// Who has begun to work on the next version.
    pub worker: Option<Worker>,
}

/// An event to park.
#[derive(Debug, Clone)]
pub struct NewParked {
    /// The order of the event.
    pub order_id: OrderId,
    /// The event's version, reason, mark and lease.
    pub head: ParkedHead,
    /// Why the event can't be handled; none if it merely waits.
    pub error: Option<String>,
    /// The record that the event was read from.
    pub record: Arc<EventRecord>,
}

/// A parked event whose reason, mark, lease or error changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeadChange {
    /// The order of the event.
    pub order_id: OrderId,
    /// The event's version, reason, mark and lease from now on.
    pub head: ParkedHead,
    /// Why the event can't be handled; none leaves what the row says.
    pub error: Option<String>,
}

/// Where a version stands relative to the cursor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    /// The version is at or below the cursor.
    Passed,
    /// The version is the next one after the cursor.
    Next,
    /// The version is above the next one.
    Above,
}

/// What holds the slot of a version, as seen by an event that claims to be this version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Claim {
    /// Nothing is parked there.
    Free,
    /// The same event is parked there.
    Same,
    /// Something that gives way to the event is parked there.
    TakesOver,
    /// Another readable event is parked there, and only the order service's journal can say which one was written.
    Disputed,
    /// A person has decided that nothing takes effect there.
    GivenUp,
}

/// One order's state while the fence decides.
pub(super) struct Row {
    /// The version that was applied or passed over last.
    pub cursor: Version,
    pub delivery: DeliveryState,
    /// The parked events that are loaded, by version.
    pub heads: BTreeMap<Version, Head>,
    /// How many events are parked, loaded or not.
    parked: i64,
    /// Who has begun to work on the next version after the cursor.
    worker: Option<Worker>,
    /// Whether nothing has moved the cursor of this order yet.
    unborn: bool,
    /// Whether the cursor's row is to be written.
    moved: bool,
    /// Whether the delivery's row is to be updated.
    touched: bool,
    /// The versions whose parked rows are to be removed.
    unparked: Vec<Version>,
}

/// The order's delivery.
pub(super) enum DeliveryState {
    /// The order has no delivery.
    None,
    /// A row that was in the table before the batch.
    Existing(Delivery),
    /// A row that this batch inserts, by its position among the inserts.
    New(usize),
}

/// A parked event while the fence decides.
pub(super) struct Head {
    pub state: ParkedHead,
    pub error: Option<String>,
    /// The event that the record carries; none if it can't be read.
    event: Option<IncomingEvent>,
    origin: Origin,
    /// The event's record; set only if this batch parks it.
    record: Option<Arc<EventRecord>>,
    /// Whether the database holds a row of this version.
    stored: bool,
    /// Whether the event's state differs from that row.
    changed: bool,
}

impl Row {
    pub fn of(row: FenceRow) -> Self {
        // The cursor of an order that has a delivery already begins at the version that the delivery has seen.
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
            worker: row.worker,
            moved: false,
            touched: false,
            unparked: Vec::new(),
        }
    }

    pub fn standing(&self, version: Version) -> Standing {
        match version {
            _ if planted::is_in(Bug::NoFence) => Standing::Next,
            version if version <= self.cursor => Standing::Passed,
            version if version == self.cursor.next() => Standing::Next,
            _ => Standing::Above,
        }
    }

    /// What holds the slot of a version, as seen by an event that claims to be this version. `written` says that the event
    /// comes from the order service's journal.
    pub fn claim(&self, version: Version, event: &IncomingEvent, written: bool) -> Claim {
        let Some(head) = self.heads.get(&version) else {
            return Claim::Free;
        };
        match &head.event {
            _ if head.state.mark == Some(Mark::Discard) => Claim::GivenUp,
            // The journal settles a dispute also if it holds the event that came first.
            Some(held) if held == event && !(written && head.state.reason == ParkReason::Disputed) => Claim::Same,
            Some(_) if !written => Claim::Disputed,
            Some(_) | None => Claim::TakesOver,
        }
    }

    /// Whether this version is the one that parked events wait for, and is not parked itself.
    pub fn is_missed(&self, version: Version) -> bool {
        self.parked > 0 && self.standing(version) == Standing::Next && !self.heads.contains_key(&version)
    }

    /// Moves the cursor to a version, which is the next one, and removes what is parked as that version.
    pub fn advance_to(&mut self, version: Version) {
        self.cursor = version;
        self.worker = None;
        self.moved = true;
        if let Some(head) = self.heads.remove(&self.cursor) {
            self.unpark(&head);
        }
    }

    /// Removes what is parked as a version, without moving the cursor.
    pub fn forget(&mut self, version: Version) {
        if let Some(head) = self.heads.remove(&version) {
            self.moved = true;
            self.unpark(&head);
        }
    }

    fn unpark(&mut self, head: &Head) {
        self.parked -= 1;
        if head.stored {
            self.unparked.push(head.state.version);
        }
    }

    /// Parks `head`, in the place of what is parked as its version if something is.
    pub fn park(&mut self, mut head: Head) -> &mut Head {
        self.moved = true;
        let version = head.state.version;
        match self.heads.get(&version) {
            Some(before) => head.stored = before.stored,
            None if planted::is_in(Bug::ParkWithoutWakeUp) => {}
            None => self.parked += 1,
        }
        self.heads.insert(version, head);
        self.heads.get_mut(&version).expect("it was inserted just now")
    }

    /// Notes who has begun to work on the next version. Nothing is noted of an order of which nothing has taken effect.
    pub fn begin(&mut self, worker: Worker) {
        if self.cursor > Version(0) {
            self.worker = Some(worker);
            self.moved = true;
        }
    }

    /// What an event that is parked for this reason waits for at this time.
    pub fn early(&self, reason: ParkReason, now: Timestamp) -> Early {
        let next = self.cursor.next();
        let leased = self.heads.get(&next).map(|head| Worker {
            instance: head.state.lease_holder.clone(),
            until: head.state.lease_until,
        });
        let at_work = |worker: &Worker| worker.until > now;
        let worker = leased.filter(at_work);
        Early {
            reason,
            next,
            worker: worker.or_else(|| self.worker.clone().filter(at_work)),
        }
    }

    /// Notes that an event without a version made the delivery. It moves no stored cursor, but a cursor that is made later
    /// takes the delivery for version 1, because the producer may begin to number its events. So does this batch.
    pub fn made_unversioned(&mut self) {
        if self.unborn {
            self.cursor = Version(1);
        }
    }

    /// Notes that the delivery's row is to be updated.
    pub fn touch(&mut self) {
        self.touched = true;
    }

    pub fn finish(self, order_id: OrderId, decision: &mut FenceDecision) {
        if self.moved {
            decision.cursors.push(CursorChange {
                order_id,
                version: self.cursor,
                parked: self.parked,
                worker: self.worker,
            });
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

    /// A record that this batch parks, and the event that it carries, if that can be read.
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

    /// Whether this record is the one that is parked here, or carries the same event.
    pub fn is_of(&self, record: &EventRecord, event: Option<&IncomingEvent>) -> bool {
        self.origin == record.origin || (event.is_some() && self.event.as_ref() == event)
    }

    /// Whether the parked record carries an event that can be read.
    pub fn is_readable(&self) -> bool {
        self.event.is_some()
    }

    /// Leases the event to `holder`, from `now` on.
    pub fn lease(&mut self, holder: &str, now: Timestamp) {
        self.state.lease_holder = holder.to_owned();
        self.state.lease_until = Timestamp(now.0 + LEASE.as_millis() as i64);
        self.changed = true;
    }

    /// Ends the lease.
    pub fn release(&mut self) {
        self.state.lease_until = Timestamp(0);
        self.changed = true;
    }

    /// Notes that the event can't be handled for this reason, ends its lease, and takes away a mark to retry, which has
    /// been acted on.
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
