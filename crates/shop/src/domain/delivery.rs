//! Deliveries and how order events change them.

use std::sync::Arc;

use super::{DeliveryId, OrderEventType, OrderFields, OrderId, OrderPatch, Place, Version};

/// A row of the deliveries' table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// The delivery's number.
    pub id: DeliveryId,
    /// The order that is delivered; tables of older systems may hold rows without one.
    pub order_id: Option<OrderId>,
    /// The order's fields as the delivery service knows them.
    pub fields: OrderFields,
    /// The status: `DELIVERY STARTED`, `DELIVERY MODIFIED` or `DELIVERY CANCELLED`.
    pub status: Option<String>,
    /// The highest version of the order that has been applied to the delivery.
    pub version: Version,
    /// How many events the delivery itself has had: the version of the last one.
    pub events: Version,
}

/// An order event as the delivery service received it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IncomingEvent {
    /// The order of the event.
    pub order_id: OrderId,
    /// The event's number among the events of that order, from 1; `None` if its producer does not number events.
    pub version: Option<Version>,
    /// What happened.
    pub event_type: OrderEventType,
    /// The order's fields that the event carries.
    pub fields: OrderPatch,
}

impl IncomingEvent {
    /// Whether the event is this version of this order.
    pub fn is(&self, order_id: OrderId, version: Version) -> bool {
        self.order_id == order_id && self.version == Some(version)
    }
}

/// A request to apply an event to the order's delivery.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeliveryRequest {
    /// The event to apply.
    pub event: IncomingEvent,
    /// The trace (W3C Trace Context) that the delivery event which this leads to will carry.
    pub traceparent: Option<String>,
    /// Who applies the event and where it came from, for the apply history.
    pub provenance: Provenance,
}

/// Who applies an event and where it came from.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Provenance {
    /// The name of the delivery instance, which is unique to its process.
    pub instance: Arc<str>,
    /// The epoch of the instance's assignment; none if the event comes out of parking or from the order service.
    pub epoch: Option<u64>,
    /// The record's place in the log; none if the event comes from the order service.
    pub place: Option<Place>,
}

/// What a delivery was when an event took effect on it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeliveryBefore {
    /// The highest version of the order that had been applied.
    pub version: Version,
    /// The delivery's status.
    pub status: Option<String>,
}

/// What became of an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DeliveryOutcome {
    /// The event took effect.
    Applied {
        /// The delivery after it.
        delivery: Delivery,
        /// What the delivery was; none if the event made it.
        before: Option<DeliveryBefore>,
    },
    /// The event is a modification or cancellation of an order that has no delivery; nothing was written.
    NoDelivery,
}
