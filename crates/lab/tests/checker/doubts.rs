//! An order with events under way gets a doubt, and no verdict that something is missing.

use keylane_log::{Offset, Timestamp};
use lab::checker::{Anomaly, Doubt, History, Parked, WaitsFor, check};
use shop::domain::decide::ApplyKind;
use shop::domain::{OrderId, Version};

use crate::model::one_order;
use crate::mutations::mutate;

const ORDER: OrderId = OrderId(2);

fn verdicts(history: &History) -> Vec<Anomaly> {
    check(history).verdicts.iter().map(|verdict| verdict.anomaly).collect()
}

fn doubts(history: &History) -> Vec<&'static str> {
    check(history).doubts.iter().map(Doubt::name).collect()
}

fn with(anomaly: Anomaly) -> History {
    let mut history = one_order();
    assert!(mutate(&mut history, ORDER, anomaly));
    history
}

#[test]
fn what_waits_to_be_published_is_not_lost() {
    let mut history = with(Anomaly::LostEvent);
    history.written[3].published = false;
    assert_eq!((verdicts(&history), doubts(&history)), (vec![], vec!["unpublished"]));
}

#[test]
fn what_stands_in_the_topic_needs_no_mark() {
    let mut history = one_order();
    history.written[3].published = false;
    assert_eq!((verdicts(&history), doubts(&history)), (vec![], vec![]));
}

#[test]
fn what_the_group_has_not_come_to_is_not_unseen() {
    let mut history = with(Anomaly::Unseen);
    let place = history.topic[3].place;
    history.partitions[0].committed = Some(place.offset);
    assert_eq!((verdicts(&history), doubts(&history)), (vec![], vec!["lagging"]));
}

#[test]
fn a_group_that_never_committed_is_behind_from_the_beginning() {
    let mut history = one_order();
    history.partitions[0].committed = None;
    assert_eq!(doubts(&history), ["lagging"]);
    history.partitions[0].start = history.partitions[0].end;
    assert_eq!(doubts(&history), Vec::<&str>::new());
}

#[test]
fn an_order_that_moves_is_judged_by_its_effects_alone() {
    for absent in [
        Anomaly::Unseen,
        Anomaly::LostEvent,
        Anomaly::Phantom,
        Anomaly::Divergence,
        Anomaly::OutLost,
    ] {
        let mut history = with(absent);
        history.moving.insert(ORDER);
        assert_eq!(
            (verdicts(&history), doubts(&history)),
            (vec![], vec!["in-flight"]),
            "{absent}"
        );
    }
    let mut history = with(Anomaly::Inversion);
    history.moving.insert(ORDER);
    assert!(verdicts(&history).contains(&Anomaly::Inversion));
}

#[test]
fn an_event_without_a_version_leaves_its_order_open() {
    let mut history = with(Anomaly::Inversion);
    history.topic[1].version = None;
    assert_eq!((verdicts(&history), doubts(&history)), (vec![], vec!["unsequenced"]));
}

#[test]
fn garbage_without_a_version_leaves_nothing_open() {
    let mut history = one_order();
    let mut garbage = history.topic[3].clone();
    (garbage.version, garbage.event_type) = (None, None);
    garbage.place.offset = history.partitions[0].end;
    history.partitions[0].end = garbage.place.offset.next();
    history.partitions[0].committed = Some(garbage.place.offset.next());
    history.topic.push(garbage);
    assert_eq!((verdicts(&history), doubts(&history)), (vec![], vec![]));
}

#[test]
fn a_delivery_event_that_waits_is_not_lost() {
    let mut history = with(Anomaly::OutLost);
    history.unpublished_deliveries.insert(ORDER);
    assert_eq!((verdicts(&history), doubts(&history)), (vec![], vec!["unpublished"]));
}

#[test]
fn a_refused_event_waits_for_a_person_and_so_does_what_is_behind_it() {
    let mut history = with(Anomaly::StuckPark);
    history.parked[0].waits = WaitsFor::Person("too heavy".into());
    let behind = Parked {
        version: Version(5),
        waits: WaitsFor::Predecessors,
        ..history.parked[0].clone()
    };
    history.parked.push(behind);
    assert_eq!((verdicts(&history), doubts(&history)), (vec![], vec!["parked"]));
}

#[test]
fn a_parked_event_is_not_stuck_while_one_before_it_is_missing_or_applied() {
    let mut history = with(Anomaly::StuckPark);
    history.topic.retain(|record| record.version != Some(Version(2)));
    assert_eq!(
        (verdicts(&history), doubts(&history)),
        (vec![Anomaly::LostEvent], vec!["parked"])
    );
    let mut history = with(Anomaly::StuckPark);
    history.parked[0].waits = WaitsFor::Apply;
    assert_eq!((verdicts(&history), doubts(&history)), (vec![], vec!["applying"]));
}

#[test]
fn a_parked_event_is_not_stuck_behind_garbage_that_says_it_is_the_one_before() {
    let mut history = with(Anomaly::StuckPark);
    history.topic[2].event_type = None;
    history.written[2].published = false;
    assert_eq!(
        (verdicts(&history), doubts(&history)),
        (vec![], vec!["unpublished", "parked"])
    );
}

#[test]
fn what_retention_removed_is_not_lost() {
    for absent in [Anomaly::LostEvent, Anomaly::OutLost] {
        let mut history = with(absent);
        history.partitions[0].start = history.partitions[0].end;
        history.partitions[0].kept_since = None;
        assert_eq!((verdicts(&history), doubts(&history)), (vec![], vec![]), "{absent}");
    }
}

#[test]
fn what_was_removed_before_it_was_read_is_lost() {
    let mut history = with(Anomaly::LostEvent);
    history.partitions[0].start = history.partitions[0].end;
    history.partitions[0].kept_since = None;
    let last = history
        .written
        .last()
        .map(|row| (row.order, row.version))
        .expect("a row");
    history
        .applied
        .retain(|applied| (applied.order, applied.version) != (last.0, Some(last.1)));
    let found = verdicts(&history);
    assert!(found.contains(&Anomaly::LostEvent), "{found:?}");
    let says = check(&history).verdicts.into_iter().map(|verdict| verdict.says.english);
    assert!(says.collect::<String>().contains("removed before it was read"));
}

#[test]
fn what_stands_behind_the_first_record_kept_may_have_been_removed() {
    let mut history = with(Anomaly::LostEvent);
    history.partitions[0].start = Offset(1);
    let lost = history.written[3].at;
    for (kept_since, found) in [(lost, vec![]), (Timestamp(lost.0 - 1), vec![Anomaly::LostEvent])] {
        history.partitions[0].kept_since = Some(kept_since);
        assert_eq!((verdicts(&history), doubts(&history)), (found, vec![]));
    }
}

#[test]
fn a_parked_event_is_not_stuck_before_the_group_has_come_to_its_predecessor() {
    let mut history = with(Anomaly::StuckPark);
    let predecessor = history.topic[2].place;
    history.partitions[0].committed = Some(predecessor.offset);
    assert_eq!(
        (verdicts(&history), doubts(&history)),
        (vec![], vec!["lagging", "parked"])
    );
}

#[test]
fn what_an_older_system_left_behind_is_taken_as_it_is() {
    let mut history = one_order();
    history.written[0].inherited = true;
    history.topic.retain(|record| record.version != Some(Version(1)));
    history.applied.retain(|applied| applied.version != Some(Version(1)));
    history.delivery_records.retain(|answer| answer.version != Version(1));
    assert_eq!((verdicts(&history), doubts(&history)), (vec![], vec![]));
    history.deliveries[0].status = None;
    assert_eq!(verdicts(&history), [Anomaly::Divergence]);
}

#[test]
fn deliveries_of_unknown_orders_are_not_ours_to_judge() {
    let mut history = one_order();
    let mut foreign = history.deliveries[0].clone();
    foreign.order_id = Some(OrderId(99));
    history.deliveries.push(foreign);
    assert_eq!((verdicts(&history), doubts(&history)), (vec![], vec![]));
}

#[test]
fn a_later_version_builds_upon_one_that_was_passed_over() {
    let mut history = one_order();
    history.applied[1].kind = ApplyKind::Discarded;
    history.applied[1].event_type = None;
    history.delivery_records.remove(1);
    assert_eq!(
        (verdicts(&history), doubts(&history)),
        (vec![Anomaly::Discarded], vec![])
    );
    history.applied[2].before = Version(1);
    assert_eq!(
        verdicts(&history),
        [Anomaly::Skip, Anomaly::ChainBreak, Anomaly::Discarded]
    );
}

#[test]
fn what_was_asked_from_the_order_service_took_effect_too() {
    let mut history = one_order();
    (history.applied[1].place, history.applied[1].epoch) = (None, None);
    assert_eq!((verdicts(&history), doubts(&history)), (vec![], vec![]));
}

#[test]
fn harm_counts_once_it_was_seen_twice() {
    let (clean, harmed) = (check(&one_order()), check(&with(Anomaly::Inversion)));
    let once = harmed.clone().confirmed_by(&clean);
    assert_eq!((once.harm().count(), once.doubts), (0, vec![Doubt::Moving(ORDER)]));
    assert_eq!(harmed.clone().confirmed_by(&harmed), harmed);
    let other = harmed.clone().confirmed_by(&check(&with(Anomaly::Unseen)));
    let left: Vec<Anomaly> = other.harm().map(|verdict| verdict.anomaly).collect();
    assert_eq!(
        (left, other.doubts),
        (vec![Anomaly::Divergence], vec![Doubt::Moving(ORDER)])
    );
    let hazard = check(&with(Anomaly::SplitKey));
    assert_eq!(hazard.clone().confirmed_by(&clean), hazard);
}
