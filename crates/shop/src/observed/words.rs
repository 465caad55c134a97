//! The domain's values in the words of observations.

use std::time::Duration;

use observe::{Before, Effect, Ending, Event, Place, Reason, Worker};

use crate::domain::fence::{Early, ParkReason};
use crate::domain::{self, Delivery, DeliveryBefore, EventType, IncomingEvent, JournalEntry, Source};

/// The event that a row of a journal holds.
pub fn entry(entry: &JournalEntry) -> Event {
    Event {
        order: entry.order_id.0,
        // A delivery counts its own events.
        delivery: (entry.event_type.source() == Source::Deliveries).then_some(entry.row_id),
        version: Some(entry.version.0),
        name: Some(entry.event_type.name().into()),
    }
}

/// An event as the delivery service received it.
pub fn incoming(event: &IncomingEvent) -> Event {
    Event {
        order: event.order_id.0,
        delivery: None,
        version: event.version.map(|version| version.0),
        name: Some(EventType::Order(event.event_type).name().into()),
    }
}

/// Where a record stands in the log.
pub fn place(place: &domain::Place) -> Place {
    Place {
        partition: place.partition.0,
        offset: place.offset.0,
    }
}

/// A length of time in microseconds.
pub fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

/// Why an event is parked.
pub fn reason(reason: ParkReason) -> Reason {
    match reason {
        ParkReason::Gap => Reason::Gap,
        ParkReason::Poison => Reason::Poison,
        ParkReason::Behind => Reason::Behind,
        ParkReason::Disputed => Reason::Disputed,
    }
}

/// How an event that came before its turn ended. `own` is the name of the instance that says so.
pub fn early(early: &Early, own: &str) -> Ending {
    Ending::Early {
        reason: reason(early.reason),
        next: early.next.0,
        worker: early.worker.as_ref().map(|worker| Worker {
            instance: member(&worker.instance).to_owned(),
            own: worker.instance == own,
        }),
    }
}

/// What an event made of a delivery.
pub fn effect(delivery: &Delivery) -> Effect {
    Effect {
        delivery: delivery.id.0,
        status: delivery.status.clone().map(Into::into),
        before: None,
    }
}

/// What a delivery was.
pub fn before(before: &DeliveryBefore) -> Before {
    Before {
        version: before.version.0,
        status: before.status.clone(),
    }
}

/// The name that people know an instance by: the history's without the number of the process behind it.
pub fn member(instance: &str) -> &str {
    match instance.rsplit_once('/') {
        Some((name, process)) if !name.is_empty() && process.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => instance,
    }
}

#[cfg(test)]
mod tests {
    use super::member;

    #[test]
    fn people_know_instances_by_name() {
        assert_eq!(member("delivery-1/4711"), "delivery-1");
        assert_eq!(member("shop/east/12"), "shop/east");
        for whole in ["delivery-1", "a/b", "/12", ""] {
            assert_eq!(member(whole), whole);
        }
    }
}
