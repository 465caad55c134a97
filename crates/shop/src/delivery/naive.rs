//! The naive consumer of the course. It applies events as they come: it inserts on `OrderPlaced`, looks up and overwrites
//! on `OrderModified` and `OrderCancelled`, and an event that finds nothing to look up is tried three times, written to
//! the dead letters, and passed over.

use std::sync::Arc;

use bytes::Bytes;
use keylane::{Attempt, Handler, Outcome};
use keylane_log::Record;
use observe::{Effect, Ending, What};
use tokio::time::Instant;

use super::Instance;
use super::burial::Unhandled;
use super::lane::lane;
use super::lines::{Line, trace_of};
use super::persistence::{RETRY, TRIES, persistently};
use super::recall::Recall;
use super::sequence::Sequence;
use crate::commit::GroupCommit;
use crate::domain::fence::{FenceCommand, FenceOutcome};
use crate::domain::{
    Delivery, DeliveryBefore, DeliveryOutcome, DeliveryRequest, EventRecord, IncomingEvent, Provenance,
};
use crate::observed::{line, words};
use crate::records::{self, Incoming, Malformed};
use crate::store::Store;
use crate::trace;

/// Applies order events to deliveries as they come.
pub struct NaiveHandler {
    deliveries: GroupCommit<DeliveryRequest, DeliveryOutcome>,
    letters: GroupCommit<FenceCommand, FenceOutcome>,
    instance: Instance,
    recall: Option<Recall>,
}

impl NaiveHandler {
    /// A handler that applies events through `deliveries` and writes dead letters through `letters`.
    pub fn new(
        deliveries: GroupCommit<DeliveryRequest, DeliveryOutcome>,
        letters: GroupCommit<FenceCommand, FenceOutcome>,
        instance: Instance,
    ) -> Self {
        Self {
            deliveries,
            letters,
            instance,
            recall: None,
        }
    }

    /// This handler with the database's history, which tells who applied an event.
    #[must_use]
    pub fn recalling(mut self, store: Arc<dyn Store>) -> Self {
        self.recall = Some(Recall::new(store, self.instance.name.clone()));
        self
    }

    async fn take(&self, record: &EventRecord, attempt: Attempt) -> Outcome {
        let since = Instant::now();
        match records::incoming(record) {
            Incoming::Order(event) => self.apply(event, record, attempt, since).await,
            Incoming::Other => {
                self.instance.metrics.foreign.inc();
                let line = Line { event: None, record };
                let foreign = line.finished(Some(attempt.epoch.0), since, Ending::Foreign);
                self.instance.tell(record, foreign);
                Outcome::Done
            }
            Incoming::Malformed(malformed) => {
                let unhandled = Unhandled {
                    epoch: Some(attempt.epoch.0),
                    ..Unhandled::new(record, malformed)
                };
                self.try_again_or_bury(unhandled, attempt).await
            }
        }
    }

    async fn apply(&self, event: IncomingEvent, record: &EventRecord, attempt: Attempt, since: Instant) -> Outcome {
        let epoch = Some(attempt.epoch.0);
        if let Some(delay) = self.instance.delay.of(&event) {
            self.instance.tell(record, Line::of(&event, record).begun(delay));
            tokio::time::sleep(delay).await;
        }
        self.instance.hold.pass(&event).await;
        let asked = Instant::now();
        let answer = persistently(&self.deliveries, self.request(&event, record, attempt)).await;
        self.instance.metrics.applying.observe(asked.elapsed());
        let why = match answer {
            Ok(DeliveryOutcome::Applied { delivery, before }) => {
                self.instance.metrics.applied.add(Some(event.event_type));
                let ending = ending(&event, &delivery, before.as_ref());
                let what = Line::of(&event, record).finished(epoch, since, ending);
                self.instance.tell(record, what.clone());
                self.judge(&event, record, before.as_ref(), &what).await;
                return Outcome::Done;
            }
            Ok(DeliveryOutcome::NoDelivery) => format!("there is no delivery of order {}", event.order_id),
            Err(why) => why,
        };
        let unhandled = Unhandled {
            event_type: Some(event.event_type),
            epoch,
            since,
            record,
            fault: Malformed {
                why,
                order_id: Some(event.order_id),
                version: event.version,
            },
        };
        self.try_again_or_bury(unhandled, attempt).await
    }

    /// Says, and counts, if an event took effect in another place than its own.
    async fn judge(&self, event: &IncomingEvent, record: &EventRecord, before: Option<&DeliveryBefore>, what: &What) {
        let (Some(before), What::Finished { ending, .. }) = (before, what) else {
            return;
        };
        let mut by = None;
        if matches!(ending, Ending::OutOfOrder(_)) {
            self.instance.metrics.out_of_order.inc();
            if let Some(recall) = &self.recall {
                by = recall.applier(event.order_id, before.version).await;
            }
        }
        line::tell_meaning(what, by.as_ref(), trace_of(record).as_deref());
    }

    fn request(&self, event: &IncomingEvent, record: &EventRecord, attempt: Attempt) -> DeliveryRequest {
        DeliveryRequest {
            event: event.clone(),
            traceparent: Some(trace::following(records::trace_of(record).as_deref())),
            provenance: Provenance {
                instance: self.instance.name.clone(),
                epoch: Some(attempt.epoch.0),
                place: record.origin.place().cloned(),
            },
        }
    }

    async fn try_again_or_bury(&self, unhandled: Unhandled<'_>, attempt: Attempt) -> Outcome {
        if attempt.number < TRIES {
            self.instance.tell(unhandled.record, unhandled.tried_again());
            return Outcome::Retry(RETRY);
        }
        let command = FenceCommand::Bury(unhandled.letter(&self.instance));
        match unhandled.submit(&self.letters, command).await {
            Ok(_) => {
                unhandled.tell_buried(&self.instance);
                Outcome::Done
            }
            Err(after) => Outcome::Retry(after),
        }
    }
}

/// How an event ended that took effect on a delivery, which it met in the state `before`; none if it made the delivery.
fn ending(event: &IncomingEvent, delivery: &Delivery, before: Option<&DeliveryBefore>) -> Ending {
    let effect = Effect {
        before: before.map(words::before),
        ..words::effect(delivery)
    };
    match before.map_or(Sequence::Next, |before| Sequence::of(event.version, before)) {
        Sequence::Next => Ending::Applied(effect),
        Sequence::Early => Ending::AppliedEarly(effect),
        Sequence::Again => Ending::AppliedAgain(effect),
        Sequence::Late => Ending::OutOfOrder(effect),
    }
}

impl Handler for NaiveHandler {
    fn key(&self, record: &Record) -> Option<Bytes> {
        lane(record)
    }

    async fn handle(&self, records: &[Record], attempt: Attempt) -> Outcome {
        let start = Instant::now();
        let outcome = self.take(&EventRecord::from(&records[0]), attempt).await;
        self.instance.metrics.handling.observe(start.elapsed());
        outcome
    }
}
