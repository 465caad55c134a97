//! Takes what is parked and nobody is at: what a crash left behind, and what a person has marked.

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

/// Orders looked at in one step, and as many of each mark.
const PAGE: usize = 1000;
/// Between two steps once all pages have been looked at, and in the midst of them.
const PERIODS: (Duration, Duration) = (Duration::from_millis(500), Duration::from_millis(100));

/// Looks through what is parked, a page at a time, and first through what a person has marked.
pub struct Sweeper {
    store: Arc<dyn Store>,
    fence: Arc<Fence>,
    room: Arc<Semaphore>,
    tasks: TaskTracker,
    /// Behind which order the next page begins.
    after: OrderId,
    /// The same among those that are marked.
    marked_after: [(Mark, OrderId); 2],
}

impl Sweeper {
    /// A sweeper that is at `at_once` orders at once at most.
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

    /// Looks at a page of orders, and one of each mark, and sets about those that are ready; how many these are. What finds
    /// no room is where the next step begins.
    ///
    /// # Errors
    /// What the store answered.
    pub async fn step(&mut self, now: Timestamp) -> Result<usize, StoreError> {
        let mut begun = BTreeSet::new();
        for at in 0..self.marked_after.len() {
            let (mark, after) = self.marked_after[at];
            let page = self.store.marked_keys(mark, after, PAGE).await?;
            self.marked_after[at].1 = self.begin(&page, now, after, &mut begun);
        }
        let page = self.store.parked_keys(self.after, PAGE).await?;
        self.after = self.begin(&page, now, self.after, &mut begun);
        Ok(begun.len())
    }

    /// Sets about what is ready of a page that begins behind `after`; behind which order to go on.
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
        match page.len() < PAGE {
            true => OrderId::BEFORE_ALL,
            false => done,
        }
    }

    /// Whether the last step was in the midst of what is parked.
    pub fn is_midway(&self) -> bool {
        self.after != OrderId::BEFORE_ALL
    }

    /// Waits until everything that was begun has ended.
    pub async fn finish(self) {
        self.tasks.close();
        self.tasks.wait().await;
    }
}

/// Steps a sweeper until `stop`, then finishes what has been begun, for `drain` at most. That the database is in trouble is
/// noted, and told once for everybody; any other failure is told here.
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
        let pause = if sweeper.is_midway() { PERIODS.1 } else { PERIODS.0 };
        let _ = tokio::time::timeout(pause, stop.cancelled()).await;
    }
    if tokio::time::timeout(drain, sweeper.finish()).await.is_err() {
        tracing::warn!("what was taken out of parking is not done yet; another instance will take it");
    }
}
