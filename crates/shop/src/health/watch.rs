//! Asks the database every second whether it would take its service's writes, so that an outage shows also while no request
//! comes in.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use super::{Fact, Readiness};
use crate::domain::Source;
use crate::domain::fence::ParkReason;
use crate::store::{Backlog, Store};

/// The time between two looks.
const EVERY: Duration = Duration::from_secs(1);
/// The parked orders are counted in one of this many looks, because counting costs more than a ping.
const COUNTED: u32 = 5;

/// Looks at the facts about a service's database.
pub struct Watcher {
    store: Arc<dyn Store>,
    readiness: Arc<Readiness>,
    source: Source,
    looks: u32,
}

impl Watcher {
    /// A watcher of the database of the service `source`.
    pub fn new(store: Arc<dyn Store>, readiness: Arc<Readiness>, source: Source) -> Self {
        Self {
            store,
            readiness,
            source,
            looks: 0,
        }
    }

    /// Takes one look.
    pub async fn step(&mut self) {
        let call = self.readiness.begin();
        let answer = self.store.ping().await;
        call.database(true, &answer);
        let counted = self.looks.is_multiple_of(COUNTED);
        self.looks = self.looks.wrapping_add(1);
        if answer.is_ok() && counted && self.source == Source::Deliveries {
            self.count_parked().await;
        }
    }

    async fn count_parked(&self) {
        let call = self.readiness.begin();
        let backlog = self.store.backlog(self.source).await;
        call.database(false, &backlog);
        if let Ok(backlog) = backlog {
            let orders = waiting_for_a_person(&backlog);
            let message = || format!("an event of {orders} orders can't be handled; see mall parked list");
            call.count(Fact::Parked, orders, message);
        }
    }
}

/// How many orders wait for a person. An order has at most one poisoned event that its others wait for, so the poisoned
/// events are counted.
fn waiting_for_a_person(backlog: &Backlog) -> u64 {
    let poison = backlog
        .parked
        .iter()
        .filter(|(reason, _)| *reason == ParkReason::Poison);
    poison.map(|(_, waiting)| waiting.count).sum()
}

/// Looks every second until `stop` is cancelled.
pub async fn watch(mut watcher: Watcher, stop: CancellationToken) {
    let mut ticks = tokio::time::interval(EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    while stop.run_until_cancelled(ticks.tick()).await.is_some() {
        if stop.run_until_cancelled(watcher.step()).await.is_none() {
            return;
        }
    }
}
