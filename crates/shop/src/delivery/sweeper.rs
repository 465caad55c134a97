//! Handles the parked events that no instance is handling: those that a crash left behind, and those that a person has
//! marked.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use keylane_log::Timestamp;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::Fence;
use crate::domain::OrderId;
use crate::domain::fence::{Mark, ParkedKey};
use crate::health::Readiness;
use crate::store::{Store, StoreError};

/// How many parked orders a step looks at, and how many orders of each mark.
const PAGE_SIZE: usize = 1000;
/// The pause between two rounds through all pages.
const ROUND_PAUSE: Duration = Duration::from_millis(500);
/// The pause between two pages of a round.
const PAGE_PAUSE: Duration = Duration::from_millis(100);

/// Looks through the parked orders a page at a time, and before them through those that a person has marked.
pub struct Sweeper {
    store: Arc<dyn Store>,
    fence: Arc<Fence>,
    /// Bounds the orders that are resumed at the same time.
    room: Arc<Semaphore>,
    tasks: TaskTracker,
    /// The next page of parked orders begins after this order number.
    after: OrderId,
    /// For each mark, the next page of orders that bear it begins after this order number.
    marked_after: [(Mark, OrderId); 2],
}

impl Sweeper {
    /// A sweeper that resumes at most `at_once` orders at the same time.
    pub fn new(store: Arc<dyn Store>, fence: Arc<Fence>, at_once: usize) -> Self {
        Self {
            store,
            fence,
            room: Arc::new(Semaphore::new(at_once)),
            tasks: TaskTracker::new(),
            after: OrderId::BEFORE_ALL,
            marked_after: [Mark::Retry, Mark::Discard].map(|mark| (mark, OrderId::BEFORE_ALL)),
        }
    }

    /// Looks at a page of orders of each mark and a page of all parked orders, and starts to resume those that are ready.
    /// Returns how many it started. The next step begins at the first order for which there was no room.
    ///
    /// # Errors
    /// The error of the store, if it can't be asked what is parked.
    pub async fn step(&mut self, now: Timestamp) -> Result<usize, StoreError> {
        let mut begun = BTreeSet::new();
        for at in 0..self.marked_after.len() {
            let (mark, after) = self.marked_after[at];
            let page = self.store.marked_keys(mark, after, PAGE_SIZE).await?;
            self.marked_after[at].1 = self.begin(&page, now, after, &mut begun);
        }
        let page = self.store.parked_keys(self.after, PAGE_SIZE).await?;
        self.after = self.begin(&page, now, self.after, &mut begun);
        Ok(begun.len())
    }

    /// Starts to resume the orders of a page that are ready. The page begins after `after`; the result is the order after
    /// which the next page begins.
    fn begin(&self, page: &[ParkedKey], now: Timestamp, after: OrderId, begun: &mut BTreeSet<OrderId>) -> OrderId {
        let mut done = after;
        for key in page {
            if key.is_ready(now) && !begun.contains(&key.order_id) {
                let Ok(room) = self.room.clone().try_acquire_owned() else {
                    return done;
                };
                let (fence, order) = (self.fence.clone(), key.order_id);
                begun.insert(order);
                self.tasks.spawn(async move {
                    fence.resume(order).await;
                    drop(room);
                });
            }
            done = key.order_id;
        }
        match page.len() < PAGE_SIZE {
            true => OrderId::BEFORE_ALL,
            false => done,
        }
    }

    /// Whether there are pages that this round through the parked orders has not looked at yet.
    pub fn is_midway(&self) -> bool {
        self.after != OrderId::BEFORE_ALL
    }

    /// Waits until every order that was started has ended.
    pub async fn finish(self) {
        self.tasks.close();
        self.tasks.wait().await;
    }
}

/// Runs steps of a sweeper until `stop` is cancelled, then waits for the orders it has started, for `drain` at most. A
/// database outage is noted in `readiness`, which logs it once for all parts of the service; any other failure is logged
/// here, once until a step succeeds.
pub async fn sweep(mut sweeper: Sweeper, readiness: Arc<Readiness>, stop: CancellationToken, drain: Duration) {
    let clock = sweeper.fence.instance().clock;
    let mut failing = false;
    while !stop.is_cancelled() {
        let call = readiness.begin();
        let step = sweeper.step(clock()).await;
        call.database(false, &step);
        let failure = step.err().filter(|error| !error.is_outage());
        if let (Some(error), false) = (&failure, failing) {
            tracing::warn!("what is parked can't be looked at: {error}");
        }
        failing = failure.is_some();
        let pause = if sweeper.is_midway() { PAGE_PAUSE } else { ROUND_PAUSE };
        let _ = tokio::time::timeout(pause, stop.cancelled()).await;
    }
    if tokio::time::timeout(drain, sweeper.finish()).await.is_err() {
        tracing::warn!("what was taken out of parking is not done yet; another instance will take it");
    }
}
