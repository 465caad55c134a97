//! Judges which events took effect on the delivery service, in which order, and which never did.

use std::collections::{BTreeMap, BTreeSet};

use shop::domain::decide::ApplyKind;
use shop::domain::{OrderEventType, Version};
use shop::text;
use shop::text::Text;

use super::evidence::{stands, took_effect, was_parked};
use super::history::{Applied, OrderRecord, Parked, WaitsFor};
use super::index::OrderHistory;
use super::settled::is_stuck;
use super::verdict::{Anomaly, Fact, Verdict};

/// Judges the sequence of effects. Its verdicts hold for the beginning of any history, so also while an order is changing.
pub(super) fn sequence(order: &OrderHistory<'_>, verdicts: &mut Vec<Verdict>) {
    verdicts.extend(orphan(order));
    verdicts.extend(chain_breaks(order));
    let mut before = EarlierEffects::default();
    for applied in order.effects() {
        for (anomaly, says, because) in before.clashes_with(applied) {
            let facts = because.into_iter().chain([applied]).map(took_effect).collect();
            verdicts.push(anomaly.of(order.id, says, facts));
        }
        before.then(applied);
    }
}

/// The effects of an order before a given one.
#[derive(Default)]
struct EarlierEffects<'a> {
    /// The first effect of each version.
    first: BTreeMap<Version, &'a Applied>,
    /// The effect of the highest version.
    highest: Option<&'a Applied>,
    /// The first cancellation.
    cancelled: Option<&'a Applied>,
    last: Option<&'a Applied>,
}

/// What is wrong with an effect: the anomaly, a sentence, and the earlier effect that shows it.
type Clash<'a> = (Anomaly, Text, Option<&'a Applied>);

impl<'a> EarlierEffects<'a> {
    fn clashes_with(&self, applied: &'a Applied) -> impl Iterator<Item = Clash<'a>> {
        let version = version(applied);
        let once = self.first.get(&version);
        let twice = once.map(|once| {
            (
                Anomaly::DoubleApply,
                text!("v{version} took effect twice", "v{version} 이벤트가 두 번 반영됨"),
                Some(*once),
            )
        });
        let above = self.highest.filter(|above| above.version > applied.version);
        let after = above.map(|above| {
            let above_version = self::version(above);
            let says = text!(
                "v{version} took effect after v{above_version}",
                "v{version} 이벤트가 v{above_version} 뒤에 반영됨"
            );
            (Anomaly::Inversion, says, Some(above))
        });
        let skipped = version > applied.before.next();
        let skip = skipped.then(|| {
            let before = applied.before;
            let says = text!(
                "v{version} took effect directly after v{before}",
                "v{version} 이벤트가 v{before} 바로 다음에 반영됨"
            );
            (Anomaly::Skip, says, self.last)
        });
        let risen = self.cancelled.map(|cancelled| {
            let says = text!(
                "v{version} took effect after the cancellation",
                "v{version} 이벤트가 취소 뒤에 반영됨"
            );
            (Anomaly::Resurrection, says, Some(cancelled))
        });
        [twice, after, skip, risen].into_iter().flatten()
    }

    fn then(&mut self, applied: &'a Applied) {
        self.first.entry(version(applied)).or_insert(applied);
        if self.highest.is_none_or(|above| above.version < applied.version) {
            self.highest = Some(applied);
        }
        if applied.event_type == Some(OrderEventType::Cancelled) {
            self.cancelled.get_or_insert(applied);
        }
        self.last = Some(applied);
    }
}

fn orphan(order: &OrderHistory<'_>) -> Option<Verdict> {
    let first = order.effects().next()?;
    let placed = first.event_type == Some(OrderEventType::Placed) || order.baseline() > Version(0);
    (!placed).then(|| {
        let says = text!(
            "the first effect was not that of the placing",
            "가장 먼저 반영된 것이 주문 생성이 아님"
        );
        Anomaly::Orphan.of(order.id, says, vec![took_effect(first)])
    })
}

/// Effects that were not built upon the one before them. An event that was passed over counts, since it moves the version
/// too.
fn chain_breaks(order: &OrderHistory<'_>) -> impl Iterator<Item = Verdict> {
    let pairs = order.applied.iter().zip(order.applied.iter().skip(1));
    let broken = pairs.filter(|(previous, applied)| applied.before != previous.after);
    broken.map(|(previous, applied)| {
        let (version, before, after) = (version(applied), applied.before, previous.after);
        let says = text!(
            "v{version} was applied to the state of v{before}, but v{after} had been applied already",
            "v{after}까지 반영되어 있었는데 v{version} 이벤트가 v{before} 상태를 바탕으로 반영됨"
        );
        Anomaly::ChainBreak.of(order.id, says, vec![took_effect(previous), took_effect(applied)])
    })
}

/// Judges events that are in the topic and never took effect.
pub(super) fn missing(order: &OrderHistory<'_>, verdicts: &mut Vec<Verdict>) {
    if order.moving {
        return;
    }
    let applied: BTreeSet<Version> = order.applied.iter().map(|applied| version(applied)).collect();
    let highest = applied.last().copied().unwrap_or(Version(0));
    let mut told = BTreeSet::new();
    for record in &order.topic {
        let Some(version) = record.version else { continue };
        let open = version > order.baseline() && !applied.contains(&version) && !order.parked.contains_key(&version);
        // An event that was never written need not take effect, and a record that can't be read can't.
        let real = order.written.contains_key(&version) && order.published.contains(&version);
        if !open || !real || order.may_come(version) || !told.insert(version) {
            continue;
        }
        verdicts.push(if version < highest {
            let later = order.applied.iter().find(|applied| applied.version > Some(version));
            let facts = [stands(record)]
                .into_iter()
                .chain(later.map(|later| took_effect(later)))
                .collect();
            let says = text!(
                "v{version} never took effect, but later ones did",
                "v{version} 이벤트는 끝내 반영되지 않았는데 그 뒤의 이벤트는 반영됨"
            );
            Anomaly::LostApply.of(order.id, says, facts)
        } else {
            let says = text!("v{version} never took effect", "v{version} 이벤트가 끝내 반영되지 않음");
            Anomaly::Unseen.of(order.id, says, vec![stands(record)])
        });
    }
}

/// Judges parked events that wait in vain, and events that a person had passed over.
pub(super) fn parked(order: &OrderHistory<'_>, verdicts: &mut Vec<Verdict>) {
    let passed_over = order
        .applied
        .iter()
        .filter(|applied| applied.kind == ApplyKind::Discarded);
    for applied in passed_over {
        let version = version(applied);
        let says = text!(
            "v{version} was passed over by a person",
            "v{version} 이벤트를 사람이 건너뛰게 함"
        );
        verdicts.push(Anomaly::Discarded.of(order.id, says, vec![took_effect(applied)]));
    }
    for parked in order.parked.values() {
        let version = parked.version;
        if parked.waits == WaitsFor::Predecessors && is_stuck(order, version) {
            let says = text!(
                "v{version} is parked although nothing is missing before it",
                "앞에 빠진 것이 없는데도 v{version} 이벤트가 보류되어 있음"
            );
            verdicts.push(Anomaly::StuckPark.of(order.id, says, evidence_of_stuck(order, parked)));
        }
    }
}

fn evidence_of_stuck(order: &OrderHistory<'_>, parked: &Parked) -> Vec<Fact> {
    let below = |record: &&&OrderRecord| record.version == Some(Version(parked.version.0 - 1));
    let predecessor = order.topic.iter().find(below).map(|record| stands(record));
    predecessor.into_iter().chain([was_parked(parked)]).collect()
}

/// The version of an effect. Only orders are judged all of whose events carry one.
fn version(applied: &Applied) -> Version {
    applied
        .version
        .expect("an order with an event without a version is not judged")
}
