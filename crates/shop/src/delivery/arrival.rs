//! A record on its way through the fence: where it came from, and how it was parked before, if it was.

use std::sync::Arc;
use std::time::Duration;

use keylane_log::Timestamp;
use observe::Turn;
use tokio::time::Instant;

use crate::domain::fence::ParkedEvent;
use crate::domain::{EventRecord, OrderId, Version};
use crate::records::{Incoming, Malformed};

/// A record that is to go through the fence, and how it came here.
pub(super) struct Arrival {
    pub record: Arc<EventRecord>,
    /// The epoch of the assignment under which the record was read; none if it comes from parking or the order service.
    pub epoch: Option<u64>,
    /// How the record was parked; none if it was not.
    pub parked: Option<Unparked>,
    /// How often the record has been tried, this time included: 1 at first.
    pub attempt: u32,
    /// When it came.
    pub since: Instant,
}

/// A record that was parked and is now leased to us.
#[derive(Clone, Copy)]
pub(super) struct Unparked {
    /// The order under which it was parked.
    pub order: OrderId,
    /// The version under which it was parked.
    pub version: Version,
    /// For how long it was parked.
    pub waited: Duration,
    /// Why it is handled now.
    pub turn: Turn,
}

impl Arrival {
    /// The first attempt at a record that was not read under an assignment: it was parked, or the order service was asked.
    pub fn unassigned(record: EventRecord) -> Self {
        Self {
            record: Arc::new(record),
            epoch: None,
            parked: None,
            attempt: 1,
            since: Instant::now(),
        }
    }
}

impl Unparked {
    /// What is to be known of a parked event that is handled at `now`.
    pub fn of(event: &ParkedEvent, turn: Turn, now: Timestamp) -> Self {
        let waited = now.0.saturating_sub(event.head.since.0);
        Self {
            order: event.order_id,
            version: event.head.version,
            waited: Duration::from_millis(u64::try_from(waited).unwrap_or(0)),
            turn,
        }
    }
}

/// Says why a record that is parked as this version of this order can't be handled as such.
pub(super) fn misplaced(incoming: Incoming, order: OrderId, version: Version) -> Malformed {
    let why = match incoming {
        Incoming::Malformed(malformed) => malformed.why,
        Incoming::Order(event) => format!(
            "it is an event of order {}, and not v{version} of {order}",
            event.order_id
        ),
        Incoming::Other => "it is no event that could be handled".to_owned(),
    };
    Malformed {
        why,
        order_id: Some(order),
        version: Some(version),
    }
}
