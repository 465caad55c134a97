//! Order commands: which rows they need, and what they do to them.

use std::collections::{BTreeMap, BTreeSet};

use keylane_log::Timestamp;

use super::NewEntry;
use crate::domain::{
    Change, EventType, Order, OrderCommand, OrderEventType, OrderFields, OrderId, OrderOutcome, OrderPatch,
    OrderRequest, Version, input, input::InvalidInput, payload,
};

/// What a batch does to the orders. The rows can be written in any order; the numbers that new rows are given go to
/// [`complete`](Self::complete).
#[derive(Debug)]
pub struct OrderDecision {
    /// New rows, all of version 1, to be numbered ascending in this order.
    pub inserts: Vec<OrderFields>,
    /// Rows as they now stand, ascending by number.
    pub updates: Vec<Order>,
    /// Rows to remove, ascending.
    pub deletes: Vec<OrderId>,
    steps: Vec<Step>,
}

/// What is left to write, and what to answer.
#[derive(Debug, PartialEq, Eq)]
pub struct OrdersDone {
    /// Journal rows to append in this order.
    pub journal: Vec<NewEntry>,
    /// One outcome a request, in order.
    pub outcomes: Vec<OrderOutcome>,
}

/// The orders that a batch is about, ascending: the rows to lock and load.
pub fn named_orders(batch: &[OrderRequest]) -> Vec<OrderId> {
    let named = batch.iter().filter_map(|request| match &request.command {
        OrderCommand::Place(_) => None,
        OrderCommand::Change(id, _) | OrderCommand::Cancel(id) => Some(*id),
    });
    named.collect::<BTreeSet<_>>().into_iter().collect()
}

/// Folds a batch over the orders it names; an order that isn't among `orders` doesn't exist.
pub fn decide_orders(orders: BTreeMap<OrderId, Order>, batch: &[OrderRequest]) -> OrderDecision {
    let mut fold = Fold {
        orders,
        touched: BTreeSet::new(),
        inserts: Vec::new(),
    };
    let steps = batch.iter().map(|request| fold.step(request)).collect();
    fold.finish(steps)
}

impl OrderDecision {
    /// Whether there is nothing to write.
    pub fn is_empty(&self) -> bool {
        self.inserts.is_empty() && self.updates.is_empty() && self.deletes.is_empty()
    }

    /// Renders the journal rows and the outcomes, now that the numbers of the new rows are known.
    ///
    /// # Panics
    /// If there aren't as many numbers as inserts.
    pub fn complete(self, inserted: &[OrderId], now: Timestamp) -> OrdersDone {
        assert_eq!(inserted.len(), self.inserts.len(), "every inserted order has a number");
        let mut new_rows = self.inserts.into_iter().zip(inserted);
        let mut done = OrdersDone {
            journal: Vec::with_capacity(self.steps.len()),
            outcomes: Vec::with_capacity(self.steps.len()),
        };
        for step in self.steps {
            match step {
                Step::Answer(outcome) => done.outcomes.push(outcome),
                Step::Insert { traceparent } => {
                    let (fields, id) = new_rows.next().expect("one step an insert");
                    let order = Order {
                        id: *id,
                        version: Version(1),
                        fields,
                    };
                    done.journal
                        .push(entry(OrderEventType::Placed, &order, now, traceparent));
                    done.outcomes.push(OrderOutcome::Placed(order));
                }
                Step::Event {
                    event,
                    order,
                    traceparent,
                } => {
                    done.journal.push(entry(event, &order, now, traceparent));
                    done.outcomes.push(match event {
                        OrderEventType::Cancelled => OrderOutcome::Cancelled,
                        _ => OrderOutcome::Changed(order),
                    });
                }
            }
        }
        done
    }
}

/// What a request came to, as far as it is known before new rows have numbers.
#[derive(Debug)]
enum Step {
    /// Nothing is written.
    Answer(OrderOutcome),
    /// The next one of the inserts.
    Insert { traceparent: Option<String> },
    /// An event of an existing order, which stands as given after it (a cancelled one: as it stood last).
    Event {
        event: OrderEventType,
        order: Order,
        traceparent: Option<String>,
    },
}

struct Fold {
    orders: BTreeMap<OrderId, Order>,
    touched: BTreeSet<OrderId>,
    inserts: Vec<OrderFields>,
}

impl Fold {
    fn step(&mut self, request: &OrderRequest) -> Step {
        let traceparent = request.traceparent.clone();
        if let Some(version) = self.unmet(request) {
            return Step::Answer(OrderOutcome::Otherwise(version));
        }
        match &request.command {
            OrderCommand::Place(fields) => self.place(fields, traceparent),
            OrderCommand::Change(id, change) => self.change(*id, change, traceparent),
            OrderCommand::Cancel(id) => self.cancel(*id, traceparent),
        }
    }

    /// The version of the order as it stands, if the request's condition excludes it.
    fn unmet(&self, request: &OrderRequest) -> Option<Version> {
        let order = match &request.command {
            OrderCommand::Place(_) => None,
            OrderCommand::Change(id, _) | OrderCommand::Cancel(id) => self.orders.get(id),
        };
        let version = order?.version;
        (!request.condition.admits(version)).then_some(version)
    }

    fn place(&mut self, fields: &OrderFields, traceparent: Option<String>) -> Step {
        if let Err(invalid) = input::check_new(fields) {
            return Step::Answer(OrderOutcome::Invalid(invalid));
        }
        self.inserts.push(fields.clone());
        Step::Insert { traceparent }
    }

    fn change(&mut self, id: OrderId, change: &Change, traceparent: Option<String>) -> Step {
        let Some(order) = self.orders.get_mut(&id) else {
            return Step::Answer(OrderOutcome::Missing);
        };
        let fields = match changed(&order.fields, change) {
            Err(invalid) => return Step::Answer(OrderOutcome::Invalid(invalid)),
            Ok(fields) if fields == order.fields => return Step::Answer(OrderOutcome::Unchanged(order.clone())),
            Ok(fields) => fields,
        };
        order.fields = fields;
        order.version = order.version.next();
        self.touched.insert(id);
        Step::Event {
            event: OrderEventType::Modified,
            order: order.clone(),
            traceparent,
        }
    }

    fn cancel(&mut self, id: OrderId, traceparent: Option<String>) -> Step {
        let Some(mut order) = self.orders.remove(&id) else {
            return Step::Answer(OrderOutcome::Missing);
        };
        order.version = order.version.next();
        self.touched.insert(id);
        Step::Event {
            event: OrderEventType::Cancelled,
            order,
            traceparent,
        }
    }

    fn finish(mut self, steps: Vec<Step>) -> OrderDecision {
        let mut decision = OrderDecision {
            inserts: self.inserts,
            updates: Vec::new(),
            deletes: Vec::new(),
            steps,
        };
        for id in self.touched {
            match self.orders.remove(&id) {
                Some(order) => decision.updates.push(order),
                None => decision.deletes.push(id),
            }
        }
        decision
    }
}

/// The fields after a change, if they are allowed.
fn changed(before: &OrderFields, change: &Change) -> Result<OrderFields, InvalidInput> {
    let after = match change {
        Change::Replace(fields) => fields.clone(),
        Change::Merge(patch) => merged(before, patch),
        Change::JsonPatch(patch) => input::apply_json_patch(before, patch)?,
    };
    input::check_change(before, &after)?;
    Ok(after)
}

/// The fields with those that the patch carries taken from it.
pub(super) fn merged(before: &OrderFields, patch: &OrderPatch) -> OrderFields {
    OrderFields {
        product_id: patch.product_id.clone().unwrap_or_else(|| before.product_id.clone()),
        product_name: patch
            .product_name
            .clone()
            .unwrap_or_else(|| before.product_name.clone()),
        qty: patch.qty.unwrap_or(before.qty),
        customer_id: patch.customer_id.unwrap_or(before.customer_id),
        address: patch.address.clone().unwrap_or_else(|| before.address.clone()),
    }
}

fn entry(event: OrderEventType, order: &Order, timestamp: Timestamp, traceparent: Option<String>) -> NewEntry {
    NewEntry {
        row_id: order.id.0,
        order_id: order.id,
        version: order.version,
        event_type: EventType::Order(event),
        timestamp,
        payload: payload::order_payload(event, timestamp, order.id, &order.fields),
        traceparent,
    }
}
