//! Compares what the order service wrote with what the topic holds of it.

use std::collections::{BTreeMap, BTreeSet};

use keylane_log::Partition;
use shop::domain::Version;
use shop::text;

use super::evidence::{stands, took_effect, was_written};
use super::history::{OrderRecord, Written};
use super::index::OrderHistory;
use super::verdict::{Anomaly, Fact, Severity, Verdict};

/// Judges how the events of the order stand in the topic.
pub(super) fn hazards(order: &OrderHistory<'_>, verdicts: &mut Vec<Verdict>) {
    certain(order, verdicts);
    log_inversions(order, verdicts);
}

/// The hazards that no further record can do away with. What stands behind a later version may turn out to be a repetition.
pub(super) fn certain(order: &OrderHistory<'_>, verdicts: &mut Vec<Verdict>) {
    verdicts.extend(split_key(order));
    divergent(order, verdicts);
}

/// Judges which events the topic holds that it should not, and which it lacks.
pub(super) fn harm(order: &OrderHistory<'_>, verdicts: &mut Vec<Verdict>) {
    // Journal and topic were read at different times, and the order changed in between.
    if order.moving {
        return;
    }
    phantoms(order, verdicts);
    lost_events(order, verdicts);
}

fn split_key(order: &OrderHistory<'_>) -> Option<Verdict> {
    let mut first: BTreeMap<Partition, &OrderRecord> = BTreeMap::new();
    for record in &order.topic {
        first.entry(record.place.partition).or_insert(record);
    }
    (first.len() > 1).then(|| {
        let names: Vec<String> = first.keys().map(ToString::to_string).collect();
        let facts = first.values().map(|record| stands(record)).collect();
        let names = names.join(", ");
        let says = text!(
            "its events stand in the partitions {names}",
            "이벤트가 여러 파티션({names})에 흩어져 있음"
        );
        Anomaly::SplitKey.of(order.id, says, facts)
    })
}

fn log_inversions(order: &OrderHistory<'_>, verdicts: &mut Vec<Verdict>) {
    let mut seen: BTreeSet<(Partition, Version)> = BTreeSet::new();
    let mut places: BTreeMap<Version, BTreeSet<Partition>> = BTreeMap::new();
    for record in &order.topic {
        if let Some(version) = record.version {
            places.entry(version).or_default().insert(record.place.partition);
        }
    }
    let mut highest: BTreeMap<Partition, &OrderRecord> = BTreeMap::new();
    for record in &order.topic {
        let (partition, Some(version)) = (record.place.partition, record.version) else {
            continue;
        };
        if !seen.insert((partition, version)) {
            continue;
        }
        // A version that stands in another partition too may have been written there first, and this is a repetition.
        let repeated = places[&version].len() > 1;
        match highest.get(&partition) {
            Some(above) if above.version > record.version && repeated => {}
            Some(above) if above.version > record.version => {
                let says = text!(
                    "in partition {partition} v{version} stands behind a later version",
                    "파티션 {partition}에서 v{version} 이벤트가 더 나중 버전 뒤에 있음"
                );
                verdicts.push(Anomaly::LogInversion.of(order.id, says, vec![stands(above), stands(record)]));
            }
            _ => drop(highest.insert(partition, record)),
        }
    }
}

fn divergent(order: &OrderHistory<'_>, verdicts: &mut Vec<Verdict>) {
    let mut first: BTreeMap<Version, (u64, Fact)> = BTreeMap::new();
    // An older system published its events in another form, which can't be compared.
    for written in order.written.values().filter(|written| !written.inherited) {
        first.insert(written.version, (written.hash, was_written(written)));
    }
    let mut told = BTreeSet::new();
    for record in &order.topic {
        let Some(version) = record.version else { continue };
        let (hash, fact) = first.entry(version).or_insert_with(|| (record.hash, stands(record)));
        if *hash != record.hash && told.insert(version) {
            let says = text!("v{version} has two contents", "v{version} 이벤트의 내용이 두 가지임");
            verdicts.push(Anomaly::Divergent.of(order.id, says, vec![fact.clone(), stands(record)]));
        }
    }
}

fn phantoms(order: &OrderHistory<'_>, verdicts: &mut Vec<Verdict>) {
    let mut told = BTreeSet::new();
    for record in &order.topic {
        let Some(version) = record.version else { continue };
        if !order.written.contains_key(&version) && told.insert(version) {
            verdicts.push(phantom(order, version, record));
        }
    }
}

/// A record that the order service never wrote. Anybody may write to a topic, so it is harm only if the delivery service took
/// it for an event.
fn phantom(order: &OrderHistory<'_>, version: Version, record: &OrderRecord) -> Verdict {
    let effect = order.effects().find(|effect| effect.version == Some(version));
    let says = match effect {
        Some(_) => text!(
            "v{version} took effect, but was never written",
            "주문 서비스가 기록한 적 없는 v{version} 이벤트가 반영됨"
        ),
        None => text!(
            "v{version} is in the topic, but was never written; it changed nothing",
            "주문 서비스가 기록한 적 없는 v{version} 이벤트가 토픽에 있음. 바뀐 것은 없음"
        ),
    };
    let facts = [stands(record)].into_iter().chain(effect.map(took_effect)).collect();
    let mut verdict = Anomaly::Phantom.of(order.id, says, facts);
    if effect.is_none() {
        verdict.severity = Severity::Hazard;
    }
    verdict
}

fn lost_events(order: &OrderHistory<'_>, verdicts: &mut Vec<Verdict>) {
    let gone =
        |written: &&&Written| written.published && !written.inherited && !order.published.contains(&written.version);
    for written in order.written.values().filter(gone) {
        let version = written.version;
        let says = match (order.may_have_lost(written.at), never_comes(order, version)) {
            (false, _) => text!(
                "v{version} is marked as published, but not in the topic",
                "v{version} 이벤트는 발행했다고 표시되어 있지만 토픽에 없음"
            ),
            (true, true) => text!(
                "v{version} never took effect, and is in the topic no longer: it was removed before it was read",
                "v{version} 이벤트는 끝내 반영되지 않았고 토픽에도 더는 없음: 읽기 전에 지워짐"
            ),
            // It took effect first, or what is parked behind it has it asked from the order service.
            (true, false) => continue,
        };
        verdicts.push(Anomaly::LostEvent.of(order.id, says, vec![was_written(written)]));
    }
}

/// Whether a version that the topic no longer holds has not taken effect, and nothing that waits behind it shows that it is
/// missing.
fn never_comes(order: &OrderHistory<'_>, version: Version) -> bool {
    let done = order.applied.iter().any(|applied| applied.version == Some(version));
    !done && version > order.baseline() && order.parked.is_empty()
}
