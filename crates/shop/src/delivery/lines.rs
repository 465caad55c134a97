//! What is observed of single records, in the words of observations, and told by their log lines.

use std::fmt;
use std::time::Duration;

use observe::{Ending, Event, Turn, What};
use tokio::time::Instant;

use super::Instance;
use crate::domain::{EventRecord, IncomingEvent};
use crate::observed::words::{incoming, micros, place};
use crate::observed::{Head, line};
use crate::{records, trace};

/// A record, and the event that it holds as far as that can be told. Displays as `OrderModified order=2 v2 P1@7`: type, order,
/// version, and the record's place in the log.
pub(super) struct Line<'a> {
    /// The event; none if the record names no order. It has no name if it can't be read.
    pub event: Option<Event>,
    pub record: &'a EventRecord,
}

impl fmt::Display for Line<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Head(self.event.as_ref(), self.place()).fmt(f)
    }
}

impl<'a> Line<'a> {
    /// The line of an event that could be read.
    pub fn of(event: &IncomingEvent, record: &'a EventRecord) -> Self {
        Self {
            event: Some(incoming(event)),
            record,
        }
    }

    fn place(&self) -> Option<observe::Place> {
        self.record.origin.place().map(place)
    }

    /// The event, which whatever is handled has.
    fn handled_event(&self) -> Event {
        self.event.clone().expect("an event that is handled can be read")
    }

    /// An event's slow work begins, and takes so long.
    pub fn begun(&self, takes: Duration) -> What {
        What::Begun {
            event: self.handled_event(),
            place: self.place(),
            takes: micros(takes),
        }
    }

    /// A parked event, which has waited for so long, is handled now.
    pub fn handed_over(&self, turn: Turn, waited: Duration) -> What {
        What::HandedOver {
            event: self.handled_event(),
            place: self.place(),
            turn,
            waited: micros(waited),
        }
    }

    /// The record could not be handled this time. The next attempt follows after a pause.
    pub fn tried_again(&self, why: &str) -> What {
        What::TriedAgain {
            event: self.event.clone(),
            place: self.place(),
            why: why.to_owned(),
        }
    }

    /// The record, which was read under the assignment `epoch` and came `since` then, is done with.
    pub fn finished(&self, epoch: Option<u64>, since: Instant, ending: Ending) -> What {
        What::Finished {
            event: self.event.clone(),
            place: self.place(),
            epoch,
            took: micros(since.elapsed()),
            ending,
        }
    }
}

impl Instance {
    /// Tells of what has happened to a record, in the log and to whoever reads along.
    pub(super) fn tell(&self, record: &EventRecord, what: What) {
        line::tell(&what, trace_of(record).as_deref());
        self.observer.emit((self.clock)().0, what);
    }

    /// Tells of what has happened to an order without a record.
    pub(super) fn tell_of_order(&self, what: What) {
        line::tell(&what, None);
        self.observer.emit((self.clock)().0, what);
    }
}

/// The trace id in the record's `traceparent` header (32 hexadecimal digits), if it has one.
pub(super) fn trace_of(record: &EventRecord) -> Option<String> {
    let traceparent = records::header_text(record, "traceparent").ok().flatten()?;
    trace::id(&traceparent).map(str::to_owned)
}
