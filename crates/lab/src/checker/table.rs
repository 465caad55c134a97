//! A table with a small value for each order. Order numbers mostly ascend without large holes, and the table needs little
//! more memory than the values then; any other numbers are taken as well.
//!
//! ```text
//!   number 130 = 2 · 64 + 2 ─▶ page 2 ─▶ taken: bits 0, 1, 2, 5 ─▶ values[2], as two bits are set below bit 2
//! ```

use std::collections::BTreeMap;

use shop::domain::OrderId;

/// How many numbers a page stands for: one for each bit of [`Page::taken`].
const NUMBERS: i64 = 64;

/// A value for each of some orders.
#[derive(Debug, Default)]
pub(super) struct Table<T> {
    pages: BTreeMap<i64, Page<T>>,
}

/// The values of the orders whose numbers divided by [`NUMBERS`] give the same.
#[derive(Debug)]
struct Page<T> {
    /// A bit for each number that has a value.
    taken: u64,
    /// The values, by number.
    values: Vec<T>,
}

impl<T: Default> Table<T> {
    /// The order's value, which is made if there is none.
    pub fn entry(&mut self, order: OrderId) -> &mut T {
        let (page, bit) = place(order);
        let page = self.pages.entry(page).or_insert_with(|| Page {
            taken: 0,
            values: Vec::new(),
        });
        let at = page.index(bit);
        if !page.has(bit) {
            page.taken |= 1 << bit;
            page.values.insert(at, T::default());
        }
        &mut page.values[at]
    }

    /// The order's value.
    pub fn get(&self, order: OrderId) -> Option<&T> {
        let (page, bit) = place(order);
        let page = self.pages.get(&page).filter(|page| page.has(bit))?;
        page.values.get(page.index(bit))
    }

    /// The order's value, to be changed.
    pub fn get_mut(&mut self, order: OrderId) -> Option<&mut T> {
        let (page, bit) = place(order);
        let page = self.pages.get_mut(&page).filter(|page| page.has(bit))?;
        let at = page.index(bit);
        page.values.get_mut(at)
    }

    /// All orders and their values, by number.
    pub fn iter(&self) -> impl Iterator<Item = (OrderId, &T)> {
        self.pages.iter().flat_map(|(number, page)| {
            let bits = (0..NUMBERS).filter(|bit| page.has(*bit as u32));
            bits.map(move |bit| OrderId(number * NUMBERS + bit)).zip(&page.values)
        })
    }
}

impl<T> Page<T> {
    fn has(&self, bit: u32) -> bool {
        self.taken & (1 << bit) != 0
    }

    /// Where the value of this bit stands, or would stand.
    fn index(&self, bit: u32) -> usize {
        (self.taken & ((1 << bit) - 1)).count_ones() as usize
    }
}

fn place(order: OrderId) -> (i64, u32) {
    (order.0.div_euclid(NUMBERS), order.0.rem_euclid(NUMBERS) as u32)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use fastrand::Rng;

    use super::*;

    #[test]
    fn it_is_a_map_of_orders_in_their_order() {
        let mut rng = Rng::with_seed(11);
        let (mut table, mut map) = (Table::default(), BTreeMap::new());
        let odd = [i64::MIN, i64::MIN + 1, -65, -64, -1, 0, 63, 64, i64::MAX];
        for round in 0..2000 {
            let number = match rng.u8(0..4) {
                0 => odd[rng.usize(0..odd.len())],
                1 => rng.i64(..),
                _ => rng.i64(-200..500),
            };
            *table.entry(OrderId(number)) = round;
            map.insert(OrderId(number), round);
            let other = OrderId(rng.i64(-200..500));
            assert_eq!(table.get(other), map.get(&other));
            assert_eq!(table.get_mut(other).copied(), map.get(&other).copied());
        }
        assert!(table.iter().eq(map.iter().map(|(order, value)| (*order, value))));
    }
}
