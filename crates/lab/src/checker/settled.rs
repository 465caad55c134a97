//! Finds out which orders still have events under way. What such an order lacks may still come, and is no verdict.

use shop::domain::Version;

use super::history::{PartitionState, WaitsFor};
use super::index::OrderHistory;
use super::verdict::Doubt;

/// A doubt for each partition to whose end the group has not come.
pub(super) fn lagging(partitions: &[PartitionState]) -> impl Iterator<Item = Doubt> {
    let behind = partitions.iter().filter(|state| state.lag() > 0);
    behind.map(|state| Doubt::Lagging {
        partition: state.partition,
        next: state.next(),
        end: state.end,
    })
}

/// The reasons why not everything about an order can be judged.
pub(super) fn doubts(order: &OrderHistory<'_>) -> Vec<Doubt> {
    let mut doubts = Vec::new();
    if order.moving {
        doubts.push(Doubt::Moving(order.id));
    }
    if order.unpublished_deliveries {
        doubts.push(Doubt::UnpublishedDelivery(order.id));
    }
    if order.unsequenced {
        let records = order.topic.iter().filter(|record| record.is_unsequenced());
        let effects = order.applied.iter().filter(|applied| applied.version.is_none());
        let mut places = records
            .map(|record| record.place)
            .chain(effects.filter_map(|applied| applied.place));
        doubts.extend(places.next().map(|place| Doubt::Unsequenced(order.id, place)));
    }
    let waiting = order.written.values().filter(|written| !written.published);
    let unpublished = waiting.filter(|written| !order.published.contains(&written.version));
    doubts.extend(unpublished.map(|written| Doubt::Unpublished(order.id, written.version)));
    doubts.extend(parked(order));
    doubts
}

/// What the lowest parked event waits for. Those above it wait for it.
fn parked(order: &OrderHistory<'_>) -> Option<Doubt> {
    let parked = order.parked.values().next()?;
    match &parked.waits {
        WaitsFor::Apply => Some(Doubt::Applying(order.id, parked.version)),
        WaitsFor::Person(why) => Some(Doubt::Refused(order.id, parked.version, why.clone())),
        WaitsFor::Predecessors if is_stuck(order, parked.version) => None,
        WaitsFor::Predecessors => Some(Doubt::Waiting(order.id, parked.version)),
    }
}

/// Whether a parked event waits in vain: all versions below it could have been applied, none is under way, and none waits for
/// a person.
pub(super) fn is_stuck(order: &OrderHistory<'_>, version: Version) -> bool {
    let mut below = order.parked.range(..version);
    let somebody_acts = below.any(|(_, parked)| parked.waits != WaitsFor::Predecessors);
    let there = |below: Version| {
        let known = below <= order.baseline() || order.published.contains(&below) || order.discarded.contains(&below);
        known && !order.may_come(below)
    };
    !order.moving && !somebody_acts && (1..version.0).map(Version).all(there)
}

/// Whether everything that was written has come to its end, so that the final rows can be compared.
pub(super) fn is_settled(order: &OrderHistory<'_>) -> bool {
    doubts(order).is_empty() && !order.topic.iter().any(|record| order.is_ahead(record))
}
