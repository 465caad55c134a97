//! The relay: publishes the events of a journal, and marks them as published once the log has acknowledged them.
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
//! * An event that the log refuses for good blocks its own order alone; after any other failure the relay begins again from
//!   the journal.
//! * A lease keeps two relays of one journal from working at the same time as a rule; two at once only repeat events.

mod lines;
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

use keylane_log::{LogError, NewRecord, Partition, Placed, Timestamp};
use observe::{Observer, Place, What};
use planted::Bug;
use tokio::time::Instant;

use crate::LogCalls;
use crate::domain::{JournalEntry, Source};
use crate::observed::words;
use crate::records;
use crate::store::{JournalRow, Store, StoreError};
use letters::Letters;
use lines::PublishedLines;
use outbox::{Outbox, Row};

/// How many rows are read from the journal at a time.
const PAGE_SIZE: usize = 1000;
/// How long the lease of a relay that has vanished keeps other relays waiting.
pub const LEASE: Duration = Duration::from_secs(5);
/// How often the relay renews its lease.
const RENEWAL: Duration = Duration::from_secs(1);
/// How often an idle relay asks whether the log and its topic are there: without events to send, it would not notice.
const LOOK_PAUSE: Duration = Duration::from_secs(5);
/// How often the journal is read for rows that other processes have written into it.
const IDLE_POLL: Duration = Duration::from_millis(25);
/// How many rows of blocked orders are read to find events behind them. If there are more, the fault is hardly the orders',
/// and the relay waits as in an outage.
const LOOKED_PAST: usize = 64 * PAGE_SIZE;

/// What the relay uses as the key of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyMode {
    /// The key is the order's number, so all events of an order share a partition.
    OrderId,
    /// Records have no key and are put into the partitions in turn, from 0, so an order's events stand in several.
    None,
}

/// Publishes one journal to one topic.
pub struct Relay {
    store: Arc<dyn Store>,
    /// Sends the events to the log; its refusals are by the order's number.
    outbox: Outbox,
    options: RelayOptions,
    metrics: Arc<RelayMetrics>,
    /// Tells people what was published.
    lines: PublishedLines,
    /// Gets what the relay does.
    observer: Observer,
    /// How many partitions the topic has, as far as the relay has seen; none if it has never asked.
    seen_partitions: Option<u32>,
    /// Publishes the dead letters, which only the delivery service has.
    letters: Option<Letters>,
    /// How many keyless records were given a partition so far, to give them the partitions in turn.
    keyless: u32,
    /// When the lease was last renewed; none while this relay doesn't hold it.
    leased: Option<Instant>,
    /// When an idle relay last asked for the log and found it.
    looked: Option<Instant>,
    /// Whether the last step asked for the log and found it.
    found: bool,
}

/// The settings of a relay.
#[derive(Debug, Clone)]
pub struct RelayOptions {
    /// The service whose journal is published.
    pub source: Source,
    /// The topic that events are published to.
    pub topic: String,
    /// The key of the records.
    pub key: KeyMode,
    /// The name of this process as holder of the lease; no other process may have it.
    pub holder: String,
    /// How long an idle relay waits before it looks for events that other processes have written.
    pub idle_poll: Duration,
    /// How long the relay lets events gather after it has published some, so that under load one append serves many. A lone
    /// event never waits, because nothing was published just before it.
    pub gather: Duration,
    /// The wall clock, which times the lease.
    pub clock: fn() -> Timestamp,
}

impl RelayOptions {
    /// The settings with which a service relays its journal.
    pub fn usual(source: Source, topic: String, key: KeyMode, holder: String, clock: fn() -> Timestamp) -> Self {
        Self {
            source,
            topic,
            key,
            holder,
            idle_poll: IDLE_POLL,
            gather: match source {
                Source::Orders => Duration::from_millis(1),
                // No client waits for a delivery event.
                Source::Deliveries => Duration::from_millis(10),
            },
            clock,
        }
    }
}

/// What a step of a relay did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// This many events and dead letters were published and marked as such.
    Published(usize),
    /// Nothing was there to publish.
    Idle,
    /// Another relay holds the lease, so this one did nothing.
    Standby,
}

/// The reason why a step failed; the next step begins again from the journal.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RelayError {
    /// The database can't be read or takes no marks.
    #[error("the journal can't be read: {0}")]
    Store(#[from] StoreError),
    /// The log takes no events.
    #[error("the log takes no events, which wait in the journal: {0}")]
    Log(#[from] LogError),
}

impl Relay {
    /// A relay from the journal in `store` to a topic of `log`. It begins to work with the first [`step`](Self::step).
    pub fn new(store: Arc<dyn Store>, log: LogCalls, options: RelayOptions) -> Self {
        let letters = (options.source == Source::Deliveries).then(|| Letters::new(store.clone(), log.clone()));
        Self {
            store,
            outbox: Outbox::new(log),
            options,
            metrics: Arc::default(),
            lines: PublishedLines::new(),
            observer: Observer::none(),
            seen_partitions: None,
            letters,
            keyless: 0,
            leased: None,
            looked: None,
            found: false,
        }
    }

    /// This relay with an observer that gets what it does.
    #[must_use]
    pub fn observed_by(mut self, observer: Observer) -> Self {
        self.observer = observer;
        self
    }

    /// The measures that this relay keeps up to date.
    pub fn metrics(&self) -> &Arc<RelayMetrics> {
        &self.metrics
    }

    /// Publishes a page of the journal and a page of the dead letters, if this relay holds the lease.
    ///
    /// # Errors
    /// The error of the database or of the log; nothing is lost by it, as unmarked rows are sent again.
    pub async fn step(&mut self) -> Result<Progress, RelayError> {
        let step = self.take_step().await;
        if step.is_err() {
            self.metrics.failures.inc();
        }
        self.lines.tell_due(Instant::now());
        self.report();
        step
    }

    async fn take_step(&mut self) -> Result<Progress, RelayError> {
        if !self.hold_lease().await? {
            return Ok(Progress::Standby);
        }
        let events = self.publish_events().await?;
        let letters = match &mut self.letters {
            Some(letters) => letters.step().await?,
            None => 0,
        };
        self.metrics.letters.inc_by(letters as u64);
        if events + letters > 0 {
            return Ok(Progress::Published(events + letters));
        }
        self.look().await?;
        Ok(Progress::Idle)
    }

    /// Asks the log whether it and its topic are there, if it was not asked for a while.
    async fn look(&mut self) -> Result<(), LogError> {
        self.found = false;
        if self.looked.is_some_and(|looked| looked.elapsed() < LOOK_PAUSE) {
            return Ok(());
        }
        self.looked = Some(Instant::now());
        let answer = self.partitions().await;
        if answer.is_err() {
            // A log that is away is asked for in every step until it is back.
            self.looked = None;
        }
        self.found = answer.is_ok();
        answer.map(|_| ())
    }

    /// Publishes the first unpublished events whose orders are not blocked. The journal is always read from its beginning
    /// and in one read: of two pages the second could hold an event whose predecessor was committed only after the first
    /// page was read.
    async fn publish_events(&mut self) -> Result<usize, RelayError> {
        let mut limit = PAGE_SIZE;
        loop {
            let page = self.store.unpublished(self.options.source, 0, limit).await?;
            let more = page.len() == limit;
            if !more {
                self.outbox.refused.keep(page.iter().map(|row| row.id));
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

    async fn publish_page(&mut self, page: Vec<JournalRow>) -> Result<usize, RelayError> {
        // All waves are judged at one time: an order that became free between two waves would begin with its second event.
        let (now, mut published) = (Instant::now(), 0);
        for wave in waves(page) {
            published += self.publish(wave, now).await?;
        }
        Ok(published)
    }

    /// Gives the lease back, so that another relay need not wait for its end.
    ///
    /// # Errors
    /// The database's error; the lease then ends by itself.
    pub async fn release(&mut self) -> Result<(), RelayError> {
        self.lines.tell_rest();
        if self.set_leased(None) {
            self.report();
            self.lease(Duration::ZERO).await?;
        }
        Ok(())
    }

    fn report(&self) {
        let metrics = &self.metrics;
        metrics.lease.set(u64::from(self.leased.is_some()));
        // A relay without the lease doesn't know what the log refuses at present.
        let letters = self.leased.and(self.letters.as_ref()).map_or(0, Letters::blocked);
        metrics.blocked_letters.set(letters as u64);
    }

    /// How many orders are blocked because the log refuses one of their events; 0 without the lease, as only the relay that
    /// holds it knows.
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
        let leased = self.lease(LEASE).await?.then_some(asked);
        self.set_leased(leased);
        Ok(self.leased.is_some())
    }

    /// Notes since when this relay holds the lease. Returns whether it held it before.
    fn set_leased(&mut self, leased: Option<Instant>) -> bool {
        let before = std::mem::replace(&mut self.leased, leased).is_some();
        let lease = || lease_name(self.options.source);
        match (before, leased.is_some()) {
            (false, true) => self.observe(What::LeaseWon { lease: lease() }),
            (true, false) => self.observe(What::LeaseLost { lease: lease() }),
            (true, true) | (false, false) => {}
        }
        before
    }

    fn observe(&self, what: What) {
        self.observer.emit((self.options.clock)().0, what);
    }

    async fn lease(&self, ttl: Duration) -> Result<bool, StoreError> {
        self.store
            .lease(
                &lease_name(self.options.source),
                &self.options.holder,
                ttl,
                (self.options.clock)(),
            )
            .await
    }

    /// Sends the events of a wave whose orders are not blocked at `now`, and marks those that were acknowledged. Returns how
    /// many were.
    async fn publish(&mut self, mut wave: Vec<JournalRow>, now: Instant) -> Result<usize, RelayError> {
        wave.retain(|row| !self.outbox.refused.is_blocked(row.entry.order_id.0, row.id, now));
        if wave.is_empty() {
            return Ok(0);
        }
        let records = self.records(&wave).await?;
        let rows: Vec<Row> = wave.iter().map(outbox_row).collect();
        if planted::is_in(Bug::MarkBeforeAcknowledgement) {
            let ids: Vec<i64> = rows.iter().map(|row| row.id).collect();
            self.store.mark_published(self.options.source, &ids).await?;
        }
        let sent = self.outbox.send(&self.options.topic, records, &rows).await;
        sent.healed.iter().for_each(|at| tell_healed(&wave[*at].entry));
        sent.refused
            .iter()
            .for_each(|(at, why)| tell_refused(&wave[*at].entry, why));
        let key = self.options.key;
        let taken = || sent.taken.iter().map(|(at, placed)| (&wave[*at].entry, *placed));
        taken().for_each(|(entry, _)| self.metrics.add_published(entry.event_type));
        let published: Vec<What> = taken().map(|(entry, placed)| published(entry, placed, key)).collect();
        let traces = taken().map(|(entry, _)| entry.traceparent.as_deref());
        self.lines.tell(published.iter().zip(traces), Instant::now());
        published.into_iter().for_each(|what| self.observe(what));
        let unseen = |partition: Partition| self.seen_partitions.is_some_and(|seen| partition.0 >= seen);
        if taken().any(|(_, placed)| unseen(placed.partition)) {
            // Nothing depends on the answer: that the topic has grown is only to be told.
            let _ = self.partitions().await;
        }
        if !sent.taken.is_empty() {
            let ids = sent.taken_ids(&rows);
            self.store.mark_published(self.options.source, &ids).await?;
        }
        match sent.failure {
            Some(error) => Err(error.into()),
            None => Ok(sent.taken.len()),
        }
    }

    async fn records(&mut self, wave: &[JournalRow]) -> Result<Vec<NewRecord>, LogError> {
        match self.options.key {
            KeyMode::OrderId => Ok(wave.iter().map(|row| records::keyed(&row.entry)).collect()),
            KeyMode::None => {
                let partitions = self.partitions().await?;
                Ok(wave
                    .iter()
                    .map(|row| records::keyless(&row.entry, self.next_partition(partitions)))
                    .collect())
            }
        }
    }

    fn next_partition(&mut self, partitions: u32) -> Partition {
        let partition = Partition(self.keyless % partitions);
        self.keyless = self.keyless.wrapping_add(1);
        partition
    }

    async fn partitions(&mut self) -> Result<u32, LogError> {
        let partitions = self.outbox.partitions(&self.options.topic).await?;
        let seen = self.seen_partitions.replace(partitions);
        if seen.is_some_and(|seen| seen < partitions) {
            let topic = self.options.topic.clone();
            self.observe(What::Grown { topic, partitions });
        }
        Ok(partitions)
    }

    /// Whether the journal may hold more, after a step that published this many events.
    fn has_more_behind(&self, published: usize) -> bool {
        published >= PAGE_SIZE
    }
}

/// The name of the lease that the relay of a journal holds while it publishes.
pub fn lease_name(source: Source) -> String {
    format!("relay{}", source.path())
}

fn outbox_row(row: &JournalRow) -> Row {
    Row {
        number: row.entry.order_id.0,
        id: row.id,
    }
}

/// What is observed of an event that the log has put there.
fn published(entry: &JournalEntry, placed: Placed, key: KeyMode) -> What {
    What::Published {
        event: words::entry(entry),
        place: Place {
            partition: placed.partition.0,
            offset: placed.offset.0,
        },
        key: (key == KeyMode::OrderId).then(|| entry.order_id.to_string()),
    }
}

fn tell_healed(entry: &JournalEntry) {
    let order = entry.order_id;
    tracing::info!(order = order.0, "the log takes the events of order {order} again");
}

/// Logs that the log refuses an event. The caller does so once for each order, however often the event is tried again.
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

/// Splits a page, whose rows are in journal order, into waves of which none holds two events of one order.
fn waves(page: Vec<JournalRow>) -> Vec<Vec<JournalRow>> {
    let mut waves: Vec<Vec<JournalRow>> = Vec::new();
    let mut seen = HashMap::new();
    for row in page {
        let wave = seen
            .entry(row.entry.order_id)
            .and_modify(|wave| *wave += 1)
            .or_insert(0_usize);
        if waves.len() == *wave {
            waves.push(Vec::new());
        }
        waves[*wave].push(row);
    }
    waves
}
