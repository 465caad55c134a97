//! A survey that is followed by a close look at its suspects finds exactly what judging everything finds.

use fastrand::Rng;
use keylane_log::Timestamp;
use lab::checker::{
    Anomaly, Doubt, History, Intake, Judgement, Scope, Selection, Survey, Surveyed, Verdict, check, check_orders,
};
use shop::domain::{OrderEventType, OrderId, Version};

use crate::damage::damaged;
use crate::model::{Model, choose, one_order, random};
use crate::mutations::mutate;

const SEEDS: u64 = 300;

/// Hands a history in, in the sequence in which it would be read.
pub fn hand_in(history: &History, to: &mut impl Intake) {
    let mut history = history.clone();
    history.written.sort_by_key(|written| (written.at, written.version));
    history.topic.sort_by_key(|record| record.place);
    history.applied.sort_by_key(|applied| applied.counter);
    history.deliveries.sort_by_key(|delivery| delivery.id);
    history.delivery_records.sort_by_key(|record| record.place);
    history.written.into_iter().for_each(|written| to.written(written));
    history.topic.into_iter().for_each(|record| to.order_record(record));
    let answers = history.delivery_records.into_iter();
    answers.for_each(|record| to.delivery_record(record));
    history.applied.into_iter().for_each(|applied| to.applied(applied));
    history.parked.into_iter().for_each(|parked| to.parked(parked));
    history
        .deliveries
        .into_iter()
        .for_each(|delivery| to.delivery(delivery));
    let waiting = history.unpublished_deliveries.into_iter();
    waiting.for_each(|order| to.unpublished_delivery(order));
    history.moving.into_iter().for_each(|order| to.moving(order));
}

fn survey(history: &History, scope: Scope) -> Surveyed {
    let mut survey = Survey::of(scope);
    hand_in(history, &mut survey);
    survey.finish(&history.partitions)
}

/// What a survey and a close look at its suspects find together.
fn surveyed(history: &History) -> Judgement {
    let Surveyed {
        orders,
        suspects,
        zombies,
        ..
    } = survey(history, Scope::default());
    let mut selection = Selection::of(suspects.iter().map(|suspect| suspect.order));
    hand_in(history, &mut selection);
    selection.history.partitions.clone_from(&history.partitions);
    let mut judgement = check_orders(&selection.history);
    assert_eq!(judgement.orders, suspects.len());
    judgement.orders = orders;
    judgement.verdicts.extend(zombies);
    judgement.verdicts.sort();
    judgement
}

#[test]
fn what_a_mutation_makes_wrong_is_found_by_either_way() {
    for seed in 0..SEEDS {
        let mut rng = Rng::with_seed(seed);
        let history = random(&mut rng);
        assert_eq!(surveyed(&history), check(&history), "seed {seed}");
        for anomaly in Anomaly::ALL {
            let orders: Vec<OrderId> = history.written.iter().map(|written| written.order).collect();
            let order = choose(&mut rng, orders.iter()).expect("there are orders");
            let mut wrong = history.clone();
            if mutate(&mut wrong, order, anomaly) {
                assert_eq!(surveyed(&wrong), check(&wrong), "seed {seed}, {anomaly}");
            }
        }
    }
}

#[test]
fn whatever_is_damaged_is_found_by_either_way() {
    let (mut suspects, mut orders) = (0, 0);
    for seed in 0..10 * SEEDS {
        let mut rng = Rng::with_seed(seed);
        let history = damaged(&mut rng);
        let (whole, parts) = (check(&history), surveyed(&history));
        assert_eq!(parts, whole, "seed {seed}");
        suspects += survey(&history, Scope::default()).suspects.len();
        orders += whole.orders;
    }
    assert!(
        orders - suspects > 5000,
        "many orders needed no close look: all but {suspects} of {orders}"
    );
}

/// Orders that are handled while the topic grows are suspects, and so are those whose records a relay repeats. All others
/// aren't.
#[test]
fn regular_orders_are_no_suspects() {
    let mut rng = Rng::with_seed(5);
    let mut model = Model::new(3);
    for order in 1..400 {
        model.event(OrderId(order), OrderEventType::Placed);
        for _ in 0..rng.u8(0..4) {
            model.event(OrderId(order), OrderEventType::Modified);
        }
        if rng.bool() {
            model.event(OrderId(order), OrderEventType::Cancelled);
        }
    }
    let mut history = model.done();
    let found = survey(&history, Scope::default());
    assert_eq!((found.orders, found.suspects, found.zombies), (399, vec![], vec![]));

    // Nor are those whose records retention has removed long ago.
    history.topic.clear();
    history.delivery_records.clear();
    for state in &mut history.partitions {
        (state.start, state.kept_since) = (state.end, None);
    }
    assert_eq!(survey(&history, Scope::default()).suspects, []);
    assert_eq!(check(&history).verdicts, []);
}

#[test]
fn what_an_older_system_left_behind_is_no_suspect() {
    let mut history = one_order();
    let first = Version(1);
    history.written.retain(|written| written.version == first);
    history.written[0].inherited = true;
    history.topic.clear();
    history.applied.clear();
    history.delivery_records.clear();
    history.deliveries[0].version = first;
    assert_eq!(survey(&history, Scope::default()).suspects, []);
    assert_eq!(surveyed(&history), check(&history));
}

#[test]
fn a_scope_leaves_orders_out_and_counts_those_that_it_leaves_aside() {
    let mut model = Model::new(1);
    for order in 1..=3 {
        model.event(OrderId(order), OrderEventType::Placed);
    }
    model.event(OrderId(1), OrderEventType::Modified);
    let history = model.done();
    let placed = |order: i64| {
        let mut written = history.written.iter();
        written.find(|written| written.order.0 == order).expect("placed").at
    };
    let counts = |scope: Scope| {
        let found = survey(&history, scope);
        (found.orders, found.left_aside)
    };
    let only = |order: i64| Scope {
        order: Some(OrderId(order)),
        ..Scope::default()
    };
    assert_eq!(counts(Scope::default()), (3, 0));
    assert_eq!((counts(only(2)), counts(only(9))), ((1, 0), (0, 0)));
    let since = Some(Timestamp(placed(3).0 + 6));
    let scope = Scope {
        since,
        ..Scope::default()
    };
    assert_eq!(counts(scope), (1, 0), "order 1 was modified last");
    let placed_since = Some(placed(2));
    let scope = Scope {
        placed_since,
        ..Scope::default()
    };
    assert_eq!(counts(scope), (2, 1), "order 1 was placed first");
}

#[test]
fn a_zombie_is_told_of_if_its_order_is_in_the_scope() {
    let mut history = one_order();
    assert!(mutate(&mut history, OrderId(2), Anomaly::ZombieEffect));
    let told = |scope: Scope| survey(&history, scope).zombies.iter().map(Verdict::clone).count();
    let other = Scope {
        order: Some(OrderId(3)),
        ..Scope::default()
    };
    assert_eq!((told(Scope::default()), told(other)), (2, 0));
    assert!(!check(&history).doubts.contains(&Doubt::Moving(OrderId(2))));
}
