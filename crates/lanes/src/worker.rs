//! Tasks that call the handler.
//!
//! ```text
//!   polling thread ── offer ─▶ engine (one lock) ◀── exchange: finish some, take some ── worker ── handler
//!                                                                                        │ pending?
//!                                                        a new worker takes over the rest ◀─┘
//! ```
//!
//! A worker takes a few runs at a time and polls each on the spot, so that a handler which is ready at once costs
//! neither a task nor an allocation. When one isn't ready, the worker stays with it, and a new worker takes over what
//! it had taken besides. Who finishes a record takes the next that is ready with the same lock, so none waits for the
//! polling thread.
//!
//! # Invariants
//! * Whenever a lane could start, a worker is about to look: one is active, or the lane was offered after the last
//!   active one left, and the offer starts one.
//! * What a worker took, it finishes; a panic in between stops the runner.

use std::collections::VecDeque;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::Poll;
use std::time::{Duration, Instant};

use eventlog::{Position, Record, TopicPartition};
use tokio::runtime::Handle;
use tokio::sync::Notify;

use crate::engine::{Engine, Finish};
use crate::handler::{Attempt, Handler, Outcome};
use crate::metrics::Metrics;
use crate::options::Options;
use crate::runner::Summary;
use crate::scheduler::{Epoch, LaneKey, Run};

/// What the polling thread and the workers share.
pub(crate) struct Shared<H> {
    pub handler: H,
    pub metrics: Arc<Metrics>,
    state: Mutex<State>,
    /// Rung when a grant has drained, when nothing is in flight while closing, and at a failure.
    drained: Condvar,
    /// Rung when a grant was taken away: a retry that waits gives up.
    pub withdrawn: Notify,
    runtime: Handle,
    started: Instant,
    max_run: usize,
    max_active: usize,
}

pub(crate) struct State {
    pub engine: Engine,
    /// Workers that will come back for more before anything that was offered could be forgotten.
    active: usize,
    /// Nothing more is taken in.
    closing: bool,
    /// Nothing more is waited for: a revoke is answered at once.
    pub leaving: bool,
    /// Why it can't go on.
    pub failure: Option<String>,
    done: u64,
    parked: u64,
}

/// What a worker has taken, and what it has finished since.
#[derive(Default)]
struct Batch {
    runs: VecDeque<Run<Record>>,
    ended: Vec<(Run<Record>, Ending)>,
    /// The worker waits for a handler, and another has taken its place.
    aside: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Ending {
    Done,
    Parked,
    /// Given up because the partition was taken away.
    Abandoned,
}

/// A longer batch would only make its first records wait for their successors.
const MAX_BATCH: usize = 32;

impl<H: Handler> Shared<H> {
    pub fn new(handler: H, options: &Options, runtime: Handle) -> Self {
        Self {
            metrics: options.metrics.clone(),
            state: Mutex::new(State {
                engine: Engine::new(options.lanes, options.buffer_bytes),
                active: 0,
                closing: false,
                leaving: false,
                failure: None,
                done: 0,
                parked: 0,
            }),
            drained: Condvar::new(),
            withdrawn: Notify::new(),
            max_active: runtime.metrics().num_workers(),
            runtime,
            started: Instant::now(),
            max_run: handler.max_run().max(1),
            handler,
        }
    }

    pub fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Milliseconds since the runner started.
    pub fn now(&self) -> u64 {
        self.started.elapsed().as_millis() as u64
    }

    /// Takes records in and starts workers for them.
    pub fn offer(self: &Arc<Self>, records: impl IntoIterator<Item = (LaneKey, Record)>) {
        let mut state = self.lock();
        state.engine.offer(records);
        while state.active < self.max_active {
            let mut batch = Batch::default();
            self.fill(&mut state, &mut batch);
            if batch.runs.is_empty() {
                return;
            }
            state.active += 1;
            self.spawn(batch);
        }
    }

    fn spawn(self: &Arc<Self>, batch: Batch) {
        self.runtime.spawn(work(self.clone(), batch));
    }

    fn fill(&self, state: &mut State, batch: &mut Batch) {
        let share = state.engine.scheduler().startable() / self.max_active;
        let now = self.now();
        let runs = &mut batch.runs;
        state
            .engine
            .take(share.clamp(1, MAX_BATCH), self.max_run, now, |run| runs.push_back(run));
    }

    /// Hands in what has ended and takes what may start; `false` if that is nothing, and the worker ends.
    fn exchange(&self, batch: &mut Batch) -> bool {
        let mut state = self.lock();
        self.hand_in(&mut state, &mut batch.ended);
        self.fill(&mut state, batch);
        let busy = !batch.runs.is_empty();
        match (batch.aside, busy) {
            (true, true) => state.active += 1,
            (false, false) => state.active -= 1,
            _ => {}
        }
        batch.aside = false;
        busy
    }

    /// The worker of `batch` must wait: another takes its place, if there is anything to do.
    fn step_aside(self: &Arc<Self>, batch: &mut Batch) {
        let mut rest = std::mem::take(batch);
        batch.aside = true;
        if rest.runs.is_empty() || !rest.ended.is_empty() {
            let mut state = self.lock();
            self.hand_in(&mut state, &mut rest.ended);
            if rest.runs.is_empty() {
                self.fill(&mut state, &mut rest);
            }
            if rest.runs.is_empty() {
                state.active -= 1;
                return;
            }
        }
        self.spawn(rest);
    }

    fn hand_in(&self, state: &mut State, ended: &mut Vec<(Run<Record>, Ending)>) {
        let mut ring = false;
        for (run, ending) in ended.drain(..) {
            let records = run.items.len() as u64;
            match ending {
                Ending::Done => state.done += records,
                Ending::Parked => state.parked += records,
                Ending::Abandoned => {}
            }
            match state.engine.finish(&run, ending != Ending::Abandoned) {
                Finish::Noted => {}
                Finish::Drained => ring = true,
                Finish::Late => self.metrics.late.add(records),
            }
        }
        if ring || (state.closing && state.engine.scheduler().in_flight() == 0) {
            self.drained.notify_all();
        }
    }

    /// Calls the handler until it is done with `run` or the partition is taken away.
    async fn handle(&self, run: &Run<Record>) -> Ending {
        let records = run.items.len() as u64;
        let mut attempt = Attempt {
            number: 1,
            epoch: run.epoch,
        };
        loop {
            match self.handler.handle(&run.items, attempt).await {
                Outcome::Done => {
                    self.metrics.done.add(records);
                    return Ending::Done;
                }
                Outcome::Park(reason) => {
                    self.metrics.parked.add(records);
                    let first = &run.items[0];
                    tracing::warn!(topic = %first.topic, partition = %first.partition, offset = %first.offset, records,
                        attempts = attempt.number, reason, "a record was parked");
                    return Ending::Parked;
                }
                Outcome::Retry(after) => {
                    self.metrics.retried.add(1);
                    if !self.wait_to_retry(run.epoch, after).await {
                        return Ending::Abandoned;
                    }
                    attempt.number = attempt.number.saturating_add(1);
                }
            }
        }
    }

    /// Waits for the next try; `false` as soon as the partition is to be given back.
    async fn wait_to_retry(&self, epoch: Epoch, after: Duration) -> bool {
        let mut over = pin!(tokio::time::sleep(after));
        loop {
            let mut withdrawn = pin!(self.withdrawn.notified());
            withdrawn.as_mut().enable();
            if !self.lock().engine.is_held(epoch) {
                return false;
            }
            tokio::select! {
                () = &mut over => return true,
                () = withdrawn => {}
            }
        }
    }

    /// Stops the intake of these partitions and waits up to `patience` for what is in flight of them; then ends their
    /// grants. `None` if there is more to wait for.
    pub fn drain(&self, partitions: &[TopicPartition], patience: Duration) -> Option<Vec<Position>> {
        let mut state = self.lock();
        let mut drained = state.drain(partitions);
        self.withdrawn.notify_waiters();
        if !drained {
            let waiting = self.drained.wait_timeout_while(state, patience, |state| {
                drained = state.drain(partitions);
                !drained
            });
            state = waiting.unwrap_or_else(PoisonError::into_inner).0;
        }
        drained.then(|| {
            partitions
                .iter()
                .filter_map(|partition| state.engine.release(partition))
                .collect()
        })
    }

    /// Takes nothing more in; what is held.
    pub fn begin_closing(&self) -> Vec<TopicPartition> {
        let mut state = self.lock();
        state.closing = true;
        let held = state.engine.close();
        self.withdrawn.notify_waiters();
        held
    }

    /// Whether nothing is in flight any more, or nothing more can be expected of it; waits up to `patience` for it.
    pub fn wait_until_empty(&self, patience: Duration) -> bool {
        let busy = |state: &mut State| state.failure.is_none() && state.engine.scheduler().in_flight() > 0;
        let waiting = self.drained.wait_timeout_while(self.lock(), patience, busy);
        !waiting.unwrap_or_else(PoisonError::into_inner).1.timed_out()
    }

    fn fail(&self, failure: String) {
        self.lock().failure.get_or_insert(failure);
        self.drained.notify_all();
    }
}

impl State {
    fn drain(&mut self, partitions: &[TopicPartition]) -> bool {
        let drained = partitions
            .iter()
            .filter(|partition| self.engine.drain(partition))
            .count();
        drained == partitions.len() || self.leaving || self.failure.is_some()
    }

    pub fn summary(&self) -> Summary {
        Summary {
            done: self.done,
            parked: self.parked,
            unfinished: self.engine.scheduler().in_flight(),
        }
    }
}

async fn work<H: Handler>(shared: Arc<Shared<H>>, mut batch: Batch) {
    loop {
        while let Some(run) = batch.runs.pop_front() {
            let ending = carry(&shared, &run, &mut batch).await;
            batch.ended.push((run, ending));
        }
        if !shared.exchange(&mut batch) {
            return;
        }
        tokio::task::coop::consume_budget().await;
    }
}

/// Handles one run, and steps aside for the rest of the batch if it takes longer than a moment.
async fn carry<H: Handler>(shared: &Arc<Shared<H>>, run: &Run<Record>, batch: &mut Batch) -> Ending {
    let unfinished = Unfinished { shared, run };
    let mut handling = pin!(shared.handle(run));
    let ending = poll_fn(|context| {
        let poll = handling.as_mut().poll(context);
        if poll == Poll::Pending && !batch.aside {
            shared.step_aside(batch);
        }
        poll
    })
    .await;
    std::mem::forget(unfinished);
    ending
}

/// Dropped only when the handler panicked or its runtime ended under it.
struct Unfinished<'a, H: Handler> {
    shared: &'a Shared<H>,
    run: &'a Run<Record>,
}

impl<H: Handler> Drop for Unfinished<'_, H> {
    fn drop(&mut self) {
        let first = &self.run.items[0];
        let at = format!("{}-{}@{}", first.topic, first.partition, first.offset);
        self.shared.fail(if std::thread::panicking() {
            format!("the handler panicked at {at}")
        } else {
            format!("the runtime ended while {at} was being handled")
        });
    }
}
