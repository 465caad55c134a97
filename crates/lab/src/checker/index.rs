//! The history, order by order.

use std::collections::{BTreeMap, BTreeSet};

use keylane_log::{Offset, Partition, Timestamp};
use shop::domain::decide::ApplyKind;
use shop::domain::{Delivery, OrderId, Version};

use super::history::{Answer, Applied, History, InTopic, Parked, Written};

/// What is known of one order.
pub(super) struct Order<'a> {
    pub id: OrderId,
    /// By version.
    pub written: BTreeMap<Version, &'a Written>,
    /// By place.
    pub topic: Vec<&'a InTopic>,
    /// In the order of their counters, with what was passed over.
    pub applied: Vec<&'a Applied>,
    /// By number.
    pub deliveries: Vec<&'a Delivery>,
    /// By place.
    pub answers: Vec<&'a Answer>,
    /// By version.
    pub parked: BTreeMap<Version, &'a Parked>,
    pub moving: bool,
    pub unanswered: bool,
    /// An event of it carries no version.
    pub unsequenced: bool,
    /// The versions in the topic. A record that can't be read is no event, whatever it says it is.
    pub published: BTreeSet<Version>,
    /// Those of them of which the group has finished with a record.
    handed_out: BTreeSet<Version>,
    /// What a person had passed over.
    pub discarded: BTreeSet<Version>,
    log: &'a Log,
}

/// What is known of the log as a whole.
#[derive(Default)]
pub(super) struct Log {
    /// The next offset that the group reads, by partition.
    next: BTreeMap<Partition, Offset>,
    /// Up to when records may have been removed by retention.
    removed_up_to: Option<Timestamp>,
}

/// The orders of a history, ascending. Deliveries of orders of which no event is known are left out: they are those of an
/// older system.
pub(super) fn orders<'a>(history: &'a History, log: &'a Log) -> Vec<Order<'a>> {
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
    for answer in &history.answers {
        at(&mut orders, answer.order, log).answers.push(answer);
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
        order.unanswered = history.unanswered.contains(&order.id);
        order.arrange();
    }
    orders
}

fn at<'a, 'm>(orders: &'m mut BTreeMap<OrderId, Order<'a>>, id: OrderId, log: &'a Log) -> &'m mut Order<'a> {
    orders.entry(id).or_insert_with(|| Order {
        id,
        written: BTreeMap::new(),
        topic: Vec::new(),
        applied: Vec::new(),
        deliveries: Vec::new(),
        answers: Vec::new(),
        parked: BTreeMap::new(),
        moving: false,
        unanswered: false,
        unsequenced: false,
        published: BTreeSet::new(),
        handed_out: BTreeSet::new(),
        discarded: BTreeSet::new(),
        log,
    })
}

impl Log {
    pub fn of(history: &History) -> Self {
        let partitions = &history.partitions;
        Self {
            next: partitions.iter().map(|state| (state.partition, state.next())).collect(),
            removed_up_to: partitions.iter().filter_map(|state| state.removed_up_to()).max(),
        }
    }
}

impl<'a> Order<'a> {
    fn arrange(&mut self) {
        self.topic.sort_by_key(|record| record.place);
        self.applied.sort_by_key(|applied| applied.counter);
        self.deliveries.sort_by_key(|delivery| delivery.id);
        self.answers.sort_by_key(|answer| answer.place);
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

    /// Whether a record of this time may have been removed by retention.
    pub fn may_have_lost(&self, at: Timestamp) -> bool {
        self.log.removed_up_to.is_some_and(|up_to| at <= up_to)
    }

    /// Whether the group has not finished with this record.
    pub fn is_ahead(&self, record: &InTopic) -> bool {
        let next = self.log.next.get(&record.place.partition);
        next.is_none_or(|next| record.place.offset >= *next)
    }

    /// Whether an event of this version may still be handed out for the first time.
    pub fn may_come(&self, version: Version) -> bool {
        self.published.contains(&version) && !self.handed_out.contains(&version)
    }

    /// What took effect, in that order.
    pub fn effects(&self) -> impl Iterator<Item = &'a Applied> {
        let applied = self.applied.iter().copied();
        applied.filter(|applied| applied.kind == ApplyKind::Applied)
    }

    /// Whether the delivery service may have published this event: deliveries number theirs, and the row says how many
    /// it had. Nothing can be said if the order's rows are gone.
    pub fn may_have_published(&self, answer: &Answer) -> bool {
        let made = |row: &&Delivery| row.id == answer.delivery && answer.version <= row.events;
        self.deliveries.is_empty() || self.deliveries.iter().any(made)
    }

    /// The version that the delivery service had when the apply history began: 0 if the history is whole.
    pub fn baseline(&self) -> Version {
        self.applied.first().map_or(Version(0), |first| first.before)
    }

    /// Whether an older system had placed it.
    pub fn is_inherited(&self) -> bool {
        self.written.values().any(|written| written.inherited)
    }
}
