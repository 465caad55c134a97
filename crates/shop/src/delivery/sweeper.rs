//! Takes what is parked and nobody is at: what a crash left behind, and what a person has marked.

use std::sync::Arc;
use std::time::Duration;

use eventlog::Timestamp;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::Fence;
use crate::domain::OrderId;
use crate::store::{Store, StoreError};

/// Orders looked at in one step.
const PAGE: usize = 1000;
/// Between two steps.
const PERIOD: Duration = Duration::from_millis(500);

/// Looks through what is parked, a page at a time.
pub struct Sweeper {
    store: Arc<dyn Store>,
    fence: Arc<Fence>,
    room: Arc<Semaphore>,
    tasks: TaskTracker,
    after: OrderId,
}

impl Sweeper {
    /// A sweeper that is at `at_once` orders at once at most.
    pub fn new(store: Arc<dyn Store>, fence: Arc<Fence>, at_once: usize) -> Self {
        Self {
            store,
            fence,
            room: Arc::new(Semaphore::new(at_once)),
            tasks: TaskTracker::new(),
            after: OrderId(0),
        }
    }

    /// Looks at a page of orders and sets about those that are ready; how many these are.
    ///
    /// # Errors
    /// What the store answered.
    pub async fn step(&mut self, now: Timestamp) -> Result<usize, StoreError> {
        let page = self.store.parked_keys(self.after, PAGE).await?;
        let last = page.last().map_or(OrderId(0), |key| key.order_id);
        self.after = if page.len() < PAGE { OrderId(0) } else { last };
        let mut begun = 0;
        for key in page.iter().filter(|key| key.is_ready(now)) {
            let Ok(room) = self.room.clone().try_acquire_owned() else {
                break;
            };
            let (fence, order) = (self.fence.clone(), key.order_id);
            self.tasks.spawn(async move {
                fence.resume(order).await;
                drop(room);
            });
            begun += 1;
        }
        Ok(begun)
    }

    /// Waits until everything that was begun has ended.
    pub async fn finish(self) {
        self.tasks.close();
        self.tasks.wait().await;
    }
}

/// Steps a sweeper until `stop`, then finishes what has been begun, for `drain` at most.
pub async fn sweep(mut sweeper: Sweeper, stop: CancellationToken, drain: Duration) {
    let clock = sweeper.fence.instance().clock;
    let mut failing = false;
    while !stop.is_cancelled() {
        let step = sweeper.step(clock()).await;
        if let (Err(error), false) = (&step, failing) {
            tracing::warn!("what is parked can't be looked at: {error}");
        }
        failing = step.is_err();
        let _ = tokio::time::timeout(PERIOD, stop.cancelled()).await;
    }
    if tokio::time::timeout(drain, sweeper.finish()).await.is_err() {
        tracing::warn!("what was taken out of parking is not done yet; another instance will take it");
    }
}
