//! A checker that is handed a history bit by bit tells what judging all of it at once tells.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use fastrand::Rng;
use keylane_log::Partition;
use lab::checker::{
    Anomaly, Applied, Checker, DeliveryRecord, Doubt, History, Intake, OrderRecord, Scope, Severity, Survey, Verdict,
    Written, check, check_orders,
};
use shop::domain::OrderId;

use crate::damage::damaged;
use crate::model::{choose, random};
use crate::mutations::mutate;
use crate::survey::hand_in;

const SEEDS: u64 = 300;

/// One thing that a source tells.
enum Told {
    Written(Written),
    Order(OrderRecord),
    Delivery(DeliveryRecord),
    Applied(Applied),
}

/// What each source tells, in its own order: the journal, each partition, and the apply history.
fn sources(history: &History) -> Vec<VecDeque<Told>> {
    let mut written = history.written.clone();
    written.sort_by_key(|written| (written.at, written.version));
    let mut applied = history.applied.clone();
    applied.sort_by_key(|applied| applied.counter);
    let mut partitions: BTreeMap<Partition, Vec<(u64, Told)>> = BTreeMap::new();
    for record in history.topic.iter().cloned() {
        let of = partitions.entry(record.place.partition).or_default();
        of.push((record.place.offset.0, Told::Order(record)));
    }
    for record in history.delivery_records.iter().cloned() {
        let of = partitions.entry(record.place.partition).or_default();
        of.push((record.place.offset.0, Told::Delivery(record)));
    }
    let mut sources: Vec<VecDeque<Told>> = partitions
        .into_values()
        .map(|mut records| {
            records.sort_by_key(|(offset, _)| *offset);
            records.into_iter().map(|(_, record)| record).collect()
        })
        .collect();
    sources.push(written.into_iter().map(Told::Written).collect());
    sources.push(applied.into_iter().map(Told::Applied).collect());
    sources
}

/// What a checker tells that is fed from all sources in a random interleaving: at once, and in the end.
fn told_bit_by_bit(history: &History, rng: &mut Rng) -> (Vec<Verdict>, lab::checker::Judgement) {
    let mut checker = Checker::of(Scope::default());
    let (mut sources, mut told) = (sources(history), Vec::new());
    loop {
        sources.retain(|source| !source.is_empty());
        if sources.is_empty() {
            break;
        }
        let at = rng.usize(0..sources.len());
        match sources[at].pop_front().expect("it is not empty") {
            Told::Written(written) => checker.written(written),
            Told::Order(record) => checker.order_record(record),
            Told::Delivery(record) => checker.delivery_record(record),
            Told::Applied(applied) => checker.applied(applied),
        }
        if rng.u8(0..6) == 0 {
            told.extend(checker.certain());
        }
    }
    history.parked.iter().cloned().for_each(|parked| checker.parked(parked));
    history.deliveries.iter().cloned().for_each(|row| checker.delivery(row));
    let waiting = history.unpublished_deliveries.iter();
    waiting.for_each(|order| checker.unpublished_delivery(*order));
    history.moving.iter().for_each(|order| checker.moving(*order));
    (told, checker.finish(&history.partitions))
}

/// What a verdict says.
type Said = (OrderId, Anomaly, Severity, String);

/// What a verdict says, as far as it doesn't grow with the history: a key may be split over ever more partitions.
fn said(verdict: &Verdict) -> Said {
    let says = match verdict.anomaly {
        Anomaly::SplitKey => String::new(),
        _ => verdict.says.english.clone(),
    };
    (verdict.order, verdict.anomaly, verdict.severity, says)
}

/// What is said of all orders but those of which an event has no version.
fn all_said<'a>(verdicts: impl Iterator<Item = &'a Verdict>, doubts: &[Doubt]) -> Vec<Said> {
    let unsequenced = |order: OrderId| {
        let mut doubts = doubts.iter();
        doubts.any(|doubt| matches!(doubt, Doubt::Unsequenced(of, _) if *of == order))
    };
    let mut said: Vec<_> = verdicts
        .filter(|verdict| !unsequenced(verdict.order))
        .map(said)
        .collect();
    said.sort();
    said
}

/// Compares what a checker tells bit by bit with what [`check`] tells, and that with each order judged by itself.
fn compare(history: &History, rng: &mut Rng, what: &str) -> usize {
    let whole = check(history);
    let mut alone = check_orders(history);
    let mut survey = Survey::of(Scope::default());
    hand_in(history, &mut survey);
    alone.verdicts.extend(survey.finish(&history.partitions).zombies);
    alone.verdicts.sort();
    assert_eq!(whole, alone, "{what}");
    let (early, rest) = told_bit_by_bit(history, rng);
    let both = early.iter().chain(&rest.verdicts);
    let (told, expected) = (
        all_said(both, &whole.doubts),
        all_said(whole.verdicts.iter(), &whole.doubts),
    );
    assert_eq!(told, expected, "{what}: each once");
    assert_eq!((rest.doubts, rest.orders), (whole.doubts, whole.orders), "{what}");
    early.len()
}

#[test]
fn what_a_mutation_makes_wrong_is_told_bit_by_bit() {
    for seed in 0..SEEDS {
        let mut rng = Rng::with_seed(seed);
        let history = random(&mut rng);
        compare(&history, &mut rng, &format!("seed {seed}"));
        for anomaly in Anomaly::ALL {
            let orders: Vec<OrderId> = history.written.iter().map(|written| written.order).collect();
            let order = choose(&mut rng, orders.iter()).expect("there are orders");
            let mut wrong = history.clone();
            if mutate(&mut wrong, order, anomaly) {
                compare(&wrong, &mut rng, &format!("seed {seed}, {anomaly}"));
            }
        }
    }
}

#[test]
fn whatever_is_damaged_is_told_bit_by_bit() {
    let mut early = 0;
    for seed in 0..3 * SEEDS {
        let mut rng = Rng::with_seed(seed);
        let history = damaged(&mut rng);
        early += compare(&history, &mut rng, &format!("seed {seed}"));
    }
    assert!(early > 300, "only {early} verdicts were told before the end");
}

/// An inversion needs no end of anything.
#[test]
fn an_inversion_is_told_with_the_effect_that_makes_it_one() {
    let mut history = crate::model::one_order();
    assert!(mutate(&mut history, OrderId(2), Anomaly::Inversion));
    history.applied.sort_by_key(|applied| applied.counter);
    let mut checker = Checker::of(Scope::default());
    let mut told: Vec<BTreeSet<Anomaly>> = Vec::new();
    for applied in history.applied {
        checker.applied(applied);
        told.push(checker.certain().iter().map(|verdict| verdict.anomaly).collect());
    }
    let expected = [vec![], vec![Anomaly::Skip], vec![Anomaly::Inversion], vec![]];
    assert_eq!(told, expected.map(BTreeSet::from_iter));
}
