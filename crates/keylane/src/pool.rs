//! What the polling thread and the workers share: the engine behind one lock, and how work passes between them.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use keylane_log::{Position, Record, TopicPartition};
use tokio::runtime::Handle;

use crate::engine::{Engine, Finish};
use crate::handler::Handler;
use crate::metrics::Metrics;
use crate::options::Options;
use crate::runner::Summary;
use crate::scheduler::{LaneKey, Run};
use crate::worker;

/// What the polling thread and the workers share.
pub(crate) struct Pool<H> {
    pub handler: H,
    pub metrics: Arc<Metrics>,
    state: Mutex<State>,
    /// Rung when a grant has drained, when nothing is in flight while closing, and at a failure.
    drained: Condvar,
    runtime: Handle,
    started: Instant,
    max_run: usize,
    max_active: usize,
}

pub(crate) struct State {
    pub engine: Engine,
    /// Workers that will come back for more before anything that was offered could be forgotten.
    active: usize,
    /// When somebody looks for lanes whose time has come, in milliseconds since the start.
    alarm: Option<u64>,
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
pub(crate) struct Batch {
    pub runs: VecDeque<Run<Record>>,
    pub ended: Vec<(Run<Record>, Ending)>,
    /// The worker waits for a handler, and another has taken its place.
    pub aside: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    Done,
    Parked,
    /// To be called again after this time.
    Again(Duration),
}

/// A longer batch would only make its first records wait for their successors.
const MAX_BATCH: usize = 32;

impl<H: Handler> Pool<H> {
    pub fn new(handler: H, options: &Options, runtime: Handle) -> Self {
        Self {
            metrics: options.metrics.clone(),
            state: Mutex::new(State {
                engine: Engine::new(options.lanes, options.buffer_bytes),
                active: 0,
                alarm: None,
                closing: false,
                leaving: false,
                failure: None,
                done: 0,
                parked: 0,
            }),
            drained: Condvar::new(),
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
        self.start(&mut state);
    }

    /// Starts workers for what may go.
    fn start(self: &Arc<Self>, state: &mut State) {
        while state.active < self.max_active {
            let mut batch = Batch::default();
            self.fill(state, &mut batch);
            if batch.runs.is_empty() {
                return;
            }
            state.active += 1;
            self.spawn(batch);
        }
    }

    fn spawn(self: &Arc<Self>, batch: Batch) {
        self.runtime.spawn(worker::work(self.clone(), batch));
    }

    fn fill(&self, state: &mut State, batch: &mut Batch) {
        let now = self.now();
        state.engine.wake(now);
        let share = state.engine.scheduler().startable() / self.max_active;
        let runs = &mut batch.runs;
        state
            .engine
            .take(share.clamp(1, MAX_BATCH), self.max_run, now, |run| runs.push_back(run));
    }

    /// Hands in what has ended and takes what may start; `false` if that is nothing, and the worker ends.
    pub fn exchange(self: &Arc<Self>, batch: &mut Batch) -> bool {
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
    pub fn step_aside(self: &Arc<Self>, batch: &mut Batch) {
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

    fn hand_in(self: &Arc<Self>, state: &mut State, ended: &mut Vec<(Run<Record>, Ending)>) {
        let (mut ring, mut again) = (false, false);
        for (run, ending) in ended.drain(..) {
            let mut late = run.items.len() as u64;
            match ending {
                Ending::Done => state.done += late,
                Ending::Parked => state.parked += late,
                Ending::Again(_) => late = 0,
            }
            let finish = match ending {
                Ending::Done | Ending::Parked => state.engine.finish(&run, true),
                Ending::Again(after) => {
                    again = true;
                    state.engine.postpone(run, self.due(after))
                }
            };
            match finish {
                Finish::Noted => {}
                Finish::Drained => ring = true,
                Finish::Late => self.metrics.late.inc_by(late),
            }
        }
        if again {
            self.set_alarm(state);
        }
        if ring || (state.closing && state.engine.scheduler().in_flight() == 0) {
            self.drained.notify_all();
        }
    }

    /// When this time will have passed. The clock's fraction of a millisecond is not known, so one more is waited.
    fn due(&self, after: Duration) -> u64 {
        let after = u64::try_from(after.as_millis()).unwrap_or(u64::MAX);
        self.now().saturating_add(after).saturating_add(1)
    }

    /// Has somebody look when the next lane is due.
    fn set_alarm(self: &Arc<Self>, state: &mut State) {
        let Some(due) = state.engine.scheduler().next_due() else {
            return;
        };
        if state.alarm.is_some_and(|alarm| alarm <= due) {
            return;
        }
        state.alarm = Some(due);
        let after = Duration::from_millis(due.saturating_sub(self.now()));
        // It need not keep alive what has ended meanwhile.
        let pool = Arc::downgrade(self);
        self.runtime.spawn(async move {
            tokio::time::sleep(after).await;
            if let Some(pool) = pool.upgrade() {
                pool.ring(due);
            }
        });
    }

    /// The alarm of this time; one that was replaced by an earlier one says nothing.
    fn ring(self: &Arc<Self>, due: u64) {
        let mut state = self.lock();
        if state.alarm == Some(due) {
            state.alarm = None;
            self.start(&mut state);
            self.set_alarm(&mut state);
        }
    }

    /// Stops the intake of these partitions and waits up to `patience` for what is in flight of them; then ends their
    /// grants. `None` if there is more to wait for.
    pub fn drain(&self, partitions: &[TopicPartition], patience: Duration) -> Option<Vec<Position>> {
        let mut state = self.lock();
        let mut drained = state.drain(partitions);
        self.metrics.draining_partitions.set(state.engine.draining() as u64);
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
        state.engine.close()
    }

    /// Whether nothing is in flight any more, or nothing more can be expected of it; waits up to `patience` for it.
    pub fn wait_until_empty(&self, patience: Duration) -> bool {
        let busy = |state: &mut State| state.failure.is_none() && state.engine.scheduler().in_flight() > 0;
        let waiting = self.drained.wait_timeout_while(self.lock(), patience, busy);
        !waiting.unwrap_or_else(PoisonError::into_inner).1.timed_out()
    }

    pub fn fail(&self, failure: String) {
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
