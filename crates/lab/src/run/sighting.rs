//! Whether an observation is what a scenario speaks of.

use observe::{Ending, Event, Observation, What};

use super::cast::Cast;
use crate::scenario::{Change, EventName, Journal, Sight, Stage};

/// How often an observation is what is meant: once for each partition where it is about partitions, and else once or not at all.
pub fn times(sight: &Sight, cast: &Cast, observation: &Observation) -> usize {
    match sight {
        Sight::Event { event, stage, by } => {
            let seen = by.is_none_or(|role| *observation.who == role.to_string())
                && is_stage(*stage, &observation.what)
                && is_about(event, cast, &observation.what);
            usize::from(seen)
        }
        Sight::Process {
            role,
            change,
            partition,
        } if *observation.who == role.to_string() => changes(*change, *partition, &observation.what),
        Sight::Process { .. } => 0,
    }
}

/// How often all of these are what is meant.
pub fn times_in(sight: &Sight, cast: &Cast, observations: &[Observation]) -> usize {
    observations
        .iter()
        .map(|observation| times(sight, cast, observation))
        .sum()
}

/// Whether something is about the event that a sight is about, whatever happened to it.
pub fn is_of(sight: &Sight, cast: &Cast, what: &What) -> bool {
    matches!(sight, Sight::Event { event, .. } if is_about(event, cast, what))
}

fn is_about(event: &EventName, cast: &Cast, what: &What) -> bool {
    let order = cast.order(&event.order).map(|order| order.0);
    let is_event = |seen: &Event| {
        let of = match seen.delivery {
            None => Journal::Orders,
            Some(_) => Journal::Deliveries,
        };
        Some(seen.order) == order && seen.version == Some(event.version) && of == event.of
    };
    match what {
        What::PassedOver { order: passed, version } => Some(*passed) == order && *version == event.version,
        what => what.event().is_some_and(is_event),
    }
}

fn is_stage(stage: Stage, what: &What) -> bool {
    match (stage, what) {
        (Stage::Committed, What::Committed { .. })
        | (Stage::Published, What::Published { .. })
        | (Stage::Taken, What::Taken { .. })
        | (Stage::Begun, What::Begun { .. })
        | (Stage::TriedAgain, What::TriedAgain { .. })
        | (Stage::HandedOver, What::HandedOver { .. })
        | (Stage::PassedOver, What::PassedOver { .. }) => true,
        (stage, What::Finished { ending, .. }) => ended(stage, ending),
        _ => false,
    }
}

fn ended(stage: Stage, ending: &Ending) -> bool {
    match stage {
        Stage::Applied => ending.effect().is_some(),
        Stage::OutOfOrder => matches!(ending, Ending::OutOfOrder(_)),
        Stage::AppliedAgain => matches!(ending, Ending::AppliedAgain(_)),
        Stage::AppliedEarly => matches!(ending, Ending::AppliedEarly(_)),
        Stage::Duplicate => matches!(ending, Ending::Duplicate { .. }),
        Stage::Parked => matches!(ending, Ending::Early { .. } | Ending::Parked { .. }),
        Stage::Stale => matches!(ending, Ending::Stale { .. }),
        Stage::Poison => matches!(ending, Ending::Poison { .. }),
        Stage::Buried => matches!(ending, Ending::Buried { .. }),
        Stage::Ignored => matches!(ending, Ending::Ignored { .. }),
        _ => false,
    }
}

fn changes(change: Change, partition: Option<u32>, what: &What) -> usize {
    let among = |seen: &[u32]| {
        seen.iter()
            .filter(|seen| partition.is_none_or(|one| one == **seen))
            .count()
    };
    match (change, what) {
        (Change::Assigned, What::Assigned { partitions }) => among(
            &partitions
                .iter()
                .map(|assignment| assignment.partition)
                .collect::<Vec<_>>(),
        ),
        (Change::Revoked, What::Revoked { partitions }) | (Change::Lost, What::Lost { partitions }) => {
            among(partitions)
        }
        (Change::Leads, What::LeaseWon { .. })
        | (Change::Started, What::Started { .. })
        | (Change::Stopped, What::Stopped)
        | (Change::Killed, What::Killed)
        | (Change::Frozen, What::Frozen)
        | (Change::Woken, What::Woken) => 1,
        _ => 0,
    }
}
