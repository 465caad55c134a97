//! Deliveries and how order events change them.

use std::sync::Arc;

use super::{DeliveryId, OrderEventType, OrderFields, OrderId, OrderPatch, Place, Version};

/// A delivery as it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// Its number.
    pub id: DeliveryId,
    /// The order it delivers; tables of older systems may hold rows without one.
    pub order_id: Option<OrderId>,
    /// The order's fields as the delivery service knows them.
    pub fields: OrderFields,
    /// `DELIVERY STARTED`, `DELIVERY MODIFIED` or `DELIVERY CANCELLED`.
    pub status: Option<String>,
    /// The highest order version it has seen.
    pub version: Version,
    /// How many events of its own it has had: the version of its last event.
    pub events: Version,
}

/// An order event as the delivery service received it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IncomingEvent {
    /// Whose event.
    pub order_id: OrderId,
    /// Which event of that order it is, counted from 1; `None` if its producer does not number events.
    pub version: Option<Version>,
    /// What happened.
    pub event_type: OrderEventType,
    /// The fields the event carries.
    pub fields: OrderPatch,
}

impl IncomingEvent {
    /// Whether it is this event of this order.
    pub fn is(&self, order_id: OrderId, version: Version) -> bool {
        self.order_id == order_id && self.version == Some(version)
    }
}

/// An event to apply and the trace it belongs to, if any.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeliveryRequest {
    /// What to apply.
    pub event: IncomingEvent,
    /// Goes with the event this leads to.
    pub traceparent: Option<String>,
    /// Goes into the apply history.
    pub provenance: Provenance,
}

/// Who applies an event and where it came from.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Provenance {
    /// The delivery instance; another process of the same name calls itself something else.
    pub instance: Arc<str>,
    /// The instance's assignment of the partition; none if the event comes out of parking or from the order service.
    pub epoch: Option<u64>,
    /// The record; none if the event was asked from the order service.
    pub place: Option<Place>,
}

/// What became of an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DeliveryOutcome {
    /// It took effect; the delivery as it stands after.
    Applied(Delivery),
    /// A modification or cancellation found no delivery of that order; nothing was written.
    NoDelivery,
}
