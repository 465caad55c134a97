//! Order commands: which rows a batch of them needs, and what it does to these rows.

use std::collections::{BTreeMap, BTreeSet};

use keylane_log::Timestamp;

use crate::domain::{
    Change, EventType, JournalEntry, Order, OrderCommand, OrderEventType, OrderFields, OrderId, OrderOutcome,
    OrderPatch, OrderRequest, Version, input, input::InvalidInput, payload,
};

/// What a batch does to the orders. The adapter can write the rows in any order, and passes the numbers that the new rows
/// were given to [`complete`](Self::complete).
#[derive(Debug)]
pub struct OrderDecision {
    /// The rows to insert, all of version 1; their numbers must ascend in this order.
    pub inserts: Vec<OrderFields>,
    /// The rows to update, in their new state, ascending by number.
    pub updates: Vec<Order>,
    /// The rows to remove, ascending by number.
    pub deletes: Vec<OrderId>,
    decided: Vec<Decided>,
}

/// What is left to write, and the outcomes for the callers.
#[derive(Debug, PartialEq, Eq)]
pub struct OrdersDone {
    /// The journal rows to append in this order.
    pub journal: Vec<JournalEntry>,
    /// One outcome for each request, in the order of the batch.
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

/// Decides what a batch does to the orders that it names; an order that isn't among `orders` doesn't exist.
pub fn decide_orders(orders: BTreeMap<OrderId, Order>, batch: &[OrderRequest]) -> OrderDecision {
    let mut fold = Fold {
        orders,
        touched: BTreeSet::new(),
        inserts: Vec::new(),
    };
    let decided = batch.iter().map(|request| fold.decide(request)).collect();
    fold.finish(decided)
}

impl OrderDecision {
    /// Whether the batch writes nothing.
    pub fn is_empty(&self) -> bool {
        // Whoever adds a field has to say here what it means.
        let Self {
            inserts,
            updates,
            deletes,
            decided: _, // each of its journal rows tells of one of the rows above
        } = self;
        inserts.is_empty() && updates.is_empty() && deletes.is_empty()
    }

    /// Makes the journal rows and the outcomes, once the numbers of the new rows are known.
    ///
    /// # Panics
    /// If there are not as many numbers as inserts.
    pub fn complete(self, inserted: &[OrderId], now: Timestamp) -> OrdersDone {
        assert_eq!(inserted.len(), self.inserts.len(), "every inserted order has a number");
        let mut new_rows = self.inserts.into_iter().zip(inserted);
        let mut done = OrdersDone {
            journal: Vec::with_capacity(self.decided.len()),
            outcomes: Vec::with_capacity(self.decided.len()),
        };
        for decided in self.decided {
            match decided {
                Decided::Nothing(outcome) => done.outcomes.push(outcome),
                Decided::Insert { traceparent } => {
                    let (fields, id) = new_rows.next().expect("each request to insert has its row");
                    let order = Order {
                        id: *id,
                        version: Version(1),
                        fields,
                    };
                    done.journal
                        .push(entry(OrderEventType::Placed, &order, now, traceparent));
                    done.outcomes.push(OrderOutcome::Placed(order));
                }
                Decided::Event {
                    event,
                    order,
                    traceparent,
                } => {
                    done.journal.push(entry(event, &order, now, traceparent));
                    done.outcomes.push(match event {
                        OrderEventType::Cancelled => OrderOutcome::Cancelled(order.version),
                        _ => OrderOutcome::Changed(order),
                    });
                }
            }
        }
        done
    }
}

/// What was decided about a request, as far as it is known before new rows have numbers.
#[derive(Debug)]
enum Decided {
    /// The request writes nothing and has this outcome.
    Nothing(OrderOutcome),
    /// The request places an order: the next row of the inserts.
    Insert { traceparent: Option<String> },
    /// The request changes or cancels an existing order. `order` is its state after the event; of a cancelled order, the
    /// last state with the next version.
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
    fn decide(&mut self, request: &OrderRequest) -> Decided {
        let traceparent = request.traceparent.clone();
        if let Some(version) = self.unmet(request) {
            return Decided::Nothing(OrderOutcome::Otherwise(version));
        }
        match &request.command {
            OrderCommand::Place(fields) => self.place(fields, traceparent),
            OrderCommand::Change(id, change) => self.change(*id, change, traceparent),
            OrderCommand::Cancel(id) => self.cancel(*id, traceparent),
        }
    }

    /// The order's version, if the request's condition does not admit it; none if there is no such order.
    fn unmet(&self, request: &OrderRequest) -> Option<Version> {
        let order = match &request.command {
            OrderCommand::Place(_) => None,
            OrderCommand::Change(id, _) | OrderCommand::Cancel(id) => self.orders.get(id),
        };
        let version = order?.version;
        (!request.condition.admits(version)).then_some(version)
    }

    fn place(&mut self, fields: &OrderFields, traceparent: Option<String>) -> Decided {
        if let Err(invalid) = input::check_new(fields) {
            return Decided::Nothing(OrderOutcome::Invalid(invalid));
        }
        self.inserts.push(fields.clone());
        Decided::Insert { traceparent }
    }

    fn change(&mut self, id: OrderId, change: &Change, traceparent: Option<String>) -> Decided {
        let Some(order) = self.orders.get_mut(&id) else {
            return Decided::Nothing(OrderOutcome::Missing);
        };
        let fields = match changed(&order.fields, change) {
            Err(invalid) => return Decided::Nothing(OrderOutcome::Invalid(invalid)),
            Ok(fields) if fields == order.fields => return Decided::Nothing(OrderOutcome::Unchanged(order.clone())),
            Ok(fields) => fields,
        };
        order.fields = fields;
        order.version = order.version.next();
        self.touched.insert(id);
        Decided::Event {
            event: OrderEventType::Modified,
            order: order.clone(),
            traceparent,
        }
    }

    fn cancel(&mut self, id: OrderId, traceparent: Option<String>) -> Decided {
        let Some(mut order) = self.orders.remove(&id) else {
            return Decided::Nothing(OrderOutcome::Missing);
        };
        order.version = order.version.next();
        self.touched.insert(id);
        Decided::Event {
            event: OrderEventType::Cancelled,
            order,
            traceparent,
        }
    }

    fn finish(mut self, decided: Vec<Decided>) -> OrderDecision {
        let mut decision = OrderDecision {
            inserts: self.inserts,
            updates: Vec::new(),
            deletes: Vec::new(),
            decided,
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

/// The fields after a change, or why the change is not allowed.
fn changed(before: &OrderFields, change: &Change) -> Result<OrderFields, InvalidInput> {
    let after = match change {
        Change::Replace(fields) => fields.clone(),
        Change::Merge(patch) => merged(before, patch),
        Change::JsonPatch(patch) => input::apply_json_patch(before, patch)?,
    };
    input::check_change(before, &after)?;
    Ok(after)
}

/// The fields of `before`, with those that the patch carries replaced by the patch's values.
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

fn entry(event: OrderEventType, order: &Order, timestamp: Timestamp, traceparent: Option<String>) -> JournalEntry {
    JournalEntry {
        row_id: order.id.0,
        order_id: order.id,
        version: order.version,
        event_type: EventType::Order(event),
        timestamp,
        payload: payload::order_payload(event, timestamp, order.id, &order.fields),
        traceparent,
    }
}
