//! What a runner counts about itself; any thread may read it at any time.

use crate::measure::{Counter, Gauge};

/// The counters and gauges of a runner; all are 0 at first.
///
/// In a healthy system `order_violations`, `commits_refused` and `commits_failed` stay at 0.
#[derive(Debug, Default)]
pub struct Metrics {
    /// Records whose handling ended with [`Outcome::Done`](crate::Outcome::Done).
    pub done: Counter,
    /// Calls of the handler that ended with [`Outcome::Retry`](crate::Outcome::Retry).
    pub retried: Counter,
    /// Records whose handling ended with [`Outcome::Park`](crate::Outcome::Park).
    pub parked: Counter,
    /// Records that were skipped because the metadata of the last commit named them as done.
    pub skipped: Counter,
    /// Records that were done only after their partition had been lost; the partition's next owner handles them again.
    pub late: Counter,
    /// Records that were started out of the order of their key. More than 0 is a defect of this crate.
    pub order_violations: Counter,
    /// Positions that the log has taken.
    pub commits: Counter,
    /// Positions that the log refused because their partition was no longer this member's.
    pub commits_refused: Counter,
    /// Commits that the log did not answer; each is tried again.
    pub commits_failed: Counter,
    /// Partitions that were taken away without a revoke, or whose drain took too long.
    pub partitions_lost: Counter,
    /// Partitions that are to be given back and wait for their records in flight.
    pub draining_partitions: Gauge,
    /// Lanes that are in flight, which means that the handler has a record of theirs.
    pub in_flight: Gauge,
    /// Age of the record that has been in flight longest, in milliseconds since its first try, waits between its tries
    /// included. Updated twice a second.
    pub oldest_in_flight_ms: Gauge,
    /// Records that wait in memory.
    pub queued: Gauge,
    /// Lanes that wait for the next try of a record, and take up no place in flight meanwhile.
    pub waiting: Gauge,
    /// Bytes of the records that wait in memory or are in flight.
    pub buffered_bytes: Gauge,
    /// Partitions that are not fetched at the moment because too many of their records are in memory.
    pub paused_partitions: Gauge,
}
