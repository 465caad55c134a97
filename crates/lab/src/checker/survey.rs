//! Surveys a history of any length: finds the orders that have to be looked at closely, and keeps a few dozen bytes of each of
//! the others.
//!
//! ```text
//!   history, once, bit by bit ─▶ Survey ─▶ suspects ─▶ the history of these alone ─▶ check_orders
//!                                     └──▶ effects of zombies
//! ```
//! # Invariants
//! * An order that is no suspect would get neither a verdict nor a doubt of its own from [`check`](super::check), but for the
//!   effects of zombies, which the survey finds itself. The reverse need not hold: most suspects may turn out to be fine.
//! * Memory is proportional to the number of orders, and not to that of events.

use keylane_log::Timestamp;
use shop::domain::{Delivery, OrderId, Version};

use super::history::{Applied, DeliveryRecord, OrderRecord, Parked, PartitionState, Written};
use super::intake::Intake;
use super::table::Table;
use super::trail::Trail;
use super::verdict::Verdict;
use super::zombies::ZombieWatch;

/// Which orders are judged. The default is all of them.
#[derive(Debug, Clone, Copy, Default)]
pub struct Scope {
    /// Only this order.
    pub order: Option<OrderId>,
    /// Only orders with an event at this time or later.
    pub since: Option<Timestamp>,
    /// Only orders that were placed at this time or later.
    pub placed_since: Option<Timestamp>,
}

/// A survey that is being made.
#[derive(Debug)]
pub struct Survey {
    scope: Scope,
    trails: Table<Trail>,
    zombies: ZombieWatch,
}

/// What a survey has found.
#[derive(Debug, Default)]
pub struct Surveyed {
    /// How many orders there are in the scope.
    pub orders: usize,
    /// How many orders were left aside because they were placed too early.
    pub left_aside: usize,
    /// The orders that have to be looked at closely, by number.
    pub suspects: Vec<Suspect>,
    /// The effects of zombies.
    pub zombies: Vec<Verdict>,
}

/// An order that has to be looked at closely.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Suspect {
    /// The order.
    pub order: OrderId,
    /// How many rows and records there are of it, to estimate what its history needs.
    pub entries: usize,
}

impl Survey {
    /// A survey of the orders in this scope.
    pub fn of(scope: Scope) -> Self {
        Self {
            scope,
            trails: Table::default(),
            zombies: ZombieWatch::default(),
        }
    }

    /// What was found, with the state in which the partitions were.
    pub fn finish(&mut self, partitions: &[PartitionState]) -> Surveyed {
        let removed_up_to = partitions.iter().filter_map(PartitionState::removed_up_to).max();
        let found = std::mem::take(&mut self.zombies.found);
        let mut surveyed = Surveyed {
            zombies: found.into_iter().filter(|verdict| self.covers(verdict.order)).collect(),
            ..Surveyed::default()
        };
        for (order, trail) in self.trails.iter() {
            surveyed.left_aside += usize::from(trail.is_left_aside());
            if !self.is_covered(trail) {
                continue;
            }
            surveyed.orders += 1;
            if !trail.is_regular(removed_up_to) {
                let entries = trail.entries();
                surveyed.suspects.push(Suspect { order, entries });
            }
        }
        surveyed
    }

    /// The scope, the trails, and those to whom the partitions were assigned, for whoever goes on from here.
    pub(super) fn into_parts(self) -> (Scope, Table<Trail>, ZombieWatch) {
        (self.scope, self.trails, self.zombies)
    }

    fn covers(&self, order: OrderId) -> bool {
        self.trails.get(order).is_some_and(|trail| self.is_covered(trail))
    }

    fn is_covered(&self, trail: &Trail) -> bool {
        !trail.is_left_aside() && self.scope.since.is_none_or(|since| trail.latest() >= since)
    }

    /// The trail of an order in the scope.
    fn trail(&mut self, order: OrderId) -> Option<&mut Trail> {
        self.wants(order).then(|| self.trails.entry(order))
    }
}

impl Intake for Survey {
    fn wants(&self, order: OrderId) -> bool {
        self.scope.order.is_none_or(|wanted| wanted == order)
    }

    fn only(&self) -> Option<OrderId> {
        self.scope.order
    }

    fn written(&mut self, written: Written) {
        let early = self.scope.placed_since.is_some_and(|since| written.at < since);
        let Some(trail) = self.trail(written.order) else {
            return;
        };
        if early && written.version == Version(1) {
            trail.leave_aside();
        }
        trail.written(&written);
    }

    fn order_record(&mut self, record: OrderRecord) {
        if let Some(trail) = self.trail(record.order) {
            trail.order_record(&record);
        }
    }

    fn delivery_record(&mut self, record: DeliveryRecord) {
        if let Some(trail) = self.trail(record.order) {
            trail.delivery_record(&record);
        }
    }

    fn applied(&mut self, applied: Applied) {
        self.zombies.see(&applied);
        if let Some(trail) = self.trail(applied.order) {
            trail.applied(&applied);
        }
    }

    fn parked(&mut self, parked: Parked) {
        if let Some(trail) = self.trail(parked.order) {
            trail.doubt();
        }
    }

    fn delivery(&mut self, delivery: Delivery) {
        // A delivery of an order without any known event was made by an older system.
        if let Some(trail) = delivery.order_id.and_then(|order| self.trails.get_mut(order)) {
            trail.delivery(&delivery);
        }
    }

    fn unpublished_delivery(&mut self, order: OrderId) {
        if let Some(trail) = self.trails.get_mut(order) {
            trail.doubt();
        }
    }

    fn moving(&mut self, order: OrderId) {
        if let Some(trail) = self.trails.get_mut(order) {
            trail.doubt();
        }
    }
}
