//! Random histories: correct ones get no verdict of harm, and whatever is made wrong in one is found.

use fastrand::Rng;
use lab::checker::{Anomaly, History, check};
use shop::domain::OrderId;

use crate::model::{choose, random};
use crate::mutations::mutate;

const SEEDS: u64 = 300;

#[test]
fn correct_histories_are_clean() {
    for seed in 0..SEEDS {
        let history = random(&mut Rng::with_seed(seed));
        let judgement = check(&history);
        assert_eq!(judgement.doubts, [], "seed {seed}");
        let harmless = [Anomaly::SplitKey, Anomaly::OutDup];
        let unexpected: Vec<_> = judgement
            .verdicts
            .iter()
            .filter(|found| !harmless.contains(&found.anomaly))
            .collect();
        assert!(unexpected.is_empty(), "seed {seed}: {unexpected:#?}");
    }
}

#[test]
fn whatever_goes_wrong_is_found() {
    let mut done = [0; Anomaly::ALL.len()];
    for seed in 0..SEEDS {
        let mut rng = Rng::with_seed(seed);
        let history = random(&mut rng);
        for (anomaly, done) in Anomaly::ALL.into_iter().zip(&mut done) {
            let orders: Vec<OrderId> = history.written.iter().map(|written| written.order).collect();
            let order = choose(&mut rng, orders.iter()).expect("there are orders");
            let mut wrong = history.clone();
            if !mutate(&mut wrong, order, anomaly) {
                continue;
            }
            *done += 1;
            let judgement = check(&wrong);
            let mut found = judgement.verdicts.iter();
            assert!(
                found.any(|verdict| verdict.order == order && verdict.anomaly == anomaly),
                "seed {seed}: {anomaly} of order {order} in {:#?}",
                judgement.verdicts
            );
        }
    }
    assert!(
        done.iter().all(|done| *done > 20),
        "each was tried often enough: {done:?}"
    );
}

#[test]
fn the_order_of_rows_does_not_matter() {
    let mut rng = Rng::with_seed(7);
    let history = random(&mut rng);
    let judgement = check(&history);
    for _ in 0..10 {
        assert_eq!(check(&shuffled(&history, &mut rng)), judgement);
    }
}

fn shuffled(history: &History, rng: &mut Rng) -> History {
    let mut history = history.clone();
    rng.shuffle(&mut history.written);
    rng.shuffle(&mut history.topic);
    rng.shuffle(&mut history.applied);
    rng.shuffle(&mut history.delivery_records);
    rng.shuffle(&mut history.deliveries);
    history
}
