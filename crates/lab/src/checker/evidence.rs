//! Rows and records as the evidence of a verdict.

use shop::domain::decide::ApplyKind;
use shop::domain::{Delivery, EventType};
use shop::text;

use super::history::{Applied, DeliveryRecord, OrderRecord, Parked, Written};
use super::verdict::Fact;

/// An order event in the topic.
pub fn stands(record: &OrderRecord) -> Fact {
    Fact {
        at: Some(record.at),
        version: record.version,
        what: match record.event_type {
            Some(event) => {
                let name = EventType::Order(event).name();
                text!("{name} in the topic", "{name} 이벤트가 토픽에 있음")
            }
            None => text!("in the topic, and can't be read", "토픽에 있지만 읽을 수 없음"),
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
        what: {
            let name = EventType::Order(written.event_type).name();
            text!("{name} written", "{name} 기록됨")
        },
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
            (ApplyKind::Applied, Some(event)) => {
                let name = EventType::Order(event).name();
                text!("{name} applied", "{name} 반영됨")
            }
            (ApplyKind::Applied, None) => text!("applied", "반영됨"),
            (ApplyKind::Discarded, _) => text!("passed over", "건너뜀"),
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
        what: text!("parked", "보류됨"),
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
        what: {
            let name = EventType::Delivery(answer.event_type).name();
            let (version, delivery) = (answer.version, answer.delivery);
            text!(
                "{name} (v{version} of delivery {delivery}) in the topic",
                "{name} 이벤트(배송 {delivery}의 v{version})가 토픽에 있음"
            )
        },
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
        what: {
            let id = delivery.id;
            match &delivery.status {
                Some(status) => text!("delivery {id}: {status}", "배송 {id}: {status}"),
                None => text!("delivery {id}: no status", "배송 {id}: 상태 없음"),
            }
        },
        place: None,
        instance: None,
        epoch: None,
    }
}
