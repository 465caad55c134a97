//! What waits in a database.

use keylane_log::Timestamp;

use crate::domain::fence::ParkReason;

/// What waits in a service's database at one moment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Backlog {
    /// Events that have not been marked as published.
    pub journal: Waiting,
    /// Dead letters that have not been marked as published; the order service has none.
    pub letters: Waiting,
    /// Orders of which something is parked.
    pub parked_keys: u64,
    /// Parked events, by why they are parked; what is not listed is none.
    pub parked: Vec<(ParkReason, Waiting)>,
}

/// How much waits, and for how long already.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Waiting {
    /// How many.
    pub count: u64,
    /// Since when the oldest waits.
    pub oldest: Option<Timestamp>,
}

impl Waiting {
    /// What a database counted, and the time of the oldest in milliseconds of the Unix epoch.
    pub fn new(count: i64, oldest: Option<i64>) -> Self {
        Self {
            count: count.unsigned_abs(),
            oldest: oldest.map(Timestamp),
        }
    }
}
