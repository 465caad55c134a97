//! Order events, applied to deliveries as a naive consumer does: in the order in which they arrive, without a fence.

use std::collections::{BTreeMap, BTreeSet};

use keylane_log::Timestamp;

use super::NewApply;
use super::effects::{Effect, Effects, NewDelivery, fields_after};
use super::orders::merged;
use crate::domain::{
    Delivery, DeliveryBefore, DeliveryId, DeliveryOutcome, DeliveryRequest, IncomingEvent, JournalEntry,
    OrderEventType, OrderFields, OrderId, Version,
};

/// What a batch does to the deliveries. The adapter can write the rows in any order, and passes the numbers that the new
/// rows were given to [`complete`](Self::complete).
#[derive(Debug)]
pub struct DeliveryDecision {
    /// The rows to insert; their numbers must ascend in this order.
    pub inserts: Vec<NewDelivery>,
    /// The existing rows to update, in their new state, ascending by order.
    pub updates: Vec<Delivery>,
    steps: Vec<Option<Step>>,
}

/// An event's effect, and what the delivery was before it; none if the event made the delivery.
type Step = (Effect, Option<DeliveryBefore>);

/// What is left to write, and the outcomes for the callers.
#[derive(Debug, PartialEq, Eq)]
pub struct DeliveriesDone {
    /// The journal rows to append in this order.
    pub journal: Vec<JournalEntry>,
    /// The rows of the apply history to append in this order.
    pub applies: Vec<NewApply>,
    /// One outcome for each event, in the order of the batch.
    pub outcomes: Vec<DeliveryOutcome>,
}

/// The orders whose deliveries a batch looks up, ascending. The adapter locks and loads the delivery with the lowest number
/// of each. An order that the batch only places is not among them: the naive consumer doesn't look for an existing delivery.
pub fn looked_up_orders(batch: &[DeliveryRequest]) -> Vec<OrderId> {
    let looked_up = batch
        .iter()
        .filter(|request| request.event.event_type != OrderEventType::Placed);
    let orders: BTreeSet<_> = looked_up.map(|request| request.event.order_id).collect();
    orders.into_iter().collect()
}

/// Decides what a batch does to the deliveries that it looks up; an order that isn't among `deliveries` has none.
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
    /// Whether the batch writes nothing.
    pub fn is_empty(&self) -> bool {
        // Whoever adds a field has to say here what it means.
        let Self {
            inserts,
            updates,
            steps: _, // each of its journal rows tells of one of the rows above
        } = self;
        inserts.is_empty() && updates.is_empty()
    }

    /// Makes the journal rows and the outcomes, once the numbers of the new rows are known.
    ///
    /// # Panics
    /// If there are not as many numbers as inserts.
    pub fn complete(self, inserted: &[DeliveryId], now: Timestamp) -> DeliveriesDone {
        assert_eq!(
            inserted.len(),
            self.inserts.len(),
            "every inserted delivery has a number"
        );
        let mut effects = Effects::new(inserted, now);
        let outcomes = self.steps.into_iter().map(|step| match step {
            None => DeliveryOutcome::NoDelivery,
            Some((effect, before)) => DeliveryOutcome::Applied {
                delivery: effects.render(effect),
                before,
            },
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
    /// For each order, the position of its first insert in this batch: the row that later events of the batch change.
    inserted: BTreeMap<OrderId, usize>,
}

impl Fold {
    fn step(&mut self, request: &DeliveryRequest) -> Option<Step> {
        let event = &request.event;
        if event.event_type == OrderEventType::Placed {
            return Some((self.insert(request), None));
        }
        if let Some(delivery) = self.deliveries.get_mut(&event.order_id) {
            let before = DeliveryBefore {
                version: delivery.version,
                status: delivery.status.clone(),
            };
            delivery.fields = fields_after(&delivery.fields, event);
            delivery.status = Some(event.event_type.delivery_status().to_owned());
            delivery.version = version_after(delivery.version, event);
            delivery.events = delivery.events.next();
            self.touched.insert(event.order_id);
            let effect = Effect::existing(request, before.version, delivery.version, delivery.clone());
            return Some((effect, Some(before)));
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

    fn update_new(&mut self, insert: usize, request: &DeliveryRequest) -> Step {
        let event = &request.event;
        let row = &mut self.inserts[insert];
        let before = DeliveryBefore {
            version: row.version,
            status: Some(row.status.to_owned()),
        };
        row.fields = fields_after(&row.fields, event);
        row.status = event.event_type.delivery_status();
        row.version = version_after(row.version, event);
        row.events = row.events.next();
        let effect = Effect::new(request, before.version, row.version, insert, row.clone());
        (effect, Some(before))
    }

    fn finish(mut self, steps: Vec<Option<Step>>) -> DeliveryDecision {
        let updates = self.touched.iter().filter_map(|order| self.deliveries.remove(order));
        DeliveryDecision {
            updates: updates.collect(),
            inserts: self.inserts,
            steps,
        }
    }
}

/// The delivery's version after an event. Without a fence an older event takes effect too, but never lowers the version.
fn version_after(before: Version, event: &IncomingEvent) -> Version {
    event.version.map_or(before, |version| version.max(before))
}
