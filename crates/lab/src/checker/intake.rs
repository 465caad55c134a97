//! Takes in a history bit by bit, as it is read.
//!
//! Whoever reads a history hands it to an [`Intake`]: to a [`Survey`](super::Survey), which keeps next to nothing of each
//! order, or to a [`Selection`], which keeps everything of a few.

use std::collections::HashSet;

use shop::domain::{Delivery, OrderId};

use super::history::{Applied, DeliveryRecord, History, OrderRecord, Parked, Written};

/// Takes in a history. Everything is handed in from the causes to the effects: all that was written, then all records, then
/// all effects, and so on in the sequence of the methods. Of one order the written events come by version, records by their
/// place in each partition, effects by their counter, and rows by their number.
pub trait Intake {
    /// Whether what is known of this order is wanted. What is not wanted may be handed in all the same.
    fn wants(&self, order: OrderId) -> bool;

    /// The only order that is wanted, if it is one. Whoever reads can then pass over what can't be about it.
    fn only(&self) -> Option<OrderId>;

    /// Takes in a row of the order service's journal.
    fn written(&mut self, written: Written);

    /// Takes in an order event of the topic.
    fn order_record(&mut self, record: OrderRecord);

    /// Takes in a delivery event of the topic.
    fn delivery_record(&mut self, record: DeliveryRecord);

    /// Takes in an event that took effect or was passed over. Those of every order are wanted, because the effects of all
    /// orders of a partition show who wrote into it.
    fn applied(&mut self, applied: Applied);

    /// Takes in an event that is parked.
    fn parked(&mut self, parked: Parked);

    /// Takes in a final row of the delivery service.
    fn delivery(&mut self, delivery: Delivery);

    /// Notes that a delivery event of the order waits to be published.
    fn unpublished_delivery(&mut self, order: OrderId);

    /// Notes that the order changed while the history was being read.
    fn moving(&mut self, order: OrderId);
}

/// Keeps the history of chosen orders, or of all.
#[derive(Debug, Default)]
pub struct Selection {
    /// The chosen orders; none if all are kept.
    orders: Option<HashSet<OrderId>>,
    /// What was taken in. The state of the partitions is left to the caller.
    pub history: History,
}

impl Selection {
    /// Will keep the history of these orders.
    pub fn of(orders: impl IntoIterator<Item = OrderId>) -> Self {
        Self {
            orders: Some(orders.into_iter().collect()),
            history: History::default(),
        }
    }

    /// Will keep the history of all orders.
    pub fn everything() -> Self {
        Self::default()
    }
}

impl Intake for Selection {
    fn wants(&self, order: OrderId) -> bool {
        self.orders.as_ref().is_none_or(|orders| orders.contains(&order))
    }

    fn only(&self) -> Option<OrderId> {
        let orders = self.orders.as_ref().filter(|orders| orders.len() == 1)?;
        orders.iter().next().copied()
    }

    fn written(&mut self, written: Written) {
        if self.wants(written.order) {
            self.history.written.push(written);
        }
    }

    fn order_record(&mut self, record: OrderRecord) {
        if self.wants(record.order) {
            self.history.topic.push(record);
        }
    }

    fn delivery_record(&mut self, record: DeliveryRecord) {
        if self.wants(record.order) {
            self.history.delivery_records.push(record);
        }
    }

    fn applied(&mut self, applied: Applied) {
        if self.wants(applied.order) {
            self.history.applied.push(applied);
        }
    }

    fn parked(&mut self, parked: Parked) {
        if self.wants(parked.order) {
            self.history.parked.push(parked);
        }
    }

    fn delivery(&mut self, delivery: Delivery) {
        if delivery.order_id.is_some_and(|order| self.wants(order)) {
            self.history.deliveries.push(delivery);
        }
    }

    fn unpublished_delivery(&mut self, order: OrderId) {
        if self.wants(order) {
            self.history.unpublished_deliveries.insert(order);
        }
    }

    fn moving(&mut self, order: OrderId) {
        if self.wants(order) {
            self.history.moving.insert(order);
        }
    }
}
