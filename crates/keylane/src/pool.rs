//! What the polling thread and the workers share: the engine behind one lock, and the wait for records in flight.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use keylane_log::{Position, Record, TopicPartition};
use planted::Bug;
use tokio::runtime::Handle;
use tokio::time::Instant;

use crate::engine::{Engine, Finish};
use crate::event::{Event, Listener};
use crate::handler::Handler;
use crate::metrics::Metrics;
use crate::options::Options;
use crate::scheduler::Run;

/// The handler, the engine, and what is needed to start workers.
pub(crate) struct Pool<H> {
    pub(crate) handler: H,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) listener: Option<Listener>,
    state: Mutex<PoolState>,
    /// Notified when a grant has drained, when nothing is in flight during a shutdown, and after a failure.
    drained: Condvar,
    pub(crate) runtime: Handle,
    /// The zero of the milliseconds that [`Pool::millis`] returns.
    started: Instant,
    max_run: usize,
    /// How many workers may be active at once: as many as the runtime has threads.
    pub(crate) max_active: usize,
}

pub(crate) struct PoolState {
    pub(crate) engine: Engine,
    /// Workers that will ask for more work. While there is one, no offered record is forgotten.
    pub(crate) active: usize,
    /// When a task wakes up to look for lanes whose waiting time is over, in milliseconds since the start.
    pub(crate) alarm: Option<u64>,
    /// Whether the runner is shutting down, so that no more records are taken in.
    closing: bool,
    /// Whether the shutdown's time is over, so that a revoke is answered without waiting for records in flight.
    pub(crate) leaving: bool,
    /// Why the runner can't go on.
    pub(crate) failure: Option<String>,
    /// How many records ended with `Done`.
    pub(crate) done: u64,
    /// How many records ended with `Park`.
    pub(crate) parked: u64,
}

/// What one worker has taken from the engine, and how its calls of the handler have ended.
#[derive(Default)]
pub(crate) struct Batch {
    /// The runs in the order in which they are handled. As many of the first ones have ended as there are `endings`.
    pub(crate) runs: Vec<Option<Run<Record>>>,
    pub(crate) endings: Vec<Ending>,
    /// Memory for the next runs.
    pub(crate) spare: Vec<Option<Run<Record>>>,
    /// Whether the worker waits for a handler, and no longer counts as active because another has taken its place.
    pub(crate) aside: bool,
}

/// How a call of the handler ended.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    Done,
    Parked,
    /// The handler is to be called again after this time.
    Retry(Duration),
}

/// The most runs that a worker takes at once. In a longer batch the first records would only wait for the last.
const MAX_BATCH: usize = 32;

impl<H: Handler> Pool<H> {
    pub(crate) fn new(handler: H, options: &Options, runtime: Handle, now: Instant) -> Self {
        Self {
            metrics: options.metrics.clone(),
            listener: options.listener.clone(),
            state: Mutex::new(PoolState {
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
            started: now,
            max_run: handler.max_run().max(1),
            handler,
        }
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, PoolState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells the listener, if there is one, what has happened.
    pub(crate) fn tell(&self, event: Event<'_>) {
        if let Some(listener) = &self.listener {
            listener(event);
        }
    }

    /// `now` in milliseconds since the runner started.
    pub(crate) fn millis(&self, now: Instant) -> u64 {
        now.saturating_duration_since(self.started).as_millis() as u64
    }

    /// Milliseconds since the runner started. Only tasks of the runtime call this, whose time it is.
    pub(crate) fn now(&self) -> u64 {
        self.millis(Instant::now())
    }

    /// Takes runs that may start at `now`, in milliseconds since the start, from the engine into `batch`.
    pub(crate) fn fill(&self, state: &mut PoolState, batch: &mut Batch, now: u64) {
        state.engine.wake(now);
        let share = state.engine.scheduler().startable() / self.max_active;
        let runs = &mut batch.runs;
        state
            .engine
            .take(share.clamp(1, MAX_BATCH), self.max_run, now, |run| runs.push(Some(run)));
    }

    /// Hands ended runs in to the engine. Their records are left to be dropped without the lock. Returns whether one run
    /// is to be tried again, so that an alarm may be needed.
    pub(crate) fn hand_in(&self, state: &mut PoolState, runs: &mut [Option<Run<Record>>], endings: &[Ending]) -> bool {
        let (mut drained, mut retried, mut done) = (false, false, 0);
        for (slot, ending) in runs.iter_mut().zip(endings) {
            let run = slot.as_ref().expect("a run is handed in once");
            let mut finished = run.items.len() as u64;
            match ending {
                Ending::Done => done += finished,
                Ending::Parked => state.parked += finished,
                Ending::Retry(_) => finished = 0,
            }
            let finish = match ending {
                Ending::Done | Ending::Parked => state.engine.finish(run, true),
                Ending::Retry(after) => {
                    retried = true;
                    let run = slot.take().expect("it is there");
                    state.engine.postpone(run, self.due(*after))
                }
            };
            match finish {
                Finish::Noted => {}
                Finish::Drained => drained = true,
                Finish::Late => self.metrics.late.inc_by(finished),
            }
        }
        state.done += done;
        self.metrics.done.inc_by(done);
        if drained || (state.closing && state.engine.scheduler().in_flight() == 0) {
            self.drained.notify_all();
        }
        retried
    }

    /// The time at which `after` will have passed, in milliseconds since the start. [`Pool::now`] leaves out the
    /// fraction of a millisecond, so one more is waited.
    fn due(&self, after: Duration) -> u64 {
        let after = u64::try_from(after.as_millis()).unwrap_or(u64::MAX);
        self.now().saturating_add(after).saturating_add(1)
    }

    /// Stops the intake of these partitions, waits up to `patience` for their records in flight (with zero not at all),
    /// and ends their grants.
    /// Returns the positions to commit, or `None` if more time is needed.
    pub(crate) fn drain(&self, partitions: &[TopicPartition], patience: Duration) -> Option<Vec<Position>> {
        let mut state = self.lock();
        let mut drained = state.drain(partitions);
        self.metrics.draining_partitions.set(state.engine.draining() as u64);
        if !drained && !patience.is_zero() {
            let waiting = self.drained.wait_timeout_while(state, patience, |state| {
                drained = state.drain(partitions);
                !drained
            });
            state = waiting.unwrap_or_else(PoisonError::into_inner).0;
        }
        drained.then(|| {
            partitions
                .iter()
                .filter_map(|partition| self.release(&mut state.engine, partition))
                .collect()
        })
    }

    fn release(&self, engine: &mut Engine, partition: &TopicPartition) -> Option<Position> {
        let epoch = engine.epoch(partition)?;
        let released = engine.release(partition);
        let position = released.as_ref();
        self.tell(Event::GivenBack {
            partition,
            epoch,
            position,
        });
        released
    }

    /// Stops the intake of every partition for a shutdown. Returns the partitions that are held.
    pub(crate) fn begin_closing(&self) -> Vec<TopicPartition> {
        let mut state = self.lock();
        state.closing = true;
        state.engine.close()
    }

    /// Waits up to `patience` (with zero not at all) until nothing is in flight or the runner has failed. Returns whether
    /// that is so.
    pub(crate) fn wait_until_empty(&self, patience: Duration) -> bool {
        let busy = |state: &mut PoolState| state.failure.is_none() && state.engine.scheduler().in_flight() > 0;
        if patience.is_zero() {
            return !busy(&mut self.lock());
        }
        let waiting = self.drained.wait_timeout_while(self.lock(), patience, busy);
        !waiting.unwrap_or_else(PoisonError::into_inner).1.timed_out()
    }

    /// Stops the runner; of several failures the first is kept.
    pub(crate) fn fail(&self, failure: String) {
        self.lock().failure.get_or_insert(failure);
        self.drained.notify_all();
    }
}

impl PoolState {
    /// Stops the intake of these partitions. Returns whether their grants may end: nothing of them is in flight, or
    /// nothing more can be waited for.
    fn drain(&mut self, partitions: &[TopicPartition]) -> bool {
        let drained = partitions
            .iter()
            .filter(|partition| self.engine.drain(partition))
            .count();
        drained == partitions.len() || self.leaving || self.failure.is_some() || planted::is_in(Bug::NoDrain)
    }
}
