//! The measures of a relay, which can be read at any time from any thread.

use crate::domain::{DeliveryEventType, EventType, OrderEventType};
use keylane::measure::{Counter, Gauge};

/// The counters and gauges of a relay. All are zero at the start.
#[derive(Debug, Default)]
pub struct RelayMetrics {
    published: [Counter; EVENT_TYPES.len()],
    /// Dead letters that the log has acknowledged.
    pub letters: Counter,
    /// Steps that failed; each time the relay begins again from the journal.
    pub failures: Counter,
    /// 1 while this relay holds the lease, otherwise 0.
    pub lease: Gauge,
    /// How many dead letters the log refuses at present; 0 without the lease.
    pub blocked_letters: Gauge,
}

const EVENT_TYPES: [EventType; 6] = [
    EventType::Order(OrderEventType::Placed),
    EventType::Order(OrderEventType::Modified),
    EventType::Order(OrderEventType::Cancelled),
    EventType::Delivery(DeliveryEventType::Started),
    EventType::Delivery(DeliveryEventType::Modified),
    EventType::Delivery(DeliveryEventType::Cancelled),
];

impl RelayMetrics {
    /// How many events of each type the log has acknowledged.
    pub fn published(&self) -> impl Iterator<Item = (EventType, u64)> {
        EVENT_TYPES.into_iter().zip(self.published.iter().map(Counter::get))
    }

    pub(super) fn add_published(&self, event_type: EventType) {
        let at = EVENT_TYPES.iter().position(|known| *known == event_type);
        self.published[at.expect("all types are listed")].inc();
    }
}
