//! Each verdict, in the smallest history that yields it.

use std::collections::BTreeSet;

use lab::checker::{Anomaly, History, Severity, Verdict, check};
use shop::domain::decide::ApplyKind;
use shop::domain::{DeliveryId, OrderId, Version};

use crate::model::one_order;
use crate::mutations::{companions, mutate};

const ORDER: OrderId = OrderId(2);

fn mutated(anomaly: Anomaly) -> History {
    let mut history = one_order();
    assert!(
        mutate(&mut history, ORDER, anomaly),
        "{anomaly} can happen to four events"
    );
    history
}

fn found(history: &History, anomaly: Anomaly) -> Vec<Verdict> {
    let verdicts = check(history).verdicts;
    verdicts
        .into_iter()
        .filter(|verdict| verdict.anomaly == anomaly)
        .collect()
}

#[test]
fn a_correct_history_is_clean() {
    let judgement = check(&one_order());
    assert_eq!(
        (judgement.verdicts, judgement.doubts, judgement.orders),
        (vec![], vec![], 1)
    );
}

#[test]
fn each_verdict_is_found_with_its_companions_alone() {
    for anomaly in Anomaly::ALL {
        let judgement = check(&mutated(anomaly));
        let found: BTreeSet<Anomaly> = judgement.verdicts.iter().map(|verdict| verdict.anomaly).collect();
        let expected: BTreeSet<Anomaly> = companions(anomaly).iter().copied().chain([anomaly]).collect();
        assert_eq!(found, expected, "{anomaly}: {:#?}", judgement.verdicts);
        assert_eq!(judgement.doubts, [], "{anomaly}");
        assert!(judgement.verdicts.iter().all(|verdict| verdict.order == ORDER));
        assert!(
            judgement.verdicts.iter().all(|verdict| !verdict.facts.is_empty()),
            "{anomaly} without evidence"
        );
    }
}

#[test]
fn hazards_are_no_harm() {
    let hazards = [
        Anomaly::Phantom,
        Anomaly::Divergent,
        Anomaly::SplitKey,
        Anomaly::LogInversion,
        Anomaly::ZombieEffect,
        Anomaly::Discarded,
        Anomaly::OutDup,
    ];
    for anomaly in Anomaly::ALL {
        let verdicts = found(&mutated(anomaly), anomaly);
        let hazard = verdicts.iter().all(|verdict| verdict.severity == Severity::Hazard);
        assert_eq!(hazard, hazards.contains(&anomaly), "{anomaly}");
    }
}

/// An event that a person had passed over was written all the same, so the row without it differs.
#[test]
fn a_row_that_lacks_what_was_discarded_is_harm_and_says_so() {
    let history = mutated(Anomaly::Discarded);
    let [divergence] = &found(&history, Anomaly::Divergence)[..] else {
        panic!("one row");
    };
    assert_eq!(divergence.severity, Severity::Harm);
    let status = "status is \"DELIVERY MODIFIED\" and should be \"DELIVERY CANCELLED\"";
    let blame = "(v4 was discarded by a person; the row therefore keeps what stood there without it)";
    assert_eq!(divergence.says.english, format!("{status} {blame}"));
    assert!(
        divergence.facts.iter().any(|fact| fact.what.english == "passed over"),
        "{divergence:?}"
    );

    let mut elsewhere = history.clone();
    elsewhere.deliveries[0].fields.address = Some("ELSEWHERE".into());
    let says = &found(&elsewhere, Anomaly::Divergence)[0].says.english;
    assert!(
        says.ends_with("(v4 was discarded by a person, which alone doesn't explain it)"),
        "{says}"
    );
}

/// The row lacks nothing if a later event carries the same fields again.
#[test]
fn a_discard_that_makes_no_difference_is_a_hazard_alone() {
    let mut history = one_order();
    history.applied[1].kind = ApplyKind::Discarded;
    history.delivery_records.remove(1);
    let verdicts = check(&history).verdicts;
    let found: Vec<_> = verdicts
        .iter()
        .map(|verdict| (verdict.anomaly, verdict.severity))
        .collect();
    assert_eq!(found, [(Anomaly::Discarded, Severity::Hazard)]);
}

#[test]
fn a_record_that_can_not_be_read_stands_for_no_event() {
    let mut garbage = one_order();
    let mut record = garbage.topic[1].clone();
    (record.event_type, record.hash) = (None, 7);
    garbage.topic[1] = record.clone();
    let lost = found(&garbage, Anomaly::LostEvent);
    assert_eq!(lost[0].says.english, "v2 is marked as published, but not in the topic");

    let mut beside = one_order();
    record.place = beside.delivery_records[3].place;
    record.place.offset = record.place.offset.next();
    beside.topic.push(record);
    beside.partitions[0].end = beside.partitions[0].end.next();
    beside.partitions[0].committed = Some(beside.partitions[0].end);
    let verdicts = check(&beside).verdicts;
    let found: Vec<_> = verdicts
        .iter()
        .map(|verdict| (verdict.anomaly, verdict.severity))
        .collect();
    assert_eq!(found, [(Anomaly::Divergent, Severity::Hazard)]);
}

/// Each phantom in the judgement: its severity, and its sentence.
fn phantoms(history: &History) -> Vec<(Severity, String)> {
    let found = found(history, Anomaly::Phantom).into_iter();
    found.map(|phantom| (phantom.severity, phantom.says.english)).collect()
}

#[test]
fn a_forged_event_is_harm_once_it_took_effect() {
    let mut history = mutated(Anomaly::Phantom);
    let untouched = "v5 is in the topic, but was never written; it changed nothing";
    assert_eq!(phantoms(&history), [(Severity::Hazard, untouched.to_owned())]);
    assert_eq!(check(&history).verdicts.len(), 1, "nobody has to handle it");

    let mut discarded = history.clone();
    let forged = discarded.topic.last().expect("the phantom").clone();
    let mut effect = discarded.applied.last().expect("an effect").clone();
    (effect.version, effect.place) = (forged.version, Some(forged.place));
    (effect.before, effect.after) = (Version(4), Version(5));
    effect.counter += 1;
    let mut passed_over = effect.clone();
    (passed_over.kind, passed_over.event_type) = (ApplyKind::Discarded, None);
    discarded.applied.push(passed_over);
    assert_eq!(phantoms(&discarded), [(Severity::Hazard, untouched.to_owned())]);

    history.applied.push(effect);
    assert_eq!(
        phantoms(&history),
        [(Severity::Harm, "v5 took effect, but was never written".to_owned())]
    );
    let facts: Vec<String> = found(&history, Anomaly::Phantom)[0]
        .facts
        .iter()
        .map(|fact| fact.says().english)
        .collect();
    assert!(
        facts[0].contains("in the topic") && facts[1].contains("applied"),
        "{facts:?}"
    );
}

#[test]
fn an_order_that_only_somebody_else_wrote_of_is_no_harm_either() {
    let mut history = one_order();
    let mut forged = history.topic[0].clone();
    forged.order = OrderId(77);
    forged.place.offset.0 += 100;
    history.partitions.iter_mut().for_each(|state| {
        state.end.0 += 200;
        state.committed = Some(state.end);
    });
    history.topic.push(forged);
    let judgement = check(&history);
    assert_eq!((judgement.harm().count(), judgement.doubts), (0, vec![]));
    assert_eq!(phantoms(&history).len(), 1);
}

#[test]
fn a_forged_delivery_event_neither_harms_nor_hides_that_one_is_missing() {
    let mut history = one_order();
    let mut forged = history.delivery_records[0].clone();
    forged.version = Version(9);
    forged.place.offset.0 += 100;
    history.delivery_records.push(forged.clone());
    let says = "v9 of delivery 102 is in the topic, but the delivery service never made it; it changed nothing here";
    assert_eq!(phantoms(&history), [(Severity::Hazard, says.to_owned())]);
    assert_eq!(check(&history).verdicts.len(), 1);

    history.delivery_records.remove(0);
    assert_eq!(
        found(&history, Anomaly::OutLost).len(),
        1,
        "the forged one doesn't count"
    );

    let mut history = one_order();
    forged.delivery = DeliveryId(7);
    forged.version = Version(1);
    history.delivery_records.push(forged);
    assert_eq!(phantoms(&history)[0].0, Severity::Hazard, "there is no such delivery");
}

#[test]
fn evidence_names_versions_places_instances_and_times() {
    let inversions = found(&mutated(Anomaly::Inversion), Anomaly::Inversion);
    let [inversion] = &inversions[..] else {
        panic!("{inversions:?}")
    };
    assert_eq!(inversion.says.english, "v2 took effect after v3");
    let facts: Vec<String> = inversion.facts.iter().map(|fact| fact.says().english).collect();
    assert_eq!(
        facts,
        [
            "v3 OrderModified applied, P0@4, by delivery-1 (assignment 1), 2025-06-12T03:05:12.035Z",
            "v2 OrderModified applied, P0@2, by delivery-1 (assignment 1), 2025-06-12T03:05:12.025Z",
        ]
    );
}

#[test]
fn divergence_says_what_should_be_there() {
    let divergences = found(&mutated(Anomaly::Divergence), Anomaly::Divergence);
    assert_eq!(
        divergences[0].says.english,
        "address is \"ELSEWHERE\" and should be \"2 STREET 3\""
    );
    let mut history = one_order();
    history.deliveries.push(history.deliveries[0].clone());
    assert_eq!(
        found(&history, Anomaly::Divergence)[0].says.english,
        "2 delivery rows instead of one"
    );
    history.deliveries.clear();
    assert_eq!(found(&history, Anomaly::Divergence)[0].says.english, "no delivery row");
}

#[test]
fn delivery_events_are_held_against_the_effects_that_led_to_them() {
    let mut history = one_order();
    let (first, last) = (
        history.delivery_records[0].event_type,
        history.delivery_records[3].event_type,
    );
    (
        history.delivery_records[0].event_type,
        history.delivery_records[3].event_type,
    ) = (last, first);
    assert_eq!(
        found(&history, Anomaly::OutInversion).len(),
        1,
        "their numbers ascend, and their kinds are exchanged"
    );

    let mut history = one_order();
    history.applied.remove(0);
    assert_eq!(
        check(&history).verdicts,
        [],
        "there were effects before the history began"
    );
    history.applied[0].before = Version(0);
    assert_eq!(
        found(&history, Anomaly::Phantom).len(),
        1,
        "an answer that nothing led to"
    );
}

#[test]
fn a_zombie_that_writes_what_nobody_else_would_have_written_is_harm() {
    let mut history = mutated(Anomaly::ZombieEffect);
    history.applied[2].before = history.applied[1].before;
    let zombies = found(&history, Anomaly::ZombieEffect);
    assert_eq!(
        zombies.iter().map(|zombie| zombie.severity).collect::<Vec<_>>(),
        [Severity::Harm, Severity::Hazard]
    );
}

#[test]
fn a_new_assignment_makes_an_owner_of_a_zombie() {
    let mut history = mutated(Anomaly::ZombieEffect);
    history.applied[2].epoch = Some(10);
    history.applied[3].epoch = Some(10);
    assert_eq!(check(&history).verdicts, []);
}

#[test]
fn whoever_applies_parked_events_is_no_zombie() {
    let mut history = mutated(Anomaly::ZombieEffect);
    history.applied.iter_mut().for_each(|applied| applied.epoch = None);
    assert_eq!(check(&history).verdicts, []);
}

#[test]
fn each_anomaly_is_read_from_its_name_and_no_other_name_is() {
    for anomaly in Anomaly::ALL {
        assert_eq!(anomaly.name().parse(), Ok(anomaly));
    }
    let refused = "invertion".parse::<Anomaly>().expect_err("misspelt").to_string();
    assert!(
        refused.starts_with("no verdict is called \"invertion\"; allowed: divergence, phantom, "),
        "{refused}"
    );
    assert!(
        Anomaly::ALL.iter().all(|anomaly| refused.contains(anomaly.name())),
        "{refused}"
    );
}

#[test]
fn a_judgement_names_what_was_found_of_which_order() {
    let named = check(&mutated(Anomaly::Inversion)).named();
    let expected = [Anomaly::Divergence, Anomaly::Inversion, Anomaly::Skip].map(|anomaly| (anomaly, ORDER));
    assert_eq!(named, expected.into());
}
