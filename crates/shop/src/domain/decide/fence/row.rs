//! What the fence knows of one order while it decides, and what of it has to be written.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use eventlog::{Record, Timestamp};

use super::FenceDecision;
use crate::domain::fence::{LEASE, Mark, ParkReason, ParkedHead};
use crate::domain::{Delivery, OrderId, Version};

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
    pub heads: Vec<ParkedHead>,
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
    pub record: Arc<Record>,
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
    /// Its record, if it is parked just now.
    record: Option<Arc<Record>>,
    changed: bool,
}

impl Row {
    pub fn of(row: FenceRow) -> Self {
        // Born over an existing delivery, a cursor begins at what that delivery has seen.
        let seen = row.delivery.as_ref().map_or(Version(0), |delivery| delivery.version);
        let heads = row.heads.into_iter().map(|state| (state.version, Head::stored(state)));
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

    /// Why this version is parked, if a person wants it passed over: then it takes effect no more.
    pub fn given_up(&self, version: Version) -> Option<ParkReason> {
        let head = self.heads.get(&version)?;
        (head.state.mark == Some(Mark::Discard)).then_some(head.state.reason)
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
            self.parked -= 1;
            if head.record.is_none() {
                self.unparked.push(self.cursor);
            }
        }
    }

    pub fn park(&mut self, head: Head) -> &mut Head {
        self.parked += 1;
        self.moved = true;
        self.heads.entry(head.state.version).or_insert(head)
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
                Some(record) => decision.parks.push(NewParked {
                    order_id,
                    head: head.state,
                    error: head.error,
                    record,
                }),
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
    fn stored(state: ParkedHead) -> Self {
        Self {
            state,
            error: None,
            record: None,
            changed: false,
        }
    }

    pub fn new(version: Version, reason: ParkReason, since: Timestamp, record: Arc<Record>) -> Self {
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
            record: Some(record),
            changed: false,
        }
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

    pub fn refuse(&mut self, error: &str) {
        self.state.reason = ParkReason::Poison;
        self.state.mark = None;
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
