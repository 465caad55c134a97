//! What a delivery instance tells about itself, to be read at any time by anybody.

use std::sync::atomic::{AtomicU64, Ordering};

/// A number that only grows.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

/// Counters of what became of events. All zero at first.
#[derive(Debug, Default)]
pub struct DeliveryMetrics {
    /// Events that took effect.
    pub applied: Counter,
    /// Events that had been applied before and cost nothing.
    pub duplicates: Counter,
    /// Events whose slow work was done in vain: meanwhile somebody else had applied them (A21).
    pub stale_refused: Counter,
    /// Events that were parked for a version that had not come, or behind one that can't be handled.
    pub parked: Counter,
    /// Parked events that got their turn.
    pub handed_over: Counter,
    /// Events without a version for which the delivery's state leaves no room.
    pub ignored: Counter,
    /// Events that were parked as poison.
    pub poisoned: Counter,
    /// Records that went to the dead letters and parked nothing.
    pub buried: Counter,
    /// Gaps that passed their deadline.
    pub gap_alarms: Counter,
    /// Missing versions that the order service was asked for and gave.
    pub resynced: Counter,
}

impl Counter {
    /// As it is now.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    pub(super) fn add(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}
