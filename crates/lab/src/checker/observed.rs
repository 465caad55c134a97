//! Tells from observations what has gone wrong for certain, while it happens.
//!
//! ```text
//!   committed ─▶ published ─▶ finished        what each instance saw under the row's lock is certain at once;
//!      open         open        folded        what several of them saw in which order is not, as their clocks differ
//! ```
//! Observations are fewer than rows: they carry no contents and no final rows, and they may be missed. So a silence proves
//! nothing here, and [`Observed::finish`] has doubts about what is open, where [`Checker`](super::Checker) would have verdicts.
//!
//! # Invariants
//! * A verdict is told once, with the observation that makes it certain, and holds whatever was missed.
//! * Of an order without anything under way the place of one record is kept, to see that later ones stand elsewhere.

use std::collections::BTreeMap;
use std::sync::Arc;

use keylane_log::{Offset, Partition, Timestamp};
use observe::{Ending, Event, Observation, Place, What};
use shop::domain::{EventType, OrderEventType, OrderId, Version};
use shop::text;
use shop::text::Text;

use super::history::PlaceInTopic;
use super::table::Table;
use super::verdict::{Anomaly, Doubt, Fact, Judgement, Verdict};

/// What was observed of a mall.
#[derive(Debug, Default)]
pub struct Observed {
    /// The last observation of each source.
    sources: BTreeMap<Arc<str>, u64>,
    /// How many observations were missed.
    missed: u64,
    /// What is under way: events that were committed, and whether they were published.
    open: BTreeMap<(OrderId, Version), bool>,
    known: Table<Known>,
    orders: usize,
}

/// What is kept of an order.
#[derive(Debug, Default)]
struct Known {
    /// The first record that was seen of it, and its version.
    first: Option<(PlaceInTopic, Version)>,
    /// Whether it was told that its records stand in several partitions.
    is_split: bool,
    /// Whether the order was counted.
    is_counted: bool,
}

impl Observed {
    /// Notes that so many observations were missed.
    pub fn miss(&mut self, missed: u64) {
        self.missed += missed;
    }

    /// Notes that the process of this name was started again, and counts its observations anew.
    pub fn restart(&mut self, who: &str) {
        self.sources.remove(who);
    }

    /// Takes the next observation, and answers with what is certain now. One that was taken before says nothing new.
    pub fn see(&mut self, observation: &Observation) -> Vec<Verdict> {
        let Observation { seq, at, who, what } = observation;
        let last = self.sources.get(who).copied().unwrap_or(0);
        if *seq <= last {
            return Vec::new();
        }
        self.missed += seq - last - 1;
        self.sources.insert(who.clone(), *seq);
        let seen = Seen { at: *at, who };
        match what {
            What::Committed { event } => self.committed(event),
            What::Published { event, place, .. } => return self.published(seen, event, *place).into_iter().collect(),
            What::Finished {
                event: Some(event),
                place,
                epoch,
                ending,
                ..
            } => return self.finished(seen, event, *place, *epoch, ending),
            What::PassedOver { order, version } => {
                let (order, version) = (OrderId(*order), Version(*version));
                self.open.remove(&(order, version));
                let says = text!(
                    "v{version} was passed over by a person",
                    "v{version} 이벤트를 사람이 건너뛰게 함"
                );
                let what = text!("passed over", "건너뜀");
                return vec![Anomaly::Discarded.of(order, says, vec![seen.fact(Some(version), what, None, None)])];
            }
            _ => {}
        }
        Vec::new()
    }

    /// What can't be told, now that nothing more comes.
    pub fn finish(self) -> Judgement {
        let mut judgement = Judgement {
            orders: self.orders,
            ..Judgement::default()
        };
        for ((order, version), published) in self.open {
            judgement.doubts.push(match published {
                true => Doubt::Moving(order),
                false => Doubt::Unpublished(order, version),
            });
        }
        if self.missed > 0 {
            judgement.doubts.push(Doubt::Missed(self.missed));
        }
        judgement.sort();
        judgement
    }

    fn committed(&mut self, event: &Event) {
        if let (None, Some(version)) = (event.delivery, event.version) {
            self.count(OrderId(event.order));
            // The relay may have been faster to say so.
            self.open
                .entry((OrderId(event.order), Version(version)))
                .or_insert(false);
        }
    }

    fn published(&mut self, seen: Seen<'_>, event: &Event, place: Place) -> Option<Verdict> {
        let (None, Some(version)) = (event.delivery, event.version) else {
            return None;
        };
        let (order, version, place) = (OrderId(event.order), Version(version), in_topic(place));
        self.count(order);
        if let Some(published) = self.open.get_mut(&(order, version)) {
            *published = true;
        }
        let known = self.known.entry(order);
        let (first, first_version) = *known.first.get_or_insert((place, version));
        if first.partition == place.partition || std::mem::replace(&mut known.is_split, true) {
            return None;
        }
        let (low, high) = (
            first.partition.min(place.partition),
            first.partition.max(place.partition),
        );
        let says = text!(
            "its events stand in the partitions {low}, {high}",
            "이벤트가 여러 파티션({low}, {high})에 흩어져 있음"
        );
        let earlier = Fact {
            at: None,
            version: Some(first_version),
            what: text!("in the topic", "토픽에 있음"),
            place: Some(first),
            instance: None,
            epoch: None,
        };
        let name = event.name.as_deref().unwrap_or_default();
        let what = text!("{name} in the topic", "{name} 이벤트가 토픽에 있음");
        let mut later = seen.fact(Some(version), what, Some(place), None);
        later.instance = None;
        Some(Anomaly::SplitKey.of(order, says, vec![earlier, later]))
    }

    fn finished(
        &mut self,
        seen: Seen<'_>,
        event: &Event,
        place: Option<Place>,
        epoch: Option<u64>,
        ending: &Ending,
    ) -> Vec<Verdict> {
        let (Some(version), Some(effect)) = (event.version.map(Version), ending.effect()) else {
            return Vec::new();
        };
        let order = OrderId(event.order);
        self.open.remove(&(order, version));
        let name = event.name.as_deref().unwrap_or_default();
        let what = text!("{name} applied", "{name} 반영됨");
        let fact = seen.fact(Some(version), what, place.map(in_topic), epoch);
        let before = effect.before.as_ref();
        let above = before.map_or(Version(0), |before| Version(before.version));
        let mut verdicts = Vec::new();
        let mut tell = |anomaly: Anomaly, says: Text| verdicts.push(anomaly.of(order, says, vec![fact.clone()]));
        match ending {
            Ending::OutOfOrder(_) => tell(
                Anomaly::Inversion,
                text!(
                    "v{version} took effect after v{above}",
                    "v{version} 이벤트가 v{above} 뒤에 반영됨"
                ),
            ),
            Ending::AppliedAgain(_) => tell(
                Anomaly::DoubleApply,
                text!("v{version} took effect twice", "v{version} 이벤트가 두 번 반영됨"),
            ),
            Ending::AppliedEarly(_) => tell(
                Anomaly::Skip,
                text!(
                    "v{version} took effect directly after v{above}",
                    "v{version} 이벤트가 v{above} 바로 다음에 반영됨"
                ),
            ),
            _ => {}
        }
        let cancelled = OrderEventType::Cancelled.delivery_status();
        if before.is_some_and(|before| before.status.as_deref() == Some(cancelled)) {
            tell(
                Anomaly::Resurrection,
                text!(
                    "v{version} took effect after the cancellation",
                    "v{version} 이벤트가 취소 뒤에 반영됨"
                ),
            );
        }
        let placed = EventType::Order(OrderEventType::Placed).name();
        if matches!(ending, Ending::AppliedEarly(_)) && before.is_none() && name != placed {
            tell(
                Anomaly::Orphan,
                text!(
                    "the first effect was not that of the placing",
                    "가장 먼저 반영된 것이 주문 생성이 아님"
                ),
            );
        }
        verdicts
    }

    fn count(&mut self, order: OrderId) {
        let known = self.known.entry(order);
        self.orders += usize::from(!std::mem::replace(&mut known.is_counted, true));
    }
}

/// Who saw something, and when.
#[derive(Clone, Copy)]
struct Seen<'a> {
    at: i64,
    who: &'a Arc<str>,
}

impl Seen<'_> {
    fn fact(self, version: Option<Version>, what: Text, place: Option<PlaceInTopic>, epoch: Option<u64>) -> Fact {
        Fact {
            at: Some(Timestamp(self.at)),
            version,
            what,
            place,
            instance: Some(self.who.clone()),
            epoch,
        }
    }
}

fn in_topic(place: Place) -> PlaceInTopic {
    PlaceInTopic {
        partition: Partition(place.partition),
        offset: Offset(place.offset),
    }
}
