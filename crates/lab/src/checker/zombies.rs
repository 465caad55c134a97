//! Finds instances that wrote under an assignment which another one had followed already.
//!
//! ```text
//!   counter   1      2      3      4        of one partition
//!   instance  d1#1   d1#1   d2#1   d1#1     4 is a zombie's: no new assignment since d2 took over
//! ```
//! Such an effect is a hazard and no harm if the next owner would have written the same. The fence sees to that, not the
//! assignment.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use keylane_log::Partition;

use super::evidence::took_effect;
use super::history::{Applied, History};
use super::verdict::{Anomaly, Severity, Verdict};

type Assignment<'a> = (&'a Arc<str>, u64);

/// The effects of zombies. Parked events are left out, because any instance may apply them.
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

/// The late effects of a partition, each behind an effect of the owner at that time.
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
        verdict.severity = Severity::Harm;
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
