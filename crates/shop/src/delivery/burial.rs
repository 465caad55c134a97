//! Burying a record that can't be handled as a dead letter: the same way for the fenced and for the naive consumer.

use std::time::Duration;

use super::lines::trace_of;
use super::persistence::persistently;
use super::{Instance, letter};
use crate::commit::GroupCommit;
use crate::domain::fence::{FenceCommand, FenceOutcome, NewDeadLetter};
use crate::domain::{EventRecord, OrderEventType};
use crate::lines::EVENTS;
use crate::records::Malformed;

/// How long a record waits for its next attempt when the database refuses even its dead letter.
const BURIAL_RETRY: Duration = Duration::from_secs(30);

/// A record that can't be handled.
pub(super) struct Unhandled<'a> {
    pub record: &'a EventRecord,
    /// The type of its event; none if not even that can be read.
    pub event_type: Option<OrderEventType>,
    /// How log lines name it: the event, or the record's place in the log (`P1@7`).
    pub what: String,
    /// Why it can't be handled, and which version of which order it claims to be.
    pub fault: Malformed,
}

impl Unhandled<'_> {
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
            let (what, why) = (&self.what, &self.fault.why);
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

    /// Counts the record among the duplicates and logs that the version that it names is done without it.
    pub fn tell_passed(&self, instance: &Instance) {
        instance.metrics.duplicates.add(self.event_type);
        let (what, why) = (&self.what, &self.fault.why);
        tracing::info!(
            target: EVENTS,
            tally = "unreadable records of versions that are done",
            trace = trace_of(self.record),
            ko = %format_args!("{what} … {why}. 그 버전은 이미 반영되었거나 건너뛰었으므로 아무것도 하지 않음"),
            "{what} … {why}; nothing is done about it, as its version took effect before, or was passed over"
        );
    }

    /// Counts the record among the buried ones and logs that it has become a dead letter.
    pub fn tell_buried(&self, instance: &Instance) {
        instance.metrics.buried.add(self.event_type);
        let (what, why) = (&self.what, &self.fault.why);
        tracing::error!(
            target: EVENTS,
            tally = "records that can't be handled",
            trace = trace_of(self.record),
            ko = %format_args!("{what} … {why}. 데드 레터로 보냄"),
            "{what} … {why}; it goes to the dead letters"
        );
    }
}
