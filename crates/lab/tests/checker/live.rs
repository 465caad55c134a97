//! A mall is watched while it runs: a sound one gives no harm at any moment, and each flaw is told by its name.

use std::collections::BTreeSet;

use lab::checker::{Anomaly, Checker, Intake, Judgement, OrderRecord, Scope, Selection, Severity, Verdict, check};
use shop::domain::OrderId;

use crate::mall::{Mall, Record};

/// Somebody who looks at a mall now and then, and reads only what is new.
struct Watch {
    checker: Checker,
    journal: usize,
    log: Vec<usize>,
    applied: usize,
    told: Vec<Verdict>,
    /// How often the history of an order was read again.
    read_again: usize,
    /// Whether nothing happens any more.
    at_rest: bool,
}

impl Watch {
    fn new() -> Self {
        Self {
            checker: Checker::of(Scope::default()),
            journal: 0,
            log: Vec::new(),
            applied: 0,
            told: Vec::new(),
            read_again: 0,
            at_rest: false,
        }
    }

    /// Asks what stands there, reads what is new, and looks. In between the mall goes on.
    fn look(&mut self, mall: &mut Mall) {
        let waiting: Vec<OrderId> = self.checker.waiting().collect();
        self.checker.ask_about(waiting);
        let unpublished = mall.unpublished();
        let partitions = mall.partitions();
        self.between(mall);
        mall.parked().into_iter().for_each(|parked| self.checker.parked(parked));
        self.between(mall);
        mall.rows().into_iter().for_each(|row| self.checker.delivery(row));
        let waiting = mall.unpublished_deliveries();
        waiting
            .into_iter()
            .for_each(|order| self.checker.unpublished_delivery(order));
        self.between(mall);
        self.checker.note_unpublished(&unpublished);
        self.read(mall);
        self.told.extend(self.checker.certain());
        self.told.extend(self.checker.settle(&partitions).verdicts);
        let again = self.checker.to_read_again().clone();
        if !again.is_empty() {
            self.read_again += again.len();
            let history = mall.history();
            let mut chosen = Selection::of(again);
            history.written.into_iter().for_each(|written| chosen.written(written));
            history.topic.into_iter().for_each(|record| chosen.order_record(record));
            let answers = history.delivery_records.into_iter();
            answers.for_each(|record| chosen.delivery_record(record));
            history.applied.into_iter().for_each(|applied| chosen.applied(applied));
            self.checker.restore(chosen.history);
        }
    }

    fn between(&mut self, mall: &mut Mall) {
        if !self.at_rest && mall.rng.u8(0..4) == 0 {
            mall.step();
        }
    }

    fn read(&mut self, mall: &Mall) {
        let journal = mall.journal[self.journal..].iter().cloned();
        journal.for_each(|written| self.checker.written(written));
        self.journal = mall.journal.len();
        self.log.resize(mall.log.len(), 0);
        for (records, read) in mall.log.iter().zip(&mut self.log) {
            for record in &records[*read..] {
                match record {
                    Record::Order(record) => self.checker.order_record(record.clone()),
                    Record::Delivery(record) => self.checker.delivery_record(record.clone()),
                }
            }
            *read = records.len();
        }
        let applied = mall.applied[self.applied..].iter().cloned();
        applied.for_each(|applied| self.checker.applied(applied));
        self.applied = mall.applied.len();
    }

    /// Looks a last time.
    fn finish(mut self, mall: &Mall) -> Judgement {
        self.checker.ask_about([]);
        mall.parked().into_iter().for_each(|parked| self.checker.parked(parked));
        mall.rows().into_iter().for_each(|row| self.checker.delivery(row));
        self.checker.finish(&mall.partitions())
    }

    fn named(&self) -> BTreeSet<(Anomaly, OrderId)> {
        self.told
            .iter()
            .map(|verdict| (verdict.anomaly, verdict.order))
            .collect()
    }

    fn harm(&self) -> Vec<&Verdict> {
        let harm = |verdict: &&Verdict| verdict.severity == Severity::Harm;
        self.told.iter().filter(harm).collect()
    }
}

/// Runs a mall for so many steps and looks at it now and then, and then until it has come to its end.
fn watched(mall: &mut Mall, steps: usize) -> Watch {
    let mut watch = Watch::new();
    for _ in 0..steps {
        mall.step();
        if mall.rng.u8(0..10) == 0 {
            watch.look(mall);
        }
    }
    mall.drain();
    watch.at_rest = true;
    (0..6).for_each(|_| watch.look(mall));
    watch
}

#[test]
fn a_sound_mall_does_no_harm_at_any_moment() {
    let (mut folded, mut orders, mut hazards, mut read_again) = (0, 0, 0, 0);
    for seed in 0..100 {
        let mut mall = Mall::new(seed, None);
        let watch = watched(&mut mall, 600);
        assert!(watch.harm().is_empty(), "seed {seed}: {:#?}", watch.harm());
        let whole = check(&mall.history());
        assert_eq!((whole.harm().count(), &whole.doubts[..]), (0, &[][..]), "seed {seed}");
        let (named, expected) = (watch.named(), whole.named());
        assert!(named.is_superset(&expected), "seed {seed}: {expected:?} {named:?}");
        assert_eq!(
            watch.checker.waiting().count(),
            0,
            "seed {seed}: all have come to their end"
        );
        assert_eq!(watch.checker.doubts().count(), 0, "seed {seed}");
        let split: BTreeSet<OrderId> = expected.iter().map(|(_, order)| *order).collect();
        hazards += split.len();
        orders += whole.orders;
        read_again += watch.read_again;
        folded += whole.orders - split.len();
        assert_eq!(watch.checker.orders(), whole.orders, "seed {seed}");
        let rest = watch.finish(&mall);
        assert_eq!(
            (rest.verdicts, rest.doubts),
            (vec![], vec![]),
            "seed {seed}: each verdict once"
        );
    }
    assert!(
        folded > 100 && hazards > 100,
        "{folded} regular orders and {hazards} others of {orders}"
    );
    assert!(read_again > 50, "{read_again} were read again");
}

#[test]
fn each_flaw_is_told_by_its_name() {
    for flaw in Anomaly::ALL {
        let mut struck = 0;
        for seed in 0..30 {
            let mut mall = Mall::new(seed, Some(flaw));
            let watch = watched(&mut mall, 400);
            let whole = check(&mall.history());
            let named = watch.named();
            assert!(
                named.is_superset(&whole.named()),
                "{flaw}, seed {seed}: {:?} in {named:?}",
                whole.named().difference(&named).collect::<Vec<_>>()
            );
            let Some(victim) = victim(&mall, flaw) else {
                continue;
            };
            struck += 1;
            assert!(
                named.contains(&(flaw, victim)),
                "{flaw} of order {victim}, seed {seed}: {named:?}"
            );
            let rest = watch.finish(&mall);
            assert_eq!(rest.verdicts, [], "{flaw}, seed {seed}: each verdict once");
        }
        assert!(struck > 4, "{flaw} struck {struck} times");
    }
}

/// The order to which the flaw has done something.
fn victim(mall: &Mall, flaw: Anomaly) -> Option<OrderId> {
    match flaw {
        // Its later events may not have come.
        Anomaly::LostApply => suffered(mall, flaw),
        // Its record may have been handed out again.
        Anomaly::Unseen => suffered(mall, flaw),
        _ => mall.victim.or_else(|| suffered(mall, flaw)),
    }
}

/// The order to which something must have happened, by what the words mean.
fn suffered(mall: &Mall, flaw: Anomaly) -> Option<OrderId> {
    let history = mall.history();
    let orders: BTreeSet<OrderId> = history.written.iter().map(|written| written.order).collect();
    orders.into_iter().find(|order| {
        let applied = history.applied.iter().filter(|applied| applied.order == *order);
        let effects: Vec<_> = applied.collect();
        let pairs = || {
            effects
                .iter()
                .enumerate()
                .flat_map(|(at, one)| effects[at + 1..].iter().map(move |two| (one, two)))
        };
        let mut partitions = history.topic.iter().filter(|record| record.order == *order);
        let is_cancelled =
            |applied: &lab::checker::Applied| applied.event_type == Some(shop::domain::OrderEventType::Cancelled);
        match flaw {
            Anomaly::SplitKey => {
                let first = partitions.next().map(|record| record.place.partition);
                partitions.any(|record| Some(record.place.partition) != first)
            }
            Anomaly::Inversion => pairs().any(|(one, two)| one.version > two.version),
            Anomaly::Resurrection => pairs().any(|(one, _)| is_cancelled(one)),
            Anomaly::Skip => effects
                .iter()
                .any(|applied| applied.version > Some(applied.before.next())),
            Anomaly::Orphan => effects
                .first()
                .is_some_and(|first| first.version.is_some_and(|version| version.0 > 1)),
            Anomaly::LostApply => {
                let highest = effects.iter().filter_map(|applied| applied.version).max();
                let lost = |record: &OrderRecord| effects.iter().all(|applied| applied.version != record.version);
                partitions.any(|record| record.version < highest && lost(record))
            }
            Anomaly::Unseen => {
                let highest = effects.iter().filter_map(|applied| applied.version).max();
                partitions.any(|record| record.version > highest)
            }
            Anomaly::StuckPark => history.parked.iter().any(|parked| {
                let last = effects.last().map_or(0, |last| last.after.0);
                parked.order == *order && parked.version.0 == last + 1
            }),
            _ => false,
        }
    })
}
