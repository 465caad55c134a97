//! Which orders the picture keeps: the last that something happened to, those in trouble, and those that somebody has selected.
//!
//! # Invariants
//! * So many orders are kept at most as the constants say together, whatever happens.
//! * What is known of an order is forgotten with it.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// How many of the last touched orders are kept.
pub const TOUCHED: usize = 60;
/// How many orders are kept because of what was seen of them, and how many because of a verdict.
pub const TROUBLED: usize = 100;
/// How many versions of an order may be under way.
const VERSIONS: usize = 64;

/// The orders that are kept.
#[derive(Debug, Default)]
pub struct Orders {
    /// Those that something happened to, the last of them behind.
    touched: VecDeque<i64>,
    /// Those of which something was seen that should not be, the last of them behind.
    troubled: VecDeque<i64>,
    /// Those of which a verdict is known.
    judged: BTreeSet<i64>,
    selected: BTreeSet<i64>,
    /// Those whose rows may have changed.
    stale: BTreeSet<i64>,
    /// The versions that were taken and are not done.
    under_way: BTreeMap<i64, BTreeSet<i64>>,
}

impl Orders {
    /// Notes that something has happened to an order. Answers with those that are not kept any more.
    pub fn touch(&mut self, order: i64) -> Option<i64> {
        self.stale.insert(order);
        push_unique(&mut self.touched, order, TOUCHED).and_then(|gone| self.forget(gone))
    }

    /// Notes that something was seen of an order that should not be.
    pub fn trouble(&mut self, order: i64) -> Option<i64> {
        push_unique(&mut self.troubled, order, TROUBLED).and_then(|gone| self.forget(gone))
    }

    /// Notes that an order is well again, as far as was seen.
    pub fn relieve(&mut self, order: i64) -> Option<i64> {
        self.troubled.retain(|known| *known != order);
        self.forget(order)
    }

    /// Notes of which orders verdicts are known, of the last so many.
    pub fn judge(&mut self, orders: impl IntoIterator<Item = i64>) -> Vec<i64> {
        let judged = orders.into_iter().take(TROUBLED).collect();
        let before = std::mem::replace(&mut self.judged, judged);
        let new: Vec<i64> = self.judged.difference(&before).copied().collect();
        self.stale.extend(new);
        before.into_iter().filter_map(|order| self.forget(order)).collect()
    }

    /// Notes which orders somebody looks at.
    pub fn select(&mut self, orders: BTreeSet<i64>) -> Vec<i64> {
        self.stale.extend(&orders);
        let before = std::mem::replace(&mut self.selected, orders);
        before.into_iter().filter_map(|order| self.forget(order)).collect()
    }

    /// Notes that an instance has taken a version.
    pub fn begin(&mut self, order: i64, version: i64) {
        if self.keeps(order) {
            let versions = self.under_way.entry(order).or_default();
            versions.insert(version);
            if versions.len() > VERSIONS {
                versions.pop_first();
            }
        }
    }

    /// Notes that an instance is done with a version.
    pub fn finish(&mut self, order: i64, version: i64) {
        if let Some(versions) = self.under_way.get_mut(&order) {
            versions.remove(&version);
            if versions.is_empty() {
                self.under_way.remove(&order);
            }
        }
    }

    /// Whether some version of it was taken and is not done.
    pub fn is_under_way(&self, order: i64) -> bool {
        self.under_way.contains_key(&order)
    }

    /// Whether everything that is seen of it is passed on, however much is seen.
    pub fn is_followed(&self, order: i64) -> bool {
        self.selected.contains(&order) || self.judged.contains(&order) || self.troubled.contains(&order)
    }

    /// Whether it is kept.
    pub fn keeps(&self, order: i64) -> bool {
        self.is_followed(order) || self.touched.contains(&order)
    }

    /// Notes that an order's row has to be looked at again.
    pub fn look_again(&mut self, order: i64) {
        if self.keeps(order) {
            self.stale.insert(order);
        }
    }

    /// The orders whose rows are to be looked at, each once.
    pub fn take_stale(&mut self) -> Vec<i64> {
        let stale = std::mem::take(&mut self.stale);
        stale.into_iter().filter(|order| self.keeps(*order)).collect()
    }

    /// Forgets an order that has left one of the lists, unless it is kept by another. Answers with it if it is forgotten.
    fn forget(&mut self, order: i64) -> Option<i64> {
        if self.keeps(order) {
            return None;
        }
        self.stale.remove(&order);
        self.under_way.remove(&order);
        Some(order)
    }
}

/// Puts an order behind the others. Answers with the one that has to go for that.
fn push_unique(orders: &mut VecDeque<i64>, order: i64, most: usize) -> Option<i64> {
    if let Some(at) = orders.iter().rposition(|known| *known == order) {
        orders.remove(at);
    }
    orders.push_back(order);
    if orders.len() > most { orders.pop_front() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_is_kept_for_as_long_as_one_list_has_it() {
        let mut orders = Orders::default();
        assert_eq!(orders.touch(1), None);
        orders.begin(1, 2);
        assert_eq!(orders.trouble(1), None);
        for other in 100..100 + TOUCHED as i64 {
            assert_eq!(orders.touch(other), None, "order 1 is in trouble");
        }
        assert!(orders.is_under_way(1));
        assert_eq!(orders.relieve(1), Some(1));
        assert!(!orders.keeps(1) && !orders.is_under_way(1));
        assert!(!orders.take_stale().contains(&1));
    }

    #[test]
    fn rows_are_looked_at_once_until_something_happens_again() {
        let mut orders = Orders::default();
        orders.touch(1);
        orders.touch(2);
        orders.touch(1);
        let none: [i64; 0] = [];
        assert_eq!(orders.take_stale(), [1, 2]);
        assert_eq!(orders.take_stale(), none);
        assert_eq!(orders.judge([7]), none);
        assert_eq!(orders.take_stale(), [7]);
        assert_eq!(orders.judge([]), [7]);
        orders.look_again(7);
        assert_eq!(orders.take_stale(), none);
        assert_eq!(orders.select(BTreeSet::from([9])), none);
        assert_eq!(orders.take_stale(), [9]);
        assert!(orders.is_followed(9) && !orders.is_followed(2));
    }
}
