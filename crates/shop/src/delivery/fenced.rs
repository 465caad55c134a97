//! The consumer that keeps every order's order: each event goes through the fence of its order.
//!
//! # Invariants
//! * Slow work is done outside any transaction, after a look and before an apply, which compares again.
//! * Whoever applies an event handles what waited for it, in the same slot of its key's lane.
//! * What was handed over is leased for as long as somebody is at it; what nobody leases is the [sweeper](super::Sweeper)'s.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use eventlog::Record;
use lanes::{Attempt, Handler, Outcome};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::lines::{EVENTS, Line, begun, handled, place};
use super::{Instance, RETRY, TRIES, lane, letter, persistently};
use crate::commit::GroupCommit;
use crate::domain::fence::{FenceCommand, FenceOutcome, LEASE, ParkReason, ParkedEvent, Received, Refused};
use crate::domain::{DeliveryRequest, IncomingEvent, OrderEventType, OrderId, Place, Provenance, Version};
use crate::records::{self, Incoming, Malformed};
use crate::trace;

/// How long a record waits that not even the dead letters take.
const STUCK: Duration = Duration::from_secs(30);

/// Handles events through the fence, for whoever brings them.
pub struct Fence {
    commands: GroupCommit<FenceCommand, FenceOutcome>,
    instance: Instance,
    stopping: CancellationToken,
}

/// A record whose turn it may be.
pub(super) struct Turn {
    pub record: Arc<Record>,
    /// The assignment that it came with.
    pub epoch: Option<u64>,
    /// It was parked, and has been handed over.
    pub leased: bool,
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
        }
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
            self.instance.metrics.handed_over.add();
            turn = Turn::of_parked(*next);
        }
    }

    /// Takes what is parked of an order and has its turn, and acts on what a person has marked.
    pub(super) async fn resume(&self, order_id: OrderId) {
        let holder = self.instance.name.clone();
        match persistently(&self.commands, FenceCommand::Resume { order_id, holder }).await {
            Ok(FenceOutcome::Resumed { next, discarded }) => {
                self.passed_over(order_id, &discarded);
                if let Some(event) = next {
                    self.instance.metrics.handed_over.add();
                    self.follow(Turn::of_parked(*event)).await;
                }
            }
            Ok(_) => {}
            Err(why) => tracing::error!(order = order_id.0, "what is parked can't be resumed: {why}"),
        }
    }

    async fn take(&self, turn: &Turn) -> Ended {
        match records::incoming(&turn.record) {
            Incoming::Order(event) => self.handle(event, turn).await,
            Incoming::Other => {
                self.instance.metrics.foreign.add();
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
            let leased = match turn.leased {
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
        self.instance.metrics.applying.add(asked.elapsed());
        if delay.is_some() && matches!(answer, Ok(FenceOutcome::Duplicate)) {
            self.instance.metrics.stale_refused.add(Some(event.event_type));
            tracing::warn!(target: EVENTS, "{line} … refused: another instance has applied it during the slow work");
            return Ended::Next(None);
        }
        self.answered(answer, turn, &line, start).await
    }

    fn received(&self, event: &IncomingEvent, turn: &Turn) -> Received {
        let record = &turn.record;
        let from_log = !record.topic.is_empty();
        let request = DeliveryRequest {
            event: event.clone(),
            traceparent: Some(trace::following(records::text_header(record, "traceparent").as_deref())),
            provenance: Provenance {
                instance: self.instance.name.clone(),
                epoch: turn.epoch,
                place: from_log.then(|| Place::of(record)),
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
                tracing::debug!(target: EVENTS, "{line} … applied before");
            }
            Ok(FenceOutcome::Parked(reason)) => {
                metrics.parked.add(event_type);
                tracing::info!(target: EVENTS, "{line} … parked: {}", explained(reason));
            }
            Ok(FenceOutcome::Ignored(why)) => {
                metrics.ignored.add(event_type);
                tracing::warn!(target: EVENTS, "{line} … ignored: {why}");
            }
            Ok(FenceOutcome::Refused(why)) if line.event.version.is_none() && turn.attempt < TRIES => {
                tracing::warn!(target: EVENTS, "{line} … {why}; it is tried again");
                return Ended::Again(RETRY);
            }
            Ok(FenceOutcome::Refused(why)) | Err(why) => {
                let malformed = Malformed {
                    why,
                    order_id: Some(line.event.order_id),
                    version: line.event.version,
                };
                return self.refuse(turn, &line.to_string(), event_type, malformed).await;
            }
            Ok(FenceOutcome::Next { .. } | FenceOutcome::Resumed { .. } | FenceOutcome::Noted(_)) => {
                unreachable!("no answer to an event that is to be applied")
            }
        }
        Ended::Next(None)
    }

    fn passed_over(&self, order: OrderId, versions: &[Version]) {
        for version in versions {
            self.instance.metrics.discarded.add();
            tracing::warn!(
                target: EVENTS,
                order = order.0,
                version = version.0,
                "order={order} v{version} … passed over for good, as it was marked"
            );
        }
    }

    /// What says whose event it is parks that order; anything else goes to the dead letters alone.
    async fn refuse(&self, turn: &Turn, what: &str, event_type: Option<OrderEventType>, refused: Malformed) -> Ended {
        let Malformed { why, order_id, version } = refused;
        let letter = letter::of(&turn.record, order_id, version, &why, &self.instance);
        let metrics = &self.instance.metrics;
        let (command, counter, then) = match (order_id, version) {
            (Some(order_id), Some(version)) => {
                let refused = Refused {
                    order_id,
                    version,
                    record: turn.record.clone(),
                    error: why.clone(),
                    letter,
                };
                let then = format!("order {order_id} waits from here on, see mall parked");
                (FenceCommand::Refuse(refused), &metrics.poisoned, then)
            }
            _ => (
                FenceCommand::Bury(letter),
                &metrics.buried,
                "it goes to the dead letters".to_owned(),
            ),
        };
        match persistently(&self.commands, command).await {
            Ok(FenceOutcome::Duplicate) => Ended::Next(None),
            Ok(_) => {
                counter.add(event_type);
                tracing::error!(target: EVENTS, "{what} … {why}; {then}");
                Ended::Next(None)
            }
            Err(refused) => {
                tracing::error!(target: EVENTS, "{what} … {why}; the dead letters don't take it either: {refused}");
                Ended::Again(STUCK)
            }
        }
    }
}

impl Turn {
    /// Something that was parked, and has been handed over.
    pub fn of_parked(event: ParkedEvent) -> Self {
        Self {
            record: Arc::new(event.record),
            epoch: None,
            leased: true,
            attempt: 1,
        }
    }
}

fn explained(reason: ParkReason) -> &'static str {
    match reason {
        ParkReason::Gap => "a version before it has not come",
        ParkReason::Poison => "it can't be handled",
        ParkReason::Behind => "a version before it can't be handled",
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
            record: Arc::new(records[0].clone()),
            epoch: Some(attempt.epoch.0),
            leased: false,
            attempt: attempt.number,
        };
        let start = Instant::now();
        let again = self.fence.follow(turn).await;
        self.fence.instance.metrics.handling.add(start.elapsed());
        match again {
            None => Outcome::Done,
            Some(after) => Outcome::Retry(after),
        }
    }
}
