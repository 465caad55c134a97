//! The history, sorted by orders.

use std::collections::{BTreeMap, BTreeSet};

use keylane_log::{Offset, Partition, Timestamp};
use shop::domain::decide::ApplyKind;
use shop::domain::{Delivery, OrderId, Version};

use super::history::{Applied, DeliveryRecord, History, OrderRecord, Parked, PartitionState, PlaceInTopic, Written};

/// What is known of one order.
pub(super) struct OrderHistory<'a> {
    pub id: OrderId,
    /// The journal rows, by version.
    pub written: BTreeMap<Version, &'a Written>,
    /// Its order events in the topic, by place.
    pub topic: Vec<&'a OrderRecord>,
    /// Its events that took effect or were passed over, in that sequence.
    pub applied: Vec<&'a Applied>,
    /// Its delivery rows, by number.
    pub deliveries: Vec<&'a Delivery>,
    /// Its delivery events in the topic, by place.
    pub delivery_records: Vec<&'a DeliveryRecord>,
    /// Its parked events, by version.
    pub parked: BTreeMap<Version, &'a Parked>,
    /// Whether it changed while the history was being read.
    pub moving: bool,
    /// Whether delivery events of it wait to be published.
    pub unpublished_deliveries: bool,
    /// Whether an event of it carries no version.
    pub unsequenced: bool,
    /// The versions in the topic. A record that can't be read is no event, whatever version it names.
    pub published: BTreeSet<Version>,
    /// Those of these versions that the group has finished with at least once.
    handed_out: BTreeSet<Version>,
    /// The versions that a person had passed over.
    pub discarded: BTreeSet<Version>,
    log: &'a LogPositions,
}

/// What is known of the log as a whole.
#[derive(Default)]
pub(super) struct LogPositions {
    /// The next offset that the group reads, by partition.
    next: BTreeMap<Partition, Offset>,
    /// The time up to which retention may have removed records; none if it has removed none.
    removed_up_to: Option<Timestamp>,
}

/// The orders of a history, ascending. Deliveries of orders without any known event are left out, because an older system
/// made them.
pub(super) fn orders<'a>(history: &'a History, log: &'a LogPositions) -> Vec<OrderHistory<'a>> {
    let mut orders = BTreeMap::new();
    for written in &history.written {
        at(&mut orders, written.order, log)
            .written
            .insert(written.version, written);
    }
    for record in &history.topic {
        at(&mut orders, record.order, log).topic.push(record);
    }
    for applied in &history.applied {
        at(&mut orders, applied.order, log).applied.push(applied);
    }
    for record in &history.delivery_records {
        at(&mut orders, record.order, log).delivery_records.push(record);
    }
    for parked in &history.parked {
        at(&mut orders, parked.order, log).parked.insert(parked.version, parked);
    }
    for delivery in &history.deliveries {
        if let Some(order) = delivery.order_id.and_then(|id| orders.get_mut(&id)) {
            order.deliveries.push(delivery);
        }
    }
    let mut orders: Vec<_> = orders.into_values().collect();
    for order in &mut orders {
        order.moving = history.moving.contains(&order.id);
        order.unpublished_deliveries = history.unpublished_deliveries.contains(&order.id);
        order.arrange();
    }
    orders
}

fn at<'a, 'm>(
    orders: &'m mut BTreeMap<OrderId, OrderHistory<'a>>,
    id: OrderId,
    log: &'a LogPositions,
) -> &'m mut OrderHistory<'a> {
    orders.entry(id).or_insert_with(|| OrderHistory::of(id, log))
}

impl LogPositions {
    pub fn of(partitions: &[PartitionState]) -> Self {
        Self {
            next: partitions.iter().map(|state| (state.partition, state.next())).collect(),
            removed_up_to: partitions.iter().filter_map(|state| state.removed_up_to()).max(),
        }
    }

    /// Whether the group has not finished with the record at this place.
    pub fn is_ahead(&self, place: PlaceInTopic) -> bool {
        let next = self.next.get(&place.partition);
        next.is_none_or(|next| place.offset >= *next)
    }
}

impl<'a> OrderHistory<'a> {
    /// An order of which nothing is known yet.
    pub fn of(id: OrderId, log: &'a LogPositions) -> Self {
        Self {
            id,
            written: BTreeMap::new(),
            topic: Vec::new(),
            applied: Vec::new(),
            deliveries: Vec::new(),
            delivery_records: Vec::new(),
            parked: BTreeMap::new(),
            moving: false,
            unpublished_deliveries: false,
            unsequenced: false,
            published: BTreeSet::new(),
            handed_out: BTreeSet::new(),
            discarded: BTreeSet::new(),
            log,
        }
    }

    /// Sorts what is known, once all of it is there.
    pub fn arrange(&mut self) {
        self.topic.sort_by_key(|record| record.place);
        self.applied.sort_by_key(|applied| applied.counter);
        self.deliveries.sort_by_key(|delivery| delivery.id);
        self.delivery_records.sort_by_key(|record| record.place);
        self.unsequenced = self.topic.iter().any(|record| record.is_unsequenced())
            || self.applied.iter().any(|applied| applied.version.is_none());
        let events = || self.topic.iter().filter(|record| record.event_type.is_some());
        self.published = events().filter_map(|record| record.version).collect();
        let finished = events().filter(|record| !self.is_ahead(record));
        self.handed_out = finished.filter_map(|record| record.version).collect();
        let passed_over = self
            .applied
            .iter()
            .filter(|applied| applied.kind == ApplyKind::Discarded);
        self.discarded = passed_over.filter_map(|applied| applied.version).collect();
    }

    /// Whether retention may have removed a record of this time.
    pub fn may_have_lost(&self, at: Timestamp) -> bool {
        self.log.removed_up_to.is_some_and(|up_to| at <= up_to)
    }

    /// Whether the group has not finished with this record.
    pub fn is_ahead(&self, record: &OrderRecord) -> bool {
        self.log.is_ahead(record.place)
    }

    /// Whether an event of this version may still be handed out for the first time.
    pub fn may_come(&self, version: Version) -> bool {
        self.published.contains(&version) && !self.handed_out.contains(&version)
    }

    /// The events that took effect, in that sequence.
    pub fn effects(&self) -> impl Iterator<Item = &'a Applied> {
        let applied = self.applied.iter().copied();
        applied.filter(|applied| applied.kind == ApplyKind::Applied)
    }

    /// Whether the delivery service may have published this event. A delivery numbers its events, and its row says how many
    /// it has had. Without any row of the order it may have.
    pub fn may_have_published(&self, record: &DeliveryRecord) -> bool {
        let made = |row: &&Delivery| row.id == record.delivery && record.version <= row.events;
        self.deliveries.is_empty() || self.deliveries.iter().any(made)
    }

    /// The order's version at the delivery service when the apply history began; 0 if the history is whole.
    pub fn baseline(&self) -> Version {
        self.applied.first().map_or(Version(0), |first| first.before)
    }

    /// Whether an older system had placed the order.
    pub fn is_inherited(&self) -> bool {
        self.written.values().any(|written| written.inherited)
    }
}
