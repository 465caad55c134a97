//! Burying a record that can't be handled as a dead letter: the same way for the fenced and for the naive consumer.

use std::time::Duration;

use observe::{Ending, Event, What};
use tokio::time::Instant;

use super::lines::{Line, trace_of};
use super::persistence::persistently;
use super::{Instance, letter};
use crate::commit::GroupCommit;
use crate::domain::fence::{FenceCommand, FenceOutcome, NewDeadLetter};
use crate::domain::{EventRecord, EventType, OrderEventType};
use crate::lines::EVENTS;
use crate::records::Malformed;

/// How long a record waits for its next attempt when the database refuses even its dead letter.
const BURIAL_RETRY: Duration = Duration::from_secs(30);

/// A record that can't be handled.
pub(super) struct Unhandled<'a> {
    pub record: &'a EventRecord,
    /// The type of its event; none if not even that can be read.
    pub event_type: Option<OrderEventType>,
    /// The assignment under which it was read; none if it had been parked.
    pub epoch: Option<u64>,
    /// When it came.
    pub since: Instant,
    /// Why it can't be handled, and which version of which order it claims to be.
    pub fault: Malformed,
}

impl<'a> Unhandled<'a> {
    /// A record of which not even the type of its event can be read, and which came now.
    pub fn new(record: &'a EventRecord, fault: Malformed) -> Self {
        Self {
            record,
            event_type: None,
            epoch: None,
            since: Instant::now(),
            fault,
        }
    }

    fn line(&self) -> Line<'a> {
        let name = |event_type| EventType::Order(event_type).name().into();
        let event = self.fault.order_id.map(|order| Event {
            order: order.0,
            delivery: None,
            version: self.fault.version.map(|version| version.0),
            name: self.event_type.map(name),
        });
        Line {
            event,
            record: self.record,
        }
    }

    /// The record could not be handled this time, and is tried again.
    pub fn tried_again(&self) -> What {
        self.line().tried_again(&self.fault.why)
    }

    fn finished(&self, ending: impl FnOnce(String) -> Ending) -> What {
        self.line()
            .finished(self.epoch, self.since, ending(self.fault.why.clone()))
    }

    /// The dead letter that this record becomes.
    pub fn letter(&self, instance: &Instance) -> NewDeadLetter {
        let Malformed { why, order_id, version } = &self.fault;
        letter::of(self.record, *order_id, *version, why, instance)
    }

    /// Submits the command that buries the record or parks it, for as long as the database is away.
    ///
    /// # Errors
    /// How long to wait before the record is tried again, if the database refuses the command.
    pub async fn submit(
        &self,
        commands: &GroupCommit<FenceCommand, FenceOutcome>,
        command: FenceCommand,
    ) -> Result<FenceOutcome, Duration> {
        persistently(commands, command).await.map_err(|refused| {
            let (what, why) = (self.line(), &self.fault.why);
            tracing::error!(
                target: EVENTS,
                tally = "records that not even the dead letters take",
                trace = trace_of(self.record),
                ko = %format_args!("{what} … {why}. 데드 레터로도 쓸 수 없음: {refused}"),
                "{what} … {why}; the dead letters don't take it either: {refused}"
            );
            BURIAL_RETRY
        })
    }

    /// Counts the record among the duplicates and tells that the version that it names is done without it.
    pub fn tell_passed(&self, instance: &Instance) {
        instance.metrics.duplicates.add(self.event_type);
        let duplicate = |why| Ending::Duplicate {
            by: None,
            why: Some(why),
        };
        instance.tell(self.record, self.finished(duplicate));
    }

    /// Counts the record among the poisoned ones and tells that its order waits from here on.
    pub fn tell_poisoned(&self, instance: &Instance) {
        instance.metrics.poisoned.add(self.event_type);
        instance.tell(self.record, self.finished(|why| Ending::Poison { why }));
    }

    /// Counts the record among the buried ones and tells that it has become a dead letter.
    pub fn tell_buried(&self, instance: &Instance) {
        instance.metrics.buried.add(self.event_type);
        instance.tell(self.record, self.finished(|why| Ending::Buried { why }));
    }
}
