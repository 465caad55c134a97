//! What a delivery instance tells about itself, to be read at any time by anybody.

use crate::domain::OrderEventType;
use keylane::measure::{Counter, Times};

/// Counters of what became of events, and how long that took. All zero at first.
#[derive(Debug, Default)]
pub struct DeliveryMetrics {
    /// Events that took effect.
    pub applied: EventCounter,
    /// Events that had been applied before and cost nothing.
    pub duplicates: EventCounter,
    /// Events whose slow work was done in vain, since another instance had applied them meanwhile, as happens to a
    /// zombie.
    pub stale_refused: EventCounter,
    /// Events that were parked for a version that had not come, or behind one that can't be handled.
    pub parked: EventCounter,
    /// Events without a version for which the delivery's state leaves no room, and events of a version that a person wants
    /// passed over.
    pub ignored: EventCounter,
    /// Events that were parked as poison.
    pub poisoned: EventCounter,
    /// Records that went to the dead letters and parked nothing, since nobody can tell whose they are, or something better is
    /// parked in their place.
    pub buried: EventCounter,
    /// Records that are no order events, and were passed over.
    pub foreign: Counter,
    /// Parked events that got their turn.
    pub handed_over: Counter,
    /// Versions that were passed over because a person wants it so.
    pub discarded: Counter,
    /// Gaps that passed their deadline.
    pub gap_alarms: Counter,
    /// Missing versions that the order service was asked for and gave.
    pub resynced: Counter,
    /// How long it took to handle a record, with its slow work and with what waited for it.
    pub handling: Times,
    /// How long an apply took, from when it was asked for to its commit.
    pub applying: Times,
}

/// A number for each type of event.
#[derive(Debug, Default)]
pub struct EventCounter([Counter; 4]);

impl EventCounter {
    /// Of all types together.
    pub fn get(&self) -> u64 {
        self.0.iter().map(Counter::get).sum()
    }

    /// Of one type; `None` is whatever has no type that could be read.
    pub fn of(&self, event_type: Option<OrderEventType>) -> u64 {
        self.at(event_type).get()
    }

    pub(super) fn add(&self, event_type: Option<OrderEventType>) {
        self.at(event_type).inc();
    }

    fn at(&self, event_type: Option<OrderEventType>) -> &Counter {
        &self.0[event_type.map_or(3, |event_type| event_type as usize)]
    }
}
