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
//! * Whenever a lane could start, a worker is about to look: one is active, or the lane was offered, or its time came,
//!   after the last active one left, and whoever does that starts one.
//! * What a worker took, it finishes; a panic in between stops the runner.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;

use keylane_log::Record;

use crate::handler::{Attempt, Handler, Outcome};
use crate::pool::{Batch, Ending, Pool};
use crate::scheduler::Run;

pub(crate) async fn work<H: Handler>(pool: Arc<Pool<H>>, mut batch: Batch) {
    loop {
        while let Some(run) = batch.runs.pop_front() {
            let ending = carry(&pool, &run, &mut batch).await;
            batch.ended.push((run, ending));
        }
        if !pool.exchange(&mut batch) {
            return;
        }
        tokio::task::coop::consume_budget().await;
    }
}

/// Handles one run, and steps aside for the rest of the batch if it takes longer than a moment.
async fn carry<H: Handler>(pool: &Arc<Pool<H>>, run: &Run<Record>, batch: &mut Batch) -> Ending {
    let unfinished = Unfinished { pool, run };
    let mut handling = pin!(pool.handle(run));
    let ending = poll_fn(|context| {
        let poll = handling.as_mut().poll(context);
        if poll == Poll::Pending && !batch.aside {
            pool.step_aside(batch);
        }
        poll
    })
    .await;
    std::mem::forget(unfinished);
    ending
}

/// Dropped only when the handler panicked or its runtime ended under it.
struct Unfinished<'a, H: Handler> {
    pool: &'a Pool<H>,
    run: &'a Run<Record>,
}

impl<H: Handler> Drop for Unfinished<'_, H> {
    fn drop(&mut self) {
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
    /// Calls the handler with `run`.
    async fn handle(&self, run: &Run<Record>) -> Ending {
        let records = run.items.len() as u64;
        let attempt = Attempt {
            number: run.attempt,
            epoch: run.epoch,
        };
        match self.handler.handle(&run.items, attempt).await {
            Outcome::Done => {
                self.metrics.done.inc_by(records);
                Ending::Done
            }
            Outcome::Park(reason) => {
                self.metrics.parked.inc_by(records);
                let first = &run.items[0];
                tracing::warn!(tally = "records parked by their handler", topic = %first.topic, partition = %first.partition, offset = %first.offset, records,
                    attempts = attempt.number, reason, "a record was parked");
                Ending::Parked
            }
            Outcome::Retry(after) => {
                self.metrics.retried.inc();
                Ending::Again(after)
            }
        }
    }
}
