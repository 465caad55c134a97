//! Order events, applied to deliveries as a naive consumer does: as they come, whatever came before.

use std::collections::{BTreeMap, BTreeSet};

use eventlog::Timestamp;

use super::{NewEntry, orders::merged};
use crate::domain::{
    Delivery, DeliveryId, DeliveryOutcome, DeliveryRequest, EventType, IncomingEvent, OrderEventType, OrderFields,
    OrderId, Version, payload,
};

/// What a batch does to the deliveries. The rows can be written in any order; the numbers that new rows are given go to
/// [`complete`](Self::complete).
#[derive(Debug)]
pub struct DeliveryDecision {
    /// New rows, to be numbered ascending in this order.
    pub inserts: Vec<NewDelivery>,
    /// Rows as they now stand, ascending by order.
    pub updates: Vec<Delivery>,
    steps: Vec<Step>,
}

/// A delivery that has no number yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewDelivery {
    /// The order it delivers.
    pub order_id: OrderId,
    /// The order's fields as the delivery service knows them.
    pub fields: OrderFields,
    /// `DELIVERY STARTED`, `DELIVERY MODIFIED` or `DELIVERY CANCELLED`.
    pub status: &'static str,
    /// The highest order version it has seen.
    pub version: Version,
    /// How many events of its own it has had.
    pub events: Version,
}

/// What is left to write, and what to answer.
#[derive(Debug, PartialEq, Eq)]
pub struct DeliveriesDone {
    /// Journal rows to append in this order.
    pub journal: Vec<NewEntry>,
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
        let mut done = DeliveriesDone {
            journal: Vec::with_capacity(self.steps.len()),
            outcomes: Vec::with_capacity(self.steps.len()),
        };
        for step in self.steps {
            let (event, traceparent, delivery) = match step {
                Step::NoDelivery => {
                    done.outcomes.push(DeliveryOutcome::NoDelivery);
                    continue;
                }
                Step::New {
                    event,
                    traceparent,
                    insert,
                    state,
                } => (event, traceparent, state.numbered(inserted[insert])),
                Step::Existing {
                    event,
                    traceparent,
                    delivery,
                } => (event, traceparent, delivery),
            };
            done.journal.push(entry(&event, &delivery, now, traceparent));
            done.outcomes.push(DeliveryOutcome::Applied(delivery));
        }
        done
    }
}

impl NewDelivery {
    fn numbered(self, id: DeliveryId) -> Delivery {
        Delivery {
            id,
            order_id: Some(self.order_id),
            fields: self.fields,
            status: Some(self.status.to_owned()),
            version: self.version,
            events: self.events,
        }
    }
}

/// What an event came to, as far as it is known before new rows have numbers.
#[derive(Debug)]
enum Step {
    NoDelivery,
    /// An event of a row of this batch's own, which stands as given after it.
    New {
        event: EventKey,
        traceparent: Option<String>,
        insert: usize,
        state: NewDelivery,
    },
    /// An event of a row that was there before, which stands as given after it.
    Existing {
        event: EventKey,
        traceparent: Option<String>,
        delivery: Delivery,
    },
}

/// What a journal row needs of the order event that led to it.
#[derive(Debug)]
struct EventKey {
    order_id: OrderId,
    event_type: OrderEventType,
}

struct Fold {
    deliveries: BTreeMap<OrderId, Delivery>,
    touched: BTreeSet<OrderId>,
    inserts: Vec<NewDelivery>,
    /// For each order the first insert of this batch, which has the lowest number of them.
    inserted: BTreeMap<OrderId, usize>,
}

impl Fold {
    fn step(&mut self, request: &DeliveryRequest) -> Step {
        let event = &request.event;
        let key = EventKey {
            order_id: event.order_id,
            event_type: event.event_type,
        };
        let traceparent = request.traceparent.clone();
        if event.event_type == OrderEventType::Placed {
            return self.insert(event, key, traceparent);
        }
        if let Some(delivery) = self.deliveries.get_mut(&event.order_id) {
            delivery.fields = fields_after(&delivery.fields, event);
            delivery.status = Some(event.event_type.delivery_status().to_owned());
            delivery.version = version_after(delivery.version, event);
            delivery.events = delivery.events.next();
            self.touched.insert(event.order_id);
            return Step::Existing {
                event: key,
                traceparent,
                delivery: delivery.clone(),
            };
        }
        match self.inserted.get(&event.order_id) {
            Some(insert) => self.update_new(*insert, event, key, traceparent),
            None => Step::NoDelivery,
        }
    }

    fn insert(&mut self, event: &IncomingEvent, key: EventKey, traceparent: Option<String>) -> Step {
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
        Step::New {
            event: key,
            traceparent,
            insert,
            state,
        }
    }

    fn update_new(&mut self, insert: usize, event: &IncomingEvent, key: EventKey, traceparent: Option<String>) -> Step {
        let row = &mut self.inserts[insert];
        row.fields = fields_after(&row.fields, event);
        row.status = event.event_type.delivery_status();
        row.version = version_after(row.version, event);
        row.events = row.events.next();
        Step::New {
            event: key,
            traceparent,
            insert,
            state: row.clone(),
        }
    }

    fn finish(mut self, steps: Vec<Step>) -> DeliveryDecision {
        let updates = self.touched.iter().filter_map(|order| self.deliveries.remove(order));
        DeliveryDecision {
            updates: updates.collect(),
            inserts: self.inserts,
            steps,
        }
    }
}

/// A cancellation changes the status alone.
fn fields_after(before: &OrderFields, event: &IncomingEvent) -> OrderFields {
    match event.event_type {
        OrderEventType::Cancelled => before.clone(),
        _ => merged(before, &event.fields),
    }
}

/// The naive way knows no fence: an older event takes effect too, only the number stays.
fn version_after(before: Version, event: &IncomingEvent) -> Version {
    event.version.map_or(before, |version| version.max(before))
}

fn entry(event: &EventKey, delivery: &Delivery, timestamp: Timestamp, traceparent: Option<String>) -> NewEntry {
    let event_type = event.event_type.delivery_event();
    NewEntry {
        row_id: delivery.id.0,
        order_id: event.order_id,
        version: delivery.events,
        event_type: EventType::Delivery(event_type),
        timestamp,
        payload: payload::delivery_payload(event_type, timestamp, delivery),
        traceparent,
    }
}
