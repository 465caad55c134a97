//! What the delivery service does with a record: the slow work first, then one unit of work in its database.
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
mod sweeper;

mod burial;
mod lane;
mod letter;
mod lines;
mod metrics;
mod persistence;

pub use fenced::{Fence, FencedHandler};
pub use gaps::{GapError, Gaps, watch_gaps};
pub use letter::DEAD_LETTERS;
pub use lines::EVENTS;
pub use metrics::{DeliveryMetrics, EventCounter};
pub use naive::NaiveHandler;
pub use resync::{Asked, OrderJournal};
pub use sweeper::{Sweeper, sweep};

use std::sync::Arc;
use std::time::Duration;

use keylane_log::Timestamp;

use crate::domain::{IncomingEvent, OrderEventType};

/// A delivery instance.
#[derive(Debug, Clone)]
pub struct Instance {
    /// What the apply history and the leases call it; another process of the same name calls itself something else.
    pub name: Arc<str>,
    /// Its consumer group, for the dead letters.
    pub group: Arc<str>,
    /// The slow work of a modification.
    pub delay: ModifyDelay,
    /// The wall clock, for the dead letters.
    pub clock: fn() -> Timestamp,
    /// Where it counts what it does.
    pub metrics: Arc<DeliveryMetrics>,
}

/// The slow work of a modification.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ModifyDelay {
    /// How long it takes.
    pub time: Duration,
    /// Whose modifications take it: this customer's, or everybody's.
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
