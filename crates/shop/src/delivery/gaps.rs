//! Gaps: versions that parked events wait for, because they have not come, or because the record that came can't be
//! handled. A version that is merely late is waited for. A version that can't come any more, because everything that the
//! log held has been handled, raises an alarm and is asked from the order service. A parked record that can't be read, as a
//! version that the order service never wrote, is removed. The [watch](super::gap_watch) decides when a gap is asked about.
//!
//! # Invariants
//! * A step looks at one page of the parked orders, one page after the other, so its work is bounded however much is parked.
//! * An unanswered question takes one of several places for a bounded time, and an answer whose events need slow work takes
//!   none of them, so other questions go on.

use std::sync::Arc;
use std::time::Duration;

use keylane_log::{EventLog, LogError};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::Fence;
use super::arrival::Arrival;
use super::gap_watch::{Ending, GapWatch, Looked, Positions};
use super::resync::{OrderJournal, Slot, Written};
use crate::LogCalls;
use crate::domain::fence::{FenceCommand, Mark, ParkedKey};
use crate::domain::{EventRecord, OrderId, Version};
use crate::health::{Call, Readiness};
use crate::parked;
use crate::store::{Store, StoreError};

/// How many parked orders a step looks at, and how many orders that a person has marked.
const PAGE_SIZE: usize = 1000;
/// How many questions to the order service are open at a time.
const QUESTIONS: usize = 16;
/// How many parked versions of one order are settled with one answer.
const ROUNDS: usize = 100;
/// The deadline of one question to the order service.
const ANSWER_DEADLINE: Duration = Duration::from_secs(15);
/// How long a step takes answers before it returns and leaves the open questions to the next step.
const STEP_DEADLINE: Duration = Duration::from_secs(1);
/// The pause between two rounds through all pages.
const ROUND_PAUSE: Duration = Duration::from_secs(1);
/// The pause between two pages of a round.
const PAGE_PAUSE: Duration = Duration::from_millis(100);
/// How long the lease of an instance that has vanished keeps the other instances from watching gaps.
const LEASE: Duration = Duration::from_secs(5);

/// Watches the gaps of a topic and closes those that can't close by themselves.
pub struct Gaps {
    asking: Arc<Asking>,
    log: LogCalls,
    topic: String,
    watch: GapWatch,
    /// The next page of parked orders begins after this order number.
    after: OrderId,
    /// The next page of the orders that a person has marked begins after this order number.
    marked_after: OrderId,
    questions: JoinSet<(OrderId, Version, Ending)>,
    places: Arc<Semaphore>,
}

/// What the task that asks about one gap needs.
struct Asking {
    store: Arc<dyn Store>,
    fence: Arc<Fence>,
    journal: OrderJournal,
    /// Bounds the answers that are applied at the same time, as their slow work may take long.
    applying: Semaphore,
}

impl Gaps {
    /// Watches the events of `topic` in `log` that are parked in `store`. A gap is asked about once its `deadline` has
    /// passed; the answers about at most `at_once` orders are applied at the same time.
    pub fn new(
        store: Arc<dyn Store>,
        log: LogCalls,
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
            after: OrderId::BEFORE_ALL,
            marked_after: OrderId::BEFORE_ALL,
            questions: JoinSet::new(),
            places: Arc::new(Semaphore::new(QUESTIONS)),
        }
    }

    /// Looks at one page of parked orders and asks about the gaps that are due, for a second at most. Returns how many
    /// questions ended in that time.
    ///
    /// # Errors
    /// The error of the store or of the log, whichever can't be looked at.
    pub async fn step(&mut self, now: Instant) -> Result<usize, GapError> {
        self.look(now).await?;
        Ok(self.ask(now).await)
    }

    /// Whether there are pages that this round through the parked orders has not looked at yet.
    pub fn is_midway(&self) -> bool {
        self.after != OrderId::BEFORE_ALL
    }

    async fn look(&mut self, now: Instant) -> Result<(), GapError> {
        let page = self.asking.store.parked_keys(self.after, PAGE_SIZE).await?;
        let looked = Looked {
            after: self.after,
            last: last_of(&page).unwrap_or(OrderId(i64::MAX)),
            keys: &page,
        };
        // Only the instance that holds the lease watches gaps: several would raise every alarm several times.
        let nothing = page.is_empty() && self.after == OrderId::BEFORE_ALL;
        if nothing || !self.hold_lease().await? {
            self.watch.clear();
            self.after = OrderId::BEFORE_ALL;
            return Ok(());
        }
        let marked = self.marked().await?;
        let positions = self.positions().await?;
        self.watch.observe(looked, &positions, now);
        self.watch.hurry(&marked, now);
        self.after = last_of(&page).unwrap_or(OrderId::BEFORE_ALL);
        Ok(())
    }

    /// The next page of the orders whose lowest parked version a person has marked to be retried.
    async fn marked(&mut self) -> Result<Vec<ParkedKey>, StoreError> {
        let store = &self.asking.store;
        let mut marked = store.marked_keys(Mark::Retry, self.marked_after, PAGE_SIZE).await?;
        self.marked_after = last_of(&marked).unwrap_or(OrderId::BEFORE_ALL);
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
        let topic = self.topic.clone();
        let group = self.asking.fence.instance().group.clone();
        let positions = move |log: &dyn EventLog| {
            Ok(Positions {
                committed: log.committed(&group, &topic)?,
                extents: log.extents(&topic)?,
            })
        };
        self.log.ask("committed", positions).await
    }

    async fn ask(&mut self, now: Instant) -> usize {
        let mut answered = 0;
        let mut over = std::pin::pin!(tokio::time::sleep(STEP_DEADLINE));
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

    /// Starts a question about each gap that is due, as long as there are places for open questions.
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

/// The last order of a full page; none if the page is not full, which makes it the last one.
fn last_of(page: &[ParkedKey]) -> Option<OrderId> {
    page.last().filter(|_| page.len() == PAGE_SIZE).map(|key| key.order_id)
}

impl Asking {
    /// Raises the alarm about a gap, asks the order service what was written, and applies it. `place` is given back as soon
    /// as the answer is there.
    async fn close(&self, order: OrderId, cursor: Version, place: OwnedSemaphorePermit) -> Ending {
        // The page that showed the gap was read a while ago, and the gap may have closed by itself since.
        let gap = match parked::key_of(&*self.store, order).await {
            Ok(Some(gap)) if gap.waits_for_journal() && gap.cursor == cursor => gap,
            Ok(_) => return Ending::Closed,
            Err(_) => return Ending::Unanswered,
        };
        self.alarm(&gap);
        let ending = match self.ask(order).await {
            Ok(written) => {
                let permit = self.applying.acquire().await.expect("the semaphore is never closed");
                drop(place);
                let ending = self.settle(&gap, &written).await;
                drop(permit);
                ending
            }
            Err(why) => {
                stays(order, &why);
                Ending::Unanswered
            }
        };
        self.hear(&gap).await;
        ending
    }

    fn alarm(&self, gap: &ParkedKey) {
        let (order, next) = (gap.order_id, gap.cursor.next());
        self.fence.instance().metrics.gap_alarms.inc();
        let why = match gap.has_gap() {
            true => "has not come",
            false => "is parked and can't be handled",
        };
        tracing::error!(
            order = order.0,
            version = next.0,
            tally = "gaps that the order service is asked about",
            "order {order} v{next} {why}, though everything in the log has been handled, and {} of its events wait; the \
             order service is asked what was written",
            gap.parked
        );
    }

    async fn ask(&self, order: OrderId) -> Result<Written, String> {
        let answer = tokio::time::timeout(ANSWER_DEADLINE, Written::ask(&self.journal, order)).await;
        answer.unwrap_or_else(|_| Err(format!("no answer within {} s", ANSWER_DEADLINE.as_secs())))
    }

    /// Fills a gap from the answer, then the order's next gap, as long as the answer helps: behind a parked version that was
    /// never written there may be another.
    async fn settle(&self, gap: &ParkedKey, written: &Written) -> Ending {
        let mut gap = gap.clone();
        for _ in 0..ROUNDS {
            self.fill(&gap, written).await;
            match parked::key_of(&*self.store, gap.order_id).await {
                Ok(Some(next)) if next.waits_for_journal() => {
                    if (next.cursor, next.lowest.version) == (gap.cursor, gap.lowest.version) {
                        return Ending::Unfillable;
                    }
                    gap = next;
                }
                Ok(_) => return Ending::Closed,
                Err(_) => return Ending::Unanswered,
            }
        }
        Ending::Closed
    }

    /// Applies the written events through the fence: first those that are missing, then the one that replaces a parked record
    /// that can't be handled. A parked record whose version was never written is removed.
    async fn fill(&self, gap: &ParkedKey, written: &Written) {
        for record in written.between(gap.cursor, gap.lowest.version) {
            self.apply(record).await;
        }
        let (order, lowest) = (gap.order_id, gap.lowest.version);
        match written.slot(lowest, gap.cursor) {
            Slot::Event(record) if gap.lowest.reason.is_refused() => self.apply(*record).await,
            Slot::Event(_) => {}
            Slot::Never if self.fence.forget(order, lowest).await => tracing::warn!(
                order = order.0,
                version = lowest.0,
                tally = "parked versions that were never written",
                "order {order} v{lowest} was never written, says the order service: what was parked as such is parked no \
                 longer"
            ),
            Slot::Never => stays(
                order,
                &format!("it never wrote v{lowest}, which is parked and can be read"),
            ),
            Slot::Unknown(why) => stays(order, &why),
        }
    }

    async fn apply(&self, record: EventRecord) {
        self.fence.instance().metrics.resynced.inc();
        self.fence.follow(Arrival::unassigned(record)).await;
    }

    /// Takes away a person's mark to retry, as it has been acted on. If that fails, the next look acts on the mark again.
    async fn hear(&self, gap: &ParkedKey) {
        if gap.lowest.mark == Some(Mark::Retry) {
            let (order_id, version) = (gap.order_id, gap.lowest.version);
            self.fence.submit(FenceCommand::Heard { order_id, version }).await;
        }
    }
}

fn stays(order: OrderId, why: &str) {
    tracing::error!(
        order = order.0,
        tally = "gaps that can't be filled",
        "the order service can't tell of order {order}, which stays parked: {why}"
    );
}

/// The reason why a step could not look at the gaps; the next step tries again.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GapError {
    /// The database failed the question what is parked.
    #[error("what is parked can't be looked at: {0}")]
    Store(#[from] StoreError),
    /// The log failed the question for its ends and the group's offsets.
    #[error("the log's positions can't be looked at: {0}")]
    Log(#[from] LogError),
}

/// Runs steps until `stop` is cancelled. A database outage is noted in `readiness`, which logs it once for all parts of the
/// service; any other failure is logged here, once until a step succeeds.
pub async fn watch_gaps(mut gaps: Gaps, readiness: Arc<Readiness>, stop: CancellationToken) {
    let mut failing = false;
    while !stop.is_cancelled() {
        let call = readiness.begin();
        let Some(step) = stop.run_until_cancelled(gaps.step(Instant::now())).await else {
            return;
        };
        let failure = note(&call, step);
        if let (Some(error), false) = (&failure, failing) {
            tracing::warn!("{error}");
        }
        failing = failure.is_some();
        let pause = if gaps.is_midway() { PAGE_PAUSE } else { ROUND_PAUSE };
        let _ = tokio::time::timeout(pause, stop.cancelled()).await;
    }
}

/// Notes what a step has shown about the database. Returns the step's error, unless it is an outage of the database.
fn note(call: &Call<'_>, step: Result<usize, GapError>) -> Option<GapError> {
    let shown = match &step {
        Err(GapError::Store(error)) => Err(error.clone()),
        Ok(_) | Err(GapError::Log(_)) => Ok(()),
    };
    call.database(false, &shown);
    step.err().filter(|_| !shown.is_err_and(|error| error.is_outage()))
}
