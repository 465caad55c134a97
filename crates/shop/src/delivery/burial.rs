//! What becomes of a record that can't be handled: a dead letter, whoever handles records and however.

use std::time::Duration;

use super::lines::{EVENTS, trace_of};
use super::persistence::persistently;
use super::{Instance, letter};
use crate::commit::GroupCommit;
use crate::domain::fence::{FenceCommand, FenceOutcome, NewDeadLetter};
use crate::domain::{EventRecord, OrderEventType};
use crate::records::Malformed;

/// How long a record waits for its next try that not even the dead letters take.
const STUCK: Duration = Duration::from_secs(30);

/// A record that can't be handled.
pub(super) struct Unhandled<'a> {
    pub record: &'a EventRecord,
    /// What it is, if that much can be read.
    pub event_type: Option<OrderEventType>,
    /// What a person calls it: the event, or the place of the record.
    pub what: String,
    /// Why it can't be handled, and which slot of which order it claims.
    pub fault: Malformed,
}

impl Unhandled<'_> {
    /// Its dead letter.
    pub fn letter(&self, instance: &Instance) -> NewDeadLetter {
        let Malformed { why, order_id, version } = &self.fault;
        letter::of(self.record, *order_id, *version, why, instance)
    }

    /// Has the database do what is to be done with it.
    ///
    /// # Errors
    /// How long to wait before it is tried again, as the database refuses even that.
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
                "{what} … {why}; the dead letters don't take it either: {refused}"
            );
            STUCK
        })
    }

    /// Counts and tells that it has become a dead letter.
    pub fn tell_buried(&self, instance: &Instance) {
        instance.metrics.buried.add(self.event_type);
        let (what, why) = (&self.what, &self.fault.why);
        tracing::error!(
            target: EVENTS,
            tally = "records that can't be handled",
            trace = trace_of(self.record),
            "{what} … {why}; it goes to the dead letters"
        );
    }
}
