//! The domain: orders, deliveries and their events, as plain values and pure functions.

mod condition;
pub mod decide;
mod delivery;
mod event;
pub mod fence;
mod fields;
pub mod input;
mod order;
pub mod payload;
mod record;

pub use condition::{Condition, Versions};
pub use delivery::{Delivery, DeliveryBefore, DeliveryOutcome, DeliveryRequest, IncomingEvent, Provenance};
pub use event::{DeliveryEventType, EventType, JournalEntry, OrderEventType, Source};
pub use fields::{OrderFields, OrderPatch};
pub use order::{Change, Order, OrderCommand, OrderOutcome, OrderRequest};
pub use record::{EventRecord, Origin, Place};

use std::fmt;

/// An order's number, which is never used again for another order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OrderId(pub i64);

/// A delivery's number, which is never used again for another delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DeliveryId(pub i64);

/// An event's number among the events of one order, or of one delivery, from 1. 0 stands for none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version(pub i64);

impl OrderId {
    /// A number below all order numbers. These begin at 1, but records that were parked long ago may name lower ones.
    pub const BEFORE_ALL: Self = Self(i64::MIN);
}

impl Version {
    /// The highest version that a record may name. No order has as many events, and counting on from here can't overflow.
    pub const MAX: Self = Self(1_000_000_000_000_000);

    /// The version of the event after this one.
    pub fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

impl fmt::Display for OrderId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for DeliveryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
