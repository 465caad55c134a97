//! What an event's effect on a delivery leaves behind: a journal row, a row of the apply history, an outcome. A new
//! delivery has no number until its row is written, so that effects are noted first and rendered after.

use keylane_log::Timestamp;

use super::orders::merged;
use super::{ApplyKind, NewApply, NewEntry};
use crate::domain::{
    Delivery, DeliveryId, DeliveryRequest, EventType, IncomingEvent, OrderEventType, OrderFields, OrderId, Provenance,
    Version, payload,
};

/// A delivery that has no number yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewDelivery {
    /// The order it delivers.
    pub order_id: OrderId,
    /// The order's fields as the delivery service knows them.
    pub fields: OrderFields,
    /// `DELIVERY STARTED`, `DELIVERY MODIFIED` or `DELIVERY CANCELLED`.
    pub status: &'static str,
    /// The highest order version it has seen.
    pub version: Version,
    /// How many events of its own it has had.
    pub events: Version,
}

/// An event that took effect.
#[derive(Debug)]
pub(super) struct Effect {
    order_id: OrderId,
    event_type: OrderEventType,
    version: Option<Version>,
    traceparent: Option<String>,
    provenance: Provenance,
    before: Version,
    after: Version,
    state: State,
}

/// The delivery as it stands after an effect.
#[derive(Debug)]
enum State {
    /// A row of this batch's own, by its place among the inserts.
    New(usize, NewDelivery),
    /// A row that was there before.
    Existing(Delivery),
}

impl Effect {
    /// An effect on a row of this batch's own, `before` and `after` being versions.
    pub fn new(request: &DeliveryRequest, before: Version, after: Version, insert: usize, state: NewDelivery) -> Self {
        Self::on(request, before, after, State::New(insert, state))
    }

    /// An effect on a row that was there before.
    pub fn existing(request: &DeliveryRequest, before: Version, after: Version, delivery: Delivery) -> Self {
        Self::on(request, before, after, State::Existing(delivery))
    }

    fn on(request: &DeliveryRequest, before: Version, after: Version, state: State) -> Self {
        Self {
            order_id: request.event.order_id,
            event_type: request.event.event_type,
            version: request.event.version,
            traceparent: request.traceparent.clone(),
            provenance: request.provenance.clone(),
            before,
            after,
            state,
        }
    }
}

/// Renders effects in their order.
pub(super) struct Effects<'a> {
    pub journal: Vec<NewEntry>,
    pub applies: Vec<NewApply>,
    inserted: &'a [DeliveryId],
    now: Timestamp,
}

impl<'a> Effects<'a> {
    /// `inserted` are the numbers of the new rows.
    pub fn new(inserted: &'a [DeliveryId], now: Timestamp) -> Self {
        Self {
            journal: Vec::new(),
            applies: Vec::new(),
            inserted,
            now,
        }
    }

    /// Notes what an effect leaves behind; the delivery as it stands after it.
    pub fn render(&mut self, effect: Effect) -> Delivery {
        let delivery = match effect.state {
            State::New(insert, state) => state.numbered(self.inserted[insert]),
            State::Existing(delivery) => delivery,
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
        self.journal.push(NewEntry {
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

/// A cancellation changes the status alone.
pub(super) fn fields_after(before: &OrderFields, event: &IncomingEvent) -> OrderFields {
    match event.event_type {
        OrderEventType::Cancelled => before.clone(),
        _ => merged(before, &event.fields),
    }
}
