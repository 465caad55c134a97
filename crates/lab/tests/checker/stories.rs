//! Verdicts are told as one story an order, from the cause to its consequences.

use keylane_log::{Offset, Partition};
use lab::checker::{Anomaly, Chapter, History, PlaceInTopic, Severity, Story, check, stories};
use shop::domain::{OrderId, Version};

use crate::model::one_order;
use crate::mutations::mutate;

const ORDER: OrderId = OrderId(2);

/// Each chapter as its cause and what followed from it.
fn told(history: &History) -> Vec<(Anomaly, Vec<Anomaly>)> {
    let stories = stories(check(history).verdicts);
    let [story] = &stories[..] else {
        panic!("one story: {stories:#?}")
    };
    let names = |chapter: &Chapter| chapter.follows.iter().map(|verdict| verdict.anomaly).collect();
    let chapters = story.chapters.iter();
    chapters
        .map(|chapter| (chapter.cause.anomaly, names(chapter)))
        .collect()
}

fn mutated(anomaly: Anomaly) -> History {
    let mut history = one_order();
    assert!(mutate(&mut history, ORDER, anomaly));
    history
}

/// Puts an event of the order into another partition, with its effect.
fn move_away(history: &mut History, version: i64) {
    let place = PlaceInTopic {
        partition: Partition(1),
        offset: Offset(version.cast_unsigned()),
    };
    history.partitions[1].end = Offset(9);
    history.partitions[1].committed = Some(Offset(9));
    let records = history.topic.iter_mut();
    records
        .filter(|record| record.version == Some(Version(version)))
        .for_each(|record| record.place = place);
    let effects = history.applied.iter_mut();
    effects
        .filter(|applied| applied.version == Some(Version(version)))
        .for_each(|applied| applied.place = Some(place));
}

#[test]
fn a_split_key_is_the_cause_of_what_is_overtaken() {
    let mut history = mutated(Anomaly::Inversion);
    move_away(&mut history, 3);
    let follows = vec![Anomaly::Inversion, Anomaly::Skip, Anomaly::Divergence];
    assert_eq!(told(&history), [(Anomaly::SplitKey, follows)]);
}

#[test]
fn what_was_overtaken_within_a_partition_is_not_blamed_on_another() {
    let mut history = mutated(Anomaly::Inversion);
    move_away(&mut history, 1);
    let told = told(&history);
    let (first, rest) = told.split_first().expect("a chapter");
    assert_eq!(
        first,
        &(Anomaly::SplitKey, vec![Anomaly::Skip, Anomaly::Divergence]),
        "v3 was applied directly after v1, which stands elsewhere"
    );
    assert_eq!(rest, [(Anomaly::Inversion, vec![])]);
}

#[test]
fn a_mutation_is_the_cause_of_its_companions() {
    for (anomaly, cause, follows) in [
        (
            Anomaly::DoubleApply,
            Anomaly::DoubleApply,
            vec![Anomaly::Resurrection, Anomaly::OutLost],
        ),
        (
            Anomaly::Resurrection,
            Anomaly::Inversion,
            vec![Anomaly::Skip, Anomaly::Resurrection, Anomaly::Divergence],
        ),
        (
            Anomaly::Orphan,
            Anomaly::LostApply,
            vec![Anomaly::Orphan, Anomaly::Skip],
        ),
        (Anomaly::Skip, Anomaly::LostApply, vec![Anomaly::Skip]),
        (Anomaly::StuckPark, Anomaly::StuckPark, vec![Anomaly::Divergence]),
        (Anomaly::Discarded, Anomaly::Discarded, vec![Anomaly::Divergence]),
    ] {
        assert_eq!(told(&mutated(anomaly)), [(cause, follows)], "{anomaly}");
    }
}

#[test]
fn what_has_nothing_to_do_with_the_harm_stands_behind_it() {
    let mut history = mutated(Anomaly::OutDup);
    assert!(mutate(&mut history, ORDER, Anomaly::Divergent));
    assert!(mutate(&mut history, ORDER, Anomaly::Inversion));
    let story = &stories(check(&history).verdicts)[0];
    let causes: Vec<_> = story.chapters.iter().map(|chapter| chapter.cause.anomaly).collect();
    assert_eq!(causes, [Anomaly::Divergent, Anomaly::Inversion, Anomaly::OutDup]);
    assert_eq!(story.chapters[2].severity(), Severity::Hazard);
    assert_eq!(story.severity(), Severity::Harm);
}

#[test]
fn versions_that_have_nothing_to_do_with_each_other_are_no_cause() {
    let mut verdicts = check(&mutated(Anomaly::Inversion)).verdicts;
    let skip = verdicts.iter_mut().find(|verdict| verdict.anomaly == Anomaly::Skip);
    let skip = skip.expect("v3 was applied too early");
    skip.facts.iter_mut().for_each(|fact| fact.version = Some(Version(40)));
    let stories = stories(verdicts);
    let causes: Vec<_> = stories[0]
        .chapters
        .iter()
        .map(|chapter| chapter.cause.anomaly)
        .collect();
    assert_eq!(causes, [Anomaly::Inversion, Anomaly::Skip]);
}

#[test]
fn every_verdict_is_told_once_and_all_of_an_order_in_one_story() {
    for anomaly in Anomaly::ALL {
        let verdicts = check(&mutated(anomaly)).verdicts;
        let mut other = verdicts.clone();
        other.iter_mut().for_each(|verdict| verdict.order = OrderId(1));
        let stories = stories([verdicts.clone(), other].concat());
        let orders: Vec<i64> = stories.iter().map(|story| story.order.0).collect();
        assert_eq!(orders, [1, 2], "{anomaly}");
        let verdicts_of = |story: &Story| story.chapters.iter().flat_map(Chapter::verdicts).count();
        assert_eq!(verdicts_of(&stories[1]), verdicts.len(), "{anomaly}");
    }
}

#[test]
fn the_evidence_of_a_chapter_is_a_piece_of_the_timeline() {
    let story = &stories(check(&mutated(Anomaly::Inversion)).verdicts)[0];
    let evidence = story.chapters[0].evidence();
    let times: Vec<_> = evidence.iter().filter_map(|fact| fact.at).collect();
    assert!(times.is_sorted());
    assert!(
        evidence.last().is_some_and(|fact| fact.at.is_none()),
        "the row: {evidence:#?}"
    );
    let mut once = evidence.clone();
    once.dedup();
    assert_eq!(once.len(), evidence.len());
}
