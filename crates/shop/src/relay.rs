//! The relay: publishes what stands in a journal, and marks it once the log has acknowledged it.
//!
//! ```text
//!   journal: unpublished rows ──▶ wave 1: the first of each order ──▶ log ──▶ marked
//!                                 wave 2: the second of each order …
//! ```
//!
//! # Invariants
//! * A version of an order is sent only after all versions below it have been acknowledged: a wave holds at most one
//!   event of each order or delivery, and the next wave follows the last one's acknowledgement.
//! * Rows are marked after the acknowledgement. A crash in between repeats events and never loses one.
//! * What the log refuses for good blocks its own order alone; everything else is tried again from the journal.
//! * A lease keeps two relays of one journal from being the normal case; two at once only repeat events.

mod letters;
mod metrics;
mod refusals;

pub use metrics::RelayMetrics;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use keylane_log::{EventLog, LogError, NewRecord, Partition, Placed, Timestamp};
use tokio::sync::Notify;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::domain::{JournalEntry, Source};
use crate::health::{Call, Fact, Readiness};
use crate::records;
use crate::store::{Store, StoreError};
use letters::Letters;
use refusals::Refusals;

/// Rows read from the journal at a time.
const PAGE: usize = 1000;
/// How long a relay that vanished keeps others waiting.
const LEASE: Duration = Duration::from_secs(5);
/// How often the lease is renewed, and how often a relay without it asks for it.
const RENEWAL: Duration = Duration::from_secs(1);
/// How long an append may take before it is given up and begun anew from the journal.
const PATIENCE: Duration = Duration::from_secs(10);
/// How often an idle relay looks whether the log is there, with the topic: nobody else would notice.
const LOOK: Duration = Duration::from_secs(5);
/// Rows of blocked orders that are looked past, for what stands behind them. Behind more than these the relay waits as in an
/// outage: it is not the orders that are wrong.
const LOOKED_PAST: usize = 64 * PAGE;

/// What is put into a record's key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyMode {
    /// The order's number: all events of an order share a partition.
    OrderId,
    /// No key: partitions are taken in turn, from 0, so that an order's events stand in several.
    None,
}

/// Publishes one journal to one topic.
pub struct Relay {
    store: Arc<dyn Store>,
    log: Arc<dyn EventLog>,
    options: RelayOptions,
    metrics: Arc<RelayMetrics>,
    /// Only deliveries have them.
    letters: Option<Letters>,
    turn: u32,
    leased: Option<Instant>,
    /// Orders of which the log has refused an event, and has not taken it since.
    refused: Refusals,
    /// When an idle relay last looked for the log, and whether that was in the last step.
    looked: Option<Instant>,
    found: bool,
}

/// How a relay works.
#[derive(Debug, Clone)]
pub struct RelayOptions {
    /// Whose journal.
    pub source: Source,
    /// Where to.
    pub topic: String,
    /// The records' key.
    pub key: KeyMode,
    /// This process's name in the lease; unique.
    pub holder: String,
    /// How often the journal is looked at unasked, for what other processes have written.
    pub idle_poll: Duration,
    /// How long to let events gather after some were published: under load, one append then serves many. A lone event
    /// never waits, since nothing was published just before it.
    pub gather: Duration,
    /// The wall clock, for the lease.
    pub clock: fn() -> Timestamp,
}

/// What a step did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// So many events were published and marked.
    Published(usize),
    /// Nothing was waiting.
    Idle,
    /// Another relay holds the lease.
    Standby,
}

/// Why a step did not publish; the next step begins anew from the journal.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RelayError {
    /// The database did not answer.
    #[error("the journal can't be read: {0}")]
    Store(#[from] StoreError),
    /// The log did not answer.
    #[error("the log takes no events, which wait in the journal: {0}")]
    Log(#[from] LogError),
}

impl Relay {
    /// A relay that has done nothing yet.
    pub fn new(store: Arc<dyn Store>, log: Arc<dyn EventLog>, options: RelayOptions) -> Self {
        let letters = (options.source == Source::Deliveries).then(|| Letters::new(store.clone(), log.clone()));
        Self {
            store,
            log,
            options,
            metrics: Arc::default(),
            letters,
            turn: 0,
            leased: None,
            refused: Refusals::new(),
            looked: None,
            found: false,
        }
    }

    /// Where it counts what it does.
    pub fn metrics(&self) -> &Arc<RelayMetrics> {
        &self.metrics
    }

    /// Publishes a page of the journal, and one of the dead letters.
    pub async fn step(&mut self) -> Result<Step, RelayError> {
        let step = self.take_step().await;
        if step.is_err() {
            self.metrics.failures.add();
        }
        self.report();
        step
    }

    async fn take_step(&mut self) -> Result<Step, RelayError> {
        if !self.hold_lease().await? {
            return Ok(Step::Standby);
        }
        let events = self.publish_events().await?;
        let letters = match &mut self.letters {
            Some(letters) => letters.step().await?,
            None => 0,
        };
        self.metrics.letters.add_many(letters as u64);
        if events + letters > 0 {
            return Ok(Step::Published(events + letters));
        }
        self.look().await?;
        Ok(Step::Idle)
    }

    /// Whether the log and its topic are there, asked now and then.
    async fn look(&mut self) -> Result<(), LogError> {
        self.found = false;
        if self.looked.is_some_and(|looked| looked.elapsed() < LOOK) {
            return Ok(());
        }
        self.looked = Some(Instant::now());
        let answer = self.with_log(|log, topic| log.partitions(topic)).await;
        if answer.is_err() {
            // What is away is looked for until it is back.
            self.looked = None;
        }
        self.found = answer.is_ok();
        answer.map(|_| ())
    }

    /// Publishes what stands first, or behind nothing but blocked orders. The journal is always read from its beginning and
    /// at once: of two pages the second could hold an event whose predecessor was committed after the first was read.
    async fn publish_events(&mut self) -> Result<usize, RelayError> {
        let mut limit = PAGE;
        loop {
            let page = self.store.unpublished(self.options.source, 0, limit).await?;
            let more = page.len() == limit;
            if !more {
                self.refused.keep(page.iter().map(|entry| entry.id));
            }
            let published = self.publish_page(page).await?;
            if published > 0 || !more {
                return Ok(published);
            }
            if limit >= LOOKED_PAST {
                let refused = self.refused.count();
                return Err(LogError::Refused(format!("the log refuses the events of {refused} orders")).into());
            }
            limit = (limit * 8).min(LOOKED_PAST);
        }
    }

    async fn publish_page(&mut self, page: Vec<JournalEntry>) -> Result<usize, RelayError> {
        // One time for all waves: an order that became free between two of them would begin with its second event.
        let (now, mut published) = (Instant::now(), 0);
        for wave in waves(page) {
            published += self.publish(wave, now).await?;
        }
        Ok(published)
    }

    /// Gives the lease back, so that another relay need not wait for its end.
    pub async fn release(&mut self) -> Result<(), RelayError> {
        if self.leased.take().is_some() {
            self.report();
            self.lease(Duration::ZERO).await?;
        }
        Ok(())
    }

    fn report(&self) {
        let metrics = &self.metrics;
        metrics.lease.set(u64::from(self.leased.is_some()));
        // Who doesn't hold the lease doesn't know.
        let letters = self.leased.and(self.letters.as_ref()).map_or(0, Letters::blocked);
        metrics.blocked_letters.set(letters as u64);
    }

    /// Orders that the log refuses an event of. Who doesn't hold the lease doesn't know.
    pub fn blocked_orders(&self) -> u64 {
        match self.leased {
            Some(_) => self.refused.count() as u64,
            None => 0,
        }
    }

    async fn hold_lease(&mut self) -> Result<bool, RelayError> {
        if self.leased.is_some_and(|since| since.elapsed() < RENEWAL) {
            return Ok(true);
        }
        let asked = Instant::now();
        self.leased = self.lease(LEASE).await?.then_some(asked);
        Ok(self.leased.is_some())
    }

    async fn lease(&self, ttl: Duration) -> Result<bool, StoreError> {
        let name = format!("relay{}", self.options.source.path());
        self.store
            .lease(&name, &self.options.holder, ttl, (self.options.clock)())
            .await
    }

    /// Sends what is not blocked at `now` of a wave, and marks what was acknowledged.
    async fn publish(&mut self, mut wave: Vec<JournalEntry>, now: Instant) -> Result<usize, RelayError> {
        wave.retain(|entry| !self.refused.is_blocked(entry.order_id.0, now));
        if wave.is_empty() {
            return Ok(0);
        }
        let records = self.records(&wave).await?;
        let mut answers = self.append(records).await;
        self.excuse(&mut answers).await;
        let acknowledged = self.acknowledged(&wave, &answers);
        if !acknowledged.is_empty() {
            self.store.mark_published(self.options.source, &acknowledged).await?;
        }
        match answers
            .into_iter()
            .find_map(|answer| answer.err().filter(|error| !is_refused(error)))
        {
            Some(error) => Err(error.into()),
            None => Ok(acknowledged.len()),
        }
    }

    async fn records(&mut self, wave: &[JournalEntry]) -> Result<Vec<NewRecord>, LogError> {
        match self.options.key {
            KeyMode::OrderId => Ok(wave.iter().map(records::keyed).collect()),
            KeyMode::None => {
                let partitions = self.with_log(|log, topic| log.partitions(topic)).await?;
                Ok(wave
                    .iter()
                    .map(|entry| records::keyless(entry, self.next_partition(partitions)))
                    .collect())
            }
        }
    }

    fn next_partition(&mut self, partitions: u32) -> Partition {
        let partition = Partition(self.turn % partitions);
        self.turn = self.turn.wrapping_add(1);
        partition
    }

    /// A topic that is gone refuses no order for itself: it may be made again, and then takes them all.
    async fn excuse(&self, answers: &mut [Result<Placed, LogError>]) {
        let refused = |answer: &Result<Placed, LogError>| answer.as_ref().is_err_and(is_refused);
        if !answers.iter().any(refused) {
            return;
        }
        if let Err(gone) = self.with_log(|log, topic| log.partitions(topic)).await {
            for answer in answers.iter_mut().filter(|answer| refused(answer)) {
                *answer = Err(LogError::Unavailable(gone.to_string()));
            }
        }
    }

    async fn append(&self, records: Vec<NewRecord>) -> Vec<Result<Placed, LogError>> {
        self.with_log(move |log, topic| log.append(topic, records, PATIENCE))
            .await
    }

    /// The log's calls block, so they are made beside the asynchronous threads.
    async fn with_log<T: Send + 'static>(&self, call: impl FnOnce(&dyn EventLog, &str) -> T + Send + 'static) -> T {
        let (log, topic) = (self.log.clone(), self.options.topic.clone());
        tokio::task::spawn_blocking(move || call(log.as_ref(), &topic))
            .await
            .expect("the log's calls don't panic")
    }

    /// The numbers of the rows that the log has; what it refused is blocked, with an alarm.
    fn acknowledged(&mut self, wave: &[JournalEntry], answers: &[Result<Placed, LogError>]) -> Vec<i64> {
        let mut acknowledged = Vec::with_capacity(wave.len());
        for (entry, answer) in wave.iter().zip(answers) {
            match answer {
                Ok(_) => {
                    acknowledged.push(entry.id);
                    if self.refused.taken(entry.order_id.0) {
                        tracing::info!(
                            order = entry.order_id.0,
                            "the log takes the events of order {} again",
                            entry.order_id
                        );
                    }
                    self.metrics.add_published(entry.event_type);
                }
                Err(error) if is_refused(error) => self.block(entry, error),
                Err(_) => {}
            }
        }
        acknowledged
    }

    /// An order is told of once, however often its event is tried again.
    fn block(&mut self, entry: &JournalEntry, error: &LogError) {
        if self.refused.refused(entry.order_id.0, entry.id, Instant::now()) {
            tracing::error!(
                order = entry.order_id.0,
                version = entry.version.0,
                tally = "events that the log refuses",
                "the log refuses {} of order {} v{}, whose later events wait behind it: {error}",
                entry.event_type.name(),
                entry.order_id,
                entry.version,
            );
        }
    }
}

fn is_refused(error: &LogError) -> bool {
    matches!(error, LogError::Refused(_))
}

/// Splits a page, whose rows stand in journal order, so that no wave holds two events of one order or delivery.
fn waves(page: Vec<JournalEntry>) -> Vec<Vec<JournalEntry>> {
    let mut waves: Vec<Vec<JournalEntry>> = Vec::new();
    let mut seen = HashMap::new();
    for entry in page {
        let wave = seen
            .entry(entry.order_id)
            .and_modify(|wave| *wave += 1)
            .or_insert(0_usize);
        if waves.len() == *wave {
            waves.push(Vec::new());
        }
        waves[*wave].push(entry);
    }
    waves
}

/// Steps a relay until `shutdown`, then publishes what is left, for `drain` at most, and gives the lease back.
///
/// `wake` is rung by whoever has written into the journal from within this process.
pub async fn run(
    mut relay: Relay,
    wake: Arc<Notify>,
    readiness: Arc<Readiness>,
    shutdown: CancellationToken,
    drain: Duration,
) {
    while !shutdown.is_cancelled() {
        match observe(&mut relay, &readiness).await {
            Pause::None => {}
            Pause::Until(time) => pause(time, None, &shutdown).await,
            Pause::Woken(time) => pause(time, Some(&wake), &shutdown).await,
        }
    }
    let emptied = async { while let Ok(Step::Published(_)) = relay.step().await {} };
    let _ = tokio::time::timeout(drain, emptied).await;
    if let Err(error) = relay.release().await {
        tracing::warn!("the relay's lease was not given back and ends by itself: {error}");
    }
}

/// What to do between two steps.
enum Pause {
    /// There is more to publish.
    None,
    /// Nothing before this time has passed.
    Until(Duration),
    /// Nothing before something is written or this time has passed.
    Woken(Duration),
}

async fn pause(time: Duration, wake: Option<&Notify>, shutdown: &CancellationToken) {
    let woken = async {
        match wake {
            Some(wake) => wake.notified().await,
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        () = shutdown.cancelled() => {}
        () = woken => {}
        () = tokio::time::sleep(time) => {}
    }
}

/// Takes a step, tells what it has shown of log and database, and what to do until the next one.
async fn observe(relay: &mut Relay, readiness: &Readiness) -> Pause {
    let call = readiness.begin();
    let step = relay.step().await;
    note(&step, relay.found, &call);
    if step.is_ok() {
        let blocked = relay.blocked_orders();
        call.count(Fact::Blocked, blocked, || {
            format!("the log refuses events of {blocked} orders")
        });
    }
    match step {
        Ok(Step::Published(count)) if count < PAGE => Pause::Until(relay.options.gather),
        Ok(Step::Published(_)) => Pause::None,
        Ok(Step::Idle) => Pause::Woken(relay.options.idle_poll),
        Ok(Step::Standby) | Err(_) => Pause::Until(RENEWAL / 2),
    }
}

/// What a step has shown; one that had nothing to publish has shown nothing of the log, unless it has `found` it.
fn note(step: &Result<Step, RelayError>, found: bool, call: &Call<'_>) {
    match step {
        Ok(Step::Published(_)) => {
            call.good(Fact::Log);
            call.database(false, &Ok(()));
        }
        Ok(Step::Idle) if found => {
            call.good(Fact::Log);
            call.database(false, &Ok(()));
        }
        Ok(Step::Idle | Step::Standby) => call.database(false, &Ok(())),
        Err(RelayError::Log(error)) => call.bad(Fact::Log, error.to_string()),
        Err(RelayError::Store(error)) => call.database(false, &Err::<(), _>(error.clone())),
    }
}
