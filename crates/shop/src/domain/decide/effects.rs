//! What an event's effect on a delivery leaves behind: a journal row, a row of the apply history and an outcome. A new
//! delivery has no number until its row is written, so effects are collected first and rendered once the numbers are known.

use keylane_log::Timestamp;

use super::orders::merged;
use super::{ApplyKind, NewApply};
use crate::domain::{
    Delivery, DeliveryId, DeliveryRequest, EventType, IncomingEvent, JournalEntry, OrderEventType, OrderFields,
    OrderId, Provenance, Version, payload,
};

/// A delivery that has no number yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewDelivery {
    /// The order that is delivered.
    pub order_id: OrderId,
    /// The order's fields as the delivery service knows them.
    pub fields: OrderFields,
    /// The status: `DELIVERY STARTED`, `DELIVERY MODIFIED` or `DELIVERY CANCELLED`.
    pub status: &'static str,
    /// The highest version of the order that has been applied to the delivery.
    pub version: Version,
    /// How many events the delivery itself has had: the version of the last one.
    pub events: Version,
}

/// The effect of one event, with all that its journal row and its row of the apply history need.
#[derive(Debug)]
pub(super) struct Effect {
    order_id: OrderId,
    event_type: OrderEventType,
    version: Option<Version>,
    traceparent: Option<String>,
    provenance: Provenance,
    before: Version,
    after: Version,
    delivery: DeliveryAfter,
}

/// The delivery in the state after an effect.
#[derive(Debug)]
enum DeliveryAfter {
    /// A row that this batch inserts, with its position among the inserts.
    New(usize, NewDelivery),
    /// A row that was in the table before the batch.
    Existing(Delivery),
}

impl Effect {
    /// An effect on the row at position `insert` among the inserts; the version was `before` and is `after`.
    pub fn new(request: &DeliveryRequest, before: Version, after: Version, insert: usize, state: NewDelivery) -> Self {
        Self::on(request, before, after, DeliveryAfter::New(insert, state))
    }

    /// An effect on a row that was in the table before the batch; the version was `before` and is `after`.
    pub fn existing(request: &DeliveryRequest, before: Version, after: Version, delivery: Delivery) -> Self {
        Self::on(request, before, after, DeliveryAfter::Existing(delivery))
    }

    fn on(request: &DeliveryRequest, before: Version, after: Version, delivery: DeliveryAfter) -> Self {
        Self {
            order_id: request.event.order_id,
            event_type: request.event.event_type,
            version: request.event.version,
            traceparent: request.traceparent.clone(),
            provenance: request.provenance.clone(),
            before,
            after,
            delivery,
        }
    }
}

/// Makes the rows of the journal and of the apply history from effects, in the order of the effects.
pub(super) struct Effects<'a> {
    pub journal: Vec<JournalEntry>,
    pub applies: Vec<NewApply>,
    inserted: &'a [DeliveryId],
    now: Timestamp,
}

impl<'a> Effects<'a> {
    /// Renders effects with `inserted` as the numbers of the new rows, in the order of the inserts, and `now` as timestamp.
    pub fn new(inserted: &'a [DeliveryId], now: Timestamp) -> Self {
        Self {
            journal: Vec::new(),
            applies: Vec::new(),
            inserted,
            now,
        }
    }

    /// Adds the rows that an effect leaves behind. Returns the delivery in its state after the effect.
    pub fn render(&mut self, effect: Effect) -> Delivery {
        let delivery = match effect.delivery {
            DeliveryAfter::New(insert, state) => state.numbered(self.inserted[insert]),
            DeliveryAfter::Existing(delivery) => delivery,
        };
        self.applies.push(NewApply {
            order_id: effect.order_id,
            version: effect.version,
            event_type: Some(effect.event_type),
            kind: ApplyKind::Applied,
            delivery_id: Some(delivery.id),
            before: effect.before,
            after: effect.after,
            provenance: effect.provenance,
            at: self.now,
        });
        let event_type = effect.event_type.delivery_event();
        self.journal.push(JournalEntry {
            row_id: delivery.id.0,
            order_id: effect.order_id,
            version: delivery.events,
            event_type: EventType::Delivery(event_type),
            timestamp: self.now,
            payload: payload::delivery_payload(event_type, self.now, &delivery),
            traceparent: effect.traceparent,
        });
        delivery
    }
}

impl NewDelivery {
    fn numbered(self, id: DeliveryId) -> Delivery {
        Delivery {
            id,
            order_id: Some(self.order_id),
            fields: self.fields,
            status: Some(self.status.to_owned()),
            version: self.version,
            events: self.events,
        }
    }
}

/// The delivery's fields after an event. A cancellation leaves them as they are: it changes the status alone.
pub(super) fn fields_after(before: &OrderFields, event: &IncomingEvent) -> OrderFields {
    match event.event_type {
        OrderEventType::Cancelled => before.clone(),
        _ => merged(before, &event.fields),
    }
}
