//! A survey that is followed by a close look at its suspects finds exactly what judging everything finds.

use std::collections::HashSet;

use fastrand::Rng;
use keylane_log::{Offset, Timestamp};
use lab::checker::{
    Anomaly, Doubt, History, Intake, Judgement, Parked, Scope, Selection, Survey, Surveyed, Verdict, WaitsFor, Written,
    check, check_orders,
};
use shop::domain::decide::ApplyKind;
use shop::domain::{DeliveryEventType, DeliveryId, OrderEventType, OrderId, Version};

use crate::model::{Model, choose, one_order, random};
use crate::mutations::mutate;

const SEEDS: u64 = 300;

/// Hands a history in, in the sequence in which it would be read.
fn hand_in(history: &History, to: &mut impl Intake) {
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
        let mut history = random(&mut rng);
        for _ in 0..rng.u8(1..4) {
            damage(&mut history, &mut rng);
        }
        keep_keys_unique(&mut history);
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

/// Journal and parked events have unique keys in the databases.
fn keep_keys_unique(history: &mut History) {
    let mut seen = HashSet::new();
    let new = |written: &Written| seen.insert((written.order, written.version));
    history.written.retain(new);
    let mut seen = HashSet::new();
    history
        .parked
        .retain(|parked| seen.insert((parked.order, parked.version)));
}

/// Changes one thing anywhere.
fn damage(history: &mut History, rng: &mut Rng) {
    match rng.u8(0..8) {
        0 => damage_journal(history, rng),
        1 => damage_topic(history, rng),
        2 => damage_effects(history, rng),
        3 => damage_answers(history, rng),
        4 => damage_rows(history, rng),
        5 => damage_partitions(history, rng),
        6 => {
            let order = any_order(history, rng);
            match rng.bool() {
                true => history.moving.insert(order),
                false => history.unpublished_deliveries.insert(order),
            };
        }
        _ => park(history, rng),
    }
}

fn any_order(history: &History, rng: &mut Rng) -> OrderId {
    let written = history.written.iter().map(|written| written.order);
    rng.choice(written.collect::<Vec<_>>()).unwrap_or(OrderId(1))
}

/// Changes, repeats, removes or moves one of these.
fn edit<T: Clone>(list: &mut Vec<T>, rng: &mut Rng, change: impl FnOnce(&mut T, &mut Rng)) {
    if list.is_empty() {
        return;
    }
    let at = rng.usize(0..list.len());
    match rng.u8(0..4) {
        0 => drop(list.remove(at)),
        1 => {
            let mut copy = list[at].clone();
            change(&mut copy, rng);
            list.push(copy);
        }
        _ => change(&mut list[at], rng),
    }
}

fn order_type(rng: &mut Rng) -> OrderEventType {
    let types = [
        OrderEventType::Placed,
        OrderEventType::Modified,
        OrderEventType::Cancelled,
    ];
    types[rng.usize(0..types.len())]
}

fn damage_journal(history: &mut History, rng: &mut Rng) {
    edit(&mut history.written, rng, |written, rng| match rng.u8(0..8) {
        0 => written.version = Version(rng.i64(0..8)),
        1 => written.event_type = order_type(rng),
        2 => written.hash ^= 1,
        3 => written.published = false,
        4 => written.inherited = true,
        5 => written.fields.product_id = None,
        6 => written.fields.address = Some(None),
        _ => written.order = OrderId(rng.i64(1..14)),
    });
}

fn damage_topic(history: &mut History, rng: &mut Rng) {
    edit(&mut history.topic, rng, |record, rng| match rng.u8(0..6) {
        0 => record.version = None,
        1 => record.version = Some(Version(rng.i64(0..8))),
        2 => record.event_type = None,
        3 => record.hash ^= 1,
        4 => record.place.offset = Offset(rng.u64(0..90)),
        _ => record.order = OrderId(rng.i64(1..14)),
    });
}

fn damage_effects(history: &mut History, rng: &mut Rng) {
    edit(&mut history.applied, rng, |applied, rng| match rng.u8(0..9) {
        0 => applied.version = None,
        1 => applied.version = Some(Version(rng.i64(0..8))),
        2 => applied.kind = ApplyKind::Discarded,
        3 => applied.event_type = Some(order_type(rng)),
        4 => applied.before = Version(rng.i64(0..8)),
        5 => applied.after = Version(rng.i64(0..8)),
        6 => applied.delivery = Some(DeliveryId(rng.i64(100..114))),
        7 => applied.counter = rng.i64(0..90),
        _ => applied.instance = "delivery-9".into(),
    });
}

fn damage_answers(history: &mut History, rng: &mut Rng) {
    edit(&mut history.delivery_records, rng, |record, rng| match rng.u8(0..5) {
        0 => record.version = Version(rng.i64(0..8)),
        1 => record.event_type = DeliveryEventType::Modified,
        2 => record.delivery = DeliveryId(rng.i64(100..114)),
        3 => record.place.offset = Offset(rng.u64(0..90)),
        _ => record.order = OrderId(rng.i64(1..14)),
    });
}

fn damage_rows(history: &mut History, rng: &mut Rng) {
    edit(&mut history.deliveries, rng, |row, rng| match rng.u8(0..7) {
        0 => row.version = Version(rng.i64(0..8)),
        1 => row.events = Version(rng.i64(0..8)),
        2 => row.status = None,
        3 => row.fields.customer_id = Some(rng.i64(0..5000)),
        4 => row.fields.product_name = None,
        5 => row.id = DeliveryId(rng.i64(100..114)),
        _ => row.order_id = Some(OrderId(rng.i64(1..14))),
    });
}

fn damage_partitions(history: &mut History, rng: &mut Rng) {
    let at = rng.usize(0..history.partitions.len());
    let last = history.written.iter().map(|written| written.at.0).max().unwrap_or(0);
    let first = history.written.iter().map(|written| written.at.0).min().unwrap_or(0);
    let state = &mut history.partitions[at];
    if rng.bool() {
        state.committed = (state.end.0 > 0).then(|| Offset(rng.u64(0..state.end.0)));
        return;
    }
    // Retention has removed records, up to a time.
    let kept_since = Timestamp(rng.i64(first - 10..last + 20));
    (state.start, state.kept_since) = (Offset(rng.u64(1..90)), Some(kept_since));
    let (partition, start) = (state.partition, state.start);
    let gone = |place: lab::checker::PlaceInTopic| place.partition == partition && place.offset < start;
    history.topic.retain(|record| !gone(record.place));
    history.delivery_records.retain(|record| !gone(record.place));
}

fn park(history: &mut History, rng: &mut Rng) {
    let (order, at) = (any_order(history, rng), history.written[0].at);
    history.parked.push(Parked {
        order,
        version: Version(rng.i64(1..8)),
        place: None,
        at,
        waits: WaitsFor::Predecessors,
    });
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
