//! Order events, applied to deliveries as a naive consumer does: as they come, whatever came before.

use std::collections::{BTreeMap, BTreeSet};

use keylane_log::Timestamp;

use super::effects::{Effect, Effects, NewDelivery, fields_after};
use super::orders::merged;
use super::{NewApply, NewEntry};
use crate::domain::{
    Delivery, DeliveryId, DeliveryOutcome, DeliveryRequest, IncomingEvent, OrderEventType, OrderFields, OrderId,
    Version,
};

/// What a batch does to the deliveries. The rows can be written in any order; the numbers that new rows are given go to
/// [`complete`](Self::complete).
#[derive(Debug)]
pub struct DeliveryDecision {
    /// New rows, to be numbered ascending in this order.
    pub inserts: Vec<NewDelivery>,
    /// Rows as they now stand, ascending by order.
    pub updates: Vec<Delivery>,
    steps: Vec<Option<Effect>>,
}

/// What is left to write, and what to answer.
#[derive(Debug, PartialEq, Eq)]
pub struct DeliveriesDone {
    /// Journal rows to append in this order.
    pub journal: Vec<NewEntry>,
    /// Rows of the apply history to append in this order.
    pub applies: Vec<NewApply>,
    /// One outcome an event, in order.
    pub outcomes: Vec<DeliveryOutcome>,
}

/// The orders whose deliveries a batch looks up, ascending: of each, the delivery with the lowest number is to be locked
/// and loaded. (A placed order's isn't: the naive way doesn't look whether there is one already.)
pub fn looked_up_orders(batch: &[DeliveryRequest]) -> Vec<OrderId> {
    let looked_up = batch
        .iter()
        .filter(|request| request.event.event_type != OrderEventType::Placed);
    let orders: BTreeSet<_> = looked_up.map(|request| request.event.order_id).collect();
    orders.into_iter().collect()
}

/// Folds a batch over the deliveries it looks up; an order that isn't among `deliveries` has none.
pub fn decide_deliveries(deliveries: BTreeMap<OrderId, Delivery>, batch: &[DeliveryRequest]) -> DeliveryDecision {
    let mut fold = Fold {
        deliveries,
        touched: BTreeSet::new(),
        inserts: Vec::new(),
        inserted: BTreeMap::new(),
    };
    let steps = batch.iter().map(|request| fold.step(request)).collect();
    fold.finish(steps)
}

impl DeliveryDecision {
    /// Whether there is nothing to write.
    pub fn is_empty(&self) -> bool {
        self.inserts.is_empty() && self.updates.is_empty()
    }

    /// Renders the journal rows and the outcomes, now that the numbers of the new rows are known.
    ///
    /// # Panics
    /// If there aren't as many numbers as inserts.
    pub fn complete(self, inserted: &[DeliveryId], now: Timestamp) -> DeliveriesDone {
        assert_eq!(
            inserted.len(),
            self.inserts.len(),
            "every inserted delivery has a number"
        );
        let mut effects = Effects::new(inserted, now);
        let outcomes = self.steps.into_iter().map(|step| match step {
            None => DeliveryOutcome::NoDelivery,
            Some(effect) => DeliveryOutcome::Applied(effects.render(effect)),
        });
        let outcomes = outcomes.collect();
        DeliveriesDone {
            journal: effects.journal,
            applies: effects.applies,
            outcomes,
        }
    }
}

struct Fold {
    deliveries: BTreeMap<OrderId, Delivery>,
    touched: BTreeSet<OrderId>,
    inserts: Vec<NewDelivery>,
    /// For each order the first insert of this batch, which has the lowest number of them.
    inserted: BTreeMap<OrderId, usize>,
}

impl Fold {
    fn step(&mut self, request: &DeliveryRequest) -> Option<Effect> {
        let event = &request.event;
        if event.event_type == OrderEventType::Placed {
            return Some(self.insert(request));
        }
        if let Some(delivery) = self.deliveries.get_mut(&event.order_id) {
            let before = delivery.version;
            delivery.fields = fields_after(&delivery.fields, event);
            delivery.status = Some(event.event_type.delivery_status().to_owned());
            delivery.version = version_after(delivery.version, event);
            delivery.events = delivery.events.next();
            self.touched.insert(event.order_id);
            return Some(Effect::existing(request, before, delivery.version, delivery.clone()));
        }
        let insert = *self.inserted.get(&event.order_id)?;
        Some(self.update_new(insert, request))
    }

    fn insert(&mut self, request: &DeliveryRequest) -> Effect {
        let event = &request.event;
        let insert = self.inserts.len();
        let state = NewDelivery {
            order_id: event.order_id,
            fields: merged(&OrderFields::default(), &event.fields),
            status: event.event_type.delivery_status(),
            version: version_after(Version(1), event),
            events: Version(1),
        };
        self.inserts.push(state.clone());
        self.inserted.entry(event.order_id).or_insert(insert);
        Effect::new(request, Version(0), state.version, insert, state)
    }

    fn update_new(&mut self, insert: usize, request: &DeliveryRequest) -> Effect {
        let event = &request.event;
        let row = &mut self.inserts[insert];
        let before = row.version;
        row.fields = fields_after(&row.fields, event);
        row.status = event.event_type.delivery_status();
        row.version = version_after(row.version, event);
        row.events = row.events.next();
        Effect::new(request, before, row.version, insert, row.clone())
    }

    fn finish(mut self, steps: Vec<Option<Effect>>) -> DeliveryDecision {
        let updates = self.touched.iter().filter_map(|order| self.deliveries.remove(order));
        DeliveryDecision {
            updates: updates.collect(),
            inserts: self.inserts,
            steps,
        }
    }
}

/// The naive way knows no fence: an older event takes effect too, only the number stays.
fn version_after(before: Version, event: &IncomingEvent) -> Version {
    event.version.map_or(before, |version| version.max(before))
}
