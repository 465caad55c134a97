//! The log lines about observations: at which level each is told, with which fields, and how often at most.

use observe::{Applier, Ending, What};

use super::sentence::{Sentence, meaning};
use crate::lines::{EVENTS, OUT_OF_ORDER};
use crate::text::{Language, Text};

/// How a line is told.
enum Manner {
    /// Each time, at level INFO.
    Said,
    /// At level INFO; of many, some are counted under this kind.
    SaidOften(&'static str),
    /// Each time, at level WARN.
    Warned,
    /// At level WARN; of many, some are counted under this kind.
    WarnedOften(&'static str),
    /// At level ERROR; of many, some are counted under this kind.
    Failed(&'static str),
}

/// Writes the log line of an observation about a record or a version, if there is one. `trace` is the trace id of the record
/// (32 hexadecimal digits).
pub fn tell(what: &What, trace: Option<&str>) {
    if let What::Finished { ending, .. } = what
        && ending.effect().is_some()
    {
        return handled(what, trace);
    }
    let Some(manner) = manner(what) else { return };
    let order = what.order();
    let (english, ko) = in_both(what);
    match manner {
        Manner::Said => tracing::info!(target: EVENTS, order, trace, %ko, "{english}"),
        Manner::SaidOften(tally) => tracing::info!(target: EVENTS, order, tally, trace, %ko, "{english}"),
        Manner::Warned => tracing::warn!(target: EVENTS, order, trace, %ko, "{english}"),
        Manner::WarnedOften(tally) => tracing::warn!(target: EVENTS, order, tally, trace, %ko, "{english}"),
        Manner::Failed(tally) => tracing::error!(target: EVENTS, order, tally, trace, %ko, "{english}"),
    }
}

fn in_both(what: &What) -> (Sentence<'_>, Sentence<'_>) {
    let of = |language| Sentence { what, language };
    (of(Language::English), of(Language::Korean))
}

fn manner(what: &What) -> Option<Manner> {
    Some(match what {
        What::Begun { .. } | What::HandedOver { .. } => Manner::Said,
        What::PassedOver { .. } => Manner::Warned,
        What::TriedAgain { .. } => Manner::WarnedOften("events tried again"),
        What::Finished { ending, .. } => match ending {
            Ending::Duplicate { why: None, .. } => Manner::SaidOften("events that came again"),
            Ending::Duplicate { why: Some(_), .. } => Manner::SaidOften("unreadable records of versions that are done"),
            Ending::Early { .. } | Ending::Parked { .. } | Ending::GivenUp => Manner::Said,
            Ending::Stale { .. } => Manner::Warned,
            Ending::Ignored { .. } => Manner::WarnedOften("events ignored"),
            Ending::Poison { .. } => Manner::Failed("records that park their order"),
            Ending::Buried { .. } => Manner::Failed("records that can't be handled"),
            _ => return None,
        },
        _ => return None,
    })
}

/// Says that an event took effect, with the delivery's status after it and the time that handling it took.
fn handled(what: &What, trace: Option<&str>) {
    let What::Finished {
        event: Some(event),
        place,
        took,
        ending,
        ..
    } = what
    else {
        return;
    };
    let Some(effect) = ending.effect() else { return };
    tracing::info!(
        target: EVENTS,
        event = event.name.as_deref(),
        order = event.order,
        version = event.version,
        partition = place.map(|place| place.partition),
        offset = place.map(|place| place.offset),
        delivery = effect.delivery,
        status = effect.status.as_deref().unwrap_or("no status"),
        trace,
        seconds = *took as f64 / 1e6,
        "{}",
        in_both(what).0,
    );
}

/// Says where an event took effect in another place than its own, if it did, and what that does to the delivery. `by` is who
/// applied the latest event of the order.
pub fn tell_meaning(what: &What, by: Option<&Applier>, trace: Option<&str>) {
    let (Some(Text { english, korean: ko }), What::Finished { ending, .. }) = (meaning(what, by), what) else {
        return;
    };
    let order = what.order();
    match ending {
        Ending::OutOfOrder(_) => tracing::error!(target: EVENTS, order, tally = OUT_OF_ORDER, trace, ko, "{english}"),
        Ending::AppliedAgain(_) => {
            tracing::warn!(target: EVENTS, order, tally = "events applied again", trace, ko, "{english}");
        }
        _ => tracing::warn!(target: EVENTS, order, tally = "events applied early", trace, ko, "{english}"),
    }
}

/// Writes the log line of a published event. How many of these there are, the relay decides.
pub fn tell_published(what: &What, trace: Option<&str>) {
    let What::Published { event, place, key } = what else {
        return;
    };
    let (english, ko) = in_both(what);
    tracing::info!(
        target: EVENTS,
        event = event.name.as_deref(),
        order = event.order,
        version = event.version,
        partition = place.partition,
        offset = place.offset,
        key = key.is_some().then_some(event.order),
        trace,
        %ko,
        "{english}"
    );
}
