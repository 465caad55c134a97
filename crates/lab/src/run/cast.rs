//! Which number the order service gave to each order of a scenario.

use std::collections::BTreeMap;

use shop::domain::OrderId;

use crate::scenario::Name;

/// The orders of a run that have been placed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Cast(BTreeMap<Name, OrderId>);

impl Cast {
    /// Notes that an order has been placed.
    pub fn placed(&mut self, name: Name, order: OrderId) {
        self.0.insert(name, order);
    }

    /// The number of an order.
    pub fn order(&self, name: &Name) -> Option<OrderId> {
        self.0.get(name).copied()
    }

    /// What the scenario calls an order; `order 7` if it has no name for that.
    pub fn name(&self, order: OrderId) -> String {
        let named = self.0.iter().find(|(_, placed)| **placed == order);
        named.map_or_else(|| format!("order {order}"), |(name, _)| name.to_string())
    }
}
