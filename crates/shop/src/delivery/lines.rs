//! The log lines about single events, which people read while the mall runs.

use std::fmt;
use std::time::Duration;

use super::reasons::{self, Turn, seconds};
use super::recall::Applier;
use super::sequence::Sequence;
use crate::domain::fence::{Early, ParkReason};
use crate::domain::{Delivery, DeliveryBefore, EventRecord, EventType, IncomingEvent, Origin, Version};
use crate::lines::{EVENTS, OUT_OF_ORDER};
use crate::text::Text;
use crate::{records, trace};

/// Displays an event as `OrderModified order=2 v2 P1@7`: type, order, version, and the record's place in the log.
pub(super) struct Line<'a> {
    pub event: &'a IncomingEvent,
    pub record: &'a EventRecord,
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

/// The trace id in the record's `traceparent` header (32 hexadecimal digits), if it has one.
pub(super) fn trace_of(record: &EventRecord) -> Option<String> {
    let traceparent = records::header_text(record, "traceparent").ok().flatten()?;
    trace::id(&traceparent).map(str::to_owned)
}

/// Logs that an event could not be handled this time. The next attempt follows after a pause.
pub(super) fn tell_tried_again(what: impl fmt::Display, why: &str, record: &EventRecord) {
    tracing::warn!(
        target: EVENTS,
        tally = "events tried again",
        trace = trace_of(record),
        ko = %format_args!("{what} … {why}. 다시 시도함"),
        "{what} … {why}; it is tried again"
    );
}

/// Says where an event took effect in another place than its own, and what that does to the delivery. `by` is who applied the
/// latest event of the order.
pub(super) fn tell_sequence(
    sequence: Sequence,
    line: &Line<'_>,
    delivery: &Delivery,
    before: &DeliveryBefore,
    by: Option<&Applier>,
) {
    let (order, trace) = (line.event.order_id.0, trace_of(line.record));
    let Some(Text { english, korean: ko }) = reasons::sequence(sequence, &line.to_string(), delivery, before, by)
    else {
        return;
    };
    match sequence {
        Sequence::Next => {}
        Sequence::Late => tracing::error!(target: EVENTS, order, tally = OUT_OF_ORDER, trace, ko, "{english}"),
        Sequence::Again => {
            tracing::warn!(target: EVENTS, order, tally = "events applied again", trace, ko, "{english}")
        }
        Sequence::Early => {
            tracing::warn!(target: EVENTS, order, tally = "events applied early", trace, ko, "{english}")
        }
    }
}

/// Logs that an event had been applied before, so that nothing is done. Many may come after offsets were set back.
pub(super) fn tell_again(line: &Line<'_>, by: Option<&Applier>) {
    let version = line.event.version.expect("what has no version is never a duplicate");
    let why = reasons::again(version, by, line.record.origin.place());
    tracing::info!(
        target: EVENTS,
        order = line.event.order_id.0,
        tally = "events that came again",
        trace = trace_of(line.record),
        ko = %format_args!("{line} … {}", why.korean),
        "{line} … {}",
        why.english
    );
}

/// Logs that an event came before its turn, and what it waits for. `own` is the name of this instance.
pub(super) fn tell_early(line: &Line<'_>, early: &Early, own: &str) {
    let version = line.event.version.expect("what is parked has a version");
    say(line, &reasons::early(version, early, own));
}

/// Logs that an event that can't be handled came once more.
pub(super) fn tell_parked(line: &Line<'_>, reason: ParkReason) {
    say(line, &reasons::parked(reason));
}

/// Logs that the slow work of an event was done in vain.
pub(super) fn tell_refused(line: &Line<'_>, by: Option<&Applier>) {
    let why = reasons::refused(by);
    tracing::warn!(
        target: EVENTS,
        order = line.event.order_id.0,
        trace = trace_of(line.record),
        ko = %format_args!("{line} … {}", why.korean),
        "{line} … {}",
        why.english
    );
}

/// Logs that a parked event, which has waited for so long, is handled now.
pub(super) fn tell_turn(line: &Line<'_>, turn: Turn, waited: Duration) {
    let version = line.event.version.expect("what is parked has a version");
    say(line, &reasons::turn(turn, version, waited));
}

fn say(line: &Line<'_>, why: &Text) {
    tracing::info!(
        target: EVENTS,
        order = line.event.order_id.0,
        trace = trace_of(line.record),
        ko = %format_args!("{line} … {}", why.korean),
        "{line} … {}",
        why.english
    );
}

/// Where a record came from, in words; a place in the log is written `P1@7`, for partition 1 and offset 7.
pub(super) fn place(record: &EventRecord) -> String {
    match &record.origin {
        Origin::Log(place) => format!("P{}@{}", place.partition, place.offset),
        Origin::Journal => "from the order service".to_owned(),
        Origin::Nowhere => "from nowhere".to_owned(),
    }
}

/// Logs that an event's slow work begins, and how long it takes.
pub(super) fn begun(line: &Line<'_>, delay: Duration) {
    tracing::info!(
        target: EVENTS,
        order = line.event.order_id.0,
        trace = trace_of(line.record),
        ko = %format_args!("{line} … {} 걸림", seconds(delay)),
        "{line} … takes {}",
        seconds(delay)
    );
}

/// Logs that an event took effect, with the delivery's status after it and the time that handling it took.
pub(super) fn handled(line: &Line<'_>, delivery: &Delivery, took: Duration) {
    let status = delivery.status.as_deref().unwrap_or("no status");
    let place = line.record.origin.place();
    tracing::info!(
        target: EVENTS,
        event = EventType::Order(line.event.event_type).name(),
        order = line.event.order_id.0,
        version = line.event.version.map(|version| version.0),
        partition = place.map(|place| place.partition.0),
        offset = place.map(|place| place.offset.0),
        delivery = delivery.id.0,
        status,
        trace = trace_of(line.record),
        seconds = took.as_secs_f64(),
        "{line} … {status} {}",
        seconds(took),
    );
}
