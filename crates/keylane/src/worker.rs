//! Tasks that call the handler.
//!
//! ```text
//!   polling thread ── offer ─▶ engine (one lock) ◀── exchange: hand in some, take some ── worker ── handler
//!                                                                                           │ pending?
//!                                                           a new worker takes over the rest ◀─┘
//! ```
//!
//! A worker takes a batch of runs and polls each handler future in place, so that a handler which is ready at once
//! costs neither a task nor an allocation. When a future is not ready, the worker stays with it and a new worker takes
//! over the rest of the batch. A worker that hands in a finished run takes the next one under the same lock, so no run
//! waits for the polling thread.
//!
//! # Invariants
//! * Whenever a lane could start, some worker is going to look for it. A lane becomes startable when records are
//!   offered, when a run ends, or when its waiting time is over; each of these starts a worker if none is active.
//! * A worker finishes every run that it has taken; a panic on the way stops the runner.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use keylane_log::Record;
use tokio::time::Instant;

use crate::event::Event;
use crate::handler::{Attempt, Handler, Outcome};
use crate::pool::{Batch, Ending, Pool, PoolState};
use crate::scheduler::{LaneKey, Run};

/// The task of one worker: handles its batch, exchanges it for another, and ends when there is no more work.
async fn work<H: Handler>(pool: Arc<Pool<H>>, mut batch: Batch) {
    loop {
        while batch.endings.len() < batch.runs.len() {
            let ending = handle(&pool, &mut batch).await;
            if batch.aside {
                batch.runs.retain(Option::is_some);
            }
            batch.endings.push(ending);
        }
        if !pool.exchange(&mut batch) {
            return;
        }
        tokio::task::coop::consume_budget().await;
    }
}

/// Handles the first run of the batch that has not ended. If that takes longer than the first poll, another worker gets
/// all other runs, and the batch is left with this one.
async fn handle<H: Handler>(pool: &Arc<Pool<H>>, batch: &mut Batch) -> Ending {
    let Batch {
        runs, endings, aside, ..
    } = batch;
    let (ended, rest) = runs.split_at_mut(endings.len());
    let (run, rest) = rest.split_first_mut().expect("a run has not ended");
    let run = run.as_ref().expect("it is there until it is handed in");
    let mut alarm = UnfinishedAlarm { pool, run, armed: true };
    let mut handling = pin!(pool.call_handler(run));
    let ending = poll_fn(|context| {
        let poll = handling.as_mut().poll(context);
        if poll == Poll::Pending && !*aside {
            *aside = true;
            let others = ended.iter_mut().chain(rest.iter_mut()).map(Option::take);
            pool.step_aside(others.collect(), std::mem::take(endings));
        }
        poll
    })
    .await;
    alarm.armed = false;
    ending
}

/// Stops the runner if it is dropped while it is armed: then the handler panicked, or its runtime ended during the
/// call.
struct UnfinishedAlarm<'a, H: Handler> {
    pool: &'a Pool<H>,
    run: &'a Run<Record>,
    armed: bool,
}

impl<H: Handler> Drop for UnfinishedAlarm<'_, H> {
    fn drop(&mut self) {
        if !self.armed {
            return;
        }
        let first = &self.run.items[0];
        let at = format!("{}-{}@{}", first.topic, first.partition, first.offset);
        self.pool.fail(if std::thread::panicking() {
            format!("the handler panicked at {at}")
        } else {
            format!("the runtime ended while {at} was being handled")
        });
    }
}

impl<H: Handler> Pool<H> {
    /// Takes records in, and starts workers for them.
    pub(crate) fn offer(self: &Arc<Self>, records: impl IntoIterator<Item = (LaneKey, Record)>, now: Instant) {
        let mut state = self.lock();
        match &self.listener {
            Some(listener) => state.engine.offer(records, |event| listener(event)),
            None => state.engine.offer(records, |_| {}),
        }
        self.start_workers(&mut state, self.millis(now));
    }

    /// Starts workers for the lanes that could start, as far as more may be active.
    fn start_workers(self: &Arc<Self>, state: &mut PoolState, now: u64) {
        while state.active < self.max_active {
            let mut batch = Batch::default();
            self.fill(state, &mut batch, now);
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

    /// Hands in the runs of `batch`, which have ended, and takes others in their place. Returns `false` if there is no
    /// more work, so that the worker must end.
    fn exchange(self: &Arc<Self>, batch: &mut Batch) -> bool {
        let mut ended = std::mem::replace(&mut batch.runs, std::mem::take(&mut batch.spare));
        let busy = {
            let mut state = self.lock();
            self.hand_in_and_set_alarm(&mut state, &mut ended, &batch.endings);
            self.fill(&mut state, batch, self.now());
            let busy = !batch.runs.is_empty();
            match (batch.aside, busy) {
                (true, true) => state.active += 1,
                (false, false) => state.active -= 1,
                _ => {}
            }
            busy
        };
        ended.clear();
        batch.endings.clear();
        (batch.spare, batch.aside) = (ended, false);
        busy
    }

    /// Passes these runs, the first of which have `endings`, or else the next work there is, to a new worker, because
    /// their worker has to wait for its handler.
    fn step_aside(self: &Arc<Self>, mut runs: Vec<Option<Run<Record>>>, endings: Vec<Ending>) {
        let mut ended = Vec::from_iter(runs.drain(..endings.len()));
        let mut batch = Batch {
            runs,
            ..Batch::default()
        };
        if batch.runs.is_empty() || !ended.is_empty() {
            let mut state = self.lock();
            self.hand_in_and_set_alarm(&mut state, &mut ended, &endings);
            if batch.runs.is_empty() {
                self.fill(&mut state, &mut batch, self.now());
            }
            if batch.runs.is_empty() {
                state.active -= 1;
                return;
            }
        }
        self.spawn(batch);
    }

    fn hand_in_and_set_alarm(
        self: &Arc<Self>,
        state: &mut PoolState,
        ended: &mut [Option<Run<Record>>],
        endings: &[Ending],
    ) {
        if self.hand_in(state, ended, endings) {
            self.set_alarm(state);
        }
    }

    /// Has a task start workers when the next waiting lane is due.
    fn set_alarm(self: &Arc<Self>, state: &mut PoolState) {
        let Some(due) = state.engine.scheduler().next_due() else {
            return;
        };
        if state.alarm.is_some_and(|alarm| alarm <= due) {
            return;
        }
        state.alarm = Some(due);
        let after = Duration::from_millis(due.saturating_sub(self.now()));
        // A sleeping alarm must not keep the pool of an ended runner in memory.
        let pool = Arc::downgrade(self);
        self.runtime.spawn(async move {
            tokio::time::sleep(after).await;
            if let Some(pool) = pool.upgrade() {
                pool.on_alarm(due);
            }
        });
    }

    /// Starts workers for lanes whose waiting time is over. Does nothing if the alarm set for `due` was replaced by an
    /// earlier one.
    fn on_alarm(self: &Arc<Self>, due: u64) {
        let mut state = self.lock();
        if state.alarm == Some(due) {
            state.alarm = None;
            self.start_workers(&mut state, self.now());
            self.set_alarm(&mut state);
        }
    }

    /// Calls the handler with `run`, and counts and logs how it ended.
    async fn call_handler(&self, run: &Run<Record>) -> Ending {
        let attempt = Attempt {
            number: run.attempt,
            epoch: run.epoch,
        };
        let records = &run.items[..];
        self.tell(Event::Started { records, attempt });
        let outcome = self.handler.handle(records, attempt).await;
        self.tell(Event::Ended {
            records,
            attempt,
            outcome: &outcome,
        });
        let number = records.len() as u64;
        match outcome {
            Outcome::Done => Ending::Done,
            Outcome::Park(reason) => {
                self.metrics.parked.inc_by(number);
                let first = &records[0];
                tracing::warn!(tally = "records parked by their handler", topic = %first.topic, partition = %first.partition, offset = %first.offset, records = number,
                    attempts = attempt.number, reason, "a record was parked");
                Ending::Parked
            }
            Outcome::Retry(after) => {
                self.metrics.retried.inc();
                Ending::Retry(after)
            }
        }
    }
}
