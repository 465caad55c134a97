//! The types of events, and the entries of the journals.

use keylane_log::Timestamp;

use super::{OrderId, Version};

/// What can happen to an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum OrderEventType {
    /// The order was placed.
    Placed,
    /// The order was changed; a change that leaves every field as it was makes no event.
    Modified,
    /// The order was cancelled.
    Cancelled,
}

/// What can happen to a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DeliveryEventType {
    /// The delivery was started, because its order was placed.
    Started,
    /// The delivery was changed, because its order was.
    Modified,
    /// The delivery was cancelled, because its order was.
    Cancelled,
}

/// Any event of the mall.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum EventType {
    /// An event of the order service: `OrderPlaced`, `OrderModified` or `OrderCancelled`.
    Order(OrderEventType),
    /// An event of the delivery service: `DeliveryStarted`, `DeliveryModified` or `DeliveryCancelled`.
    Delivery(DeliveryEventType),
}

/// The service that an event or a journal belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Source {
    /// The order service.
    Orders,
    /// The delivery service.
    Deliveries,
}

/// An event as a journal keeps it and the relay publishes it. The service whose journal it is follows from its type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JournalEntry {
    /// The number of the order or delivery that it is about.
    pub row_id: i64,
    /// The order, which is the record's key.
    pub order_id: OrderId,
    /// The event's number among the events of that order or of that delivery, from 1.
    pub version: Version,
    /// What happened.
    pub event_type: EventType,
    /// When it happened.
    pub timestamp: Timestamp,
    /// The JSON text that is published as the record's value.
    pub payload: String,
    /// The trace that the event belongs to (`traceparent`, W3C Trace Context).
    pub traceparent: Option<String>,
}

impl OrderEventType {
    /// The status of a delivery after this event.
    pub fn delivery_status(self) -> &'static str {
        match self {
            Self::Placed => "DELIVERY STARTED",
            Self::Modified => "DELIVERY MODIFIED",
            Self::Cancelled => "DELIVERY CANCELLED",
        }
    }

    /// The delivery event that this order event leads to.
    pub fn delivery_event(self) -> DeliveryEventType {
        match self {
            Self::Placed => DeliveryEventType::Started,
            Self::Modified => DeliveryEventType::Modified,
            Self::Cancelled => DeliveryEventType::Cancelled,
        }
    }
}

impl EventType {
    /// The name that records and journals have for this type.
    pub fn name(self) -> &'static str {
        match self {
            Self::Order(OrderEventType::Placed) => "OrderPlaced",
            Self::Order(OrderEventType::Modified) => "OrderModified",
            Self::Order(OrderEventType::Cancelled) => "OrderCancelled",
            Self::Delivery(DeliveryEventType::Started) => "DeliveryStarted",
            Self::Delivery(DeliveryEventType::Modified) => "DeliveryModified",
            Self::Delivery(DeliveryEventType::Cancelled) => "DeliveryCancelled",
        }
    }

    /// The service that makes events of this type.
    pub fn source(self) -> Source {
        match self {
            Self::Order(_) => Source::Orders,
            Self::Delivery(_) => Source::Deliveries,
        }
    }

    /// The type with this name; `None` for a name that the mall doesn't know.
    pub fn from_name(name: &str) -> Option<Self> {
        Some(match name {
            "OrderPlaced" => Self::Order(OrderEventType::Placed),
            "OrderModified" => Self::Order(OrderEventType::Modified),
            "OrderCancelled" => Self::Order(OrderEventType::Cancelled),
            "DeliveryStarted" => Self::Delivery(DeliveryEventType::Started),
            "DeliveryModified" => Self::Delivery(DeliveryEventType::Modified),
            "DeliveryCancelled" => Self::Delivery(DeliveryEventType::Cancelled),
            _ => return None,
        })
    }
}

impl Source {
    /// The service's path, which the header `ce_source` carries.
    pub fn path(self) -> &'static str {
        match self {
            Self::Orders => "/orders",
            Self::Deliveries => "/deliveries",
        }
    }
}
