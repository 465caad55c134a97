//! A history, as it was gathered from the databases and the log.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use keylane_log::{Offset, Partition, Timestamp};
use shop::domain::decide::ApplyKind;
use shop::domain::{Delivery, DeliveryEventType, DeliveryId, OrderEventType, OrderId, OrderPatch, Version};

/// Everything that is known. The rows of each list may come in any order.
#[derive(Debug, Clone, Default)]
pub struct History {
    /// W: the order service's journal, which outlives the orders.
    pub written: Vec<Written>,
    /// P: the order events that stand in the topic.
    pub topic: Vec<InTopic>,
    /// A: what took effect.
    pub applied: Vec<Applied>,
    /// D: the final rows of the delivery service.
    pub deliveries: Vec<Delivery>,
    /// O: the delivery events that stand in the topic.
    pub answers: Vec<Answer>,
    /// Orders with delivery events that wait in the journal to be published.
    pub unanswered: BTreeSet<OrderId>,
    /// Events that wait beside the topic.
    pub parked: Vec<Parked>,
    /// How far the delivery group has come.
    pub partitions: Vec<PartitionState>,
    /// Orders that changed while the history was being read: what was read of them may not belong together.
    pub moving: BTreeSet<OrderId>,
}

/// A row of the order service's journal.
#[derive(Debug, Clone)]
pub struct Written {
    /// Whose event.
    pub order: OrderId,
    /// Which one of that order.
    pub version: Version,
    /// What happened.
    pub event_type: OrderEventType,
    /// The fields that the event carries.
    pub fields: OrderPatch,
    /// A hash of the payload, made as [`InTopic::hash`] is.
    pub hash: u64,
    /// When.
    pub at: Timestamp,
    /// Whether the relay has marked it as published.
    pub published: bool,
    /// Whether it stands for an order that an older system had placed and published: then neither the record nor its
    /// apply need be known.
    pub inherited: bool,
}

/// Where a record stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    /// In which partition.
    pub partition: Partition,
    /// The record's own offset.
    pub offset: Offset,
}

/// An order event in the topic.
#[derive(Debug, Clone)]
pub struct InTopic {
    /// Whose event.
    pub order: OrderId,
    /// Which one of that order; absent from producers that don't count.
    pub version: Option<Version>,
    /// What happened; none if that can't be read.
    pub event_type: Option<OrderEventType>,
    /// A hash of the record's value.
    pub hash: u64,
    /// Where.
    pub place: Place,
    /// The record's timestamp.
    pub at: Timestamp,
}

/// An order event that took effect on a delivery, or that a person had passed over.
#[derive(Debug, Clone)]
pub struct Applied {
    /// Whose event.
    pub order: OrderId,
    /// Taken under the order's lock: ascends with the effects of an order.
    pub counter: i64,
    /// Whether it took effect.
    pub kind: ApplyKind,
    /// Which event; absent where the producer doesn't count.
    pub version: Option<Version>,
    /// What happened; none if what was passed over could not even be read.
    pub event_type: Option<OrderEventType>,
    /// The delivery; none if there was none.
    pub delivery: Option<DeliveryId>,
    /// The order's version as the delivery service knew it before; 0 if it knew none.
    pub before: Version,
    /// The same after it.
    pub after: Version,
    /// Which process did it.
    pub instance: Arc<str>,
    /// Under which of its assignments of the partition, which ascend in its life; none if it came out of the parked events,
    /// which anybody may apply, or from the order service.
    pub epoch: Option<u64>,
    /// The record; none if it was asked from the order service.
    pub place: Option<Place>,
    /// When.
    pub at: Timestamp,
}

/// A delivery event in the topic.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The order that is delivered.
    pub order: OrderId,
    /// Whose event.
    pub delivery: DeliveryId,
    /// Which one of that delivery.
    pub version: Version,
    /// What happened.
    pub event_type: DeliveryEventType,
    /// Where.
    pub place: Place,
    /// The record's timestamp.
    pub at: Timestamp,
}

/// An event that waits.
#[derive(Debug, Clone)]
pub struct Parked {
    /// Whose event.
    pub order: OrderId,
    /// Which one of that order.
    pub version: Version,
    /// The record; none if it was asked from the order service.
    pub place: Option<Place>,
    /// Since when.
    pub at: Timestamp,
    /// What it waits for.
    pub waits: Waits,
}

/// What a parked event waits for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Waits {
    /// The versions below it.
    Predecessors,
    /// Nothing: an instance is applying it, or about to do what a person decided.
    Apply,
    /// A person: it was refused for good, for this reason.
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

impl History {
    /// Keeps the orders that `keep` names, and all that is known of the partitions.
    pub fn retain_orders(&mut self, keep: impl Fn(OrderId) -> bool) {
        self.written.retain(|written| keep(written.order));
        self.topic.retain(|record| keep(record.order));
        self.applied.retain(|applied| keep(applied.order));
        self.deliveries.retain(|delivery| delivery.order_id.is_some_and(&keep));
        self.answers.retain(|answer| keep(answer.order));
        self.unanswered.retain(|order| keep(*order));
        self.parked.retain(|parked| keep(parked.order));
        self.moving.retain(|order| keep(*order));
    }

    /// The orders of which something was written, published or applied at `since` or later.
    pub fn orders_since(&self, since: Timestamp) -> BTreeSet<OrderId> {
        let written = self.written.iter().map(|written| (written.order, written.at));
        let published = self.topic.iter().map(|record| (record.order, record.at));
        let applied = self.applied.iter().map(|applied| (applied.order, applied.at));
        let events = written.chain(published).chain(applied);
        events.filter(|(_, at)| *at >= since).map(|(order, _)| order).collect()
    }
}

impl InTopic {
    /// Whether it is an event that doesn't count. What can't be read is none, and changes nothing.
    pub(super) fn is_unsequenced(&self) -> bool {
        self.version.is_none() && self.event_type.is_some()
    }
}

impl PartitionState {
    /// Up to when records may have been removed by retention; none if nothing ever was.
    pub(super) fn removed_up_to(&self) -> Option<Timestamp> {
        (self.start.0 > 0).then(|| self.kept_since.unwrap_or(Timestamp(i64::MAX)))
    }

    /// Records that the group has not finished with.
    pub fn lag(&self) -> u64 {
        self.end.0.saturating_sub(self.next().0)
    }

    /// The next offset that the group reads.
    pub(super) fn next(&self) -> Offset {
        self.committed.unwrap_or(Offset(0)).max(self.start)
    }
}

/// `P1@7`
impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "P{}@{}", self.partition, self.offset)
    }
}
