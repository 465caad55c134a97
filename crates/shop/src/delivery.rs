//! What the delivery service does with a record: the slow work first, then one unit of work in its database.
//!
//! This is the naive consumer of the course. It applies events as they come: it inserts on `OrderPlaced`, looks up and
//! overwrites on `OrderModified` and `OrderCancelled`, and an event that finds nothing to look up is tried three times,
//! logged, and passed over.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use eventlog::Record;
use lanes::{Attempt, Handler, Outcome};
use tokio::time::Instant;

use crate::commit::GroupCommit;
use crate::domain::{
    Delivery, DeliveryOutcome, DeliveryRequest, EventType, IncomingEvent, OrderEventType, Place, Provenance, Version,
};
use crate::records::{self, Incoming};
use crate::store::StoreError;
use crate::trace;

/// How often an event that can't be handled is tried.
const TRIES: u32 = 3;
/// Between two of these tries.
const RETRY: Duration = Duration::from_millis(500);
/// The first and the longest pause while the database is away.
const AWAY: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(1));

/// Applies order events to deliveries.
pub struct DeliveryHandler {
    deliveries: GroupCommit<DeliveryRequest, DeliveryOutcome>,
    delay: ModifyDelay,
    instance: Arc<str>,
}

/// The slow work of a modification.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ModifyDelay {
    /// How long it takes.
    pub time: Duration,
    /// Whose modifications take it: this customer's, or everybody's.
    pub customer: Option<i64>,
}

impl DeliveryHandler {
    /// A handler that applies through `deliveries`; `instance` is what the apply history calls it.
    pub fn new(
        deliveries: GroupCommit<DeliveryRequest, DeliveryOutcome>,
        delay: ModifyDelay,
        instance: Arc<str>,
    ) -> Self {
        Self {
            deliveries,
            delay,
            instance,
        }
    }

    async fn apply(&self, event: IncomingEvent, record: &Record, attempt: Attempt) -> Outcome {
        let begun = Instant::now();
        let line = Line { event: &event, record };
        if let Some(delay) = self.delay.of(&event) {
            tracing::info!(target: EVENTS, order = event.order_id.0, "{line} … takes {}", seconds(delay));
            tokio::time::sleep(delay).await;
        }
        let traceparent = Some(trace::following(records::text_header(record, "traceparent").as_deref()));
        match self
            .submit(DeliveryRequest {
                event: event.clone(),
                traceparent,
                provenance: Provenance {
                    instance: self.instance.clone(),
                    epoch: Some(attempt.epoch.0),
                    place: Some(Place::of(record)),
                },
            })
            .await
        {
            Ok(DeliveryOutcome::Applied(delivery)) => {
                handled(&line, &delivery, begun.elapsed());
                Outcome::Done
            }
            Ok(DeliveryOutcome::NoDelivery) => refused(
                &line.to_string(),
                &format!("there is no delivery of order {}", event.order_id),
                attempt,
            ),
            Err(error) => refused(&line.to_string(), &error.to_string(), attempt),
        }
    }

    /// A database that is away is waited for, without end; what it refuses is the event's own fault.
    async fn submit(&self, request: DeliveryRequest) -> Result<DeliveryOutcome, StoreError> {
        let mut pause = AWAY.0;
        loop {
            match self.deliveries.submit(request.clone()).await {
                Err(StoreError::Rejected(why)) => return Err(StoreError::Rejected(why)),
                Err(error) => {
                    if pause == AWAY.0 {
                        tracing::warn!("the database takes nothing, which is waited for: {error}");
                    }
                    tokio::time::sleep(pause).await;
                    pause = AWAY.1.min(pause * 2);
                }
                Ok(outcome) => return Ok(outcome),
            }
        }
    }
}

impl Handler for DeliveryHandler {
    /// The order, which every event names in its value, also where the record has no key.
    fn key(&self, record: &Record) -> Option<Bytes> {
        match records::incoming(record) {
            Incoming::Order(event) => Some(Bytes::from(event.order_id.to_string())),
            _ => None,
        }
    }

    async fn handle(&self, records: &[Record], attempt: Attempt) -> Outcome {
        let record = &records[0];
        match records::incoming(record) {
            Incoming::Order(event) => self.apply(event, record, attempt).await,
            Incoming::Other => Outcome::Done,
            Incoming::Malformed(why) => refused(&place(record), &why, attempt),
        }
    }
}

impl ModifyDelay {
    fn of(&self, event: &IncomingEvent) -> Option<Duration> {
        let customer = event.fields.customer_id.flatten();
        let slow = event.event_type == OrderEventType::Modified
            && !self.time.is_zero()
            && self.customer.is_none_or(|slow| Some(slow) == customer);
        slow.then_some(self.time)
    }
}

/// Lines of this target say everything in their text; their fields repeat it for machines.
pub const EVENTS: &str = "events";

fn handled(line: &Line<'_>, delivery: &Delivery, took: Duration) {
    let status = delivery.status.as_deref().unwrap_or("no status");
    tracing::info!(
        target: EVENTS,
        event = EventType::Order(line.event.event_type).name(),
        order = line.event.order_id.0,
        version = line.event.version.map(|version| version.0),
        partition = line.record.partition.0,
        offset = line.record.offset.0,
        delivery = delivery.id.0,
        status,
        seconds = took.as_secs_f64(),
        "{line} … {status} {}",
        seconds(took),
    );
}

fn refused(what: &str, why: &str, attempt: Attempt) -> Outcome {
    if attempt.number < TRIES {
        tracing::warn!(target: EVENTS, "{what} … {why}; it is tried again");
        return Outcome::Retry(RETRY);
    }
    tracing::error!(target: EVENTS, "{what} … {why}; after {TRIES} tries it is passed over");
    Outcome::Done
}

/// `OrderModified order=2 v2 P1@7`
struct Line<'a> {
    event: &'a IncomingEvent,
    record: &'a Record,
}

impl fmt::Display for Line<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = EventType::Order(self.event.event_type).name();
        write!(f, "{name} order={} ", self.event.order_id)?;
        if let Some(Version(version)) = self.event.version {
            write!(f, "v{version} ")?;
        }
        f.write_str(&place(self.record))
    }
}

fn place(record: &Record) -> String {
    format!("P{}@{}", record.partition, record.offset)
}

fn seconds(time: Duration) -> String {
    format!("{:.2}s", time.as_secs_f64())
}
