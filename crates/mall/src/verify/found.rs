//! What was found of all orders: counted in full, and kept as far as it will be shown.

use keylane_log::Timestamp;
use lab::checker::{Doubt, Judgement, Outcome, Severity, Story, Verdict, stories};

/// What a look has found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Found {
    /// How many orders were judged.
    pub orders: usize,
    /// The orders that were left aside, if those placed before a start are.
    pub aside: Option<Aside>,
    /// The orders to which something did harm.
    pub harm: Told<Story>,
    /// The orders of which only hazards are known.
    pub hazards: Told<Story>,
    /// What could not be told.
    pub doubts: Told<Doubt>,
    /// The doubts that are about partitions, as they are now.
    lagging: Vec<Doubt>,
    /// Whether some doubt may pass by itself.
    pub may_change: bool,
}

/// Orders that were left aside because they were placed before a start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Aside {
    /// How many they are.
    pub orders: usize,
    /// When the start was.
    pub start: Timestamp,
}

/// Things of which all are counted and the first are kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told<T> {
    /// How many there are.
    pub all: usize,
    /// The first of them.
    pub kept: Vec<T>,
}

impl<T> Default for Told<T> {
    fn default() -> Self {
        Self {
            all: 0,
            kept: Vec::new(),
        }
    }
}

impl<T> Told<T> {
    fn add(&mut self, thing: T, keep: usize) {
        self.all += 1;
        if self.kept.len() < keep {
            self.kept.push(thing);
        }
    }
}

impl Found {
    /// Adds what was found of some orders, and keeps so much of each kind. The doubts about partitions replace those before.
    pub fn add(&mut self, judgement: Judgement, keep: usize) {
        self.lagging.clear();
        for doubt in judgement.doubts {
            match doubt {
                Doubt::Lagging { .. } => self.lagging.push(doubt),
                doubt => self.doubt(doubt, keep),
            }
        }
        self.tell(judgement.verdicts, keep);
    }

    /// Adds a doubt.
    pub fn doubt(&mut self, doubt: Doubt, keep: usize) {
        self.may_change |= doubt.may_pass();
        self.doubts.add(doubt, keep);
    }

    /// Adds all verdicts about some orders.
    pub fn tell(&mut self, verdicts: Vec<Verdict>, keep: usize) {
        for story in stories(verdicts) {
            match story.severity() {
                Severity::Harm => self.harm.add(story, keep),
                Severity::Hazard => self.hazards.add(story, keep),
            }
        }
    }

    /// Puts everything in order, once all is added.
    pub fn finish(&mut self) {
        self.may_change |= !self.lagging.is_empty();
        self.doubts.all += self.lagging.len();
        self.doubts.kept.append(&mut self.lagging);
        self.doubts.kept.sort();
        self.harm.kept.sort_by_key(|story| story.order);
        self.hazards.kept.sort_by_key(|story| story.order);
    }

    /// What it comes to.
    pub fn outcome(&self) -> Outcome {
        match (self.harm.all, self.doubts.all) {
            (0, 0) => Outcome::NoHarm,
            (0, _) => Outcome::Unknown,
            _ => Outcome::Harm,
        }
    }
}

#[cfg(test)]
mod tests {
    use keylane_log::{Offset, Partition};
    use lab::checker::Anomaly;
    use shop::domain::OrderId;
    use shop::text::Text;

    use super::*;

    fn verdict(order: i64, anomaly: Anomaly) -> Verdict {
        Verdict {
            order: OrderId(order),
            anomaly,
            says: Text::default(),
            facts: Vec::new(),
            severity: anomaly.severity(),
        }
    }

    fn lagging(next: u64) -> Doubt {
        Doubt::Lagging {
            partition: Partition(0),
            next: Offset(next),
            end: Offset(9),
        }
    }

    #[test]
    fn everything_is_counted_and_the_first_are_kept() {
        let mut found = Found::default();
        let judged = |orders: [i64; 2], anomaly| Judgement {
            verdicts: orders.map(|order| verdict(order, anomaly)).into(),
            ..Judgement::default()
        };
        found.add(judged([3, 4], Anomaly::Inversion), 3);
        found.add(judged([5, 6], Anomaly::Inversion), 3);
        found.add(judged([7, 8], Anomaly::SplitKey), 3);
        found.tell(vec![verdict(1, Anomaly::SplitKey)], 3);
        found.finish();
        let orders = |stories: &Told<Story>| stories.kept.iter().map(|story| story.order.0).collect::<Vec<_>>();
        assert_eq!((found.harm.all, orders(&found.harm)), (4, vec![3, 4, 5]));
        assert_eq!((found.hazards.all, orders(&found.hazards)), (3, vec![1, 7, 8]));
        assert_eq!(found.outcome(), Outcome::Harm);
    }

    #[test]
    fn how_far_the_group_is_behind_is_told_once_as_it_was_last() {
        let mut found = Found::default();
        for next in [2, 5] {
            let doubts = vec![lagging(next), Doubt::Moving(OrderId(1))];
            found.add(
                Judgement {
                    doubts,
                    ..Judgement::default()
                },
                9,
            );
        }
        found.finish();
        assert_eq!(found.doubts.all, 3);
        assert_eq!(found.doubts.kept[0], lagging(5));
        assert_eq!((found.outcome(), found.may_change), (Outcome::Unknown, true));
    }
}
