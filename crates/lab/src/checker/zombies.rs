//! Finds instances that wrote under an old assignment, after the partition had been given to another one.
//!
//! ```text
//!   counter   1      2      3      4        of one partition
//!   instance  d1#1   d1#1   d2#1   d1#1     4 is a zombie's: no new assignment since d2 took over
//! ```
//! Such an effect is a hazard and no harm if the next owner would have written the same. The fence sees to that, not the
//! assignment.
//!
//! Of each partition the last assignments are kept, so memory doesn't grow with the history. A zombie that sleeps through
//! more of them goes unnoticed.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use keylane_log::Partition;
use shop::observed::member;
use shop::text;
use shop::text::{Text, with_particle};

use super::evidence::took_effect;
use super::history::Applied;
use super::verdict::{Anomaly, Severity, Verdict};

type Assignment = (Arc<str>, u64);

/// How many followed assignments of a partition are kept.
const FOLLOWED: usize = 64;

/// Looks at the effects of all orders, one after the other by their counters. Of each partition it keeps the assignments,
/// and not the effects.
#[derive(Debug, Default)]
pub(super) struct ZombieWatch {
    partitions: BTreeMap<Partition, Owners>,
    /// The verdicts so far.
    pub found: Vec<Verdict>,
}

/// Those to whom a partition was assigned.
#[derive(Debug, Default)]
struct Owners {
    /// The last assignments that another one has followed, the oldest first.
    followed: VecDeque<Assignment>,
    /// The last effect under the assignment that none has followed, and that assignment.
    current: Option<(Applied, Assignment)>,
}

impl ZombieWatch {
    /// Looks at the next effect. A parked event is passed by, because any instance may apply it.
    pub fn see(&mut self, applied: &Applied) {
        if let (Some(epoch), Some(place)) = (applied.epoch, applied.place) {
            let owners = self.partitions.entry(place.partition).or_default();
            let late = owners.write(applied, (applied.instance.clone(), epoch));
            self.found.extend(late.map(|owner| verdict(owner, applied)));
        }
    }
}

impl Owners {
    /// Notes an effect. If its assignment had been followed already, the answer is the last effect of the owner.
    fn write(&mut self, applied: &Applied, assignment: Assignment) -> Option<&Applied> {
        let current = self.current.as_ref().map(|(_, current)| current);
        if current != Some(&assignment) && self.followed.contains(&assignment) {
            return self.current.as_ref().map(|(last, _)| last);
        }
        if let Some((_, before)) = self.current.replace((applied.clone(), assignment.clone()))
            && before != assignment
        {
            self.followed.push_back(before);
            if self.followed.len() > FOLLOWED {
                self.followed.pop_front();
            }
        }
        None
    }
}

/// Both effects have an assignment, and the late one has a place in its partition.
fn says(owner: &Applied, late: &Applied) -> Option<Text> {
    let (zombie, next) = (member(&late.instance), member(&owner.instance));
    let (old, new) = (late.epoch?, owner.epoch?);
    let partition = late.place?.partition;
    // Some logs number the assignments of each member, and some those of the group.
    let numbered = |epoch: u64| match old == new {
        true => Text::default(),
        false => text!(" (assignment {epoch})", "(할당 {epoch})"),
    };
    let (old, new) = (numbered(old), numbered(new));
    let (given, late) = (
        with_particle(&format!("P{partition}"), "을", "를"),
        with_particle(zombie, "이", "가"),
    );
    Some(text!(
        "{zombie} wrote for P{partition}{old} after P{partition} had been given to {next}{new}",
        "{next}{new} 쪽에서 {given} 이어받은 뒤 {late} 이전 할당{old}으로 씀"; old, new
    ))
}

fn verdict(owner: &Applied, late: &Applied) -> Verdict {
    let says = says(owner, late).unwrap_or_default();
    let mut verdict = Anomaly::ZombieEffect.of(late.order, says, vec![took_effect(owner), took_effect(late)]);
    // An effect that took its order from one version to the next is the one that the owner would have had.
    let as_the_owner_would = late.version == Some(late.after) && late.before.next() == late.after;
    if !as_the_owner_would {
        verdict.severity = Severity::Harm;
    }
    verdict
}
