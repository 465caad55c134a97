//! What is still under way, and so can't be judged by its absence.

use super::history::{History, Waits};
use super::index::Order;
use super::verdict::Doubt;

/// The partitions to whose end the group has not come.
pub(super) fn lagging(history: &History) -> impl Iterator<Item = Doubt> {
    let behind = history.partitions.iter().filter(|state| state.lag() > 0);
    behind.map(|state| Doubt::Lagging {
        partition: state.partition,
        next: state.next(),
        end: state.end,
    })
}

/// Why an order can't be judged altogether.
pub(super) fn doubts(order: &Order<'_>) -> Vec<Doubt> {
    let mut doubts = Vec::new();
    if order.moving {
        doubts.push(Doubt::Moving(order.id));
    }
    if order.unanswered {
        doubts.push(Doubt::Unanswered(order.id));
    }
    if order.unsequenced {
        let records = order.topic.iter().filter(|record| record.version.is_none());
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

fn parked(order: &Order<'_>) -> impl Iterator<Item = Doubt> {
    order.parked.values().filter_map(|parked| match &parked.waits {
        Waits::Apply => Some(Doubt::Applying(order.id, parked.version)),
        Waits::Person(why) => Some(Doubt::Refused(order.id, parked.version, why.clone())),
        Waits::Predecessors => None,
    })
}

/// Whether all that was written has come to its end, so that the final rows can be compared.
pub(super) fn is_settled(order: &Order<'_>) -> bool {
    doubts(order).is_empty() && !order.topic.iter().any(|record| order.is_ahead(record))
}
