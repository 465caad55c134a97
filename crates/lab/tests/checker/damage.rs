//! Damages histories in ways that nobody thought of.

use std::collections::HashSet;

use fastrand::Rng;
use keylane_log::{Offset, Timestamp};
use lab::checker::{History, Parked, WaitsFor, Written};
use shop::domain::decide::ApplyKind;
use shop::domain::{DeliveryEventType, DeliveryId, OrderEventType, OrderId, Version};

use crate::model::random;

/// A random history in which some things are not as they should be.
pub fn damaged(rng: &mut Rng) -> History {
    let mut history = random(rng);
    for _ in 0..rng.u8(1..4) {
        damage(&mut history, rng);
    }
    keep_keys_unique(&mut history);
    history
}

/// Rows have unique keys in the databases, and no two records stand at one place.
fn keep_keys_unique(history: &mut History) {
    let mut seen = HashSet::new();
    let new = |written: &Written| seen.insert((written.order, written.version));
    history.written.retain(new);
    let mut seen = HashSet::new();
    history
        .parked
        .retain(|parked| seen.insert((parked.order, parked.version)));
    let mut places = HashSet::new();
    history.topic.retain(|record| places.insert(record.place));
    history.delivery_records.retain(|record| places.insert(record.place));
    let mut counters = HashSet::new();
    history.applied.retain(|applied| counters.insert(applied.counter));
}

/// Changes one thing anywhere.
fn damage(history: &mut History, rng: &mut Rng) {
    match rng.u8(0..8) {
        0 => damage_journal(history, rng),
        1 => damage_topic(history, rng),
        2 => damage_effects(history, rng),
        3 => damage_answers(history, rng),
        4 => damage_rows(history, rng),
        5 => damage_partitions(history, rng),
        6 => {
            let order = any_order(history, rng);
            match rng.bool() {
                true => history.moving.insert(order),
                false => history.unpublished_deliveries.insert(order),
            };
        }
        _ => park(history, rng),
    }
}

fn any_order(history: &History, rng: &mut Rng) -> OrderId {
    let written = history.written.iter().map(|written| written.order);
    rng.choice(written.collect::<Vec<_>>()).unwrap_or(OrderId(1))
}

/// Changes, repeats, removes or moves one of these.
fn edit<T: Clone>(list: &mut Vec<T>, rng: &mut Rng, change: impl FnOnce(&mut T, &mut Rng)) {
    if list.is_empty() {
        return;
    }
    let at = rng.usize(0..list.len());
    match rng.u8(0..4) {
        0 => drop(list.remove(at)),
        1 => {
            let mut copy = list[at].clone();
            change(&mut copy, rng);
            list.push(copy);
        }
        _ => change(&mut list[at], rng),
    }
}

fn order_type(rng: &mut Rng) -> OrderEventType {
    let types = [
        OrderEventType::Placed,
        OrderEventType::Modified,
        OrderEventType::Cancelled,
    ];
    types[rng.usize(0..types.len())]
}

fn damage_journal(history: &mut History, rng: &mut Rng) {
    edit(&mut history.written, rng, |written, rng| match rng.u8(0..8) {
        0 => written.version = Version(rng.i64(0..8)),
        1 => written.event_type = order_type(rng),
        2 => written.hash ^= 1,
        3 => written.published = false,
        4 => written.inherited = true,
        5 => written.fields.product_id = None,
        6 => written.fields.address = Some(None),
        _ => written.order = OrderId(rng.i64(1..14)),
    });
}

fn damage_topic(history: &mut History, rng: &mut Rng) {
    edit(&mut history.topic, rng, |record, rng| match rng.u8(0..6) {
        0 => record.version = None,
        1 => record.version = Some(Version(rng.i64(0..8))),
        2 => record.event_type = None,
        3 => record.hash ^= 1,
        4 => record.place.offset = Offset(rng.u64(0..90)),
        _ => record.order = OrderId(rng.i64(1..14)),
    });
}

fn damage_effects(history: &mut History, rng: &mut Rng) {
    edit(&mut history.applied, rng, |applied, rng| match rng.u8(0..9) {
        0 => applied.version = None,
        1 => applied.version = Some(Version(rng.i64(0..8))),
        2 => applied.kind = ApplyKind::Discarded,
        3 => applied.event_type = Some(order_type(rng)),
        4 => applied.before = Version(rng.i64(0..8)),
        5 => applied.after = Version(rng.i64(0..8)),
        6 => applied.delivery = Some(DeliveryId(rng.i64(100..114))),
        7 => applied.counter = rng.i64(0..90),
        _ => applied.instance = "delivery-9".into(),
    });
}

fn damage_answers(history: &mut History, rng: &mut Rng) {
    edit(&mut history.delivery_records, rng, |record, rng| match rng.u8(0..5) {
        0 => record.version = Version(rng.i64(0..8)),
        1 => record.event_type = DeliveryEventType::Modified,
        2 => record.delivery = DeliveryId(rng.i64(100..114)),
        3 => record.place.offset = Offset(rng.u64(0..90)),
        _ => record.order = OrderId(rng.i64(1..14)),
    });
}

fn damage_rows(history: &mut History, rng: &mut Rng) {
    edit(&mut history.deliveries, rng, |row, rng| match rng.u8(0..7) {
        0 => row.version = Version(rng.i64(0..8)),
        1 => row.events = Version(rng.i64(0..8)),
        2 => row.status = None,
        3 => row.fields.customer_id = Some(rng.i64(0..5000)),
        4 => row.fields.product_name = None,
        5 => row.id = DeliveryId(rng.i64(100..114)),
        _ => row.order_id = Some(OrderId(rng.i64(1..14))),
    });
}

fn damage_partitions(history: &mut History, rng: &mut Rng) {
    let at = rng.usize(0..history.partitions.len());
    let last = history.written.iter().map(|written| written.at.0).max().unwrap_or(0);
    let first = history.written.iter().map(|written| written.at.0).min().unwrap_or(0);
    let state = &mut history.partitions[at];
    if rng.bool() {
        state.committed = (state.end.0 > 0).then(|| Offset(rng.u64(0..state.end.0)));
        return;
    }
    // Retention has removed records, up to a time.
    let kept_since = Timestamp(rng.i64(first - 10..last + 20));
    (state.start, state.kept_since) = (Offset(rng.u64(1..90)), Some(kept_since));
    let (partition, start) = (state.partition, state.start);
    let gone = |place: lab::checker::PlaceInTopic| place.partition == partition && place.offset < start;
    history.topic.retain(|record| !gone(record.place));
    history.delivery_records.retain(|record| !gone(record.place));
}

fn park(history: &mut History, rng: &mut Rng) {
    let (order, at) = (any_order(history, rng), history.written[0].at);
    history.parked.push(Parked {
        order,
        version: Version(rng.i64(1..8)),
        place: None,
        at,
        waits: WaitsFor::Predecessors,
    });
}
