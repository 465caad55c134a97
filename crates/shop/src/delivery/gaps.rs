//! Gaps: versions that something parked waits for, because they have not come, or because what came as such can't be
//! handled. One that is merely late is waited for; one that can't come any more, because everything that was in the log has
//! been handled, is asked from the order service, with an alarm. What the order service never wrote, and nobody can read, is
//! parked no longer. When that is is the [watch](super::gap_watch)'s to say.
//!
//! # Invariants
//! * A step looks at one page of what is parked, and each at its turn, so its work is bounded however much is parked.
//! * A question that isn't answered, or an answer whose slow work takes its time, holds one place of several, for a bounded
//!   time: the others go on.

use std::sync::Arc;
use std::time::Duration;

use keylane_log::{EventLog, LogError};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::Fence;
use super::fenced::Turn;
use super::gap_watch::{Ending, GapWatch, Looked, Positions};
use super::resync::{OrderJournal, Slot, Written};
use crate::domain::fence::{FenceCommand, Mark, ParkedKey};
use crate::domain::{EventRecord, OrderId, Version};
use crate::health::{Call, Readiness};
use crate::on_log;
use crate::parked;
use crate::store::{Store, StoreError};

/// Orders looked at in one step, and as many that a person has marked.
const PAGE: usize = 1000;
/// Questions on their way at once.
const QUESTIONS: usize = 16;
/// Versions of one order that one answer settles at most.
const ROUNDS: usize = 100;
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
            after: OrderId::BEFORE_ALL,
            marked_after: OrderId::BEFORE_ALL,
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
        self.after != OrderId::BEFORE_ALL
    }

    async fn look(&mut self, now: Instant) -> Result<(), GapError> {
        let page = self.asking.store.parked_keys(self.after, PAGE).await?;
        let looked = Looked {
            after: self.after,
            last: last_of(&page).unwrap_or(OrderId(i64::MAX)),
            keys: &page,
        };
        // One instance watches: with several, each would sound the alarm.
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

    /// Those that a person wants retried, a page at a time too.
    async fn marked(&mut self) -> Result<Vec<ParkedKey>, StoreError> {
        let store = &self.asking.store;
        let mut marked = store.marked_keys(Mark::Retry, self.marked_after, PAGE).await?;
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
        on_log(&self.log, move |log| {
            Ok(Positions {
                committed: log.committed(&group, &topic)?,
                extents: log.extents(&topic)?,
            })
        })
        .await
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
    /// Sounds the alarm, and asks the order service what was written.
    async fn close(&self, order: OrderId, cursor: Version, place: OwnedSemaphorePermit) -> Ending {
        // It was looked at a while ago, and may have closed by itself.
        let gap = match parked::key_of(&*self.store, order).await {
            Ok(Some(gap)) if gap.waits_for_journal() && gap.cursor == cursor => gap,
            Ok(_) => return Ending::Closed,
            Err(_) => return Ending::Unanswered,
        };
        self.alarm(&gap);
        let ending = match self.ask(order).await {
            Ok(written) => {
                let turn = self.applying.acquire().await.expect("it is never closed");
                drop(place);
                let ending = self.settle(&gap, &written).await;
                drop(turn);
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
        let answer = tokio::time::timeout(PATIENCE, Written::ask(&self.journal, order)).await;
        answer.unwrap_or_else(|_| Err(format!("no answer within {} s", PATIENCE.as_secs())))
    }

    /// Goes on for as long as the answer helps: behind a version that was never written there may be another.
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

    /// Applies what was written, through the fence like everything else: first what is missing, then what is parked and is
    /// not what was written.
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
        self.fence.follow(Turn::asked(record)).await;
    }

    /// A person's mark has been acted on. One that can't be taken away is heard again.
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

/// Steps until `stop`. That the database is in trouble is noted, and told once for everybody; any other failure is told here.
pub async fn watch_gaps(mut gaps: Gaps, readiness: Arc<Readiness>, stop: CancellationToken) {
    let mut failing = false;
    while !stop.is_cancelled() {
        let call = readiness.begin();
        let step = tokio::select! {
            step = gaps.step(Instant::now()) => step,
            () = stop.cancelled() => return,
        };
        let failure = note(&call, step);
        if let (Some(error), false) = (&failure, failing) {
            tracing::warn!("{error}");
        }
        failing = failure.is_some();
        let pause = if gaps.is_midway() { PERIODS.1 } else { PERIODS.0 };
        let _ = tokio::time::timeout(pause, stop.cancelled()).await;
    }
}

/// Notes what a step has shown of the database; why it failed, if that is another reason.
fn note(call: &Call<'_>, step: Result<usize, GapError>) -> Option<GapError> {
    let shown = match &step {
        Err(GapError::Store(error)) => Err(error.clone()),
        Ok(_) | Err(GapError::Log(_)) => Ok(()),
    };
    call.database(false, &shown);
    step.err().filter(|_| !shown.is_err_and(|error| error.is_outage()))
}
