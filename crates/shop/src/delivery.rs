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
mod gap_watch;
mod gaps;
mod letter;
mod lines;
mod metrics;
mod naive;
mod resync;
mod sweeper;

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

use bytes::Bytes;
use keylane::Backoff;
use keylane_log::{Record, Timestamp};

use crate::commit::GroupCommit;
use crate::domain::{IncomingEvent, OrderEventType};
use crate::records::{self, Incoming};
use crate::store::StoreError;

/// How often an event that can't be handled is tried, where trying again may help.
const TRIES: u32 = 3;
/// Between two of these tries.
const RETRY: Duration = Duration::from_millis(500);
/// The pauses while the database is away.
const AWAY: Backoff = Backoff {
    first: Duration::from_millis(50),
    most: Duration::from_secs(1),
};

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

/// The lane of a record: the order, which every event names in its value, also where the record has no key.
fn lane(record: &Record) -> Option<Bytes> {
    let order = match records::incoming(record) {
        Incoming::Order(event) => Some(event.order_id),
        Incoming::Malformed(malformed) => malformed.order_id,
        Incoming::Other => None,
    };
    order.map(|order| Bytes::from(order.to_string()))
}

/// Submits a request until the database has done it: one that is away is waited for, without end.
///
/// # Errors
/// Why the database refuses the request, which then is the request's own fault.
async fn persistently<Q, A>(commit: &GroupCommit<Q, A>, request: Q) -> Result<A, String>
where
    Q: Clone + Send + Sync + 'static,
    A: Send + 'static,
{
    let (mut attempt, salt) = (1, fastrand::u64(..));
    loop {
        match commit.submit(request.clone()).await {
            Ok(answer) => return Ok(answer),
            Err(StoreError::Rejected(why)) => return Err(why),
            Err(error) => {
                // That the database is away is told once for all of those who wait here, by `Readiness`.
                tracing::debug!("the database takes nothing, which is waited for: {error}");
                tokio::time::sleep(AWAY.after(attempt, salt)).await;
                attempt += 1;
            }
        }
    }
}
