//! O against A: what was published of what took effect.
//!
//! Each effect leads to one delivery event. A delivery counts its own events, so what is compared is their kinds: how many
//! of each, and in which sequence.

use std::collections::{BTreeMap, BTreeSet};

use keylane_log::Partition;
use shop::domain::{DeliveryEventType, DeliveryId, EventType, OrderEventType, Version};

use super::applies::took_effect;
use super::history::{Answer, Applied};
use super::index::Order;
use super::verdict::{Anomaly, Fact, Kind, Verdict};

const KINDS: [DeliveryEventType; 3] = [
    DeliveryEventType::Started,
    DeliveryEventType::Modified,
    DeliveryEventType::Cancelled,
];

/// What is wrong with the delivery events of an order.
pub(super) fn answers(order: &Order<'_>, verdicts: &mut Vec<Verdict>) {
    let distinct = distinct(order, verdicts);
    inversions(order, verdicts);
    // The history and the topic were not read at the same moment.
    if order.moving {
        return;
    }
    let (distinct, forged): (BTreeMap<_, _>, BTreeMap<_, _>) = distinct
        .into_iter()
        .partition(|(_, answer)| order.may_have_published(answer));
    verdicts.extend(forged.values().map(|answer| self::forged(order, answer)));
    let before = verdicts.len();
    for kind in KINDS {
        compare(order, kind, &distinct, verdicts);
    }
    if verdicts.len() == before {
        verdicts.extend(other_sequence(order, &distinct));
    }
}

/// A delivery event that somebody else wrote into the topic. The delivery service doesn't read those.
fn forged(order: &Order<'_>, answer: &Answer) -> Verdict {
    let says = format!(
        "v{} of delivery {} is in the topic, but the delivery service never made it; it changed nothing here",
        answer.version, answer.delivery
    );
    let mut verdict = Anomaly::Phantom.of(order.id, says, vec![published(answer)]);
    verdict.kind = Kind::Hazard;
    verdict
}

/// The first of each delivery event, by delivery and version; those that come again are noted.
fn distinct<'a>(order: &Order<'a>, verdicts: &mut Vec<Verdict>) -> BTreeMap<(DeliveryId, Version), &'a Answer> {
    let mut first = BTreeMap::new();
    for answer in &order.answers {
        let again = first.get(&(answer.delivery, answer.version)).copied();
        match again {
            None => drop(first.insert((answer.delivery, answer.version), *answer)),
            Some(once) => {
                let says = format!(
                    "v{} of delivery {} was published twice",
                    answer.version, answer.delivery
                );
                verdicts.push(Anomaly::OutDup.of(order.id, says, vec![published(once), published(answer)]));
            }
        }
    }
    first
}

fn inversions(order: &Order<'_>, verdicts: &mut Vec<Verdict>) {
    let mut seen: BTreeSet<(Partition, DeliveryId, Version)> = BTreeSet::new();
    let mut places: BTreeMap<(DeliveryId, Version), BTreeSet<Partition>> = BTreeMap::new();
    for answer in &order.answers {
        places
            .entry((answer.delivery, answer.version))
            .or_default()
            .insert(answer.place.partition);
    }
    let mut highest: BTreeMap<(Partition, DeliveryId), &Answer> = BTreeMap::new();
    for answer in &order.answers {
        let stream = (answer.place.partition, answer.delivery);
        if !seen.insert((stream.0, stream.1, answer.version)) {
            continue;
        }
        // What stands in another partition too may have come there first: this is a repetition.
        let repeated = places[&(answer.delivery, answer.version)].len() > 1;
        match highest.get(&stream) {
            Some(above) if above.version > answer.version && repeated => {}
            Some(above) if above.version > answer.version => {
                let says = format!(
                    "in partition {} v{} of delivery {} was published after a later one",
                    stream.0, answer.version, answer.delivery
                );
                verdicts.push(Anomaly::OutInversion.of(order.id, says, vec![published(above), published(answer)]));
            }
            _ => drop(highest.insert(stream, answer)),
        }
    }
}

fn compare(
    order: &Order<'_>,
    kind: DeliveryEventType,
    distinct: &BTreeMap<(DeliveryId, Version), &Answer>,
    verdicts: &mut Vec<Verdict>,
) {
    let effects: Vec<&Applied> = order
        .effects()
        .filter(|effect| leads_to(effect) == Some(kind))
        .collect();
    let answers: Vec<&Answer> = distinct
        .values()
        .copied()
        .filter(|answer| answer.event_type == kind)
        .collect();
    let name = EventType::Delivery(kind).name();
    let removed = effects.iter().filter(|effect| order.may_have_lost(effect.at)).count();
    if effects.len() > answers.len() + removed && !order.unanswered {
        let says = format!("{} effects, but {} {name} in the topic", effects.len(), answers.len());
        let facts = effects[answers.len()..]
            .iter()
            .map(|effect| took_effect(effect))
            .collect();
        verdicts.push(Anomaly::OutLost.of(order.id, says, facts));
    }
    // Before the history began there were events too.
    if answers.len() > effects.len() && !order.applied.is_empty() && order.baseline() == Version(0) {
        let says = format!("{} {name} in the topic, but {} effects", answers.len(), effects.len());
        let facts = answers[effects.len()..]
            .iter()
            .map(|answer| published(answer))
            .collect();
        verdicts.push(Anomaly::Phantom.of(order.id, says, facts));
    }
}

/// The same events, numbered in another sequence than that of the effects.
fn other_sequence(order: &Order<'_>, distinct: &BTreeMap<(DeliveryId, Version), &Answer>) -> Option<Verdict> {
    let deliveries: BTreeSet<DeliveryId> = distinct.keys().map(|(delivery, _)| *delivery).collect();
    deliveries.into_iter().find_map(|delivery| {
        let effects: Vec<&Applied> = order
            .effects()
            .filter(|effect| effect.delivery == Some(delivery))
            .collect();
        let of_delivery = (delivery, Version(i64::MIN))..=(delivery, Version(i64::MAX));
        let answers: Vec<&Answer> = distinct.range(of_delivery).map(|(_, answer)| *answer).collect();
        let same_number = answers.len() == effects.len();
        let mut pairs = answers.into_iter().zip(effects).filter(|_| same_number);
        let (answer, effect) = pairs.find(|(answer, effect)| Some(answer.event_type) != leads_to(effect))?;
        let says = format!("the events of delivery {delivery} were published in another order than its effects had");
        Some(Anomaly::OutInversion.of(order.id, says, vec![took_effect(effect), published(answer)]))
    })
}

fn leads_to(effect: &Applied) -> Option<DeliveryEventType> {
    effect.event_type.map(OrderEventType::delivery_event)
}

fn published(answer: &Answer) -> Fact {
    Fact {
        at: Some(answer.at),
        version: None,
        what: format!(
            "{} (v{} of delivery {}) in the topic",
            EventType::Delivery(answer.event_type).name(),
            answer.version,
            answer.delivery
        ),
        place: Some(answer.place),
        instance: None,
        epoch: None,
    }
}
