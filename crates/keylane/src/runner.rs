//! The runner: it owns the consumer, takes records in, commits what is done, and answers rebalances, step by step.
//!
//! ```text
//!   step(now, longest) ─▶ pause, resume, commit ─▶ poll ─▶ take in ─▶ after which pause the next step is wanted
//!   begin_close(now) ─▶ close_step(now, longest), until nothing is in flight ─▶ leave the group ─▶ Summary
//! ```
//!
//! # Invariants
//! * The runner reads no clock. It is told the time, and how long a step may wait at most.
//! * Polling never waits for a handler, except inside a revoke, where it waits no longer than the log allows.
//! * Every commit and every answer to a rebalance is made inside a step, so no commit is begun after its revoke.
//! * While the log can't be reached, polls and commits are repeated with growing pauses, and only the first failure is
//!   logged. Work in flight goes on meanwhile.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use keylane_log::{Consumer, LogError, Offset, Record, TopicPartition};
use tokio::runtime::Handle;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::backoff::Backoff;
use crate::engine::UnreadMetadata;
use crate::event::Event;
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

/// Reads records and has a handler called with them, as [`run`](crate::run) does, but only takes a step when it is
/// told to. So its caller decides when and in which order things happen.
///
/// The handler is called by tasks of a Tokio runtime. Time is that runtime's time, which may be paused: pass what
/// [`Instant::now`] returns in one of its tasks. It never goes back.
///
/// A caller that must not wait passes no time to wait for, and waits by itself as long as a step says:
///
/// ```
/// use std::time::Duration;
///
/// use keylane::tokio::time::{Instant, sleep};
/// use keylane::{CancellationToken, Handler, LogError, Runner, Summary};
///
/// async fn drive<H: Handler>(mut runner: Runner<H>, shutdown: CancellationToken) -> Result<Summary, LogError> {
///     while !shutdown.is_cancelled() {
///         let pause = runner.step(Instant::now(), Duration::ZERO)?;
///         sleep(pause).await;
///     }
///     runner.begin_close(Instant::now());
///     loop {
///         if let Some(summary) = runner.close_step(Instant::now(), Duration::ZERO) {
///             return Ok(summary);
///         }
///         sleep(Duration::from_millis(1)).await;
///     }
/// }
/// ```
pub struct Runner<H: Handler> {
    consumer: Box<dyn Consumer>,
    pool: Arc<Pool<H>>,
    rebalance: PoolRebalance<H>,
    options: Options,
    /// Memory for the lanes of the records of a poll.
    keys: Vec<LaneKey>,
    polling: Outage,
    committing: Outage,
    /// Since when there is something to commit; `None` if there is nothing.
    dirty_since: Option<Instant>,
    /// Earliest time of the next commit attempt; set after a failed one.
    next_commit: Instant,
    /// Whether records were taken in since commits were looked at last.
    took_in: bool,
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
/// Timeout of a poll while there is nothing to do. The caller may notice a shutdown that much later.
const POLL_IDLE: Duration = Duration::from_millis(100);
/// Time between two measurements of the oldest record's age. Each of them looks at every lane.
const AGE_INTERVAL: Duration = Duration::from_millis(500);
/// The pauses between polls, and between commits, that the log does not answer.
const BACKOFF: Backoff = Backoff {
    first: Duration::from_millis(50),
    most: Duration::from_secs(1),
};

impl<H: Handler> Runner<H> {
    /// Makes a runner whose handler is called on `runtime`. The runtime's timer must be enabled.
    pub fn new(consumer: Box<dyn Consumer>, handler: H, options: Options, runtime: Handle, now: Instant) -> Self {
        Self::ended_by(CancellationToken::new(), consumer, handler, options, runtime, now)
    }

    /// As [`Runner::new`], with a token that a revoke in a step looks at, so that it notices that the caller wants to
    /// close the runner.
    pub(crate) fn ended_by(
        shutdown: CancellationToken,
        consumer: Box<dyn Consumer>,
        handler: H,
        options: Options,
        runtime: Handle,
        now: Instant,
    ) -> Self {
        let pool = Arc::new(Pool::new(handler, &options, runtime, now));
        Self {
            consumer,
            rebalance: PoolRebalance::new(pool.clone(), shutdown, options.shutdown_timeout, now),
            pool,
            options,
            keys: Vec::new(),
            polling: Outage::new("the log can't be read; trying again"),
            committing: Outage::new("the log doesn't take commits; trying again"),
            dirty_since: None,
            next_commit: now,
            took_in: false,
            last_active: now,
            last_age_measured: now,
        }
    }

    /// Does what is due (pauses, resumes, commits, updates the metrics), then polls once and takes in what came.
    ///
    /// `longest` bounds how long the poll, and each wait of a revoke in it, may take; with zero, nothing waits. Returns
    /// after which pause to call again. The pause is zero if there may be more records, or if the poll itself has
    /// waited. To call earlier does no harm.
    ///
    /// # Errors
    /// [`LogError::Refused`] and [`LogError::Broken`] as the log returned them; [`LogError::Broken`] if the handler
    /// panicked. The runner can only be closed then.
    pub fn step(&mut self, now: Instant, longest: Duration) -> Result<Duration, LogError> {
        if let Some(failure) = self.pool.lock().failure.clone() {
            return Err(LogError::Broken(failure));
        }
        self.regulate()?;
        self.commit_when_due(now)?;
        self.update_metrics(now);
        self.rebalance.step_begins(now, longest);
        let wanted = self.poll_timeout();
        match self.consumer.poll(wanted.min(longest), &mut self.rebalance) {
            Ok(records) => {
                self.polling.ended();
                let cut_short = records.is_empty() && longest < wanted;
                self.take_in(records);
                let left = || self.poll_timeout().saturating_sub(longest);
                Ok(if cut_short { left() } else { Duration::ZERO })
            }
            Err(LogError::Unavailable(reason)) => {
                let tries = self.polling.noted(&reason);
                Ok(BACKOFF.after(tries, 0))
            }
            Err(error) => Err(error),
        }
    }

    /// How long a poll should wait for records.
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
        self.took_in |= !records.is_empty();
        // All keys are looked at before the first record may be in other hands.
        let mut keys = std::mem::take(&mut self.keys);
        keys.extend(records.iter().map(|record| self.lane_key(record)));
        let mut keyed = keys.drain(..).zip(records);
        while keyed.len() > 0 {
            self.pool.offer(keyed.by_ref().take(OFFER_CHUNK), self.rebalance.now());
        }
        drop(keyed);
        self.keys = keys;
        let rewound = self.pool.lock().engine.rewound();
        for partition in rewound {
            tracing::warn!(%partition, "the log has gone back, because it was truncated or repeats records, and is read from there");
        }
    }

    fn lane_key(&self, record: &Record) -> LaneKey {
        let partition = || LaneKey::partition(record.topic_partition());
        match self.options.mode {
            Mode::OneByOne => LaneKey::INSTANCE,
            Mode::ByPartition => partition(),
            Mode::ByKey => match self.pool.handler.key(record) {
                Some(key) => LaneKey::key(&key),
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

    fn commit_when_due(&mut self, now: Instant) -> Result<(), LogError> {
        let (dirty, idle) = {
            let state = self.pool.lock();
            (state.engine.is_dirty(), state.engine.is_idle())
        };
        if std::mem::take(&mut self.took_in) || !idle {
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
            self.commit(now)?;
        }
        Ok(())
    }

    fn commit(&mut self, now: Instant) -> Result<(), LogError> {
        let positions = self.pool.lock().engine.positions();
        if positions.is_empty() {
            return Ok(());
        }
        let metrics = &self.options.metrics;
        match self.consumer.commit(&positions) {
            Ok(refused) => {
                self.committing.ended();
                for position in &positions {
                    self.pool.tell(match refused.contains(&position.partition) {
                        true => Event::CommitRefused { position },
                        false => Event::Committed { position },
                    });
                }
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
                self.next_commit = now + BACKOFF.after(tries, 0);
                Ok(())
            }
            Err(error) => Err(error),
        }
    }

    fn update_metrics(&mut self, now: Instant) {
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
        if now.saturating_duration_since(self.last_age_measured) >= AGE_INTERVAL {
            self.last_age_measured = now;
            let now = self.pool.millis(now);
            let age = engine
                .scheduler()
                .oldest()
                .map_or(0, |started| now.saturating_sub(started));
            metrics.oldest_in_flight_ms.set(age);
        }
    }

    /// Stops the intake. From now on [`close_step`](Self::close_step) is called in place of [`step`](Self::step), and
    /// waits for the records in flight until [`Options::shutdown_timeout`] is over.
    pub fn begin_close(&mut self, now: Instant) {
        self.rebalance.step_begins(now, Duration::ZERO);
        self.rebalance.begin_shutdown();
        let held = self.pool.begin_closing();
        // A pause that fails does no harm: records that still arrive are dropped, and the next owner reads them again.
        let _ = self.consumer.pause(&held);
    }

    /// Waits up to `longest` for the records in flight, and returns `None` while there are some: then the caller calls
    /// again some milliseconds later, since each call also keeps the membership alive. Otherwise commits what is done,
    /// leaves the group and returns what the runner has done.
    pub fn close_step(&mut self, now: Instant, longest: Duration) -> Option<Summary> {
        self.rebalance.step_begins(now, longest);
        let deadline = self.rebalance.begin_shutdown();
        if !self.pool.wait_until_empty(longest.min(POLL_BUSY)) && now < deadline {
            // The runner ends anyway, so that an error of this poll changes nothing.
            let _ = self.consumer.poll(Duration::ZERO, &mut self.rebalance);
            return None;
        }
        self.pool.lock().leaving = true;
        if let Err(error) = self.consumer.leave(&mut self.rebalance) {
            tracing::warn!(%error, "the group could not be left in good order; the last records may be handled again");
        }
        self.update_metrics(now);
        let state = self.pool.lock();
        Some(Summary {
            done: state.done,
            parked: state.parked,
            unfinished: state.engine.scheduler().in_flight(),
        })
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
