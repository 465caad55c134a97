//! Judges which events took effect on the delivery service, in which order, and which never did.

use std::collections::{BTreeMap, BTreeSet};

use shop::domain::decide::ApplyKind;
use shop::domain::{OrderEventType, Version};

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
type Clash<'a> = (Anomaly, String, Option<&'a Applied>);

impl<'a> EarlierEffects<'a> {
    fn clashes_with(&self, applied: &'a Applied) -> impl Iterator<Item = Clash<'a>> {
        let version = version(applied);
        let once = self.first.get(&version);
        let twice = once.map(|once| {
            (
                Anomaly::DoubleApply,
                format!("v{version} took effect twice"),
                Some(*once),
            )
        });
        let above = self.highest.filter(|above| above.version > applied.version);
        let after = above.map(|above| {
            let says = format!("v{version} took effect after v{}", self::version(above));
            (Anomaly::Inversion, says, Some(above))
        });
        let skipped = version > applied.before.next();
        let skip = skipped.then(|| {
            let says = format!("v{version} took effect directly after v{}", applied.before);
            (Anomaly::Skip, says, self.last)
        });
        let risen = self.cancelled.map(|cancelled| {
            let says = format!("v{version} took effect after the cancellation");
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
        let says = "the first effect was not that of the placing";
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
        let says = format!("v{version} was applied to the state of v{before}, but v{after} had been applied already");
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
            let says = format!("v{version} never took effect, but later ones did");
            Anomaly::LostApply.of(order.id, says, facts)
        } else {
            Anomaly::Unseen.of(order.id, format!("v{version} never took effect"), vec![stands(record)])
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
        let says = format!("v{} was passed over by a person", version(applied));
        verdicts.push(Anomaly::Discarded.of(order.id, says, vec![took_effect(applied)]));
    }
    for parked in order.parked.values() {
        let version = parked.version;
        if parked.waits == WaitsFor::Predecessors && is_stuck(order, version) {
            let says = format!("v{version} is parked although nothing is missing before it");
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
