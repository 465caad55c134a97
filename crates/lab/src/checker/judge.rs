//! Judges orders, each by what is known of it alone.

use super::history::History;
use super::index::{LogPositions, OrderHistory, orders};
use super::verdict::{Judgement, Verdict};
use super::{applies, delivery_records, published, settled, state};

/// Judges each order of a history by what is known of it alone. Zombies are not looked for, because they show in the effects
/// of all orders of a partition.
pub fn check_orders(history: &History) -> Judgement {
    let log = LogPositions::of(&history.partitions);
    let orders = orders(history, &log);
    let mut judgement = Judgement {
        orders: orders.len(),
        ..Judgement::default()
    };
    judgement.doubts.extend(settled::lagging(&history.partitions));
    for order in &orders {
        judge(order, &mut judgement);
    }
    judgement.sort();
    judgement
}

/// Adds what is wrong with an order, and what can't be told of it.
pub(super) fn judge(order: &OrderHistory<'_>, judgement: &mut Judgement) {
    judgement.doubts.extend(settled::doubts(order));
    let verdicts = &mut judgement.verdicts;
    published::hazards(order, verdicts);
    if order.unsequenced {
        return;
    }
    published::harm(order, verdicts);
    applies::sequence(order, verdicts);
    applies::missing(order, verdicts);
    applies::parked(order, verdicts);
    delivery_records::judge(order, verdicts);
    state::divergence(order, verdicts);
}

/// What is wrong with an order for certain, whatever else may come to be known of it.
pub(super) fn certain(order: &OrderHistory<'_>) -> Vec<Verdict> {
    let mut verdicts = Vec::new();
    published::certain(order, &mut verdicts);
    if !order.unsequenced {
        applies::sequence(order, &mut verdicts);
    }
    verdicts
}
