//! Instances that write under an assignment which another one has followed.
//!
//! ```text
//!   counter   1      2      3      4        of one partition
//!   instance  d1#1   d1#1   d2#1   d1#1     4 is a zombie's: no new assignment since d2 took over
//! ```
//! It is honest as long as it is what the next owner would have written: the fence sees to that, not the assignment.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use keylane_log::Partition;

use super::applies::took_effect;
use super::history::{Applied, History};
use super::verdict::{Anomaly, Kind, Verdict};

type Assignment<'a> = (&'a Arc<str>, u64);

/// The effects of zombies. What came out of the parked events may be applied by anybody, and is left out.
pub(super) fn zombie_effects(history: &History) -> Vec<Verdict> {
    let mut partitions: BTreeMap<Partition, Vec<(&Applied, u64)>> = BTreeMap::new();
    for applied in &history.applied {
        if let (Some(epoch), Some(place)) = (applied.epoch, applied.place) {
            partitions.entry(place.partition).or_default().push((applied, epoch));
        }
    }
    let chained = in_chain(history);
    let zombies = partitions.into_values().flat_map(of_partition);
    zombies
        .map(|(owner, late)| verdict(owner, late, chained.contains(&late.counter)))
        .collect()
}

/// Each late effect, after one of the owner that it is late against.
fn of_partition(mut applies: Vec<(&Applied, u64)>) -> Vec<(&Applied, &Applied)> {
    applies.sort_by_key(|(applied, _)| applied.counter);
    let mut followed: BTreeSet<Assignment<'_>> = BTreeSet::new();
    let mut owner: Option<(&Applied, Assignment<'_>)> = None;
    let mut late = Vec::new();
    for (applied, epoch) in applies {
        let assignment = (&applied.instance, epoch);
        match owner {
            Some((last, _)) if followed.contains(&assignment) => late.push((last, applied)),
            Some((_, before)) if before != assignment => {
                followed.insert(before);
                owner = Some((applied, assignment));
            }
            _ => owner = Some((applied, assignment)),
        }
    }
    late
}

fn verdict(owner: &Applied, late: &Applied, as_the_owner_would: bool) -> Verdict {
    let says = format!(
        "{} wrote under an assignment that {} had followed",
        late.instance, owner.instance
    );
    let mut verdict = Anomaly::ZombieEffect.of(late.order, says, vec![took_effect(owner), took_effect(late)]);
    if !as_the_owner_would {
        verdict.kind = Kind::Harm;
    }
    verdict
}

/// The counters of the effects that took their order from one version to the next.
fn in_chain(history: &History) -> BTreeSet<i64> {
    let regular = |applied: &&Applied| applied.version == Some(applied.after) && applied.before.next() == applied.after;
    history
        .applied
        .iter()
        .filter(regular)
        .map(|applied| applied.counter)
        .collect()
}
