//! What was told already.

use std::collections::BTreeSet;
use std::hash::{DefaultHasher, Hash, Hasher};

use super::super::verdict::{Anomaly, Verdict};
use shop::domain::OrderId;

/// What a verdict is about. Two verdicts with the same subject say the same, perhaps with more evidence.
pub(super) type Subject = (OrderId, Anomaly, u64);

/// The verdicts that were told. It grows with what goes wrong, a few bytes each.
#[derive(Debug, Default)]
pub(super) struct Told(BTreeSet<Subject>);

impl Told {
    /// Notes that a verdict is told. False if it was told before.
    pub fn add(&mut self, verdict: &Verdict) -> bool {
        self.0.insert(subject(verdict))
    }

    pub fn contains(&self, subject: &Subject) -> bool {
        self.0.contains(subject)
    }
}

/// What a verdict is about.
pub(super) fn subject(verdict: &Verdict) -> Subject {
    let mut hasher = DefaultHasher::new();
    match verdict.anomaly {
        // An order that stands in a third partition is split as it was before.
        Anomaly::SplitKey => {}
        // The row differs from what the last event leads to, in whatever it differs.
        Anomaly::Divergence => verdict.facts.first().map(|fact| fact.version).hash(&mut hasher),
        // Which of two contents is the other one depends on which was seen first.
        Anomaly::Divergent => verdict.says.english.hash(&mut hasher),
        // The same may be wrong with several effects or records. The last of the evidence is the one that is wrong.
        _ => {
            verdict.says.english.hash(&mut hasher);
            if let Some(last) = verdict.facts.last() {
                (last.at, last.version, last.place, &last.instance, last.epoch).hash(&mut hasher);
            }
        }
    }
    (verdict.order, verdict.anomaly, hasher.finish())
}
