//! What a runner tells about itself, to be read at any time by anybody.

use std::sync::atomic::{AtomicU64, Ordering};

/// A number that only grows, or one that is as it was last seen.
#[derive(Debug, Default)]
pub struct Number(AtomicU64);

/// The counters and sentinels of a runner. All zero at first; each may be read at any time.
#[derive(Debug, Default)]
pub struct Metrics {
    /// Records whose handling ended with `Done`.
    pub done: Number,
    /// Calls that ended with `Retry`.
    pub retried: Number,
    /// Records whose handling ended with `Park`.
    pub parked: Number,
    /// Records that a former owner had done behind its committed offset.
    pub skipped: Number,
    /// Records that were done only after their partition had been lost: somebody else handles them as well.
    pub late: Number,
    /// Sentinel: records started out of the order of their key. Not zero is a defect of this crate.
    pub order_violations: Number,
    /// Positions that landed.
    pub commits: Number,
    /// Sentinel: positions whose commit was refused because the partition was no longer ours.
    pub commits_refused: Number,
    /// Sentinel: commits that got no answer; they are tried again.
    pub commits_failed: Number,
    /// Partitions taken away without a revoke, or whose drain took too long.
    pub partitions_lost: Number,
    /// Partitions that are to be given back and wait for what is in flight.
    pub draining_partitions: Number,
    /// Lanes in flight.
    pub in_flight: Number,
    /// For how many milliseconds the oldest of them has been in flight, all its tries and the time between them taken
    /// together; looked at twice a second.
    pub oldest_in_flight_ms: Number,
    /// Records that wait in memory.
    pub queued: Number,
    /// Lanes that wait for the next try of a record, and hold no place meanwhile.
    pub waiting: Number,
    /// Bytes of the records that wait or are in flight.
    pub buffered_bytes: Number,
    /// Partitions that are not fetched at the moment because too much of them is in memory.
    pub paused_partitions: Number,
}

impl Number {
    /// As it is now.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    pub(crate) fn add(&self, more: u64) {
        self.0.fetch_add(more, Ordering::Relaxed);
    }

    pub(crate) fn set(&self, value: u64) {
        self.0.store(value, Ordering::Relaxed);
    }
}
