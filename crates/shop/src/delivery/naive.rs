//! The naive consumer of the course. It applies events as they come: it inserts on `OrderPlaced`, looks up and overwrites
//! on `OrderModified` and `OrderCancelled`, and an event that finds nothing to look up is tried three times, written to
//! the dead letters, and passed over.

use std::time::Duration;

use bytes::Bytes;
use keylane::{Attempt, Handler, Outcome};
use keylane_log::Record;
use tokio::time::Instant;

use super::lines::{EVENTS, Line, begun, handled, place, trace_of};
use super::{Instance, RETRY, TRIES, lane, letter, persistently};
use crate::commit::GroupCommit;
use crate::domain::fence::{FenceCommand, FenceOutcome};
use crate::domain::{
    DeliveryOutcome, DeliveryRequest, IncomingEvent, OrderEventType, OrderId, Place, Provenance, Version,
};
use crate::records::{self, Incoming};
use crate::trace;

/// Applies order events to deliveries as they come.
pub struct NaiveHandler {
    deliveries: GroupCommit<DeliveryRequest, DeliveryOutcome>,
    letters: GroupCommit<FenceCommand, FenceOutcome>,
    instance: Instance,
}

/// A record that could not be handled this time.
struct Failed<'a> {
    record: &'a Record,
    order_id: Option<OrderId>,
    version: Option<Version>,
    event_type: Option<OrderEventType>,
    /// What it is, for people.
    what: String,
    why: String,
}

impl NaiveHandler {
    /// A handler that applies through `deliveries` and buries through `letters`.
    pub fn new(
        deliveries: GroupCommit<DeliveryRequest, DeliveryOutcome>,
        letters: GroupCommit<FenceCommand, FenceOutcome>,
        instance: Instance,
    ) -> Self {
        Self {
            deliveries,
            letters,
            instance,
        }
    }

    async fn take(&self, record: &Record, attempt: Attempt) -> Outcome {
        match records::incoming(record) {
            Incoming::Order(event) => self.apply(event, record, attempt).await,
            Incoming::Other => {
                self.instance.metrics.foreign.add();
                Outcome::Done
            }
            Incoming::Malformed(malformed) => {
                let failed = Failed {
                    record,
                    order_id: malformed.order_id,
                    version: malformed.version,
                    event_type: None,
                    what: place(record),
                    why: malformed.why,
                };
                self.failed(failed, attempt).await
            }
        }
    }

    async fn apply(&self, event: IncomingEvent, record: &Record, attempt: Attempt) -> Outcome {
        let start = Instant::now();
        let line = Line { event: &event, record };
        if let Some(delay) = self.instance.delay.of(&event) {
            begun(&line, delay);
            tokio::time::sleep(delay).await;
        }
        let asked = Instant::now();
        let answer = persistently(&self.deliveries, self.request(&event, record, attempt)).await;
        self.instance.metrics.applying.add(asked.elapsed());
        let why = match answer {
            Ok(DeliveryOutcome::Applied(delivery)) => {
                self.instance.metrics.applied.add(Some(event.event_type));
                handled(&line, &delivery, start.elapsed());
                return Outcome::Done;
            }
            Ok(DeliveryOutcome::NoDelivery) => format!("there is no delivery of order {}", event.order_id),
            Err(why) => why,
        };
        let failed = Failed {
            record,
            order_id: Some(event.order_id),
            version: event.version,
            event_type: Some(event.event_type),
            what: line.to_string(),
            why,
        };
        self.failed(failed, attempt).await
    }

    fn request(&self, event: &IncomingEvent, record: &Record, attempt: Attempt) -> DeliveryRequest {
        DeliveryRequest {
            event: event.clone(),
            traceparent: Some(trace::following(records::trace_of(record).as_deref())),
            provenance: Provenance {
                instance: self.instance.name.clone(),
                epoch: Some(attempt.epoch.0),
                place: Some(Place::of(record)),
            },
        }
    }

    async fn failed(&self, failed: Failed<'_>, attempt: Attempt) -> Outcome {
        let Failed { what, why, .. } = &failed;
        let trace = trace_of(failed.record);
        if attempt.number < TRIES {
            tracing::warn!(target: EVENTS, tally = "events tried again", trace, "{what} … {why}; it is tried again");
            return Outcome::Retry(RETRY);
        }
        let letter = letter::of(failed.record, failed.order_id, failed.version, why, &self.instance);
        match persistently(&self.letters, FenceCommand::Bury(letter)).await {
            Ok(_) => {
                self.instance.metrics.buried.add(failed.event_type);
                tracing::error!(target: EVENTS, tally = "records that can't be handled", trace, "{what} … {why}; after {TRIES} tries it goes to the dead letters");
                Outcome::Done
            }
            Err(refused) => {
                tracing::error!(target: EVENTS, tally = "records that not even the dead letters take", trace, "{what} … {why}; the dead letters don't take it either: {refused}");
                Outcome::Retry(Duration::from_secs(30))
            }
        }
    }
}

impl Handler for NaiveHandler {
    fn key(&self, record: &Record) -> Option<Bytes> {
        lane(record)
    }

    async fn handle(&self, records: &[Record], attempt: Attempt) -> Outcome {
        let start = Instant::now();
        let outcome = self.take(&records[0], attempt).await;
        self.instance.metrics.handling.add(start.elapsed());
        outcome
    }
}
