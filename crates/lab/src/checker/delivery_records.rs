//! Compares the delivery events in the topic with the effects that they report.
//!
//! Each effect leads to one delivery event. A delivery numbers its events on its own, so their types are compared with those
//! of the effects: how many there are of each, and in which sequence.

use std::collections::{BTreeMap, BTreeSet};

use keylane_log::Partition;
use shop::domain::{DeliveryEventType, DeliveryId, EventType, OrderEventType, Version};
use shop::text;

use super::evidence::{published, took_effect};
use super::history::{Applied, DeliveryRecord};
use super::index::OrderHistory;
use super::verdict::{Anomaly, Severity, Verdict};

const KINDS: [DeliveryEventType; 3] = [
    DeliveryEventType::Started,
    DeliveryEventType::Modified,
    DeliveryEventType::Cancelled,
];

/// Judges the delivery events of an order.
pub(super) fn judge(order: &OrderHistory<'_>, verdicts: &mut Vec<Verdict>) {
    let distinct = distinct(order, verdicts);
    inversions(order, verdicts);
    // Effects and topic were read at different times, and the order changed in between.
    if order.moving {
        return;
    }
    let (distinct, forged): (BTreeMap<_, _>, BTreeMap<_, _>) = distinct
        .into_iter()
        .partition(|(_, record)| order.may_have_published(record));
    verdicts.extend(forged.values().map(|record| self::forged(order, record)));
    let before = verdicts.len();
    for kind in KINDS {
        compare(order, kind, &distinct, verdicts);
    }
    if verdicts.len() == before {
        verdicts.extend(other_sequence(order, &distinct));
    }
}

/// A delivery event that another program wrote into the topic. It is a hazard only, since the delivery service doesn't read
/// delivery events.
fn forged(order: &OrderHistory<'_>, record: &DeliveryRecord) -> Verdict {
    let (version, delivery) = (record.version, record.delivery);
    let says = text!(
        "v{version} of delivery {delivery} is in the topic, but the delivery service never made it; it changed nothing here",
        "배송 서비스가 만든 적 없는 배송 {delivery}의 v{version} 이벤트가 토픽에 있음. 여기서 바뀐 것은 없음"
    );
    let mut verdict = Anomaly::Phantom.of(order.id, says, vec![published(record)]);
    verdict.severity = Severity::Hazard;
    verdict
}

/// The first record of each delivery event, by delivery and version. Records that repeat one become verdicts.
fn distinct<'a>(
    order: &OrderHistory<'a>,
    verdicts: &mut Vec<Verdict>,
) -> BTreeMap<(DeliveryId, Version), &'a DeliveryRecord> {
    let mut first = BTreeMap::new();
    for record in &order.delivery_records {
        let again = first.get(&(record.delivery, record.version)).copied();
        match again {
            None => drop(first.insert((record.delivery, record.version), *record)),
            Some(once) => {
                let (version, delivery) = (record.version, record.delivery);
                let says = text!(
                    "v{version} of delivery {delivery} was published twice",
                    "배송 {delivery}의 v{version} 이벤트가 두 번 발행됨"
                );
                verdicts.push(Anomaly::OutDup.of(order.id, says, vec![published(once), published(record)]));
            }
        }
    }
    first
}

fn inversions(order: &OrderHistory<'_>, verdicts: &mut Vec<Verdict>) {
    let mut seen: BTreeSet<(Partition, DeliveryId, Version)> = BTreeSet::new();
    let mut places: BTreeMap<(DeliveryId, Version), BTreeSet<Partition>> = BTreeMap::new();
    for record in &order.delivery_records {
        places
            .entry((record.delivery, record.version))
            .or_default()
            .insert(record.place.partition);
    }
    let mut highest: BTreeMap<(Partition, DeliveryId), &DeliveryRecord> = BTreeMap::new();
    for record in &order.delivery_records {
        let stream = (record.place.partition, record.delivery);
        if !seen.insert((stream.0, stream.1, record.version)) {
            continue;
        }
        // An event that stands in another partition too may have been written there first, and this is a repetition.
        let repeated = places[&(record.delivery, record.version)].len() > 1;
        match highest.get(&stream) {
            Some(above) if above.version > record.version && repeated => {}
            Some(above) if above.version > record.version => {
                let (partition, version, delivery) = (stream.0, record.version, record.delivery);
                let says = text!(
                    "in partition {partition} v{version} of delivery {delivery} was published after a later one",
                    "파티션 {partition}에서 배송 {delivery}의 v{version} 이벤트가 더 나중 것 뒤에 발행됨"
                );
                verdicts.push(Anomaly::OutInversion.of(order.id, says, vec![published(above), published(record)]));
            }
            _ => drop(highest.insert(stream, record)),
        }
    }
}

fn compare(
    order: &OrderHistory<'_>,
    kind: DeliveryEventType,
    distinct: &BTreeMap<(DeliveryId, Version), &DeliveryRecord>,
    verdicts: &mut Vec<Verdict>,
) {
    let effects: Vec<&Applied> = order
        .effects()
        .filter(|effect| leads_to(effect) == Some(kind))
        .collect();
    let records: Vec<&DeliveryRecord> = distinct
        .values()
        .copied()
        .filter(|record| record.event_type == kind)
        .collect();
    let name = EventType::Delivery(kind).name();
    let removed = effects.iter().filter(|effect| order.may_have_lost(effect.at)).count();
    if effects.len() > records.len() + removed && !order.unpublished_deliveries {
        let (had, published) = (effects.len(), records.len());
        let says = text!(
            "{had} effects, but {published} {name} in the topic",
            "반영은 {had}번인데 토픽에 있는 {name} 이벤트는 {published}개"
        );
        let facts = effects[records.len()..]
            .iter()
            .map(|effect| took_effect(effect))
            .collect();
        verdicts.push(Anomaly::OutLost.of(order.id, says, facts));
    }
    // If the history does not begin with the order, events from before it are in the topic too.
    if records.len() > effects.len() && !order.applied.is_empty() && order.baseline() == Version(0) {
        let (had, standing) = (effects.len(), records.len());
        let says = text!(
            "{standing} {name} in the topic, but {had} effects",
            "토픽에 있는 {name} 이벤트는 {standing}개인데 반영은 {had}번"
        );
        let facts = records[effects.len()..]
            .iter()
            .map(|record| published(record))
            .collect();
        verdicts.push(Anomaly::Phantom.of(order.id, says, facts));
    }
}

/// Finds a delivery whose events are as many as its effects, but in another sequence.
fn other_sequence(
    order: &OrderHistory<'_>,
    distinct: &BTreeMap<(DeliveryId, Version), &DeliveryRecord>,
) -> Option<Verdict> {
    let deliveries: BTreeSet<DeliveryId> = distinct.keys().map(|(delivery, _)| *delivery).collect();
    deliveries.into_iter().find_map(|delivery| {
        let effects: Vec<&Applied> = order
            .effects()
            .filter(|effect| effect.delivery == Some(delivery))
            .collect();
        let of_delivery = (delivery, Version(i64::MIN))..=(delivery, Version(i64::MAX));
        let records: Vec<&DeliveryRecord> = distinct.range(of_delivery).map(|(_, record)| *record).collect();
        let same_number = records.len() == effects.len();
        let mut pairs = records.into_iter().zip(effects).filter(|_| same_number);
        let (record, effect) = pairs.find(|(record, effect)| Some(record.event_type) != leads_to(effect))?;
        let says = text!(
            "the events of delivery {delivery} were published in another order than its effects had",
            "배송 {delivery}의 이벤트가 반영된 순서와 다르게 발행됨"
        );
        Some(Anomaly::OutInversion.of(order.id, says, vec![took_effect(effect), published(record)]))
    })
}

fn leads_to(effect: &Applied) -> Option<DeliveryEventType> {
    effect.event_type.map(OrderEventType::delivery_event)
}
