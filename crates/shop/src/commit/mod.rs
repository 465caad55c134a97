//! Group commit: the requests that arrive while one batch runs form the next batch.
//!
//! ```text
//!   submit ─▶ queue ─▶ [ take all that waits ] ─▶ run(batch) ─▶ outcomes
//!                                                     │ rolled back
//!                                                     └▶ pieces, each alone, beside the main loop
//! ```
//! A batch never waits to fill up: a request that comes alone runs alone, at once.
//!
//! # Invariants
//! * A request runs again only when its batch is known to be rolled back ([`StoreError::Conflict`],
//!   [`StoreError::Rejected`]); one of unknown outcome never does.
//! * A piece that is rejected or locked fails alone, and stalls nobody else.
//! * Requests that wait at the same time have no order among them; a caller that needs an order waits for the first
//!   outcome before it submits the second request.
//! * The queue, the batches, the retries and the pieces are bounded in number; a caller that finds the queue full waits.
//! * Every request that was accepted gets an outcome, also after [`GroupCommit::close`].

use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use keylane::Backoff;
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::store::StoreError;
use keylane::measure::{Counter, Sizes, Times};

/// The most requests that one transaction runs. A larger batch would only make each of its requests wait longer.
const BATCH: usize = 256;
/// The most requests that wait for the next batch; once there are as many, `submit` waits for a place.
const QUEUE: usize = 1024;
/// The most single requests of rolled-back batches that wait or run; once there are as many, the main loop waits.
const PIECES: u32 = 1024;
/// How many pieces run at once: fewer than a store has connections, so that the main loop always finds a free one.
const PIECES_AT_ONCE: usize = 4;
/// How long after its first attempt a piece may be tried again; then its conflict is its outcome. A piece that pauses
/// between two attempts doesn't count among those that run at once, so pieces that nobody locks out overtake it.
const PIECE_DEADLINE: Duration = Duration::from_secs(4);
/// The pauses between attempts at a piece. They are random in part, so that two pieces that collided don't collide again.
const PAUSES: Backoff = Backoff {
    first: Duration::from_millis(20),
    most: Duration::from_millis(200),
};

/// A handle to a group commit: batches of `Q`, an outcome `A` each.
pub struct GroupCommit<Q, A> {
    queue: mpsc::Sender<Waiter<Q, A>>,
    closing: CancellationToken,
    tasks: TaskTracker,
    metrics: Arc<CommitMetrics>,
}

/// The measures of one group commit. All are zero at the start.
#[derive(Debug, Default)]
pub struct CommitMetrics {
    /// How many requests each batch held.
    pub sizes: Sizes,
    /// How long each batch took, whatever its outcome.
    pub times: Times,
    /// How often a request was tried alone, after its batch had been rolled back.
    pub alone: Counter,
}

/// A request, and the channel that its outcome goes to.
struct Waiter<Q, A> {
    request: Q,
    answer: oneshot::Sender<Result<A, StoreError>>,
}

impl<Q, A> GroupCommit<Q, A>
where
    Q: Clone + Send + Sync + 'static,
    A: Send + 'static,
{
    /// Starts a group commit on the current runtime. `run` runs one batch in one transaction, so altogether or not at all,
    /// and returns one outcome for each request, in the order of the requests.
    pub fn start<F, R>(run: F) -> Self
    where
        F: Fn(Arc<[Q]>) -> R + Send + Sync + 'static,
        R: Future<Output = Result<Vec<A>, StoreError>> + Send + 'static,
    {
        let (sender, queue) = mpsc::channel(QUEUE);
        let handle = Self {
            queue: sender,
            closing: CancellationToken::new(),
            tasks: TaskTracker::new(),
            metrics: Arc::default(),
        };
        let driver = Driver {
            queue,
            closing: handle.closing.clone(),
            tasks: handle.tasks.clone(),
            metrics: handle.metrics.clone(),
            pieces: Pieces {
                metrics: handle.metrics.clone(),
                run: Arc::new(run),
                room: Arc::new(Semaphore::new(PIECES as usize)),
                running: Arc::new(Semaphore::new(PIECES_AT_ONCE)),
            },
        };
        handle.tasks.spawn(driver.serve());
        handle
    }

    /// Runs `request` in the next batch and waits for its outcome. The request runs also if the caller stops waiting.
    ///
    /// # Errors
    /// The store's own error; `Unavailable` once the group commit is closed; `Unknown` if the batch panicked.
    pub async fn submit(&self, request: Q) -> Result<A, StoreError> {
        let (answer, outcome) = oneshot::channel();
        let closed = || StoreError::Unavailable("the service is shutting down".to_owned());
        if self.closing.is_cancelled() {
            return Err(closed());
        }
        let waiter = Waiter { request, answer };
        self.queue.send(waiter).await.map_err(|_| closed())?;
        let lost = |_| StoreError::Unknown("the batch ended without an outcome".to_owned());
        outcome.await.map_err(lost)?
    }

    /// The measures that this group commit keeps up to date.
    pub fn metrics(&self) -> &Arc<CommitMetrics> {
        &self.metrics
    }

    /// Accepts no more requests, and waits until every accepted one has its outcome.
    pub async fn close(&self) {
        self.closing.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }
}

impl<Q, A> Clone for GroupCommit<Q, A> {
    fn clone(&self) -> Self {
        Self {
            queue: self.queue.clone(),
            closing: self.closing.clone(),
            tasks: self.tasks.clone(),
            metrics: self.metrics.clone(),
        }
    }
}

/// The main loop. It ends once the queue is empty and the last handle was dropped or the group commit was closed.
struct Driver<Q, A, F> {
    queue: mpsc::Receiver<Waiter<Q, A>>,
    closing: CancellationToken,
    tasks: TaskTracker,
    metrics: Arc<CommitMetrics>,
    pieces: Pieces<F>,
}

impl<Q, A, F, R> Driver<Q, A, F>
where
    Q: Clone + Send + Sync + 'static,
    A: Send + 'static,
    F: Fn(Arc<[Q]>) -> R + Send + Sync + 'static,
    R: Future<Output = Result<Vec<A>, StoreError>> + Send + 'static,
{
    async fn serve(mut self) {
        let mut waiting = Vec::with_capacity(BATCH);
        while self.receive(&mut waiting).await > 0 {
            self.step(std::mem::take(&mut waiting)).await;
        }
    }

    /// Waits for a first request and takes all that wait by then, up to a batch. Returns how many; 0 once the queue is
    /// closed and empty.
    async fn receive(&mut self, waiting: &mut Vec<Waiter<Q, A>>) -> usize {
        tokio::select! {
            biased;
            () = self.closing.cancelled(), if !self.queue.is_closed() => self.queue.close(),
            taken = self.queue.recv_many(waiting, BATCH) => return taken,
        }
        self.queue.recv_many(waiting, BATCH).await
    }

    /// Runs one batch and sends each request its outcome.
    async fn step(&self, batch: Vec<Waiter<Q, A>>) {
        let (requests, answers): (Vec<Q>, Vec<_>) =
            batch.into_iter().map(|waiter| (waiter.request, waiter.answer)).unzip();
        let requests: Arc<[Q]> = requests.into();
        let start = Instant::now();
        let result = unharmed((self.pieces.run)(requests.clone())).await;
        self.metrics.sizes.observe(requests.len());
        self.metrics.times.observe(start.elapsed());
        match result {
            Ok(outcomes) => {
                assert_eq!(outcomes.len(), answers.len(), "a batch has one outcome a request");
                for (answer, outcome) in answers.into_iter().zip(outcomes) {
                    let _ = answer.send(Ok(outcome));
                }
            }
            Err(error) if worth_retrying(&error, answers.len()) => self.retry(&requests, answers).await,
            Err(error) => {
                for answer in answers {
                    let _ = answer.send(Err(error.clone()));
                }
            }
        }
    }

    /// Runs each request of a rolled-back batch as a piece of its own, beside the main loop.
    async fn retry(&self, requests: &[Q], answers: Vec<oneshot::Sender<Result<A, StoreError>>>) {
        for (request, answer) in requests.iter().cloned().zip(answers) {
            let room = self.pieces.room.clone().acquire_owned().await;
            let pieces = self.pieces.clone();
            self.tasks.spawn(async move {
                let _ = answer.send(pieces.alone(request).await);
                drop(room);
            });
        }
    }
}

/// The function that runs a batch, and the bounds on the pieces of rolled-back batches.
struct Pieces<F> {
    run: Arc<F>,
    metrics: Arc<CommitMetrics>,
    /// Bounds the pieces that exist, waiting or running.
    room: Arc<Semaphore>,
    /// Bounds the pieces that run at the same time.
    running: Arc<Semaphore>,
}

impl<F> Clone for Pieces<F> {
    fn clone(&self) -> Self {
        Self {
            run: self.run.clone(),
            metrics: self.metrics.clone(),
            room: self.room.clone(),
            running: self.running.clone(),
        }
    }
}

impl<F> Pieces<F> {
    /// Runs one request as a batch of its own, and runs it again as long as it conflicts with another transaction.
    async fn alone<Q: Clone, A, R>(&self, request: Q) -> Result<A, StoreError>
    where
        F: Fn(Arc<[Q]>) -> R,
        R: Future<Output = Result<Vec<A>, StoreError>>,
    {
        let piece: Arc<[Q]> = [request].into();
        let deadline = Instant::now() + PIECE_DEADLINE;
        let mut attempt = 1;
        loop {
            let permit = self.running.acquire().await.expect("the semaphore is never closed");
            self.metrics.alone.inc();
            let result = unharmed((self.run)(piece.clone())).await;
            drop(permit);
            let pause = PAUSES.after(attempt, fastrand::u64(..));
            match result {
                Ok(outcomes) => return Ok(outcomes.into_iter().next().expect("one outcome a request")),
                Err(StoreError::Conflict(_)) if Instant::now() + pause < deadline => {}
                Err(error) => return Err(error),
            }
            tokio::time::sleep(pause).await;
            attempt += 1;
        }
    }
}

/// Runs a batch and turns its panic into an outcome: a panic is a defect of ours, and must not end the loop that serves
/// all other callers.
async fn unharmed<A>(batch: impl Future<Output = Result<A, StoreError>>) -> Result<A, StoreError> {
    let mut batch = pin!(batch);
    poll_fn(|cx| {
        let polled = catch_unwind(AssertUnwindSafe(|| batch.as_mut().poll(cx)));
        polled.unwrap_or_else(|_| Poll::Ready(Err(StoreError::Unknown("the batch panicked".to_owned()))))
    })
    .await
}

/// Whether a batch of this size is known to be rolled back, and its requests may succeed one by one. The conflict of a
/// single request may be gone at its next attempt; a single request that the database rejected is itself the reason.
fn worth_retrying(error: &StoreError, size: usize) -> bool {
    match error {
        StoreError::Conflict(_) => true,
        StoreError::Rejected(_) => size > 1,
        StoreError::Unavailable(_)
        | StoreError::Unknown(_)
        | StoreError::Unwritable(_)
        | StoreError::Broken(_)
        | StoreError::Unreadable(_) => false,
    }
}

#[cfg(test)]
mod tests;
