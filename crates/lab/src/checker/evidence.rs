//! Rows and records as the evidence of a verdict.

use shop::domain::decide::ApplyKind;
use shop::domain::{Delivery, EventType};

use super::history::{Applied, DeliveryRecord, OrderRecord, Parked, Written};
use super::verdict::Fact;

/// An order event in the topic.
pub fn stands(record: &OrderRecord) -> Fact {
    Fact {
        at: Some(record.at),
        version: record.version,
        what: match record.event_type {
            Some(event) => format!("{} in the topic", EventType::Order(event).name()),
            None => "in the topic, and can't be read".to_owned(),
        },
        place: Some(record.place),
        instance: None,
        epoch: None,
    }
}

/// A row of the order service's journal.
pub fn was_written(written: &Written) -> Fact {
    Fact {
        at: Some(written.at),
        version: Some(written.version),
        what: format!("{} written", EventType::Order(written.event_type).name()),
        place: None,
        instance: None,
        epoch: None,
    }
}

/// An order event that took effect, or that was passed over.
pub fn took_effect(applied: &Applied) -> Fact {
    Fact {
        at: Some(applied.at),
        version: applied.version,
        what: match (applied.kind, applied.event_type) {
            (ApplyKind::Applied, Some(event)) => format!("{} applied", EventType::Order(event).name()),
            (ApplyKind::Applied, None) => "applied".to_owned(),
            (ApplyKind::Discarded, _) => "passed over".to_owned(),
        },
        place: applied.place,
        instance: Some(applied.instance.clone()),
        epoch: applied.epoch,
    }
}

/// An event that is parked.
pub fn was_parked(parked: &Parked) -> Fact {
    Fact {
        at: Some(parked.at),
        version: Some(parked.version),
        what: "parked".into(),
        place: parked.place,
        instance: None,
        epoch: None,
    }
}

/// A delivery event in the topic.
pub fn published(answer: &DeliveryRecord) -> Fact {
    Fact {
        at: Some(answer.at),
        version: None,
        what: format!(
            "{} (v{} of delivery {}) in the topic",
            EventType::Delivery(answer.event_type).name(),
            answer.version,
            answer.delivery
        ),
        place: Some(answer.place),
        instance: None,
        epoch: None,
    }
}

/// A row of the delivery service.
pub fn row(delivery: &Delivery) -> Fact {
    Fact {
        at: None,
        version: Some(delivery.version),
        what: format!(
            "delivery {}: {}",
            delivery.id,
            delivery.status.as_deref().unwrap_or("no status")
        ),
        place: None,
        instance: None,
        epoch: None,
    }
}
