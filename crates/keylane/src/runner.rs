//! The polling thread: it owns the consumer, takes records in, commits what is done, and answers rebalances.
//!
//! # Invariants
//! * Polling never waits for a handler, except inside a revoke, as long as the log allows.
//! * Every commit and every answer to a rebalance is made on this one thread, so no commit can land after its revoke.
//! * When the log can't be reached it is tried again, slower and slower, and told once; work in flight goes on.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use keylane_log::{Consumer, LogError, Offset, Record, TopicPartition};
use tokio::runtime::Handle;
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

use crate::backoff::Backoff;
use crate::engine::Unchecked;
use crate::handler::Handler;
use crate::metadata;
use crate::options::{Mode, Options};
use crate::outage::Outage;
use crate::pool::Pool;
use crate::rebalance::{PoolRebalance, names};
use crate::scheduler::LaneKey;

/// What a runner has done in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Summary {
    /// Records whose handling ended with `Done`.
    pub done: u64,
    /// Records whose handling ended with `Park`.
    pub parked: u64,
    /// Lanes that were still in flight when the shutdown's patience ended; their records come again.
    pub unfinished: usize,
}

/// Reads from `consumer` and has `handler` handle what comes, until `shutdown`: then what is in flight finishes, what is
/// done is committed, and the group is left. Dropping the future shuts down as well, without waiting for it.
///
/// Handlers run on the Tokio runtime this is called on, which needs its timer.
///
/// # Errors
/// `Refused` and `Broken` errors of the log, and `Broken` when the handler panicked. What was done by then has been
/// committed if the log still took it.
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
    let (answer, answered) = oneshot::channel();
    std::thread::Builder::new()
        .name("lanes-poll".to_owned())
        .spawn(move || answer.send(runner.run(&shutdown)))
        .map_err(|error| LogError::Broken(format!("the polling thread could not be started: {error}")))?;
    let died = |_| Err(LogError::Broken("the polling thread panicked".to_owned()));
    answered.await.unwrap_or_else(died)
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
    dirty_since: Option<Instant>,
    /// No commit is tried before: the log didn't take the one before.
    commit_from: Instant,
    last_active: Instant,
    last_oldest: Instant,
}

/// How many records are offered under one lock.
const CHUNK: usize = 256;
/// How long a poll may take while something is under way that doesn't wake it.
const POLL_BUSY: Duration = Duration::from_millis(10);
/// How long it may take while a partition waits to be resumed.
const POLL_PAUSED: Duration = Duration::from_millis(2);
/// How long it may take while nothing is under way; also how late a shutdown may be noticed.
const POLL_IDLE: Duration = Duration::from_millis(100);
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
            incoming: Vec::with_capacity(CHUNK),
            polling: Outage::new("the log can't be read; trying again"),
            committing: Outage::new("the log doesn't take commits; trying again"),
            dirty_since: None,
            commit_from: Instant::now(),
            last_active: Instant::now(),
            last_oldest: Instant::now(),
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

    /// Polls once, and does what has become due.
    fn step(&mut self, shutdown: &CancellationToken) -> Result<(), LogError> {
        match self.consumer.poll(self.patience(), &mut self.rebalance) {
            Ok(records) => {
                self.polling.ended();
                self.take_in(records);
            }
            Err(LogError::Unavailable(reason)) => {
                let tries = self.polling.noted(&reason);
                let wait = shutdown.cancelled();
                let wait = async { tokio::time::timeout(BACKOFF.after(tries, 0), wait).await };
                // The token wakes it, a time out is as good.
                let _ = self.runtime.block_on(wait);
            }
            Err(error) => return Err(error),
        }
        self.regulate()?;
        self.commit_when_due()?;
        self.report();
        match self.pool.lock().failure.clone() {
            Some(failure) => Err(LogError::Broken(failure)),
            None => Ok(()),
        }
    }

    fn patience(&self) -> Duration {
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
        self.take_over();
        let mut records = records.into_iter();
        loop {
            for record in records.by_ref().take(CHUNK) {
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
            tracing::warn!(%partition, "the log has gone back; it was truncated or repeats itself, and is read from there");
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

    /// Looks into the metadata of partitions just assigned: what was done behind their positions.
    fn take_over(&mut self) {
        let unchecked = self.pool.lock().engine.unchecked();
        let ends = self.ends(&unchecked);
        for grant in unchecked {
            let TopicPartition { topic, partition } = &grant.partition;
            let end = ends.get(topic).and_then(|ends| ends.get(partition.0 as usize));
            match metadata::decode(grant.position, end.copied(), &grant.metadata) {
                Ok(done) => self.pool.lock().engine.inherit(grant.epoch, done),
                Err(reason) => tracing::warn!(partition = %grant.partition, position = %grant.position, %reason,
                    "the metadata of the last commit is not used; records done before may come again"),
            }
        }
    }

    /// The ends of these grants' logs, as far as they can be learnt. Nothing is polled meanwhile, so it is asked once for
    /// each topic, and after one failure no more: the next might take as long.
    fn ends(&self, grants: &[Unchecked]) -> BTreeMap<Arc<str>, Vec<Offset>> {
        let topics: BTreeSet<&Arc<str>> = grants.iter().map(|grant| &grant.partition.topic).collect();
        let asked = self.options.ends_of.iter().flat_map(|ends_of| {
            let ends = move |topic: &Arc<str>| Some((topic.clone(), ends_of(topic).ok()?));
            topics.iter().copied().map_while(ends)
        });
        asked.collect()
    }

    /// Pauses and resumes partitions as the buffer fills and empties.
    fn regulate(&mut self) -> Result<(), LogError> {
        let flow = self.pool.lock().engine.flow();
        if !flow.pause.is_empty() && tolerate(self.consumer.pause(&flow.pause))?.is_some() {
            self.pool.lock().engine.flowed(&flow.pause, true);
        }
        if !flow.resume.is_empty() && tolerate(self.consumer.resume(&flow.resume))?.is_some() {
            self.pool.lock().engine.flowed(&flow.resume, false);
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
        if now < self.commit_from {
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
                    tracing::warn!(partitions, "a commit was refused: the partition is no longer ours");
                }
                self.pool.lock().engine.committed(positions, &refused);
                Ok(())
            }
            Err(LogError::Unavailable(reason)) => {
                let tries = self.committing.noted(&reason);
                metrics.commits_failed.inc();
                self.pool.lock().engine.not_committed(&positions);
                self.commit_from = Instant::now() + BACKOFF.after(tries, 0);
                Ok(())
            }
            Err(error) => Err(error),
        }
    }

    fn report(&mut self) {
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
        // It looks at every lane, so it isn't done at each poll.
        if self.last_oldest.elapsed() >= Duration::from_millis(500) {
            self.last_oldest = Instant::now();
            let now = self.pool.now();
            let age = engine
                .scheduler()
                .oldest()
                .map_or(0, |started| now.saturating_sub(started));
            metrics.oldest_in_flight_ms.set(age);
        }
    }

    /// Takes nothing more in, waits for what is in flight, commits and leaves.
    fn close(&mut self) -> Summary {
        let deadline = self.rebalance.closing();
        let held = self.pool.begin_closing();
        // Whatever comes all the same is not taken in.
        let _ = self.consumer.pause(&held);
        while !self.pool.wait_until_empty(POLL_BUSY) && Instant::now() < deadline {
            // Polling keeps the membership alive; an error now changes nothing.
            let _ = self.consumer.poll(Duration::ZERO, &mut self.rebalance);
        }
        self.pool.lock().leaving = true;
        if let Err(error) = self.consumer.leave(&mut self.rebalance) {
            tracing::warn!(%error, "the group could not be left in good order; what was done last may come again");
        }
        self.report();
        self.pool.lock().summary()
    }
}

/// What can't be done now is tried again at the next step.
fn tolerate(result: Result<(), LogError>) -> Result<Option<()>, LogError> {
    match result {
        Ok(()) => Ok(Some(())),
        Err(LogError::Unavailable(_)) => Ok(None),
        Err(error) => Err(error),
    }
}
