//! The consumer that keeps every order's order: each event goes through the fence of its order.
//!
//! # Invariants
//! * Slow work is done outside any transaction, after a look and before an apply, which compares again.
//! * Whoever applies an event handles what waited for it, in the same slot of its key's lane.
//! * What was handed over is leased for as long as somebody is at it; what nobody leases is the [sweeper](super::Sweeper)'s.
//! * What can't be handled is tried again as the order service's journal holds it, where that can be asked.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use keylane::{Attempt, Handler, Outcome};
use keylane_log::Record;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::Instance;
use super::burial::Unhandled;
use super::lane::lane;
use super::lines::{EVENTS, Line, begun, handled, place, trace_of};
use super::persistence::{RETRY, TRIES, persistently};
use super::resync::{OrderJournal, Slot, Written};
use crate::commit::GroupCommit;
use crate::domain::fence::{FenceCommand, FenceOutcome, LEASE, ParkReason, ParkedEvent, Received, Refused};
use crate::domain::{DeliveryRequest, EventRecord, IncomingEvent, OrderId, Provenance, Version};
use crate::records::{self, Incoming, Malformed};
use crate::trace;

/// Handles events through the fence, for whoever brings them.
pub struct Fence {
    commands: GroupCommit<FenceCommand, FenceOutcome>,
    instance: Instance,
    stopping: CancellationToken,
    journal: Option<OrderJournal>,
}

/// A record whose turn it may be.
pub(super) struct Turn {
    pub record: Arc<EventRecord>,
    /// The assignment that it came with.
    pub epoch: Option<u64>,
    /// The order and version under which it was parked, if it was; it has been handed over, and is leased.
    pub parked: Option<(OrderId, Version)>,
    /// Which try it is, from 1.
    pub attempt: u32,
}

/// What became of a turn.
enum Ended {
    /// Its record is dealt with, and this one waited for it.
    Next(Option<Box<ParkedEvent>>),
    /// It must come again after this time.
    Again(Duration),
}

impl Fence {
    /// A fence whose commands go to `commands`. Once `stopping` is cancelled, what is handed over is given back instead of
    /// being begun.
    pub fn new(
        commands: GroupCommit<FenceCommand, FenceOutcome>,
        instance: Instance,
        stopping: CancellationToken,
    ) -> Self {
        Self {
            commands,
            instance,
            stopping,
            journal: None,
        }
    }

    /// The same, asking the order service what was written where a person has something tried again that can't be handled.
    #[must_use]
    pub fn asking(mut self, journal: OrderJournal) -> Self {
        self.journal = Some(journal);
        self
    }

    /// The instance that it works for.
    pub fn instance(&self) -> &Instance {
        &self.instance
    }

    /// Handles a record and whatever waited for it; how long to wait if it must come again.
    pub(super) async fn follow(&self, first: Turn) -> Option<Duration> {
        let mut turn = first;
        loop {
            let next = match self.take(&turn).await {
                Ended::Again(after) => return Some(after),
                Ended::Next(None) => return None,
                Ended::Next(Some(next)) => next,
            };
            if self.stopping.is_cancelled() {
                self.renew(next.order_id, next.head.version, false).await;
                return None;
            }
            turn = self.handed_over(*next).await;
        }
    }

    /// Takes what is parked of an order and has its turn, and acts on what a person has marked.
    pub(super) async fn resume(&self, order_id: OrderId) {
        let holder = self.instance.name.clone();
        match persistently(&self.commands, FenceCommand::Resume { order_id, holder }).await {
            Ok(FenceOutcome::Resumed { next, discarded }) => {
                self.passed_over(order_id, &discarded);
                if let Some(event) = next {
                    let turn = self.handed_over(*event).await;
                    self.follow(turn).await;
                }
            }
            Ok(_) => {}
            Err(why) => tracing::error!(
                order = order_id.0,
                tally = "parked orders that can't be resumed",
                "what is parked can't be resumed: {why}"
            ),
        }
    }

    /// What was parked and has been handed over. If it could not be handled, what counts is what was written under its
    /// version, whoever came first.
    async fn handed_over(&self, event: ParkedEvent) -> Turn {
        self.instance.metrics.handed_over.inc();
        let written = match event.head.reason.is_refused() {
            true => self.written(event.order_id, event.head.version).await,
            false => None,
        };
        Turn {
            parked: Some((event.order_id, event.head.version)),
            ..Turn::of(written.unwrap_or(event.record))
        }
    }

    /// What the order service wrote as the version that an order waits for.
    async fn written(&self, order: OrderId, version: Version) -> Option<EventRecord> {
        let applied = Version(version.0 - 1);
        let slot = match &self.journal {
            Some(journal) => Written::ask(journal, order)
                .await
                .map(|written| written.slot(version, applied)),
            None => Err("it is not known where it is".to_owned()),
        };
        let why = match slot {
            Ok(Slot::Event(record)) => return Some(*record),
            Ok(Slot::Never) => "it never wrote that version".to_owned(),
            Ok(Slot::Unknown(why)) | Err(why) => why,
        };
        tracing::warn!(
            order = order.0,
            version = version.0,
            tally = "parked events that the order service can't tell of",
            "the order service can't tell what order {order} v{version} is ({why}); the parked record itself is tried again"
        );
        None
    }

    /// Has what is parked under a version forgotten that was never written; whether it was.
    pub(super) async fn forget(&self, order_id: OrderId, version: Version) -> bool {
        let answer = persistently(&self.commands, FenceCommand::Forget { order_id, version }).await;
        answer == Ok(FenceOutcome::Noted(true))
    }

    async fn take(&self, turn: &Turn) -> Ended {
        let incoming = records::incoming(&*turn.record);
        if let Some((order, version)) = turn.parked
            && !matches!(&incoming, Incoming::Order(event) if event.is(order, version))
        {
            return self
                .refuse(turn, &place(&turn.record), None, misplaced(incoming, order, version))
                .await;
        }
        match incoming {
            Incoming::Order(event) => self.handle(event, turn).await,
            Incoming::Other => {
                self.instance.metrics.foreign.inc();
                Ended::Next(None)
            }
            Incoming::Malformed(malformed) => self.refuse(turn, &place(&turn.record), None, malformed).await,
        }
    }

    async fn handle(&self, event: IncomingEvent, turn: &Turn) -> Ended {
        let start = Instant::now();
        let line = Line {
            event: &event,
            record: &turn.record,
        };
        let received = self.received(&event, turn);
        let delay = self.instance.delay.of(&event);
        if let Some(delay) = delay {
            let leased = match turn.parked.is_some() {
                true => true,
                false => match persistently(&self.commands, FenceCommand::Look(received.clone())).await {
                    Ok(FenceOutcome::Next { leased }) => leased,
                    answer => return self.answered(answer, turn, &line, start).await,
                },
            };
            begun(&line, delay);
            self.work(delay, leased.then_some(&event)).await;
        }
        let asked = Instant::now();
        let answer = persistently(&self.commands, FenceCommand::Apply(received)).await;
        self.instance.metrics.applying.observe(asked.elapsed());
        if delay.is_some() && matches!(answer, Ok(FenceOutcome::Duplicate)) {
            self.instance.metrics.stale_refused.add(Some(event.event_type));
            tracing::warn!(target: EVENTS, trace = trace_of(line.record), "{line} … refused: another instance has applied it during the slow work");
            return Ended::Next(None);
        }
        self.answered(answer, turn, &line, start).await
    }

    fn received(&self, event: &IncomingEvent, turn: &Turn) -> Received {
        let record = &turn.record;
        let request = DeliveryRequest {
            event: event.clone(),
            traceparent: Some(trace::following(records::trace_of(&**record).as_deref())),
            provenance: Provenance {
                instance: self.instance.name.clone(),
                epoch: turn.epoch,
                place: record.origin.place().cloned(),
            },
        };
        Received {
            request,
            record: record.clone(),
        }
    }

    /// The slow work; what is leased stays so for as long as it takes.
    async fn work(&self, delay: Duration, leased: Option<&IncomingEvent>) {
        let end = Instant::now() + delay;
        if let Some((order, version)) = leased.and_then(|event| Some((event.order_id, event.version?))) {
            while Instant::now() + LEASE / 3 < end {
                tokio::time::sleep(LEASE / 3).await;
                self.renew(order, version, true).await;
            }
        }
        tokio::time::sleep_until(end).await;
    }

    /// Has something done that may as well be left undone.
    pub(super) async fn submit(&self, command: FenceCommand) {
        let _ = self.commands.submit(command).await;
    }

    async fn renew(&self, order_id: OrderId, version: Version, keep: bool) {
        let command = FenceCommand::Renew {
            order_id,
            version,
            holder: self.instance.name.clone(),
            keep,
        };
        // A lease that can't be renewed ends; whoever takes over meanwhile writes the same.
        if let Err(error) = self.commands.submit(command).await {
            tracing::warn!(
                order = order_id.0,
                version = version.0,
                tally = "leases that can't be renewed",
                "a lease can't be renewed: {error}"
            );
        }
    }

    async fn answered(
        &self,
        answer: Result<FenceOutcome, String>,
        turn: &Turn,
        line: &Line<'_>,
        start: Instant,
    ) -> Ended {
        let (metrics, event_type) = (&self.instance.metrics, Some(line.event.event_type));
        match answer {
            Ok(FenceOutcome::Applied {
                delivery,
                next,
                discarded,
            }) => {
                metrics.applied.add(event_type);
                handled(line, &delivery, start.elapsed());
                self.passed_over(line.event.order_id, &discarded);
                return Ended::Next(next);
            }
            Ok(FenceOutcome::Duplicate) => {
                metrics.duplicates.add(event_type);
                tracing::debug!(target: EVENTS, trace = trace_of(line.record), "{line} … applied before");
            }
            Ok(FenceOutcome::Parked(reason)) => {
                metrics.parked.add(event_type);
                tracing::info!(target: EVENTS, trace = trace_of(line.record), "{line} … parked: {}", explained(reason));
            }
            Ok(FenceOutcome::GivenUp) => {
                metrics.ignored.add(event_type);
                tracing::info!(target: EVENTS, "{line} … passed over: a person has marked this version");
            }
            Ok(FenceOutcome::Ignored(why)) => {
                metrics.ignored.add(event_type);
                tracing::warn!(target: EVENTS, tally = "events ignored", trace = trace_of(line.record), "{line} … ignored: {why}");
            }
            Ok(FenceOutcome::Refused(why)) if line.event.version.is_none() && turn.attempt < TRIES => {
                tracing::warn!(target: EVENTS, tally = "events tried again", trace = trace_of(line.record), "{line} … {why}; it is tried again");
                return Ended::Again(RETRY);
            }
            Ok(FenceOutcome::Refused(why)) | Err(why) => return self.refuse_event(turn, line, why).await,
            Ok(FenceOutcome::Disputed) => {
                let why = "another event is parked as this version, and they differ".to_owned();
                return self.refuse_event(turn, line, why).await;
            }
            Ok(
                FenceOutcome::Next { .. }
                | FenceOutcome::Resumed { .. }
                | FenceOutcome::Buried
                | FenceOutcome::Noted(_)
                | FenceOutcome::Marked(_),
            ) => unreachable!("no answer to an event that is to be applied"),
        }
        Ended::Next(None)
    }

    async fn refuse_event(&self, turn: &Turn, line: &Line<'_>, why: String) -> Ended {
        let malformed = Malformed {
            why,
            order_id: Some(line.event.order_id),
            version: line.event.version,
        };
        self.refuse(turn, &line.to_string(), Some(line.event), malformed).await
    }

    fn passed_over(&self, order: OrderId, versions: &[Version]) {
        for version in versions {
            self.instance.metrics.discarded.inc();
            tracing::warn!(
                target: EVENTS,
                order = order.0,
                version = version.0,
                "order={order} v{version} … passed over for good, as it was marked"
            );
        }
    }

    /// A record that says which version of which order it is parks that order, if nothing better is known of the version.
    /// Any other becomes a dead letter and nothing else.
    async fn refuse(&self, turn: &Turn, what: &str, event: Option<&IncomingEvent>, fault: Malformed) -> Ended {
        let unhandled = Unhandled {
            record: &turn.record,
            event_type: event.map(|event| event.event_type),
            what: what.to_owned(),
            fault,
        };
        let letter = unhandled.letter(&self.instance);
        let Malformed { why, order_id, version } = &unhandled.fault;
        let command = match (*order_id, *version) {
            (Some(order_id), Some(version)) => FenceCommand::Refuse(Refused {
                order_id,
                version,
                event: event.cloned(),
                record: turn.record.clone(),
                error: why.clone(),
                letter,
            }),
            _ => FenceCommand::Bury(letter),
        };
        match unhandled.submit(&self.commands, command).await {
            Ok(FenceOutcome::Duplicate) => self.instance.metrics.duplicates.add(unhandled.event_type),
            Ok(FenceOutcome::Parked(_)) => self.tell_poisoned(&unhandled),
            Ok(_) => unhandled.tell_buried(&self.instance),
            Err(after) => return Ended::Again(after),
        }
        Ended::Next(None)
    }

    fn tell_poisoned(&self, unhandled: &Unhandled<'_>) {
        self.instance.metrics.poisoned.add(unhandled.event_type);
        let (what, why) = (&unhandled.what, &unhandled.fault.why);
        let order = unhandled.fault.order_id.expect("what parks an order names it");
        tracing::error!(
            target: EVENTS,
            tally = "records that park their order",
            "{what} … {why}; order {order} waits from here on, see mall parked"
        );
    }
}

/// Why what was parked as an event of this version is none.
fn misplaced(incoming: Incoming, order: OrderId, version: Version) -> Malformed {
    let why = match incoming {
        Incoming::Malformed(malformed) => malformed.why,
        Incoming::Order(event) => format!(
            "it is an event of order {}, and not v{version} of {order}",
            event.order_id
        ),
        Incoming::Other => "it is no event that could be handled".to_owned(),
    };
    Malformed {
        why,
        order_id: Some(order),
        version: Some(version),
    }
}

impl Turn {
    /// A record that stands nowhere in the log, or stood there once.
    fn of(record: EventRecord) -> Self {
        Self {
            record: Arc::new(record),
            epoch: None,
            parked: None,
            attempt: 1,
        }
    }

    /// Something that the order service was asked for.
    pub fn asked(record: EventRecord) -> Self {
        Self::of(record)
    }
}

fn explained(reason: ParkReason) -> &'static str {
    match reason {
        ParkReason::Gap => "a version before it has not come",
        ParkReason::Poison => "it can't be handled",
        ParkReason::Behind => "a version before it can't be handled",
        ParkReason::Disputed => "another event claims to be it, and they differ",
    }
}

/// Handles records that a runner brings.
pub struct FencedHandler {
    fence: Arc<Fence>,
}

impl FencedHandler {
    /// A handler for one runner.
    pub fn new(fence: Arc<Fence>) -> Self {
        Self { fence }
    }
}

impl Handler for FencedHandler {
    fn key(&self, record: &Record) -> Option<Bytes> {
        lane(record)
    }

    async fn handle(&self, records: &[Record], attempt: Attempt) -> Outcome {
        let turn = Turn {
            record: Arc::new(EventRecord::from(&records[0])),
            epoch: Some(attempt.epoch.0),
            parked: None,
            attempt: attempt.number,
        };
        let start = Instant::now();
        let again = self.fence.follow(turn).await;
        self.fence.instance.metrics.handling.observe(start.elapsed());
        match again {
            None => Outcome::Done,
            Some(after) => Outcome::Retry(after),
        }
    }
}
