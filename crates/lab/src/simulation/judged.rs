//! What a delivery service is answerable for, of everything that was written.
//!
//! Nobody is safe from two things, which are therefore left out of the history that is judged. What the checker says of the whole
//! history is told all the same:
//! * The last events of an order that were removed before they were read. As no later event came, nothing showed that they are
//!   missing.
//! * Events that a person had passed over.

use std::collections::{BTreeMap, BTreeSet};

use shop::domain::decide::ApplyKind;
use shop::domain::{OrderId, Version};

use crate::checker::{History, OrderRecord};

/// An event.
pub type EventId = (OrderId, Version);

/// A history without what nobody is safe from.
pub struct Judged {
    /// What is left.
    pub history: History,
    /// The events that were removed before they were read, and that nothing showed to be missing.
    pub lost: BTreeSet<EventId>,
}

/// Leaves out what nobody is safe from. `unread` are the order events that were removed before they were handled, and that don't
/// stand in the topic of the `history`.
pub fn judged(mut history: History, unread: Vec<OrderRecord>) -> Judged {
    let written: BTreeSet<EventId> = history.written.iter().map(|row| (row.order, row.version)).collect();
    let applied: BTreeSet<EventId> = history
        .applied
        .iter()
        .filter_map(|applied| Some((applied.order, applied.version?)))
        .collect();
    let mut highest: BTreeMap<OrderId, Version> = BTreeMap::new();
    let read = history.topic.iter().filter(|record| record.event_type.is_some());
    let read = read.filter_map(|record| Some((record.order, record.version?)));
    // A version that was never written is forgotten, and shows nothing.
    for (order, version) in read.filter(|event| written.contains(event)).chain(applied) {
        let highest = highest.entry(order).or_insert(version);
        *highest = version.max(*highest);
    }
    let event = |record: &OrderRecord| Some((record.order, record.version?));
    let is_lost = |(order, version): EventId| highest.get(&order).is_none_or(|highest| version > *highest);
    let lost: BTreeSet<EventId> = unread
        .iter()
        .filter_map(event)
        .filter(|unread| written.contains(unread) && is_lost(*unread))
        .collect();
    let is_kept = |record: &OrderRecord| event(record).is_none_or(|event| !lost.contains(&event));
    history.topic.extend(unread.into_iter().filter(is_kept));
    let discarded: BTreeSet<EventId> = history
        .applied
        .iter()
        .filter(|applied| applied.kind == ApplyKind::Discarded)
        .filter_map(|applied| Some((applied.order, applied.version?)))
        .collect();
    history.written.retain(|row| {
        let event = (row.order, row.version);
        !lost.contains(&event) && !discarded.contains(&event)
    });
    Judged { history, lost }
}

#[cfg(test)]
mod tests {
    use keylane_log::{Offset, Partition, Timestamp};
    use shop::domain::{OrderEventType, OrderPatch};

    use super::*;
    use crate::checker::{PlaceInTopic, Written};

    const ORDER: OrderId = OrderId(7);

    fn written(version: i64) -> Written {
        Written {
            order: ORDER,
            version: Version(version),
            event_type: OrderEventType::Modified,
            fields: OrderPatch::default(),
            hash: 0,
            at: Timestamp(0),
            published: true,
            inherited: false,
        }
    }

    fn record(version: i64) -> OrderRecord {
        OrderRecord {
            order: ORDER,
            version: Some(Version(version)),
            event_type: Some(OrderEventType::Modified),
            hash: 0,
            place: PlaceInTopic {
                partition: Partition(0),
                offset: Offset(version.cast_unsigned()),
            },
            at: Timestamp(0),
        }
    }

    /// Versions 1 to 4 were written. Of these some stand in the topic, and some were removed before they were read.
    fn lost(topic: &[i64], unread: &[i64]) -> (Vec<i64>, usize) {
        let history = History {
            written: (1..=4).map(written).collect(),
            topic: topic.iter().copied().map(record).collect(),
            ..History::default()
        };
        let Judged { history, lost } = judged(history, unread.iter().copied().map(record).collect());
        let lost: Vec<i64> = lost.into_iter().map(|(_, version)| version.0).collect();
        assert_eq!(history.written.len() + lost.len(), 4);
        (lost, history.topic.len())
    }

    #[test]
    fn only_what_no_later_event_shows_to_be_missing_is_lost() {
        assert_eq!(lost(&[1, 2], &[3, 4]), (vec![3, 4], 2));
        assert_eq!(lost(&[1, 3], &[2, 4]), (vec![4], 3));
        assert_eq!(lost(&[1, 4], &[2, 3]), (vec![], 4));
        assert_eq!(lost(&[], &[1, 2, 3, 4]), (vec![1, 2, 3, 4], 0));
        // A version that nobody wrote shows nothing.
        assert_eq!(lost(&[1, 2, 3, 54], &[4]), (vec![4], 4));
    }
}
