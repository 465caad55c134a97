//! The timeline of one order.

use keylane_log::Partition;
use lab::checker::{Anomaly, Entry, History, Stage, check, timeline};
use shop::domain::OrderId;

use crate::model::one_order;
use crate::mutations::mutate;

const ORDER: OrderId = OrderId(2);

fn entries(history: &History) -> Vec<Entry> {
    timeline(history, &check(history).verdicts)
}

#[test]
fn an_event_is_followed_from_the_journal_to_the_row() {
    let entries = entries(&one_order());
    assert_eq!(entries.len(), 4 * 4 + 1);
    let stages: Vec<Stage> = entries[..4].iter().map(|entry| entry.stage).collect();
    assert_eq!(
        stages,
        [Stage::Written, Stage::Published, Stage::Applied, Stage::Reported]
    );
    let details: Vec<&str> = entries.iter().map(|entry| &*entry.detail).collect();
    assert_eq!(
        (details[0], details[2], details[4]),
        (
            r#"address "2 STREET 1", qty 1, customerId 2000, productId "100", productName "RADIO""#,
            "v0 → v1",
            r#"address "2 STREET 2", qty 2"#
        )
    );
    assert!(
        entries
            .iter()
            .is_sorted_by_key(|entry| (entry.at().is_none(), entry.at()))
    );
    assert_eq!(entries[16].stage, Stage::Row, "what is so now comes last");
    assert!(entries.iter().all(|entry| entry.marks.is_empty()));
}

#[test]
fn the_place_at_which_it_broke_is_marked() {
    let mut history = one_order();
    assert!(mutate(&mut history, ORDER, Anomaly::Inversion));
    let entries = entries(&history);
    let broken: Vec<String> = entries
        .iter()
        .filter(|entry| entry.is_broken())
        .map(|entry| {
            let marks: Vec<&str> = entry.marks.iter().map(|mark| mark.anomaly.name()).collect();
            format!("{}: {}", entry.fact.what.english, marks.join(", "))
        })
        .collect();
    assert_eq!(
        broken,
        [
            "OrderModified applied: inversion",
            "OrderModified applied: skip",
            "delivery 102: DELIVERY CANCELLED: divergence"
        ]
    );
}

#[test]
fn a_split_key_is_marked_where_the_second_partition_begins() {
    let mut history = one_order();
    history.topic[1].place.partition = Partition(1);
    history.topic[0].place.partition = Partition(2);
    let entries = entries(&history);
    let marked: Vec<_> = entries.iter().filter(|entry| !entry.marks.is_empty()).collect();
    assert_eq!(marked.len(), 1, "{marked:#?}");
    assert_eq!(marked[0].fact.place, Some(history.topic[2].place), "the third, in fact");
}

#[test]
fn every_verdict_has_its_place() {
    for anomaly in Anomaly::ALL {
        let mut history = one_order();
        assert!(mutate(&mut history, ORDER, anomaly));
        let verdicts = check(&history).verdicts;
        let marks: usize = timeline(&history, &verdicts)
            .iter()
            .map(|entry| entry.marks.len())
            .sum();
        assert_eq!(marks, verdicts.len(), "{anomaly}");
    }
}
