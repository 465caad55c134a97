//! The polling thread: it owns the consumer, takes records in, commits what is done, and answers rebalances.
//!
//! # Invariants
//! * Polling never waits for a handler, except inside a revoke, where it waits no longer than the log allows.
//! * Every commit and every answer to a rebalance is made on this one thread, so no commit is begun after its revoke.
//! * While the log can't be reached, polls and commits are repeated with growing pauses, and only the first failure is
//!   logged. Work in flight goes on meanwhile.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use keylane_log::{Consumer, LogError, Offset, Record, TopicPartition};
use tokio::runtime::Handle;
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

use crate::backoff::Backoff;
use crate::engine::UnreadMetadata;
use crate::handler::Handler;
use crate::metadata;
use crate::options::{Mode, Options};
use crate::outage::Outage;
use crate::pool::Pool;
use crate::rebalance::{PoolRebalance, names};
use crate::scheduler::LaneKey;

/// What a runner has done from its start to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Summary {
    /// Records whose handling ended with `Done`.
    pub done: u64,
    /// Records whose handling ended with `Park`.
    pub parked: u64,
    /// Lanes that were still in flight when the shutdown timeout ended. Their records are not committed and come again.
    pub unfinished: usize,
}

/// Reads records from `consumer` and calls `handler` with them until `shutdown` is cancelled. Then the records in
/// flight are finished, what is done is committed, and the group is left. Dropping the returned future starts the same
/// shutdown, without waiting for it.
///
/// Handlers run on the Tokio runtime that this function is called on; its timer must be enabled.
///
/// # Errors
/// [`LogError::Refused`] and [`LogError::Broken`] as the log returned them; [`LogError::Broken`] if the handler
/// panicked or a thread could not be started. What was done by then has been committed, unless the log did not take it.
pub async fn run<H: Handler>(
    consumer: Box<dyn Consumer>,
    handler: H,
    options: Options,
    shutdown: CancellationToken,
) -> Result<Summary, LogError> {
    let shutdown = shutdown.child_token();
    let _dropped = shutdown.clone().drop_guard();
    let runtime = Handle::current();
    let runner = Runner::new(consumer, handler, options, runtime, shutdown.clone());
    let (result, ended) = oneshot::channel();
    std::thread::Builder::new()
        .name("keylane-poll".to_owned())
        .spawn(move || result.send(runner.run(&shutdown)))
        .map_err(|error| LogError::Broken(format!("the polling thread could not be started: {error}")))?;
    let died = |_| Err(LogError::Broken("the polling thread panicked".to_owned()));
    ended.await.unwrap_or_else(died)
}

struct Runner<H: Handler> {
    consumer: Box<dyn Consumer>,
    pool: Arc<Pool<H>>,
    rebalance: PoolRebalance<H>,
    options: Options,
    runtime: Handle,
    incoming: Vec<(LaneKey, Record)>,
    polling: Outage,
    committing: Outage,
    /// Since when there is something to commit; `None` if there is nothing.
    dirty_since: Option<Instant>,
    /// Earliest time of the next commit attempt; set after a failed one.
    next_commit: Instant,
    /// When a record was last taken in or in flight.
    last_active: Instant,
    /// When the age of the oldest record in flight was last measured.
    last_age_measured: Instant,
}

/// The most records that are offered to the engine under one lock.
const OFFER_CHUNK: usize = 256;
/// Timeout of a poll while records are in flight or wait for their commit; neither wakes the poll.
const POLL_BUSY: Duration = Duration::from_millis(10);
/// Timeout of a poll while a partition is paused and waits to be resumed.
const POLL_PAUSED: Duration = Duration::from_millis(2);
/// Timeout of a poll while there is nothing to do. A shutdown may be noticed this late.
const POLL_IDLE: Duration = Duration::from_millis(100);
/// Time between two measurements of the oldest record's age. Each of them looks at every lane.
const AGE_INTERVAL: Duration = Duration::from_millis(500);
/// The pauses between polls, and between commits, that the log does not answer.
const BACKOFF: Backoff = Backoff {
    first: Duration::from_millis(50),
    most: Duration::from_secs(1),
};

impl<H: Handler> Runner<H> {
    fn new(
        consumer: Box<dyn Consumer>,
        handler: H,
        options: Options,
        runtime: Handle,
        shutdown: CancellationToken,
    ) -> Self {
        let pool = Arc::new(Pool::new(handler, &options, runtime.clone()));
        Self {
            consumer,
            rebalance: PoolRebalance::new(pool.clone(), shutdown, options.shutdown_timeout),
            pool,
            options,
            runtime,
            incoming: Vec::with_capacity(OFFER_CHUNK),
            polling: Outage::new("the log can't be read; trying again"),
            committing: Outage::new("the log doesn't take commits; trying again"),
            dirty_since: None,
            next_commit: Instant::now(),
            last_active: Instant::now(),
            last_age_measured: Instant::now(),
        }
    }

    fn run(mut self, shutdown: &CancellationToken) -> Result<Summary, LogError> {
        let mut result = Ok(());
        while result.is_ok() && !shutdown.is_cancelled() {
            result = self.step(shutdown);
        }
        let summary = self.close();
        result.map(|()| summary)
    }

    /// Polls once, and does what is due: takes records in, pauses and resumes, commits, and updates the metrics.
    fn step(&mut self, shutdown: &CancellationToken) -> Result<(), LogError> {
        match self.consumer.poll(self.poll_timeout(), &mut self.rebalance) {
            Ok(records) => {
                self.polling.ended();
                self.take_in(records);
            }
            Err(LogError::Unavailable(reason)) => {
                let tries = self.polling.noted(&reason);
                let cancelled = shutdown.cancelled();
                let pause = async { tokio::time::timeout(BACKOFF.after(tries, 0), cancelled).await };
                // Whether the pause is over or a shutdown cut it short makes no difference here.
                let _ = self.runtime.block_on(pause);
            }
            Err(error) => return Err(error),
        }
        self.regulate()?;
        self.commit_when_due()?;
        self.update_metrics();
        match self.pool.lock().failure.clone() {
            Some(failure) => Err(LogError::Broken(failure)),
            None => Ok(()),
        }
    }

    fn poll_timeout(&self) -> Duration {
        let state = self.pool.lock();
        if state.engine.paused() > 0 {
            POLL_PAUSED
        } else if state.engine.is_dirty() || !state.engine.is_idle() {
            POLL_BUSY
        } else {
            POLL_IDLE
        }
    }

    fn take_in(&mut self, records: Vec<Record>) {
        self.inherit_done();
        let mut records = records.into_iter();
        loop {
            for record in records.by_ref().take(OFFER_CHUNK) {
                self.incoming.push((self.lane_key(&record), record));
            }
            if self.incoming.is_empty() {
                break;
            }
            self.last_active = Instant::now();
            self.pool.offer(self.incoming.drain(..));
        }
        let rewound = self.pool.lock().engine.rewound();
        for partition in rewound {
            tracing::warn!(%partition, "the log has gone back, because it was truncated or repeats records, and is read from there");
        }
    }

    fn lane_key(&self, record: &Record) -> LaneKey {
        let partition = || LaneKey::Partition(record.topic_partition());
        match self.options.mode {
            Mode::OneByOne => LaneKey::Instance,
            Mode::ByPartition => partition(),
            Mode::ByKey => match self.pool.handler.key(record) {
                Some(key) => LaneKey::Key(key),
                None => partition(),
            },
        }
    }

    /// Reads the commit metadata of partitions that were just assigned, and has the engine skip the records that it
    /// names as done.
    fn inherit_done(&mut self) {
        let unread = self.pool.lock().engine.take_unread_metadata();
        let ends = self.ends(&unread);
        for grant in unread {
            let TopicPartition { topic, partition } = &grant.partition;
            let end = ends.get(topic).and_then(|ends| ends.get(partition.0 as usize));
            match metadata::decode(grant.position, end.copied(), &grant.metadata) {
                Ok(done) => self.pool.lock().engine.inherit(grant.epoch, done),
                Err(reason) => tracing::warn!(partition = %grant.partition, position = %grant.position, %reason,
                    "the metadata of the last commit is not used; records that were done before may be handled again"),
            }
        }
    }

    /// The ends of the partitions of these grants' topics, as far as the log tells. Nothing is polled meanwhile, so
    /// each topic is asked about once, and no more topics are asked about after a failure, since each might take as
    /// long.
    fn ends(&self, grants: &[UnreadMetadata]) -> BTreeMap<Arc<str>, Vec<Offset>> {
        let topics: BTreeSet<&Arc<str>> = grants.iter().map(|grant| &grant.partition.topic).collect();
        let known = self.options.ends_of.iter().flat_map(|ends_of| {
            let ends = move |topic: &Arc<str>| Some((topic.clone(), ends_of(topic).ok()?));
            topics.iter().copied().map_while(ends)
        });
        known.collect()
    }

    /// Pauses and resumes partitions as the buffer fills and empties. What the log does not do now is tried again at
    /// the next step.
    fn regulate(&mut self) -> Result<(), LogError> {
        let flow = self.pool.lock().engine.flow();
        if !flow.pause.is_empty() && answered(self.consumer.pause(&flow.pause))? {
            self.pool.lock().engine.set_paused(&flow.pause, true);
        }
        if !flow.resume.is_empty() && answered(self.consumer.resume(&flow.resume))? {
            self.pool.lock().engine.set_paused(&flow.resume, false);
        }
        Ok(())
    }

    fn commit_when_due(&mut self) -> Result<(), LogError> {
        let now = Instant::now();
        let (dirty, idle) = {
            let state = self.pool.lock();
            (state.engine.is_dirty(), state.engine.is_idle())
        };
        if !idle {
            self.last_active = now;
        }
        if !dirty {
            self.dirty_since = None;
            return Ok(());
        }
        let since = *self.dirty_since.get_or_insert(now);
        if now < self.next_commit {
            return Ok(());
        }
        let quiet = idle && now - self.last_active >= self.options.commit_idle;
        if quiet || now - since >= self.options.commit_every {
            self.dirty_since = None;
            self.commit()?;
        }
        Ok(())
    }

    fn commit(&mut self) -> Result<(), LogError> {
        let positions = self.pool.lock().engine.positions();
        if positions.is_empty() {
            return Ok(());
        }
        let metrics = &self.options.metrics;
        match self.consumer.commit(&positions) {
            Ok(refused) => {
                self.committing.ended();
                metrics.commits.inc_by((positions.len() - refused.len()) as u64);
                metrics.commits_refused.inc_by(refused.len() as u64);
                if !refused.is_empty() {
                    let partitions = names(&refused);
                    tracing::warn!(
                        partitions,
                        "a commit was refused: the partitions are no longer this member's"
                    );
                }
                self.pool.lock().engine.committed(positions, &refused);
                Ok(())
            }
            Err(LogError::Unavailable(reason)) => {
                let tries = self.committing.noted(&reason);
                metrics.commits_failed.inc();
                self.pool.lock().engine.not_committed(&positions);
                self.next_commit = Instant::now() + BACKOFF.after(tries, 0);
                Ok(())
            }
            Err(error) => Err(error),
        }
    }

    fn update_metrics(&mut self) {
        let mut state = self.pool.lock();
        let (engine, metrics) = (&mut state.engine, &self.options.metrics);
        metrics.in_flight.set(engine.scheduler().in_flight() as u64);
        metrics.queued.set(engine.scheduler().queued() as u64);
        metrics.waiting.set(engine.scheduler().waiting() as u64);
        metrics.buffered_bytes.set(engine.buffered_bytes() as u64);
        metrics.draining_partitions.set(engine.draining() as u64);
        metrics.paused_partitions.set(engine.paused() as u64);
        metrics.skipped.inc_by(engine.take_skipped());
        metrics.order_violations.inc_by(engine.take_violations());
        if self.last_age_measured.elapsed() >= AGE_INTERVAL {
            self.last_age_measured = Instant::now();
            let now = self.pool.now();
            let age = engine
                .scheduler()
                .oldest()
                .map_or(0, |started| now.saturating_sub(started));
            metrics.oldest_in_flight_ms.set(age);
        }
    }

    /// Stops the intake, waits for the records in flight, commits what is done, and leaves the group.
    fn close(&mut self) -> Summary {
        let deadline = self.rebalance.begin_shutdown();
        let held = self.pool.begin_closing();
        // A pause that fails does no harm: records that still arrive are dropped, and the next owner reads them again.
        let _ = self.consumer.pause(&held);
        while !self.pool.wait_until_empty(POLL_BUSY) && Instant::now() < deadline {
            // Polling keeps the membership alive. Its errors are ignored because the runner ends anyway.
            let _ = self.consumer.poll(Duration::ZERO, &mut self.rebalance);
        }
        self.pool.lock().leaving = true;
        if let Err(error) = self.consumer.leave(&mut self.rebalance) {
            tracing::warn!(%error, "the group could not be left in good order; the last records may be handled again");
        }
        self.update_metrics();
        let state = self.pool.lock();
        Summary {
            done: state.done,
            parked: state.parked,
            unfinished: state.engine.scheduler().in_flight(),
        }
    }
}

/// Whether the log has answered a call; `false` if it was [`Unavailable`](LogError::Unavailable).
fn answered(result: Result<(), LogError>) -> Result<bool, LogError> {
    match result {
        Ok(()) => Ok(true),
        Err(LogError::Unavailable(_)) => Ok(false),
        Err(error) => Err(error),
    }
}
