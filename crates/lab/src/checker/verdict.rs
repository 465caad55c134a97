//! The answer of the checker: verdicts with their evidence, and doubts.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use keylane_log::{Offset, Partition, Timestamp};
use shop::domain::{OrderId, Version};
use shop::rfc3339;
use shop::text;
use shop::text::Text;

use super::history::PlaceInTopic;

/// Everything that was found, sorted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Judgement {
    /// What went wrong, sorted by order.
    pub verdicts: Vec<Verdict>,
    /// What could not be judged.
    pub doubts: Vec<Doubt>,
    /// How many orders were judged.
    pub orders: usize,
}

/// Something that went wrong with one order.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Verdict {
    /// The order.
    pub order: OrderId,
    /// What went wrong.
    pub anomaly: Anomaly,
    /// The same in a sentence.
    pub says: Text,
    /// The rows and records that show it.
    pub facts: Vec<Fact>,
    /// Whether it did harm.
    pub severity: Severity,
}

/// Whether an anomaly did harm.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// The anomaly is about the log or the traffic. Delivery at least once and a growing topic lead to it now and then.
    Hazard,
    /// The anomaly is about effects.
    Harm,
}

/// The ways in which an order's events go wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Anomaly {
    /// The final rows are not what the written events lead to.
    Divergence,
    /// An event is in the topic that was never written, or a delivery event that no effect led to. It is harm if the event
    /// took effect, or if the delivery service itself published it. Otherwise it is a record of another program that changed
    /// nothing, and a hazard.
    Phantom,
    /// A written event is not in the topic, though nothing is under way any more.
    LostEvent,
    /// One event exists with two contents.
    Divergent,
    /// An order's events stand in several partitions.
    SplitKey,
    /// In one partition a lower version stands behind a higher one.
    LogInversion,
    /// An event took effect twice.
    DoubleApply,
    /// An event took effect after a later one.
    Inversion,
    /// An event took effect before the one it follows.
    Skip,
    /// The first effect was not that of the order's placing.
    Orphan,
    /// An event took effect after the cancellation.
    Resurrection,
    /// An effect was not built upon the one before it: a lost update.
    ChainBreak,
    /// An instance wrote for a partition after that had been given to another one.
    ZombieEffect,
    /// An event in the topic never took effect, but later ones did.
    LostApply,
    /// The last events in the topic never took effect.
    Unseen,
    /// An event waits although nothing is missing before it.
    StuckPark,
    /// A person had an event passed over.
    Discarded,
    /// An effect has no delivery event.
    OutLost,
    /// A delivery event stands in the topic twice.
    OutDup,
    /// Delivery events stand in another sequence than their effects.
    OutInversion,
}

/// A piece of evidence: one event at one place.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Fact {
    /// The time of the row or the record.
    pub at: Option<Timestamp>,
    /// The version that it is about.
    pub version: Option<Version>,
    /// What happened to it (`OrderModified applied`).
    pub what: Text,
    /// Where the record stands.
    pub place: Option<PlaceInTopic>,
    /// The instance that applied the event.
    pub instance: Option<Arc<str>>,
    /// The assignment under which the instance applied it.
    pub epoch: Option<u64>,
}

/// Why something could not be judged.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Doubt {
    /// No event is known of any order that was asked about, so nothing was compared. The text says what was looked for.
    Nothing(Text),
    /// So many observations were missed, and what they would have shown.
    Missed(u64),
    /// The group has not come to the end of a partition.
    Lagging {
        /// The partition.
        partition: Partition,
        /// The next offset that the group reads.
        next: Offset,
        /// The next offset to be written.
        end: Offset,
    },
    /// The order changed while the history was being read.
    Moving(OrderId),
    /// An event waits to be published.
    Unpublished(OrderId, Version),
    /// A delivery event waits to be published.
    UnpublishedDelivery(OrderId),
    /// An event carries no version, so its place in the sequence is not known.
    Unsequenced(OrderId, PlaceInTopic),
    /// An event can't be applied, and its order waits for a person.
    Refused(OrderId, Version, String),
    /// A parked event is being applied.
    Applying(OrderId, Version),
    /// A parked event waits for one before it that has not come.
    Waiting(OrderId, Version),
}

/// What a judgement comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Nothing went wrong that did harm.
    NoHarm,
    /// Something did harm.
    Harm,
    /// No harm was found, but not everything could be judged.
    Unknown,
}

impl Judgement {
    /// What it comes to.
    pub fn outcome(&self) -> Outcome {
        match (self.harm().next(), self.doubts.is_empty()) {
            (Some(_), _) => Outcome::Harm,
            (None, true) => Outcome::NoHarm,
            (None, false) => Outcome::Unknown,
        }
    }

    /// The verdicts that are about effects.
    pub fn harm(&self) -> impl Iterator<Item = &Verdict> {
        self.verdicts
            .iter()
            .filter(|verdict| verdict.severity == Severity::Harm)
    }

    /// Which anomalies were found of which orders.
    pub fn named(&self) -> BTreeSet<(Anomaly, OrderId)> {
        self.verdicts
            .iter()
            .map(|verdict| (verdict.anomaly, verdict.order))
            .collect()
    }

    /// Puts everything in order, and tells no doubt twice.
    pub(super) fn sort(&mut self) {
        self.verdicts.sort();
        self.doubts.sort();
        self.doubts.dedup();
    }

    /// Adds what was found of other orders, at a later time. How far the group has come is only told as it was then.
    pub fn absorb(&mut self, later: Self) {
        self.doubts.retain(|doubt| !matches!(doubt, Doubt::Lagging { .. }));
        self.doubts.extend(later.doubts);
        self.verdicts.extend(later.verdicts);
        self.sort();
    }

    /// Removes what was found of these orders.
    pub fn forget(&mut self, orders: &BTreeSet<OrderId>) {
        self.verdicts.retain(|verdict| !orders.contains(&verdict.order));
        let kept = |doubt: &Doubt| doubt.order().is_none_or(|order| !orders.contains(&order));
        self.doubts.retain(kept);
    }

    /// This judgement, with harm turned into a doubt where an earlier judgement had not found it. The history was read while
    /// others were writing, so such harm may only seem to be there.
    #[must_use]
    pub fn confirmed_by(mut self, earlier: &Self) -> Self {
        let seen: BTreeSet<_> = earlier.harm().map(|verdict| (verdict.order, verdict.anomaly)).collect();
        let new =
            |verdict: &Verdict| verdict.severity == Severity::Harm && !seen.contains(&(verdict.order, verdict.anomaly));
        let doubts = self
            .verdicts
            .iter()
            .filter(|verdict| new(verdict))
            .map(|verdict| Doubt::Moving(verdict.order));
        self.doubts.extend(doubts);
        self.doubts.sort();
        self.doubts.dedup();
        self.verdicts.retain(|verdict| !new(verdict));
        self
    }
}

impl Anomaly {
    /// All of them.
    pub const ALL: [Self; 20] = [
        Self::Divergence,
        Self::Phantom,
        Self::LostEvent,
        Self::Divergent,
        Self::SplitKey,
        Self::LogInversion,
        Self::DoubleApply,
        Self::Inversion,
        Self::Skip,
        Self::Orphan,
        Self::Resurrection,
        Self::ChainBreak,
        Self::ZombieEffect,
        Self::LostApply,
        Self::Unseen,
        Self::StuckPark,
        Self::Discarded,
        Self::OutLost,
        Self::OutDup,
        Self::OutInversion,
    ];

    /// The name in documents and output.
    pub fn name(self) -> &'static str {
        match self {
            Self::Divergence => "divergence",
            Self::Phantom => "phantom",
            Self::LostEvent => "lost-event",
            Self::Divergent => "divergent",
            Self::SplitKey => "split-key",
            Self::LogInversion => "log-inversion",
            Self::DoubleApply => "double-apply",
            Self::Inversion => "inversion",
            Self::Skip => "skip",
            Self::Orphan => "orphan",
            Self::Resurrection => "resurrection",
            Self::ChainBreak => "chain-break",
            Self::ZombieEffect => "zombie-effect",
            Self::LostApply => "lost-apply",
            Self::Unseen => "unseen",
            Self::StuckPark => "stuck-park",
            Self::Discarded => "discarded",
            Self::OutLost => "out-lost",
            Self::OutDup => "out-dup",
            Self::OutInversion => "out-inversion",
        }
    }

    /// Whether it usually does harm. The circumstances may say otherwise: a zombie's effect is harm if the next owner would have
    /// written something else.
    pub fn severity(self) -> Severity {
        match self {
            Self::Divergent
            | Self::SplitKey
            | Self::LogInversion
            | Self::ZombieEffect
            | Self::Discarded
            | Self::OutDup => Severity::Hazard,
            _ => Severity::Harm,
        }
    }

    /// The verdict that this happened to an order.
    pub(super) fn of(self, order: OrderId, says: Text, facts: Vec<Fact>) -> Verdict {
        Verdict {
            order,
            anomaly: self,
            says,
            facts,
            severity: self.severity(),
        }
    }
}

impl Doubt {
    /// The name in documents and output.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Nothing(_) => "nothing-compared",
            Self::Missed(_) => "missed",
            Self::Lagging { .. } => "lagging",
            Self::Moving(_) => "in-flight",
            Self::Unpublished(..) | Self::UnpublishedDelivery(_) => "unpublished",
            Self::Unsequenced(..) => "unsequenced",
            Self::Refused(..) | Self::Waiting(..) => "parked",
            Self::Applying(..) => "applying",
        }
    }

    /// The order that the doubt is about. None if it is about a partition, or about everything.
    pub fn order(&self) -> Option<OrderId> {
        match self {
            Self::Nothing(_) | Self::Missed(_) | Self::Lagging { .. } => None,
            Self::Moving(order)
            | Self::Unpublished(order, _)
            | Self::UnpublishedDelivery(order)
            | Self::Unsequenced(order, _)
            | Self::Refused(order, ..)
            | Self::Applying(order, _)
            | Self::Waiting(order, _) => Some(*order),
        }
    }

    /// The doubt in a sentence.
    pub fn says(&self) -> Text {
        match self {
            Self::Nothing(sought) => text!("nothing was compared: ", "비교한 것이 없음: ") + sought.clone(),
            Self::Missed(missed) => text!("{missed} observations were missed", "관찰 {missed}건을 놓침"),
            Self::Lagging { partition, next, end } => text!(
                "partition {partition}: the delivery group has come to offset {next} of {end}",
                "파티션 {partition}: 배송 그룹이 오프셋 {end} 가운데 {next}까지 읽음"
            ),
            Self::Moving(order) => text!(
                "order {order} changed while it was looked at",
                "확인하는 동안 {order}번 주문의 내용이 바뀜"
            ),
            Self::Unpublished(order, version) => text!(
                "order {order} v{version} waits to be published",
                "{order}번 주문의 v{version} 이벤트가 발행을 기다림"
            ),
            Self::UnpublishedDelivery(order) => text!(
                "a delivery event of order {order} waits to be published",
                "{order}번 주문의 배송 이벤트가 발행을 기다림"
            ),
            Self::Unsequenced(order, place) => text!(
                "an event of order {order}, {place}, carries no version (ce_sequence)",
                "{order}번 주문의 이벤트({place})에 버전(ce_sequence)이 없음"
            ),
            Self::Refused(order, version, why) => text!(
                "order {order} waits at v{version} for a person (mall parked show): {why}",
                "{order}번 주문의 v{version} 이벤트가 사람의 결정을 기다림(mall parked show): {why}"
            ),
            Self::Applying(order, version) => text!(
                "order {order} v{version} is being applied",
                "{order}번 주문의 v{version} 이벤트를 반영하는 중"
            ),
            Self::Waiting(order, version) => text!(
                "order {order} v{version} waits for one before it that has not come",
                "{order}번 주문의 v{version} 이벤트가 아직 오지 않은 앞 이벤트를 기다림"
            ),
        }
    }

    /// Whether the doubt may pass by itself.
    pub fn may_pass(&self) -> bool {
        !matches!(
            self,
            Self::Nothing(_) | Self::Missed(_) | Self::Unsequenced(..) | Self::Refused(..)
        )
    }
}

impl fmt::Display for Anomaly {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// What stands where an anomaly's name should stand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnknownAnomaly(String);

impl FromStr for Anomaly {
    type Err = UnknownAnomaly;

    /// Reads the name that [`Anomaly::name`] gives.
    fn from_str(name: &str) -> Result<Self, UnknownAnomaly> {
        let mut all = Self::ALL.into_iter();
        all.find(|anomaly| anomaly.name() == name)
            .ok_or_else(|| UnknownAnomaly(name.to_owned()))
    }
}

impl std::error::Error for UnknownAnomaly {}

/// `no verdict is called "invertion"; allowed: divergence, phantom, …`
impl fmt::Display for UnknownAnomaly {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let allowed = Anomaly::ALL.map(Anomaly::name).join(", ");
        write!(f, "no verdict is called {:?}; allowed: {allowed}", self.0)
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Hazard => "hazard",
            Self::Harm => "harm",
        })
    }
}

impl Fact {
    /// `v2 OrderModified applied, P0@3, by delivery-1 (assignment 4), 2025-06-12T03:05:12.193Z`
    pub fn says(&self) -> Text {
        let mut parts = Vec::new();
        parts.extend(self.version.map(|version| Text::from(format!("v{version} "))));
        parts.push(self.what.clone());
        parts.extend(self.place.map(|place| Text::from(format!(", {place}"))));
        parts.extend(
            self.instance
                .as_ref()
                .map(|instance| text!(", by {instance}", ", {instance}")),
        );
        parts.extend(
            self.epoch
                .map(|epoch| text!(" (assignment {epoch})", " (할당 {epoch})")),
        );
        parts.extend(self.at.map(|at| Text::from(format!(", {}", rfc3339(at)))));
        Text::joined(&parts, "")
    }
}
