//! Judges a history: what was written, what the log holds, what took effect, and what came of it.
//!
//! ```text
//!   order journal ───────────────┐
//!   order events in the topic ───┤                      verdicts   named, with evidence: hazard or harm
//!   apply history ───────────────┼─▶ check(History) ─▶
//!   final rows ──────────────────┤                      doubts     why something could not be told
//!   delivery events in the topic ┘
//! ```
//! The verdict that matters most is [`Anomaly::Divergence`]: the final rows are not what the order service's events lead to.
//! The others explain such a difference, or warn of what could have caused one.
//!
//! # Invariants
//! * No clock and no I/O: the same history gives the same judgement, whatever order its rows come in.
//! * Effects are judged, not deliveries of records: a log may hand a record out twice.
//! * An order with events under way gets a [`Doubt`] instead of a verdict that something is missing.
//! * Memory and time are proportional to the history (time: with the logarithm of a sort). Nothing is copied but what
//!   the evidence names. A history that is too large for that is surveyed first ([`Survey`]), and only the orders that the
//!   survey suspects are judged ([`check_orders`]).

mod applies;
mod delivery_records;
mod evidence;
mod history;
mod index;
mod intake;
mod published;
mod settled;
mod state;
mod story;
mod survey;
mod timeline;
mod verdict;
mod zombies;

pub use history::{
    Applied, DeliveryRecord, History, OrderRecord, Parked, PartitionState, PlaceInTopic, WaitsFor, Written,
};
pub use intake::{Intake, Selection};
pub use story::{Chapter, Story, stories};
pub use survey::{Scope, Survey, Surveyed, Suspect};
pub use timeline::{Entry, Mark, Stage, sort_by_time, timeline};
pub use verdict::{Anomaly, Doubt, Fact, Judgement, Outcome, Severity, UnknownAnomaly, Verdict};

use index::{LogPositions, OrderHistory, orders};

/// Judges a history.
pub fn check(history: &History) -> Judgement {
    let mut judgement = check_orders(history);
    judgement.verdicts.extend(zombies::zombie_effects(history));
    judgement.verdicts.sort();
    judgement
}

/// Judges each order of a history by what is known of it alone. Zombies are not looked for, because they show in the effects
/// of all orders of a partition.
pub fn check_orders(history: &History) -> Judgement {
    let log = LogPositions::of(history);
    let orders = orders(history, &log);
    let mut judgement = Judgement {
        orders: orders.len(),
        ..Judgement::default()
    };
    judgement.doubts.extend(settled::lagging(history));
    for order in &orders {
        judge(order, &mut judgement);
    }
    judgement.verdicts.sort();
    judgement.doubts.sort();
    judgement.doubts.dedup();
    judgement
}

fn judge(order: &OrderHistory<'_>, judgement: &mut Judgement) {
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
