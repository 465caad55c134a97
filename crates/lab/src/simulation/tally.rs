//! What comes of what the scheduler does to a mall, counted as it is seen.
//!
//! # Invariants
//! * To look changes nothing.

use std::collections::HashMap;
use std::sync::Arc;

use keylane_log::Timestamp;
use shop::delivery::DeliveryMetrics;
use shop::domain::Source;
use shop::relay::lease_name;
use stores::sqlite::Database;

use super::gates::{Gates, Point, Side};

/// The calls that write.
const WRITES: [&str; 6] = [
    "run_orders",
    "run_deliveries",
    "run_fence",
    "mark_published",
    "mark_letters_published",
    "append",
];

/// What was counted in a mall.
#[derive(Debug, Default)]
pub struct Tally {
    /// Times at which a relay's lease went to another process than the one that had it last.
    pub takeovers: u64,
    /// Kills of processes that had asked for a write which was not made.
    pub unmade: u64,
    /// Kills of processes of which a write was made, and which didn't have the answer.
    pub unanswered: u64,
    /// What the delivery instances count.
    pub deliveries: Arc<DeliveryMetrics>,
    holders: HashMap<Source, String>,
}

impl Tally {
    /// A process made a call at this point. `database` is that of its service.
    pub fn opened(&mut self, point: Point, source: Source, database: &mut Database) {
        let took_a_lease = point.call == "lease" && point.side == Side::Before;
        if !took_a_lease {
            return;
        }
        // The clocks of processes disagree about when it ends, so it is looked at whether it has ended or not.
        let holder = database.lease_holder(&lease_name(source), Timestamp(i64::MIN));
        if let Ok(Some(holder)) = holder {
            let before = self.holders.insert(source, holder.clone());
            self.takeovers += u64::from(before.is_some_and(|before| before != holder));
        }
    }

    /// A process with these gates is killed.
    pub fn killed(&mut self, gates: &Gates) {
        let waits = |side| gates.find(|_, at| (at.side == side && WRITES.contains(&at.call)).then_some(()));
        self.unmade += u64::from(waits(Side::Before).is_some());
        self.unanswered += u64::from(waits(Side::After).is_some());
    }
}
