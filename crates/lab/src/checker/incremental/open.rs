//! An order of which everything is kept that was handed in, because it is open or has broken.

use std::collections::{BTreeMap, BTreeSet};

use keylane_log::{Partition, Timestamp};
use shop::domain::{Delivery, OrderId, Version};

use super::super::history::{Applied, DeliveryRecord, History, OrderRecord, Parked, PlaceInTopic, Written};
use super::super::index::{LogPositions, OrderHistory};
use super::super::trail::Trail;
use super::told::Subject;

/// Something that has happened to an order.
#[derive(Debug)]
pub(super) enum Event {
    Written(Written),
    OrderRecord(OrderRecord),
    DeliveryRecord(DeliveryRecord),
    Applied(Applied),
}

/// What is known of an open order. Each thing is known by its version, place or counter, so that handing it in again changes
/// nothing.
#[derive(Debug, Default)]
pub(super) struct Open {
    written: BTreeMap<Version, Written>,
    topic: BTreeMap<PlaceInTopic, OrderRecord>,
    delivery_records: BTreeMap<PlaceInTopic, DeliveryRecord>,
    applied: BTreeMap<i64, Applied>,
    /// What seemed to be wrong when the order was last looked at.
    pub suspected: BTreeSet<Subject>,
    /// Whether the order had come to its end when it was last looked at.
    pub is_settled: bool,
}

/// What stands in the databases about an order, which is no event.
#[derive(Debug, Default)]
pub(super) struct Standing {
    pub parked: Vec<Parked>,
    pub deliveries: Vec<Delivery>,
    pub has_unpublished_deliveries: bool,
    pub is_moving: bool,
}

impl Event {
    /// Takes a folded order on by this event.
    pub fn follow(&self, trail: &mut Trail) {
        match self {
            Self::Written(written) => trail.written(written),
            Self::OrderRecord(record) => trail.order_record(record),
            Self::DeliveryRecord(record) => trail.delivery_record(record),
            Self::Applied(applied) => trail.applied(applied),
        }
    }

    /// Where the event's record stands, if it is an order event in the topic.
    pub fn place(&self) -> Option<PlaceInTopic> {
        match self {
            Self::OrderRecord(record) => Some(record.place),
            _ => None,
        }
    }
}

impl Open {
    pub fn take(&mut self, event: Event) {
        self.is_settled = false;
        match event {
            Event::Written(written) => drop(self.written.insert(written.version, written)),
            Event::OrderRecord(record) => drop(self.topic.insert(record.place, record)),
            Event::DeliveryRecord(record) => drop(self.delivery_records.insert(record.place, record)),
            Event::Applied(applied) => drop(self.applied.insert(applied.counter, applied)),
        }
    }

    /// How many rows and records are kept.
    pub fn entries(&self) -> usize {
        self.written.len() + self.topic.len() + self.delivery_records.len() + self.applied.len()
    }

    /// Notes which events wait to be published. All others are.
    pub fn note_unpublished(&mut self, order: OrderId, waiting: &BTreeSet<(OrderId, Version)>) {
        for written in self.written.values_mut() {
            written.published = !waiting.contains(&(order, written.version));
        }
    }

    /// The order as it is judged.
    pub fn history<'a>(&'a self, id: OrderId, standing: &'a Standing, log: &'a LogPositions) -> OrderHistory<'a> {
        let mut order = OrderHistory::of(id, log);
        order
            .written
            .extend(self.written.iter().map(|(version, written)| (*version, written)));
        order.topic.extend(self.topic.values());
        order.delivery_records.extend(self.delivery_records.values());
        order.applied.extend(self.applied.values());
        order
            .parked
            .extend(standing.parked.iter().map(|parked| (parked.version, parked)));
        // A delivery of an order without any known event was made by an older system.
        order.deliveries.extend(&standing.deliveries);
        order.moving = standing.is_moving;
        order.unpublished_deliveries = standing.has_unpublished_deliveries;
        order.arrange();
        order
    }

    /// The trail of the order, if it was regular to its end.
    pub fn folded(&self, standing: &Standing, removed_up_to: Option<Timestamp>) -> Option<Trail> {
        let mut trail = Trail::default();
        self.written.values().for_each(|written| trail.written(written));
        self.topic.values().for_each(|record| trail.order_record(record));
        let answers = self.delivery_records.values();
        answers.for_each(|record| trail.delivery_record(record));
        self.applied.values().for_each(|applied| trail.applied(applied));
        standing.deliveries.iter().for_each(|row| trail.delivery(row));
        trail.is_regular(removed_up_to).then_some(trail)
    }

    /// The orders of a history.
    pub fn all_of(history: History) -> BTreeMap<OrderId, Self> {
        let mut orders: BTreeMap<OrderId, Self> = BTreeMap::new();
        let mut take = |order, event| orders.entry(order).or_default().take(event);
        let written = history.written.into_iter();
        written.for_each(|written| take(written.order, Event::Written(written)));
        let topic = history.topic.into_iter();
        topic.for_each(|record| take(record.order, Event::OrderRecord(record)));
        let answers = history.delivery_records.into_iter();
        answers.for_each(|record| take(record.order, Event::DeliveryRecord(record)));
        let applied = history.applied.into_iter();
        applied.for_each(|applied| take(applied.order, Event::Applied(applied)));
        orders
    }
}

/// What has happened to a folded order since it was folded, beside its trail.
#[derive(Debug, Default)]
pub(super) struct Stirred {
    /// The last record in each partition.
    last: BTreeMap<Partition, PlaceInTopic>,
    /// At how many looks nothing was under way and yet something was missing.
    pub lacking: u8,
}

impl Stirred {
    pub fn see(&mut self, event: &Event) {
        self.lacking = 0;
        if let Some(place) = event.place() {
            self.last.insert(place.partition, place);
        }
    }

    /// Whether the group has not finished with a record.
    pub fn is_ahead(&self, log: &LogPositions) -> bool {
        self.last.values().any(|place| log.is_ahead(*place))
    }
}
