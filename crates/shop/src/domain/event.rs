//! Events: their names, and how the journals hold them.

use keylane_log::Timestamp;

use super::{OrderId, Version};

/// What can happen to an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum OrderEventType {
    /// It was placed.
    Placed,
    /// It was really changed.
    Modified,
    /// It was cancelled.
    Cancelled,
}

/// What can happen to a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DeliveryEventType {
    /// An order was placed.
    Started,
    /// An order was changed.
    Modified,
    /// An order was cancelled.
    Cancelled,
}

/// Any event of the mall.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum EventType {
    /// `OrderPlaced`, `OrderModified`, `OrderCancelled`.
    Order(OrderEventType),
    /// `DeliveryStarted`, `DeliveryModified`, `DeliveryCancelled`.
    Delivery(DeliveryEventType),
}

/// Which service's journal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Source {
    /// The order service's.
    Orders,
    /// The delivery service's.
    Deliveries,
}

/// A row of a journal: an event that has been committed, whether it has been published or not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JournalEntry {
    /// The journal's own number. Within an order it ascends with the version; across orders the order of numbers is not
    /// the order of commits.
    pub id: i64,
    /// Whose journal.
    pub source: Source,
    /// The number of the order or delivery that it is about.
    pub row_id: i64,
    /// The order, which is the record's key.
    pub order_id: OrderId,
    /// Counts the events of that order or of that delivery.
    pub version: Version,
    /// What happened.
    pub event_type: EventType,
    /// When.
    pub timestamp: Timestamp,
    /// The record's value, as it is published.
    pub payload: String,
    /// The trace it belongs to.
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

    /// The delivery service's answer to this event.
    pub fn delivery_event(self) -> DeliveryEventType {
        match self {
            Self::Placed => DeliveryEventType::Started,
            Self::Modified => DeliveryEventType::Modified,
            Self::Cancelled => DeliveryEventType::Cancelled,
        }
    }
}

impl EventType {
    /// Its name in records and journals.
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

    /// Whose events these are.
    pub fn source(self) -> Source {
        match self {
            Self::Order(_) => Source::Orders,
            Self::Delivery(_) => Source::Deliveries,
        }
    }

    /// The event of this name; `None` for a name the mall doesn't know.
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
    /// The path that `ce_source` carries.
    pub fn path(self) -> &'static str {
        match self {
            Self::Orders => "/orders",
            Self::Deliveries => "/deliveries",
        }
    }
}
