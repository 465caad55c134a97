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

mod outbox;
mod refusals;

mod letters;

mod driver;
mod metrics;

pub use driver::run;
pub use metrics::RelayMetrics;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use keylane_log::{EventLog, LogError, NewRecord, Partition, Timestamp};
use tokio::time::Instant;

use crate::domain::{JournalEntry, Source};
use crate::records;
use crate::store::{Store, StoreError};
use letters::Letters;
use outbox::{Outbox, Row};

/// Rows read from the journal at a time.
const PAGE: usize = 1000;
/// How long a relay that vanished keeps others waiting.
const LEASE: Duration = Duration::from_secs(5);
/// How often the lease is renewed, and how often a relay without it asks for it.
const RENEWAL: Duration = Duration::from_secs(1);
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
    /// The way of the events into the log. What it has refused it knows by order.
    outbox: Outbox,
    options: RelayOptions,
    metrics: Arc<RelayMetrics>,
    /// The dead letters, which only the delivery service has.
    letters: Option<Letters>,
    /// How many keyless records were given a partition: these are taken in turn.
    keyless: u32,
    /// When the lease was last renewed, while it is held.
    leased: Option<Instant>,
    /// When an idle relay last looked for the log.
    looked: Option<Instant>,
    /// Whether the last step looked for the log, and found it.
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
            outbox: Outbox::new(log),
            options,
            metrics: Arc::default(),
            letters,
            keyless: 0,
            leased: None,
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
            self.metrics.failures.inc();
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
        self.metrics.letters.inc_by(letters as u64);
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
        let answer = self.partitions().await;
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
                self.outbox.refused.keep(page.iter().map(|entry| entry.id));
            }
            let published = self.publish_page(page).await?;
            if published > 0 || !more {
                return Ok(published);
            }
            if limit >= LOOKED_PAST {
                let refused = self.blocked_orders();
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
            Some(_) => self.outbox.refused.count() as u64,
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
        wave.retain(|entry| !self.outbox.refused.is_blocked(entry.order_id.0, now));
        if wave.is_empty() {
            return Ok(0);
        }
        let records = self.records(&wave).await?;
        let rows: Vec<Row> = wave.iter().map(row).collect();
        let sent = self.outbox.send(&self.options.topic, records, &rows).await;
        sent.healed.iter().for_each(|at| tell_healed(&wave[*at]));
        sent.refused.iter().for_each(|(at, why)| tell_refused(&wave[*at], why));
        self.count(&wave, &sent.taken);
        if !sent.taken.is_empty() {
            self.store.mark_published(self.options.source, &sent.taken).await?;
        }
        match sent.failure {
            Some(error) => Err(error.into()),
            None => Ok(sent.taken.len()),
        }
    }

    /// Counts the events of a wave that were published; `taken` are the rows of some of them, in the same sequence.
    fn count(&self, wave: &[JournalEntry], taken: &[i64]) {
        let mut taken = taken.iter().peekable();
        for entry in wave {
            if taken.next_if_eq(&&entry.id).is_some() {
                self.metrics.add_published(entry.event_type);
            }
        }
    }

    async fn records(&mut self, wave: &[JournalEntry]) -> Result<Vec<NewRecord>, LogError> {
        match self.options.key {
            KeyMode::OrderId => Ok(wave.iter().map(records::keyed).collect()),
            KeyMode::None => {
                let partitions = self.partitions().await?;
                Ok(wave
                    .iter()
                    .map(|entry| records::keyless(entry, self.next_partition(partitions)))
                    .collect())
            }
        }
    }

    fn next_partition(&mut self, partitions: u32) -> Partition {
        let partition = Partition(self.keyless % partitions);
        self.keyless = self.keyless.wrapping_add(1);
        partition
    }

    async fn partitions(&self) -> Result<u32, LogError> {
        let topic = self.options.topic.clone();
        self.outbox.ask(move |log| log.partitions(&topic)).await
    }

    /// Whether more may stand in the journal behind so many events that a step has published.
    fn has_more_behind(&self, published: usize) -> bool {
        published >= PAGE
    }
}

fn row(entry: &JournalEntry) -> Row {
    Row {
        number: entry.order_id.0,
        id: entry.id,
    }
}

fn tell_healed(entry: &JournalEntry) {
    let order = entry.order_id;
    tracing::info!(order = order.0, "the log takes the events of order {order} again");
}

/// An order is told of once, however often its event is tried again.
fn tell_refused(entry: &JournalEntry, why: &LogError) {
    tracing::error!(
        order = entry.order_id.0,
        version = entry.version.0,
        tally = "events that the log refuses",
        "the log refuses {} of order {} v{}, whose later events wait behind it: {why}",
        entry.event_type.name(),
        entry.order_id,
        entry.version,
    );
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
