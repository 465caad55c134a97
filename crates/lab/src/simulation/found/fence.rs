//! What the fence says to the versions of an order that come one after the other.

use std::collections::BTreeSet;

use crate::scenario::Stage;

/// The fence's row of one order.
#[derive(Debug, Default)]
pub struct Fence {
    applied: i64,
    parked: BTreeSet<i64>,
}

impl Fence {
    /// What becomes of this version: it is applied in its turn, with what was parked behind it; comes too early and is parked;
    /// or is a duplicate.
    pub fn take(&mut self, version: i64) -> Stage {
        if version <= self.applied {
            return Stage::Duplicate;
        }
        self.parked.insert(version);
        if version > self.applied + 1 {
            return Stage::Parked;
        }
        while self.parked.remove(&(self.applied + 1)) {
            self.applied += 1;
        }
        Stage::Applied
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_version_takes_effect_once_and_in_its_turn() {
        let mut fence = Fence::default();
        let said = [2, 1, 2, 4, 4, 3, 5, 1].map(|version| fence.take(version));
        let words = said.map(Stage::word).join(" ");
        assert_eq!(
            words,
            "parked applied duplicate parked parked applied applied duplicate"
        );
    }
}
