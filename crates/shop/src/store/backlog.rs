//! The counts of what waits in a database to be published or handled.

use keylane_log::Timestamp;

use crate::domain::fence::ParkReason;

/// What waits in a service's database at one moment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Backlog {
    /// Events that have not been marked as published.
    pub journal: Waiting,
    /// Dead letters that have not been marked as published; the order service has none.
    pub letters: Waiting,
    /// How many orders have parked events.
    pub parked_keys: u64,
    /// The parked events by the reason why they are parked; a reason without any is not listed.
    pub parked: Vec<(ParkReason, Waiting)>,
}

/// How many events or letters wait, and since when.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Waiting {
    /// How many wait.
    pub count: u64,
    /// The timestamp of the oldest; none if none wait.
    pub oldest: Option<Timestamp>,
}

impl Waiting {
    /// From the count in a database, and the oldest one's time in milliseconds since the Unix epoch.
    pub fn new(count: i64, oldest: Option<i64>) -> Self {
        Self {
            count: count.unsigned_abs(),
            oldest: oldest.map(Timestamp),
        }
    }
}
