//! What happened in a history, as far as its verdicts follow from it: what was written, and which records were handled in
//! which sequence.
//!
//! # Invariants
//! * To observe a history doesn't change it.

use std::collections::{BTreeMap, BTreeSet};

use keylane_log::{Offset, Partition};
use observe::{Ending, Observation, What};
use shop::domain::OrderEventType;

use super::minimize::Smallest;
use super::run::Run;
use crate::checker::{Anomaly, History, Judgement, PlaceInTopic, Severity, check};
use crate::scenario::Stage;

/// What happened in a history.
#[derive(Debug)]
pub struct Chronicle {
    /// The events of orders, in the sequence in which they were written.
    pub written: Vec<(Event, OrderEventType)>,
    /// What the delivery instances did with records of these events, in that sequence.
    pub handled: Vec<Handled>,
    /// The harm that was done, each to an order.
    pub harm: BTreeSet<(Anomaly, i64)>,
}

/// An event of an order: the order's number, and its own among those of the order.
pub type Event = (i64, i64);

/// A record that an instance was done with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Handled {
    /// The event.
    pub event: Event,
    /// Where the record stands.
    pub place: PlaceInTopic,
    /// What became of it.
    pub ended: Stage,
}

/// Runs a history, and tells what happened in it.
///
/// # Errors
/// The mall didn't come to rest, or can't be read.
pub fn of(history: &Smallest) -> Result<Chronicle, String> {
    let mut run = Run::observed(&history.conditions);
    for step in &history.steps {
        run.take(*step);
    }
    let settled = run.mall.settle();
    let (observations, read) = (run.mall.observations(), run.mall.history());
    run.mall.close();
    settled?;
    let read = read?;
    Ok(Chronicle {
        written: written(&read),
        handled: handled(&read, &observations),
        harm: harm(&check(&read)),
    })
}

/// The harm of a judgement.
pub fn harm(judgement: &Judgement) -> BTreeSet<(Anomaly, i64)> {
    let harmful = judgement.verdicts.iter();
    let harmful = harmful.filter(|verdict| verdict.severity == Severity::Harm);
    harmful.map(|verdict| (verdict.anomaly, verdict.order.0)).collect()
}

fn written(history: &History) -> Vec<(Event, OrderEventType)> {
    let rows = history.written.iter();
    rows.map(|row| ((row.order.0, row.version.0), row.event_type)).collect()
}

/// The apply history, which no crash leaves a hole in, and in between what came to nothing: each before the next record that
/// the same instance applied.
fn handled(history: &History, observations: &[Observation]) -> Vec<Handled> {
    let effects = history.applied.iter().filter_map(|row| {
        Some(Handled {
            event: (row.order.0, row.version?.0),
            place: row.place?,
            ended: Stage::Applied,
        })
    });
    let mut handled: Vec<Handled> = effects.collect();
    let mut waiting: BTreeMap<&str, Vec<Handled>> = BTreeMap::new();
    for seen in observations {
        let Some(done) = finished(seen) else { continue };
        if done.ended != Stage::Applied {
            waiting.entry(&seen.who).or_default().push(done);
        } else if let Some(before) = waiting.remove(&*seen.who) {
            let at = handled.iter().position(|other| *other == done).unwrap_or(handled.len());
            handled.splice(at..at, before);
        }
    }
    handled.extend(waiting.into_values().flatten());
    handled
}

fn finished(seen: &Observation) -> Option<Handled> {
    let What::Finished {
        event: Some(event),
        place: Some(place),
        ending,
        ..
    } = &seen.what
    else {
        return None;
    };
    let ended = match ending {
        Ending::Ignored { .. } => Stage::Ignored,
        Ending::Buried { .. } => Stage::Buried,
        ending => ending.effect().map(|_| Stage::Applied)?,
    };
    let handled = Handled {
        event: (event.order, event.version?),
        place: PlaceInTopic {
            partition: Partition(place.partition),
            offset: Offset(place.offset),
        },
        ended,
    };
    event.delivery.is_none().then_some(handled)
}
