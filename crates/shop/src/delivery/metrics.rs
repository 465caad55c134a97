//! The measures of a delivery instance, which can be read at any time from any thread.

use crate::domain::OrderEventType;
use keylane::measure::{Counter, Times};

/// Counts what became of events, and measures how long that took. All are zero at the start.
#[derive(Debug, Default)]
pub struct DeliveryMetrics {
    /// Events that took effect.
    pub applied: EventCounter,
    /// Events that took effect after a later event of their order, which only happens without a fence.
    pub out_of_order: Counter,
    /// Events that had been applied before, and were recognised as such before any slow work.
    pub duplicates: EventCounter,
    /// Events whose slow work was done in vain because another instance applied them meanwhile, as happens to a zombie: an
    /// instance that still works on partitions it has lost.
    pub stale_refused: EventCounter,
    /// Events that were parked for a version that had not come, or behind one that can't be handled.
    pub parked: EventCounter,
    /// Events without a version for which the delivery's state leaves no room, and events of a version that a person wants
    /// passed over.
    pub ignored: EventCounter,
    /// Events that were parked as poison.
    pub poisoned: EventCounter,
    /// Records that went to the dead letters and parked nothing, because they don't name their order and version, or because
    /// a readable event holds that version.
    pub buried: EventCounter,
    /// Records that are no order events, and were skipped.
    pub foreign: Counter,
    /// Parked events that were taken out of parking to be handled.
    pub handed_over: Counter,
    /// Versions that were passed over because a person has marked them to be discarded.
    pub discarded: Counter,
    /// Gaps that passed their deadline.
    pub gap_alarms: Counter,
    /// Events that came from the order service's journal and were applied to fill a gap.
    pub resynced: Counter,
    /// How long it took to handle a record, including its slow work and the parked events that waited for it.
    pub handling: Times,
    /// How long an apply took, from its submission to its commit.
    pub applying: Times,
}

/// A counter for each type of event. The last of the four counts records whose type could not be read.
#[derive(Debug, Default)]
pub struct EventCounter([Counter; 4]);

impl EventCounter {
    /// The count of all types together.
    pub fn get(&self) -> u64 {
        self.0.iter().map(Counter::get).sum()
    }

    /// The count of one type; `None` stands for records whose type could not be read.
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
