//! How the delivery service handles a record: first the slow work, then one unit of work in its database.
//!
//! ```text
//!   record ─▶ FencedHandler ─▶ look ─▶ slow work ─▶ apply ─▶ what waited for it, the same way
//!                ▲        └──▶ parked, or refused: parked as poison, and a dead letter
//!             Sweeper: what a crash left, what a person has marked
//!             GapWatch ─▶ resynchronisation: what never came, asked from the order service
//!
//!   record ─▶ NaiveHandler ─▶ slow work ─▶ applied as it comes; after three tries a dead letter
//! ```

mod fenced;
mod naive;

mod gap_watch;
mod gaps;
mod resync;
mod sequence;
mod sweeper;

mod arrival;
mod burial;
mod hold;
mod lane;
mod letter;
mod lines;
mod metrics;
mod persistence;
mod recall;

pub use fenced::{Fence, FencedHandler};
pub use gaps::{GapError, Gaps, watch_gaps};
pub use hold::{Held, Hold};
pub use letter::DEAD_LETTERS;
pub use metrics::{DeliveryMetrics, EventCounter};
pub use naive::NaiveHandler;
pub use resync::{JournalAnswer, OrderJournal, journal_answer};
pub use sweeper::{Sweeper, sweep};

use std::sync::Arc;
use std::time::Duration;

use keylane_log::Timestamp;
use observe::Observer;

use crate::domain::{IncomingEvent, OrderEventType};

/// A delivery instance: who it is, how long its slow work takes, and where it counts.
#[derive(Debug, Clone)]
pub struct Instance {
    /// The name under which the apply history and the leases know this instance. It is unique to the process: two
    /// processes that were started under one name have different ones.
    pub name: Arc<str>,
    /// The instance's consumer group, which its dead letters name.
    pub group: Arc<str>,
    /// The topic of its dead letters.
    pub letters: Arc<str>,
    /// How long the slow work of a modification takes.
    pub delay: ModifyDelay,
    /// The wall clock, which gives dead letters their timestamps and leases their time.
    pub clock: fn() -> Timestamp,
    /// The counters and times that this instance keeps.
    pub metrics: Arc<DeliveryMetrics>,
    /// Gets what happens to the instance's records.
    pub observer: Observer,
    /// Who may hold events before their writes.
    pub hold: Hold,
}

/// The slow work that a modification needs, which is simulated by waiting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ModifyDelay {
    /// How long the slow work takes; with zero there is none.
    pub time: Duration,
    /// The number of the only customer whose modifications are slow; none if everybody's are.
    pub customer: Option<i64>,
}

impl ModifyDelay {
    fn of(&self, event: &IncomingEvent) -> Option<Duration> {
        let customer = event.fields.customer_id.flatten();
        let slow = event.event_type == OrderEventType::Modified
            && !self.time.is_zero()
            && self.customer.is_none_or(|slow| Some(slow) == customer);
        slow.then_some(self.time)
    }
}
