//! A history of the mall, as it was gathered from the databases and the log.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use keylane_log::{Offset, Partition, Timestamp};
use shop::domain::decide::ApplyKind;
use shop::domain::{Delivery, DeliveryEventType, DeliveryId, OrderEventType, OrderId, OrderPatch, Version};

/// Everything that is known. The entries of each list may stand in any sequence.
#[derive(Debug, Clone, Default)]
pub struct History {
    /// The order service's journal, which outlives the orders.
    pub written: Vec<Written>,
    /// The order events in the topic.
    pub topic: Vec<OrderRecord>,
    /// The order events that took effect, and those that a person had passed over.
    pub applied: Vec<Applied>,
    /// The final rows of the delivery service.
    pub deliveries: Vec<Delivery>,
    /// The delivery events in the topic.
    pub delivery_records: Vec<DeliveryRecord>,
    /// The orders of which a delivery event waits in the journal to be published.
    pub unpublished_deliveries: BTreeSet<OrderId>,
    /// The events that the delivery service has parked.
    pub parked: Vec<Parked>,
    /// How far the delivery group has come in each partition.
    pub partitions: Vec<PartitionState>,
    /// The orders that changed while the history was being read. What was read of them at different times may not fit together.
    pub moving: BTreeSet<OrderId>,
}

/// A row of the order service's journal.
#[derive(Debug, Clone)]
pub struct Written {
    /// The order that the event is about.
    pub order: OrderId,
    /// The event's number among those of its order.
    pub version: Version,
    /// What happened to the order.
    pub event_type: OrderEventType,
    /// The fields that the event carries.
    pub fields: OrderPatch,
    /// A hash of the payload, made as [`OrderRecord::hash`] is.
    pub hash: u64,
    /// When the row was written.
    pub at: Timestamp,
    /// Whether the relay has marked it as published.
    pub published: bool,
    /// Whether the row stands for an order that an older system had placed and published. Then neither the record nor its
    /// effect need be known.
    pub inherited: bool,
}

/// Where a record stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PlaceInTopic {
    /// The record's partition.
    pub partition: Partition,
    /// The record's own offset.
    pub offset: Offset,
}

/// An order event in the topic.
#[derive(Debug, Clone)]
pub struct OrderRecord {
    /// The order that the event is about.
    pub order: OrderId,
    /// The event's number among those of its order; none if its producer doesn't number events.
    pub version: Option<Version>,
    /// What happened to the order; none if the record can't be read.
    pub event_type: Option<OrderEventType>,
    /// A hash of the record's value.
    pub hash: u64,
    /// Where the record stands.
    pub place: PlaceInTopic,
    /// The record's timestamp.
    pub at: Timestamp,
}

/// An order event that took effect on a delivery, or that a person had passed over.
#[derive(Debug, Clone)]
pub struct Applied {
    /// The order that the event is about.
    pub order: OrderId,
    /// A number that was given under the order's lock, so it ascends with the effects of an order.
    pub counter: i64,
    /// Whether the event took effect or was passed over.
    pub kind: ApplyKind,
    /// The event's number among those of its order; none if its producer doesn't number events.
    pub version: Option<Version>,
    /// What happened to the order; none if the event was passed over and could not be read.
    pub event_type: Option<OrderEventType>,
    /// The delivery that the event changed; none if there was none.
    pub delivery: Option<DeliveryId>,
    /// The order's version as the delivery service knew it before; 0 if it knew none.
    pub before: Version,
    /// The order's version as the delivery service knew it afterwards.
    pub after: Version,
    /// The instance that applied the event.
    pub instance: Arc<str>,
    /// The assignment of the partition under which the instance applied it. Assignments are numbered within an instance, in
    /// ascending order. None for an event that had been parked, which any instance may apply, and for one that came from the
    /// order service.
    pub epoch: Option<u64>,
    /// Where the record stands; none if the order service was asked for the event.
    pub place: Option<PlaceInTopic>,
    /// When the event was applied.
    pub at: Timestamp,
}

/// A delivery event in the topic.
#[derive(Debug, Clone)]
pub struct DeliveryRecord {
    /// The order that is delivered.
    pub order: OrderId,
    /// The delivery that the event is about.
    pub delivery: DeliveryId,
    /// The event's number among those of its delivery.
    pub version: Version,
    /// What happened to the delivery.
    pub event_type: DeliveryEventType,
    /// Where the record stands.
    pub place: PlaceInTopic,
    /// The record's timestamp.
    pub at: Timestamp,
}

/// An event that is parked.
#[derive(Debug, Clone)]
pub struct Parked {
    /// The order that the event is about.
    pub order: OrderId,
    /// The event's number among those of its order.
    pub version: Version,
    /// Where the record stands; none if the order service was asked for the event.
    pub place: Option<PlaceInTopic>,
    /// Since when the event has been parked.
    pub at: Timestamp,
    /// What the event waits for.
    pub waits: WaitsFor,
}

/// What a parked event waits for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WaitsFor {
    /// The versions below it.
    Predecessors,
    /// Nothing: an instance is applying the event, or is about to do what a person decided.
    Apply,
    /// A person, because the event can't be applied, for this reason.
    Person(String),
}

/// How far a partition has been handled.
#[derive(Debug, Clone)]
pub struct PartitionState {
    /// Which one.
    pub partition: Partition,
    /// The first offset kept.
    pub start: Offset,
    /// The next offset to be written.
    pub end: Offset,
    /// What the delivery group has committed: the next offset it reads.
    pub committed: Option<Offset>,
    /// The time of the first record kept; none if it is empty.
    pub kept_since: Option<Timestamp>,
}

impl OrderRecord {
    /// Whether it is an event without a number. A record that can't be read is no event, and changes nothing.
    pub(super) fn is_unsequenced(&self) -> bool {
        self.version.is_none() && self.event_type.is_some()
    }
}

impl PartitionState {
    /// The time up to which retention may have removed records; none if it has removed none.
    pub(super) fn removed_up_to(&self) -> Option<Timestamp> {
        (self.start.0 > 0).then(|| self.kept_since.unwrap_or(Timestamp(i64::MAX)))
    }

    /// How many records the group has not finished with.
    pub fn lag(&self) -> u64 {
        self.end.0.saturating_sub(self.next().0)
    }

    /// The next offset that the group reads.
    pub(super) fn next(&self) -> Offset {
        self.committed.unwrap_or(Offset(0)).max(self.start)
    }
}

/// `P1@7`
impl fmt::Display for PlaceInTopic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "P{}@{}", self.partition, self.offset)
    }
}
