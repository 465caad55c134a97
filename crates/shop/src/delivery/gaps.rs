//! Gaps: versions that something parked waits for. One that is merely late is waited for; one that can't come any more,
//! because everything that was in the log has been handled, is asked from the order service, with an alarm. When that is
//! is the [watch](super::gap_watch)'s to say.
//!
//! # Invariants
//! * A step looks at one page of what is parked, and each at its turn, so its work is bounded however much is parked.
//! * A question that isn't answered, or an answer whose slow work takes its time, holds one place of several, for a bounded
//!   time: the others go on.

use std::sync::Arc;
use std::time::Duration;

use eventlog::{EventLog, LogError};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::Fence;
use super::fenced::Turn;
use super::gap_watch::{Ending, GapWatch, Looked, Positions};
use super::resync::{self, OrderJournal};
use crate::domain::fence::{FenceCommand, Mark, ParkedKey};
use crate::domain::{OrderId, Version};
use crate::parked;
use crate::store::{Store, StoreError};

/// Orders looked at in one step, and as many that a person has marked.
const PAGE: usize = 1000;
/// Questions on their way at once.
const QUESTIONS: usize = 16;
/// How long one of them may take, whatever the order service does.
const PATIENCE: Duration = Duration::from_secs(15);
/// How long a step goes on asking what is due.
const SLICE: Duration = Duration::from_secs(1);
/// Between two looks once all pages have been looked at, and between two pages.
const PERIODS: (Duration, Duration) = (Duration::from_secs(1), Duration::from_millis(100));
/// How long an instance that vanished keeps others from watching.
const LEASE: Duration = Duration::from_secs(5);

/// Watches the gaps of a topic and closes those that can't close by themselves.
pub struct Gaps {
    asking: Arc<Asking>,
    log: Arc<dyn EventLog>,
    topic: String,
    watch: GapWatch,
    /// Behind which order the next page begins.
    after: OrderId,
    /// The same among those that a person has marked.
    marked_after: OrderId,
    questions: JoinSet<(OrderId, Version, Ending)>,
    places: Arc<Semaphore>,
}

/// What it takes to ask about one gap.
struct Asking {
    store: Arc<dyn Store>,
    fence: Arc<Fence>,
    journal: OrderJournal,
    /// Answers that are handed to the fence at once: their slow work may take long.
    applying: Semaphore,
}

impl Gaps {
    /// Watches what is parked in `store` of what `log` holds under `topic`; the answers of at most `at_once` orders are
    /// handled at once.
    pub fn new(
        store: Arc<dyn Store>,
        log: Arc<dyn EventLog>,
        topic: String,
        fence: Arc<Fence>,
        journal: OrderJournal,
        (deadline, at_once): (Duration, usize),
    ) -> Self {
        Self {
            asking: Arc::new(Asking {
                store,
                fence,
                journal,
                applying: Semaphore::new(at_once),
            }),
            log,
            topic,
            watch: GapWatch::new(deadline),
            after: OrderId(0),
            marked_after: OrderId(0),
            questions: JoinSet::new(),
            places: Arc::new(Semaphore::new(QUESTIONS)),
        }
    }

    /// Looks at one page, and asks about what is due, for a moment at most; about how many gaps an answer has come.
    ///
    /// # Errors
    /// What the store or the log answered.
    pub async fn step(&mut self, now: Instant) -> Result<usize, GapError> {
        self.look(now).await?;
        Ok(self.ask(now).await)
    }

    /// Whether the last step was in the midst of what is parked.
    pub fn is_midway(&self) -> bool {
        self.after != OrderId(0)
    }

    async fn look(&mut self, now: Instant) -> Result<(), GapError> {
        let page = self.asking.store.parked_keys(self.after, PAGE).await?;
        let looked = Looked {
            after: self.after,
            last: last_of(&page).unwrap_or(OrderId(i64::MAX)),
            keys: &page,
        };
        // One instance watches: with several, each would sound the alarm.
        let nothing = page.is_empty() && self.after == OrderId(0);
        if nothing || !self.hold_lease().await? {
            self.watch.clear();
            self.after = OrderId(0);
            return Ok(());
        }
        let marked = self.marked().await?;
        let positions = self.positions().await?;
        self.watch.observe(looked, &positions, now);
        self.watch.hurry(&marked, now);
        self.after = last_of(&page).unwrap_or(OrderId(0));
        Ok(())
    }

    /// Those that a person wants retried, a page at a time too.
    async fn marked(&mut self) -> Result<Vec<ParkedKey>, StoreError> {
        let store = &self.asking.store;
        let mut marked = store.marked_keys(Mark::Retry, self.marked_after, PAGE).await?;
        self.marked_after = last_of(&marked).unwrap_or(OrderId(0));
        marked.retain(|key| key.lowest.mark == Some(Mark::Retry));
        Ok(marked)
    }

    async fn hold_lease(&self) -> Result<bool, StoreError> {
        let instance = self.asking.fence.instance();
        self.asking
            .store
            .lease("gaps", &instance.name, LEASE, (instance.clock)())
            .await
    }

    async fn positions(&self) -> Result<Positions, LogError> {
        let (log, topic) = (self.log.clone(), self.topic.clone());
        let group = self.asking.fence.instance().group.clone();
        let asked = move || {
            Ok(Positions {
                committed: log.committed(&group, &topic)?,
                extents: log.extents(&topic)?,
            })
        };
        tokio::task::spawn_blocking(asked)
            .await
            .expect("the log's calls don't panic")
    }

    async fn ask(&mut self, now: Instant) -> usize {
        let mut answered = 0;
        let mut over = std::pin::pin!(tokio::time::sleep(SLICE));
        loop {
            self.begin(now);
            tokio::select! {
                biased;
                ended = self.questions.join_next() => match ended {
                    Some(Ok((order, cursor, ending))) => {
                        self.watch.ended(order, cursor, ending, now);
                        answered += 1;
                    }
                    Some(Err(panic)) => std::panic::resume_unwind(panic.into_panic()),
                    None => return answered,
                },
                () = &mut over => return answered,
            }
        }
    }

    /// Asks about what is due as long as there are places.
    fn begin(&mut self, now: Instant) {
        while let Ok(place) = self.places.clone().try_acquire_owned() {
            let Some((order, cursor)) = self.watch.take_due(1, now).pop() else {
                return;
            };
            let asking = self.asking.clone();
            self.questions.spawn(async move {
                let ending = asking.close(order, cursor, place).await;
                (order, cursor, ending)
            });
        }
    }
}

/// The last order of a full page; none if it was the last page.
fn last_of(page: &[ParkedKey]) -> Option<OrderId> {
    page.last().filter(|_| page.len() == PAGE).map(|key| key.order_id)
}

impl Asking {
    /// Sounds the alarm, and applies what the order service says was missing, through the fence like everything else.
    async fn close(&self, order: OrderId, cursor: Version, place: OwnedSemaphorePermit) -> Ending {
        // It was looked at a while ago, and may have closed by itself.
        let gap = match parked::key_of(&*self.store, order).await {
            Ok(Some(gap)) if gap.has_gap() && gap.cursor == cursor => gap,
            Ok(_) => return Ending::Closed,
            Err(_) => return Ending::Unanswered,
        };
        self.alarm(&gap);
        let ending = match self.ask(&gap).await {
            Ok(records) => {
                let turn = self.applying.acquire().await.expect("it is never closed");
                drop(place);
                for record in records {
                    self.fence.instance().metrics.resynced.add();
                    self.fence.follow(Turn::asked(record)).await;
                }
                drop(turn);
                Ending::Closed
            }
            Err((ending, why)) => {
                tracing::error!(
                    order = order.0,
                    "the order service can't tell of order {order}, which stays parked: {why}"
                );
                ending
            }
        };
        self.hear(&gap).await;
        ending
    }

    fn alarm(&self, gap: &ParkedKey) {
        let (order, next) = (gap.order_id, gap.cursor.next());
        self.fence.instance().metrics.gap_alarms.add();
        tracing::error!(
            order = order.0,
            version = next.0,
            "order {order} v{next} has not come, though everything in the log has been handled, and {} of its events wait \
             for it; the order service is asked for it",
            gap.parked
        );
    }

    async fn ask(&self, gap: &ParkedKey) -> Result<Vec<eventlog::Record>, (Ending, String)> {
        let answer = tokio::time::timeout(PATIENCE, (self.journal)(gap.order_id)).await;
        let late = || Err(format!("no answer within {} s", PATIENCE.as_secs()));
        match answer.unwrap_or_else(|_| late()) {
            Ok(Some(body)) => resync::missing(&body, gap.cursor, gap.lowest.version),
            Ok(None) => Err("it knows no such order".to_owned()),
            Err(why) => return Err((Ending::Unanswered, why)),
        }
        .map_err(|why| (Ending::Unfillable, why))
    }

    /// A person's mark has been acted on. One that can't be taken away is heard again.
    async fn hear(&self, gap: &ParkedKey) {
        if gap.lowest.mark == Some(Mark::Retry) {
            let (order_id, version) = (gap.order_id, gap.lowest.version);
            self.fence.submit(FenceCommand::Heard { order_id, version }).await;
        }
    }
}

impl Turn {
    /// Something that the order service was asked for.
    fn asked(record: eventlog::Record) -> Self {
        Self {
            record: Arc::new(record),
            epoch: None,
            leased: false,
            attempt: 1,
        }
    }
}

/// Why gaps could not be looked at; the next step tries again.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GapError {
    /// The database did not answer.
    #[error("what is parked can't be looked at: {0}")]
    Store(#[from] StoreError),
    /// The log did not answer.
    #[error("the log's positions can't be looked at: {0}")]
    Log(#[from] LogError),
}

/// Steps until `stop`.
pub async fn watch_gaps(mut gaps: Gaps, stop: CancellationToken) {
    let mut failing = false;
    while !stop.is_cancelled() {
        let step = tokio::select! {
            step = gaps.step(Instant::now()) => step,
            () = stop.cancelled() => return,
        };
        if let (Err(error), false) = (&step, failing) {
            tracing::warn!("{error}");
        }
        failing = step.is_err();
        let pause = if gaps.is_midway() { PERIODS.1 } else { PERIODS.0 };
        let _ = tokio::time::timeout(pause, stop.cancelled()).await;
    }
}
