//! The consumer that keeps the events of every order in their order: each event goes through the fence of its order.
//!
//! # Invariants
//! * Slow work is done outside any transaction: after the look, which compares the event's version with the cursor, and
//!   before the apply, which compares it again.
//! * The task that applies an event also handles the parked event that waited for it, before its lane goes on.
//! * A parked event that was handed over is leased for as long as it is being handled; the [sweeper](super::Sweeper) takes
//!   the parked events that nobody leases.
//! * A parked record that can't be handled is replaced by what the order service's journal holds as its version, where
//!   the journal can be asked.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use keylane::{Attempt, Handler, Outcome};
use keylane_log::{Record, Timestamp};
use observe::{Applier, Ending, Turn, What};
use planted::Bug;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::Instance;
use super::arrival::{Arrival, Unparked, misplaced};
use super::burial::Unhandled;
use super::lane::lane;
use super::lines::Line;
use super::persistence::{RETRY, TRIES, persistently};
use super::recall::Recall;
use super::resync::{OrderJournal, Slot, Written};
use crate::commit::GroupCommit;
use crate::domain::fence::{FenceCommand, FenceOutcome, LEASE, Mark, ParkedEvent, Received, Refused};
use crate::domain::{DeliveryRequest, EventRecord, IncomingEvent, OrderId, Provenance, Version};
use crate::observed::words;
use crate::records::{self, Incoming, Malformed};
use crate::store::Store;
use crate::trace;

/// From which length on slow work is noted in the database, so that other instances can say what they wait for. Noting costs
/// a transaction, which is little beside so much work.
const NOTED_FROM: Duration = Duration::from_secs(1);

/// Handles events through the fence: the runner's, the sweeper's, and those that the order service was asked for.
pub struct Fence {
    commands: GroupCommit<FenceCommand, FenceOutcome>,
    instance: Instance,
    stopping: CancellationToken,
    journal: Option<OrderJournal>,
    recall: Option<Recall>,
}

/// What became of an arrival.
enum Ended {
    /// The record is dealt with; the parked event that waited for it, if there is one, is to be handled next.
    Next(Option<Box<ParkedEvent>>),
    /// The record is to be tried again after this time.
    Again(Duration),
}

impl Fence {
    /// A fence whose commands go to `commands`. Once `stopping` is cancelled, a parked event that is handed over is released
    /// for others instead of being handled.
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
            recall: None,
        }
    }

    /// This fence with the order service's journal: when a person wants a parked record retried that can't be handled, the
    /// journal is asked what was written as that version.
    #[must_use]
    pub fn asking(mut self, journal: OrderJournal) -> Self {
        self.journal = Some(journal);
        self
    }

    /// This fence with the database's history, which tells who applied an event.
    #[must_use]
    pub fn recalling(mut self, store: Arc<dyn Store>) -> Self {
        self.recall = Some(Recall::new(store, self.instance.name.clone()));
        self
    }

    /// The delivery instance that this fence works for.
    pub fn instance(&self) -> &Instance {
        &self.instance
    }

    /// Handles a record, then the parked event that waited for it, then the one that waited for that, and so on. Returns
    /// how long to wait if the record is to be tried again, and none once it is dealt with.
    pub(super) async fn follow(&self, first: Arrival) -> Option<Duration> {
        let mut arrival = first;
        loop {
            let next = match self.take(&arrival).await {
                Ended::Again(after) => return Some(after),
                Ended::Next(None) => return None,
                Ended::Next(Some(next)) => next,
            };
            if self.stopping.is_cancelled() {
                self.renew(next.order_id, next.head.version, false).await;
                return None;
            }
            arrival = self.handed_over(*next, Turn::Reached).await;
        }
    }

    /// Handles the parked event of an order that comes next after its cursor, and passes over what a person has marked to be
    /// discarded.
    pub(super) async fn resume(&self, order_id: OrderId) {
        let holder = self.instance.name.clone();
        match persistently(&self.commands, FenceCommand::Resume { order_id, holder }).await {
            Ok(FenceOutcome::Resumed { next, discarded }) => {
                self.passed_over(order_id, &discarded);
                if let Some(event) = next {
                    let turn = match event.head.mark {
                        Some(Mark::Retry) => Turn::Marked,
                        _ if discarded.is_empty() => Turn::Found,
                        _ => Turn::Reached,
                    };
                    let arrival = self.handed_over(*event, turn).await;
                    self.follow(arrival).await;
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

    /// The arrival of a parked event that was handed over. If its record could not be handled, the record that the order
    /// service's journal holds as its version takes its place.
    async fn handed_over(&self, event: ParkedEvent, turn: Turn) -> Arrival {
        self.instance.metrics.handed_over.inc();
        let written = match event.head.reason.is_refused() {
            true => self.written(event.order_id, event.head.version).await,
            false => None,
        };
        Arrival {
            parked: Some(Unparked::of(&event, turn, (self.instance.clock)())),
            ..Arrival::unassigned(written.unwrap_or(event.record))
        }
    }

    /// The record that the order service's journal holds as the version that an order waits for; none if the journal can't
    /// be asked or doesn't hold that version.
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

    /// Removes what is parked under a version that was never written. Returns whether something was removed.
    pub(super) async fn forget(&self, order_id: OrderId, version: Version) -> bool {
        let answer = persistently(&self.commands, FenceCommand::Forget { order_id, version }).await;
        answer == Ok(FenceOutcome::Noted(true))
    }

    async fn take(&self, arrival: &Arrival) -> Ended {
        let incoming = records::incoming(&*arrival.record);
        if let Some(Unparked { order, version, .. }) = arrival.parked
            && !matches!(&incoming, Incoming::Order(event) if event.is(order, version))
        {
            let fault = misplaced(incoming, order, version);
            return self.refuse(arrival, None, fault).await;
        }
        match incoming {
            Incoming::Order(event) => self.handle(event, arrival).await,
            Incoming::Other => {
                self.instance.metrics.foreign.inc();
                let line = Line {
                    event: None,
                    record: &arrival.record,
                };
                self.finished(arrival, &line, Ending::Foreign);
                Ended::Next(None)
            }
            Incoming::Malformed(malformed) => self.refuse(arrival, None, malformed).await,
        }
    }

    async fn handle(&self, event: IncomingEvent, arrival: &Arrival) -> Ended {
        let line = Line::of(&event, &arrival.record);
        if let Some(unparked) = arrival.parked {
            let handed_over = line.handed_over(unparked.turn, unparked.waited);
            self.instance.tell(&arrival.record, handed_over);
        }
        let received = self.received(&event, arrival);
        // Without the second comparison every event needs the first one, also if there is no work to do after it.
        let always = planted::is_in(Bug::NoSecondCompare).then_some(Duration::ZERO);
        let delay = self.instance.delay.of(&event).or(always);
        if let Some(delay) = delay {
            let leased = match arrival.parked.is_some() {
                true => true,
                false => match persistently(&self.commands, self.look(received.clone(), delay)).await {
                    Ok(FenceOutcome::Next { leased }) => leased,
                    answer => return self.answered(answer, arrival, &event, &line).await,
                },
            };
            self.instance.tell(&arrival.record, line.begun(delay));
            self.work(delay, leased.then_some(&event)).await;
        }
        self.instance.hold.pass(&event).await;
        let asked = Instant::now();
        let answer = persistently(&self.commands, FenceCommand::Apply(received)).await;
        self.instance.metrics.applying.observe(asked.elapsed());
        if delay.is_some() && matches!(answer, Ok(FenceOutcome::Duplicate)) {
            self.instance.metrics.stale_refused.add(Some(event.event_type));
            let by = self.applier(&event).await;
            self.finished(arrival, &line, Ending::Stale { by });
            return Ended::Next(None);
        }
        self.answered(answer, arrival, &event, &line).await
    }

    /// The command that asks whether slow work of this length is worth doing. Work that a person would notice is noted.
    fn look(&self, received: Received, delay: Duration) -> FenceCommand {
        if delay < NOTED_FROM {
            return FenceCommand::Look(received);
        }
        let longest = (delay + LEASE).as_millis();
        let until = (self.instance.clock)()
            .0
            .saturating_add(i64::try_from(longest).unwrap_or(i64::MAX));
        FenceCommand::Begin(received, Timestamp(until))
    }

    fn received(&self, event: &IncomingEvent, arrival: &Arrival) -> Received {
        let record = &arrival.record;
        let request = DeliveryRequest {
            event: event.clone(),
            traceparent: Some(trace::following(records::trace_of(&**record).as_deref())),
            provenance: Provenance {
                instance: self.instance.name.clone(),
                epoch: arrival.epoch,
                place: record.origin.place().cloned(),
            },
        };
        Received {
            request,
            record: record.clone(),
        }
    }

    /// Does the slow work, which is a wait, and renews the lease of a leased event for as long as it takes.
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

    /// Submits a command once and ignores its outcome: for commands that may fail without harm.
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
        // A lease that can't be renewed runs out. Another instance may then take the event over, and writes the same.
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
        arrival: &Arrival,
        event: &IncomingEvent,
        line: &Line<'_>,
    ) -> Ended {
        let (metrics, event_type) = (&self.instance.metrics, Some(event.event_type));
        let ending = match answer {
            Ok(FenceOutcome::Applied {
                delivery,
                next,
                discarded,
            }) => {
                metrics.applied.add(event_type);
                self.finished(arrival, line, Ending::Applied(words::effect(&delivery)));
                self.passed_over(event.order_id, &discarded);
                return Ended::Next(next);
            }
            Ok(FenceOutcome::Duplicate) => {
                metrics.duplicates.add(event_type);
                Ending::Duplicate {
                    by: self.applier(event).await,
                    why: None,
                }
            }
            Ok(FenceOutcome::Early(early)) => {
                metrics.parked.add(event_type);
                words::early(&early, &self.instance.name)
            }
            Ok(FenceOutcome::Parked(reason)) => {
                metrics.parked.add(event_type);
                let reason = words::reason(reason);
                Ending::Parked { reason }
            }
            Ok(FenceOutcome::GivenUp) => {
                metrics.ignored.add(event_type);
                Ending::GivenUp
            }
            Ok(FenceOutcome::Ignored(why)) => {
                metrics.ignored.add(event_type);
                Ending::Ignored { why }
            }
            Ok(FenceOutcome::Refused(why)) if event.version.is_none() && arrival.attempt < TRIES => {
                self.instance.tell(&arrival.record, line.tried_again(&why));
                return Ended::Again(RETRY);
            }
            Ok(FenceOutcome::Refused(why)) | Err(why) => return self.refuse_event(arrival, event, why).await,
            Ok(FenceOutcome::Disputed) => {
                let why = "another event is parked as this version, and they differ".to_owned();
                return self.refuse_event(arrival, event, why).await;
            }
            Ok(
                FenceOutcome::Next { .. }
                | FenceOutcome::Resumed { .. }
                | FenceOutcome::Buried
                | FenceOutcome::Noted(_)
                | FenceOutcome::Marked(_),
            ) => unreachable!("the fence never gives this outcome to a look or an apply"),
        };
        self.finished(arrival, line, ending);
        Ended::Next(None)
    }

    /// Tells what became of a record.
    fn finished(&self, arrival: &Arrival, line: &Line<'_>, ending: Ending) {
        let what = line.finished(arrival.epoch, arrival.since, ending);
        self.instance.tell(&arrival.record, what);
    }

    /// Who applied an event that has a version, as far as that is known.
    async fn applier(&self, event: &IncomingEvent) -> Option<Applier> {
        self.recall.as_ref()?.applier(event.order_id, event.version?).await
    }

    async fn refuse_event(&self, arrival: &Arrival, event: &IncomingEvent, why: String) -> Ended {
        let malformed = Malformed {
            why,
            order_id: Some(event.order_id),
            version: event.version,
        };
        self.refuse(arrival, Some(event), malformed).await
    }

    fn passed_over(&self, order: OrderId, versions: &[Version]) {
        for version in versions {
            self.instance.metrics.discarded.inc();
            let (order, version) = (order.0, version.0);
            self.instance.tell_of_order(What::PassedOver { order, version });
        }
    }

    /// Parks a record that can't be handled as poison, if it names its order and version and nothing readable holds that
    /// version. Any other record becomes a dead letter and nothing else.
    async fn refuse(&self, arrival: &Arrival, event: Option<&IncomingEvent>, fault: Malformed) -> Ended {
        let unhandled = Unhandled {
            event_type: event.map(|event| event.event_type),
            epoch: arrival.epoch,
            since: arrival.since,
            ..Unhandled::new(&arrival.record, fault)
        };
        let letter = unhandled.letter(&self.instance);
        let Malformed { why, order_id, version } = &unhandled.fault;
        let command = match (*order_id, *version) {
            (Some(order_id), Some(version)) => FenceCommand::Refuse(Refused {
                order_id,
                version,
                event: event.cloned(),
                record: arrival.record.clone(),
                error: why.clone(),
                letter,
            }),
            _ => FenceCommand::Bury(letter),
        };
        match unhandled.submit(&self.commands, command).await {
            Ok(FenceOutcome::Duplicate) => unhandled.tell_passed(&self.instance),
            Ok(FenceOutcome::Parked(_)) => unhandled.tell_poisoned(&self.instance),
            Ok(_) => unhandled.tell_buried(&self.instance),
            Err(after) => return Ended::Again(after),
        }
        Ended::Next(None)
    }
}

/// Handles the records that a runner reads from the log.
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
        let start = Instant::now();
        let arrival = Arrival {
            record: Arc::new(EventRecord::from(&records[0])),
            epoch: Some(attempt.epoch.0),
            parked: None,
            attempt: attempt.number,
            since: start,
        };
        let again = self.fence.follow(arrival).await;
        self.fence.instance.metrics.handling.observe(start.elapsed());
        match again {
            None => Outcome::Done,
            Some(after) => Outcome::Retry(after),
        }
    }
}
