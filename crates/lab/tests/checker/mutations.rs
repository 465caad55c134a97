//! Mutations: each turns a correct history into one with a single fault, in which a given verdict must be found.

use keylane_log::{Offset, Partition};
use lab::checker::{Anomaly, Applied, History, OrderRecord, Parked, PlaceInTopic, WaitsFor};
use shop::domain::decide::ApplyKind;
use shop::domain::{Delivery, DeliveryEventType, OrderEventType, OrderId, Version};

/// Makes `anomaly` happen to `order`. False if the order's history is too short for that.
pub fn mutate(history: &mut History, order: OrderId, anomaly: Anomaly) -> bool {
    let last = last(history, order);
    let needed = match anomaly {
        Anomaly::Inversion | Anomaly::Skip | Anomaly::LostApply | Anomaly::ZombieEffect => 3,
        Anomaly::LogInversion | Anomaly::Orphan | Anomaly::ChainBreak | Anomaly::OutInversion => 2,
        _ => 1,
    };
    if last.0 < needed {
        return false;
    }
    match anomaly {
        Anomaly::Divergence => delivery(history, order).fields.address = Some("ELSEWHERE".into()),
        Anomaly::Phantom => phantom(history, order, last.next()),
        Anomaly::LostEvent => history.topic.retain(|record| !is(record, order, last)),
        Anomaly::Divergent => record(history, order, last).hash += 1,
        Anomaly::SplitKey => split_key(history, order),
        Anomaly::LogInversion => return swap_records(history, order),
        Anomaly::DoubleApply => apply_again(history, order, last),
        Anomaly::Inversion => invert(history, order, Version(2), Version(3)),
        Anomaly::Skip | Anomaly::LostApply => skip(history, order),
        Anomaly::Orphan => orphan(history, order),
        Anomaly::Resurrection => return resurrect(history, order),
        Anomaly::ChainBreak => applied(history, order, Version(1)).after = Version(0),
        Anomaly::ZombieEffect => return zombie(history, order),
        Anomaly::Unseen => drop(unseen(history, order)),
        Anomaly::StuckPark => park(history, order),
        Anomaly::Discarded => discard(history, order),
        Anomaly::OutLost => history
            .delivery_records
            .retain(|answer| (answer.order, answer.version) != (order, last)),
        Anomaly::OutDup => answer_again(history, order),
        Anomaly::OutInversion => return swap_answers(history, order),
    }
    true
}

/// The further verdicts to which the same mutation leads in the history of [`super::model::one_order`].
pub fn companions(anomaly: Anomaly) -> &'static [Anomaly] {
    match anomaly {
        // The event that is applied twice is the cancellation, and only one delivery event reports it.
        Anomaly::DoubleApply => &[Anomaly::Resurrection, Anomaly::OutLost],
        // The later version was applied before the earlier one.
        Anomaly::Inversion => &[Anomaly::Divergence, Anomaly::Skip],
        Anomaly::Skip => &[Anomaly::LostApply],
        Anomaly::LostApply => &[Anomaly::Skip],
        Anomaly::Orphan => &[Anomaly::Skip, Anomaly::LostApply],
        Anomaly::Resurrection => &[Anomaly::Divergence, Anomaly::Skip, Anomaly::Inversion],
        // The event was written, and the row lacks it.
        Anomaly::Unseen | Anomaly::StuckPark | Anomaly::Discarded => &[Anomaly::Divergence],
        _ => &[],
    }
}

fn is(record: &OrderRecord, order: OrderId, version: Version) -> bool {
    record.order == order && record.version == Some(version)
}

fn last(history: &History, order: OrderId) -> Version {
    let of_order = history.written.iter().filter(|written| written.order == order);
    of_order
        .map(|written| written.version)
        .max()
        .expect("an order has events")
}

fn record(history: &mut History, order: OrderId, version: Version) -> &mut OrderRecord {
    let mut records = history.topic.iter_mut().filter(|record| is(record, order, version));
    records.next().expect("every event was published")
}

fn applied(history: &mut History, order: OrderId, version: Version) -> &mut Applied {
    let mut applies = history.applied.iter_mut();
    let found = applies.find(|applied| applied.order == order && applied.version == Some(version));
    found.expect("every event was applied")
}

fn delivery(history: &mut History, order: OrderId) -> &mut Delivery {
    let mut deliveries = history.deliveries.iter_mut();
    let found = deliveries.find(|delivery| delivery.order_id == Some(order));
    found.expect("every order is delivered")
}

/// A new place at the end of a partition, which the group has finished with.
fn place(history: &mut History, partition: usize) -> PlaceInTopic {
    let state = &mut history.partitions[partition];
    let offset = state.end;
    state.end = offset.next();
    state.committed = Some(state.end);
    PlaceInTopic {
        partition: state.partition,
        offset,
    }
}

fn phantom(history: &mut History, order: OrderId, version: Version) {
    let mut phantom = record(history, order, Version(version.0 - 1)).clone();
    phantom.version = Some(version);
    phantom.place = place(history, phantom.place.partition.0 as usize);
    history.topic.push(phantom);
}

fn split_key(history: &mut History, order: OrderId) {
    let mut moved = record(history, order, Version(1)).clone();
    let partition = history.partitions.len();
    let mut state = history.partitions[0].clone();
    (state.partition, state.end) = (Partition(partition as u32), Offset(0));
    history.partitions.push(state);
    moved.place = place(history, partition);
    history.topic.push(moved);
}

fn swap_records(history: &mut History, order: OrderId) -> bool {
    let places = |version| {
        let records = history
            .topic
            .iter()
            .filter(move |record| is(record, order, Version(version)));
        records.map(|record| record.place).collect::<Vec<_>>()
    };
    let (first, second) = (places(1), places(2));
    // If a version stands there twice, the first record counts.
    if first.len() > 1 || second.len() > 1 || first[0].partition != second[0].partition {
        return false;
    }
    record(history, order, Version(1)).place = second[0];
    record(history, order, Version(2)).place = first[0];
    true
}

fn apply_again(history: &mut History, order: OrderId, version: Version) {
    let counter = next_counter(history);
    let mut again = applied(history, order, version).clone();
    (again.counter, again.before) = (counter, again.after);
    history.applied.push(again);
}

fn next_counter(history: &History) -> i64 {
    history.applied.iter().map(|applied| applied.counter).max().unwrap_or(0) + 1
}

/// Two effects that follow each other change places, as with a consumer without a fence. The row keeps the later version.
fn invert(history: &mut History, order: OrderId, low: Version, high: Version) {
    let (first, second) = (
        applied(history, order, low).clone(),
        applied(history, order, high).clone(),
    );
    let late = applied(history, order, low);
    (late.counter, late.before, late.after) = (second.counter, high, high);
    let early = applied(history, order, high);
    (early.counter, early.before) = (first.counter, first.before);
    let written = history
        .written
        .iter()
        .find(|written| written.order == order && written.version == low);
    let address = written.and_then(|written| written.fields.address.clone()).flatten();
    delivery(history, order).fields.address = address;
}

/// A version never takes effect, and the next does so without it.
fn skip(history: &mut History, order: OrderId) {
    forget(history, order, Version(2));
    applied(history, order, Version(3)).before = Version(1);
}

fn orphan(history: &mut History, order: OrderId) {
    forget(history, order, Version(1));
    applied(history, order, Version(2)).before = Version(0);
}

/// Removes an effect, and the delivery event that reported it.
fn forget(history: &mut History, order: OrderId, version: Version) {
    history
        .applied
        .retain(|applied| (applied.order, applied.version) != (order, Some(version)));
    history
        .delivery_records
        .retain(|answer| (answer.order, answer.version) != (order, version));
}

fn resurrect(history: &mut History, order: OrderId) -> bool {
    let last = last(history, order);
    if last.0 < 3 || applied(history, order, last).event_type != Some(OrderEventType::Cancelled) {
        return false;
    }
    invert(history, order, Version(last.0 - 1), last);
    for answer in history
        .delivery_records
        .iter_mut()
        .filter(|answer| answer.order == order)
    {
        // The delivery's own versions are renumbered, since they count its effects.
        match last.0 - answer.version.0 {
            0 => answer.event_type = DeliveryEventType::Modified,
            1 => answer.event_type = DeliveryEventType::Cancelled,
            _ => {}
        }
    }
    delivery(history, order).status = Some("DELIVERY MODIFIED".into());
    true
}

/// The effect in the middle becomes another instance's, after which the first owner writes on.
fn zombie(history: &mut History, order: OrderId) -> bool {
    let (instance, epoch, place) = {
        let first = applied(history, order, Version(1));
        (first.instance.clone(), first.epoch, first.place)
    };
    let between = applied(history, order, Version(2));
    (between.instance, between.epoch, between.place) = ("delivery-9".into(), Some(9), place);
    let late = applied(history, order, Version(3));
    (late.instance, late.epoch, late.place) = (instance, epoch, place);
    true
}

/// The last event never takes effect.
fn unseen(history: &mut History, order: OrderId) -> Applied {
    let last = last(history, order);
    let lost = applied(history, order, last).clone();
    forget(history, order, last);
    let before = history
        .written
        .iter()
        .filter(|written| written.order == order && written.version < last);
    let before = before
        .max_by_key(|written| written.version)
        .map(|written| (written.event_type, written.version));
    let Some((event_type, version)) = before else {
        history.deliveries.retain(|delivery| delivery.order_id != Some(order));
        return lost;
    };
    let delivery = delivery(history, order);
    delivery.status = Some(event_type.delivery_status().to_owned());
    delivery.version = version;
    lost
}

fn park(history: &mut History, order: OrderId) {
    let lost = unseen(history, order);
    history.parked.push(Parked {
        order,
        version: lost.version.expect("it has one"),
        place: lost.place,
        at: lost.at,
        waits: WaitsFor::Predecessors,
    });
}

/// The last event is passed over, and the delivery stays as it was before it.
fn discard(history: &mut History, order: OrderId) {
    let mut lost = unseen(history, order);
    lost.kind = ApplyKind::Discarded;
    history.applied.push(lost);
    let version = Version(last(history, order).0 - 1);
    let mut earlier = history.written.iter().filter(|written| written.order == order);
    if let Some(fields) = earlier
        .find(|written| written.version == version)
        .map(|written| written.fields.clone())
    {
        let delivery = delivery(history, order);
        delivery.fields.address = fields.address.flatten();
        delivery.fields.qty = fields.qty.flatten();
    }
}

fn answer_again(history: &mut History, order: OrderId) {
    let found = history.delivery_records.iter().find(|answer| answer.order == order);
    let mut again = found.expect("every effect was answered").clone();
    again.place = place(history, again.place.partition.0 as usize);
    history.delivery_records.push(again);
}

fn swap_answers(history: &mut History, order: OrderId) -> bool {
    let of = |version| {
        let mut answers = (0..history.delivery_records.len()).filter(|at| {
            let answer = &history.delivery_records[*at];
            (answer.order, answer.version) == (order, Version(version))
        });
        (answers.next().expect("answered"), answers.next())
    };
    let ((one, again), (two, later)) = (of(1), of(2));
    let (first, second) = (history.delivery_records[one].place, history.delivery_records[two].place);
    if again.is_some() || later.is_some() || first.partition != second.partition {
        return false;
    }
    (history.delivery_records[one].place, history.delivery_records[two].place) = (second, first);
    true
}
