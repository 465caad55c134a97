//! The history of what was read: each row and record is told as what its service did at that time.
//!
//! What no row tells is left out: when somebody took a record or began its work, the keys of records, and how far the group had
//! come before it was read. Who reads a partition is known from the effects: each names the assignment under which it was written.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};
use std::sync::Arc;

use keylane_log::Timestamp;
use lab::checker::{Applied, DeliveryRecord, History, OrderRecord, Parked, PlaceInTopic, WaitsFor, Written};
use lab::narration::says_of;
use lab::run::Cast;
use observe::{Assignment, Before, Effect, Ending, Event, Observation, Place, Reason, What};
use serde_json::{Map, Value};
use shop::domain::decide::ApplyKind;
use shop::domain::{EventType, OrderId, Version};
use shop::text;
use shop::text::Text;
use web::live::{Mall, Recorder, Verdict};

use super::scene::Scene;
use crate::verify::report::both;

/// The order service's name, and that of whoever has parked an event.
const ORDER: &str = "order";
const SOMEBODY: &str = "delivery";

/// Writes the history of some orders, with what was found. `about` stands in the header.
///
/// # Errors
/// It can't be written.
pub fn export<W: Write>(
    history: &History,
    verdict: Verdict,
    mall: Mall,
    about: Map<String, Value>,
    out: W,
) -> io::Result<W> {
    let told = told(history);
    let now = told.first().map_or(0, |(at, _)| at.0);
    let mut recorder = Recorder::begin(out, mall, about, now)?;
    let instances: BTreeSet<&str> = history.applied.iter().map(instance).collect();
    let mut scene = Scene::read(history.partitions.len(), &instances);
    scene.begin(now, recorder.picture());
    let (mut seqs, mut applies) = (BTreeMap::new(), Applies::default());
    let mut observed = |at: Timestamp, (who, what): (&str, What)| {
        let seq: &mut u64 = seqs.entry(who.to_owned()).or_default();
        *seq += 1;
        let (seq, at, who) = (*seq, at.0, Arc::<str>::from(who));
        Observation { seq, at, who, what }
    };
    // Whoever is the first that is known to read a partition is taken for its reader from the beginning.
    let (first, others) = readers(history);
    for applied in first {
        scene.observe(&observed(Timestamp(now), reads(applied)), recorder.picture());
    }
    recorder.moment(now)?;
    for (at, one) in told {
        if let Told::Applied(applied) = one
            && others.contains(&applied.counter)
        {
            scene.observe(&observed(at, reads(applied)), recorder.picture());
            recorder.moment(at.0)?;
        }
        let (who, what, says) = one.as_observed(&mut applies);
        let seen = observed(at, (who, what));
        recorder.pass(seen.at);
        let says = says.or_else(|| says_of(&seen, &Cast::default()).map(|(says, _)| says));
        if let Some(says) = says {
            let mut says = both(&says);
            says["tone"] = if is_broken(&seen.what) { "bad" } else { "plain" }.into();
            says["who"] = (*seen.who).into();
            recorder.note("says", &says)?;
        }
        scene.observe(&seen, recorder.picture());
        recorder.moment(seen.at)?;
    }
    scene.come_to(&history.partitions);
    scene.end(verdict, &history.deliveries, recorder.picture());
    let mut says = both(&text!("the end of what was read", "읽은 내용의 끝"));
    says["tone"] = "step".into();
    recorder.end("says", &says)
}

/// The effects that show a new reader of a partition: the first one of each partition, and the numbers of those that follow.
fn readers(history: &History) -> (Vec<&Applied>, BTreeSet<i64>) {
    let (mut known, mut first, mut others) = (BTreeSet::new(), Vec::new(), BTreeSet::new());
    let mut partitions = BTreeSet::new();
    let mut applied: Vec<&Applied> = history.applied.iter().collect();
    applied.sort_by_key(|applied| (applied.at, applied.counter));
    for applied in applied {
        let (Some(place), Some(epoch)) = (applied.place, applied.epoch) else {
            continue;
        };
        if !known.insert((place.partition, &*applied.instance, epoch)) {
            continue;
        }
        match partitions.insert(place.partition) {
            true => first.push(applied),
            false => drop(others.insert(applied.counter)),
        }
    }
    (first, others)
}

/// Who reads the partition of this effect's record, and since when that is known.
fn reads(applied: &Applied) -> (&str, What) {
    let partitions = applied.place.map(|place| Assignment {
        partition: place.partition.0,
        position: place.offset.0,
        epoch: applied.epoch.unwrap_or(0),
    });
    let partitions = partitions.into_iter().collect();
    (instance(applied), What::Assigned { partitions })
}

fn is_broken(what: &What) -> bool {
    matches!(
        what,
        What::Finished {
            ending: Ending::OutOfOrder(_) | Ending::AppliedAgain(_) | Ending::AppliedEarly(_),
            ..
        }
    )
}

/// Something that a row or a record tells, in the sequence in which an event comes through the mall.
#[derive(Clone, Copy)]
enum Told<'a> {
    Written(&'a Written),
    Stands(&'a OrderRecord),
    Parked(&'a Parked),
    Applied(&'a Applied),
    Answered(&'a DeliveryRecord),
}

/// Everything by time. What has the same time stands in the sequence of its causes.
fn told(history: &History) -> Vec<(Timestamp, Told<'_>)> {
    let mut told: Vec<(Timestamp, Told<'_>)> = Vec::new();
    told.extend(history.written.iter().map(|one| (one.at, Told::Written(one))));
    told.extend(history.topic.iter().map(|one| (one.at, Told::Stands(one))));
    told.extend(history.parked.iter().map(|one| (one.at, Told::Parked(one))));
    told.extend(history.applied.iter().map(|one| (one.at, Told::Applied(one))));
    told.extend(history.delivery_records.iter().map(|one| (one.at, Told::Answered(one))));
    told.sort_by_key(|(at, one)| (*at, one.rank()));
    told
}

/// What took effect so far, by order.
#[derive(Default)]
struct Applies(BTreeMap<OrderId, BTreeSet<Version>>);

impl Told<'_> {
    /// Where it stands among what has the same time.
    fn rank(&self) -> (u8, i64) {
        match self {
            Self::Written(one) => (0, one.version.0),
            Self::Stands(one) => (1, one.place.offset.0.cast_signed()),
            Self::Parked(one) => (2, one.version.0),
            Self::Applied(one) => (3, one.counter),
            Self::Answered(one) => (4, one.place.offset.0.cast_signed()),
        }
    }

    /// Who did it, what it was, and how that is said where an observation would be said to be more.
    fn as_observed(&self, applies: &mut Applies) -> (&str, What, Option<Text>) {
        match self {
            Self::Written(one) => {
                let event = event(one.order, Some(one.version), Some(EventType::Order(one.event_type)));
                (ORDER, What::Committed { event }, None)
            }
            Self::Stands(one) => {
                let event = event(one.order, one.version, one.event_type.map(EventType::Order));
                let says = stands(&event, one.place);
                (ORDER, published(event, one.place), Some(says))
            }
            Self::Parked(one) => (SOMEBODY, parked(one, applies), None),
            Self::Applied(one) => (instance(one), applied(one, applies), None),
            Self::Answered(one) => {
                let mut event = event(one.order, Some(one.version), Some(EventType::Delivery(one.event_type)));
                event.delivery = Some(one.delivery.0);
                let says = stands(&event, one.place);
                (SOMEBODY, published(event, one.place), Some(says))
            }
        }
    }
}

fn event(order: OrderId, version: Option<Version>, kind: Option<EventType>) -> Event {
    Event {
        order: order.0,
        delivery: None,
        version: version.map(|version| version.0),
        name: kind.map(|kind| kind.name().into()),
    }
}

fn place(place: PlaceInTopic) -> Place {
    Place {
        partition: place.partition.0,
        offset: place.offset.0,
    }
}

fn published(event: Event, at: PlaceInTopic) -> What {
    What::Published {
        event,
        place: place(at),
        key: None,
    }
}

fn stands(event: &Event, place: PlaceInTopic) -> Text {
    let (order, name) = (event.order, event.name.as_deref().unwrap_or("?"));
    let version = event.version.map_or("?".to_owned(), |version| version.to_string());
    text!(
        "order {order} v{version} {name} in the topic, {place}",
        "주문 {order} v{version} {name} 토픽에 있음, {place}"
    )
}

/// `delivery-1` of `delivery-1/4711`, as the apply history knows a process.
fn instance(applied: &Applied) -> &str {
    applied.instance.split('/').next().unwrap_or_default()
}

fn parked(one: &Parked, applies: &Applies) -> What {
    let known = applies.0.get(&one.order);
    let next = known.and_then(|known| known.last()).map_or(1, |last| last.0 + 1);
    let ending = match &one.waits {
        WaitsFor::Person(why) => Ending::Poison { why: why.clone() },
        WaitsFor::Predecessors | WaitsFor::Apply => Ending::Early {
            reason: Reason::Gap,
            next,
            worker: None,
        },
    };
    What::Finished {
        event: Some(event(one.order, Some(one.version), None)),
        place: one.place.map(place),
        epoch: None,
        took: 0,
        ending,
    }
}

fn applied(one: &Applied, applies: &mut Applies) -> What {
    if one.kind == ApplyKind::Discarded {
        let version = one.version.map_or(0, |version| version.0);
        return What::PassedOver {
            order: one.order.0,
            version,
        };
    }
    let known = applies.0.entry(one.order).or_default();
    let effect = Effect {
        delivery: one.delivery.map_or(0, |delivery| delivery.0),
        status: one.event_type.map(|kind| kind.delivery_status().into()),
        before: Some(Before {
            version: one.before.0,
            status: None,
        }),
    };
    let ending = match one.version {
        Some(version) if known.contains(&version) => Ending::AppliedAgain(effect),
        Some(version) if version < one.before => Ending::OutOfOrder(effect),
        Some(version) if version.0 > one.before.0 + 1 => Ending::AppliedEarly(effect),
        _ => Ending::Applied(effect),
    };
    known.extend(one.version);
    What::Finished {
        event: Some(event(one.order, one.version, one.event_type.map(EventType::Order))),
        place: one.place.map(place),
        epoch: one.epoch,
        took: 0,
        ending,
    }
}
