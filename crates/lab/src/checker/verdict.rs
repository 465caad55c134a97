//! What the checker answers: verdicts with their evidence, and doubts.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use keylane_log::{Offset, Partition, Timestamp};
use shop::domain::{OrderId, Version};

use super::history::Place;

/// All that was found, sorted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Judgement {
    /// What went wrong, by order.
    pub verdicts: Vec<Verdict>,
    /// What could not be told.
    pub doubts: Vec<Doubt>,
    /// How many orders were looked at.
    pub orders: usize,
}

/// Something that went wrong with one order.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Verdict {
    /// Whose events.
    pub order: OrderId,
    /// Its name.
    pub anomaly: Anomaly,
    /// What happened, in a sentence.
    pub says: String,
    /// The evidence.
    pub facts: Vec<Fact>,
    /// How bad it is.
    pub kind: Kind,
}

/// How bad something is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// About the log or the traffic: what honest at-least-once delivery and a growing topic lead to now and then.
    Hazard,
    /// About effects.
    Harm,
}

/// What went wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Anomaly {
    /// The final rows are not what the written events lead to.
    Divergence,
    /// An event in the topic that was never written; a delivery event that nothing led to. Harm if it took effect, and if
    /// the delivery service itself published it; otherwise somebody else's record that changed nothing, a hazard.
    Phantom,
    /// A written event that is not in the topic, though nothing is under way any more.
    LostEvent,
    /// One event with two contents.
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
    /// Something took effect after the cancellation.
    Resurrection,
    /// An effect was not built upon the one before it: a lost update.
    ChainBreak,
    /// An instance wrote under an assignment that another one had followed.
    ZombieEffect,
    /// An event in the topic never took effect, but later ones did.
    LostApply,
    /// The last events in the topic never took effect.
    Unseen,
    /// An event waits although nothing is missing before it.
    StuckPark,
    /// An event that a person had passed over.
    Discarded,
    /// An effect without its delivery event.
    OutLost,
    /// A delivery event that stands in the topic twice.
    OutDup,
    /// Delivery events in another order than their effects.
    OutInversion,
}

/// A piece of evidence: one event at one place.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Fact {
    /// When.
    pub at: Option<Timestamp>,
    /// Which version it is about.
    pub version: Option<Version>,
    /// What happened to it (`OrderModified applied`).
    pub what: String,
    /// The record.
    pub place: Option<Place>,
    /// Who did it.
    pub instance: Option<Arc<str>>,
    /// Under which of its assignments.
    pub epoch: Option<u64>,
}

/// Why something could not be told.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Doubt {
    /// Nothing is known of any order that was asked about, so nothing was compared; the text says what was looked for.
    Nothing(String),
    /// The group has not come to the end of a partition.
    Lagging {
        /// Which one.
        partition: Partition,
        /// The next offset that the group reads.
        next: Offset,
        /// The next offset to be written.
        end: Offset,
    },
    /// The order changed while it was being looked at.
    Moving(OrderId),
    /// An event waits to be published.
    Unpublished(OrderId, Version),
    /// A delivery event waits to be published.
    Unanswered(OrderId),
    /// An event carries no version, so that nobody can tell where it belongs.
    Unsequenced(OrderId, Place),
    /// An event was refused for good, and its order waits for a person.
    Refused(OrderId, Version, String),
    /// A parked event is being applied.
    Applying(OrderId, Version),
    /// A parked event waits for one before it that has not come.
    Waiting(OrderId, Version),
}

impl Judgement {
    /// The verdicts that are about effects.
    pub fn harm(&self) -> impl Iterator<Item = &Verdict> {
        self.verdicts.iter().filter(|verdict| verdict.kind == Kind::Harm)
    }

    /// What is left of it after an earlier look: harm that was not there then may be a trick of the reading, which takes
    /// its time while others write, and is a doubt until it is seen twice.
    #[must_use]
    pub fn confirmed_by(mut self, earlier: &Self) -> Self {
        let seen: BTreeSet<_> = earlier.harm().map(|verdict| (verdict.order, verdict.anomaly)).collect();
        let new = |verdict: &Verdict| verdict.kind == Kind::Harm && !seen.contains(&(verdict.order, verdict.anomaly));
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
    /// Its name in documents and output.
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

    /// How bad it is, unless the circumstances say otherwise (a zombie's effect is harm if it was another one than the
    /// next owner's would have been).
    pub fn kind(self) -> Kind {
        match self {
            Self::Divergent
            | Self::SplitKey
            | Self::LogInversion
            | Self::ZombieEffect
            | Self::Discarded
            | Self::OutDup => Kind::Hazard,
            _ => Kind::Harm,
        }
    }

    /// The verdict that this happened to an order.
    pub(super) fn of(self, order: OrderId, says: impl Into<String>, facts: Vec<Fact>) -> Verdict {
        Verdict {
            order,
            anomaly: self,
            says: says.into(),
            facts,
            kind: self.kind(),
        }
    }
}

impl Doubt {
    /// Its name in documents and output.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Nothing(_) => "nothing-compared",
            Self::Lagging { .. } => "lagging",
            Self::Moving(_) => "in-flight",
            Self::Unpublished(..) | Self::Unanswered(_) => "unpublished",
            Self::Unsequenced(..) => "unsequenced",
            Self::Refused(..) | Self::Waiting(..) => "parked",
            Self::Applying(..) => "applying",
        }
    }

    /// The order it is about, if it is about one.
    pub fn order(&self) -> Option<OrderId> {
        match self {
            Self::Nothing(_) | Self::Lagging { .. } => None,
            Self::Moving(order)
            | Self::Unpublished(order, _)
            | Self::Unanswered(order)
            | Self::Unsequenced(order, _)
            | Self::Refused(order, ..)
            | Self::Applying(order, _)
            | Self::Waiting(order, _) => Some(*order),
        }
    }

    /// Whether it may pass by itself.
    pub fn may_pass(&self) -> bool {
        !matches!(self, Self::Nothing(_) | Self::Unsequenced(..) | Self::Refused(..))
    }
}

impl fmt::Display for Anomaly {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Hazard => "hazard",
            Self::Harm => "harm",
        })
    }
}

/// `v2 OrderModified applied, P0@3, by delivery-1 (assignment 4), 2025-06-12T03:05:12.193Z`
impl fmt::Display for Fact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(version) = self.version {
            write!(f, "v{version} ")?;
        }
        f.write_str(&self.what)?;
        if let Some(place) = self.place {
            write!(f, ", {place}")?;
        }
        if let Some(instance) = &self.instance {
            write!(f, ", by {instance}")?;
        }
        if let Some(epoch) = self.epoch {
            write!(f, " (assignment {epoch})")?;
        }
        match self.at {
            Some(at) => write!(f, ", {}", rfc3339(at)),
            None => Ok(()),
        }
    }
}

impl fmt::Display for Doubt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nothing(sought) => write!(f, "nothing was compared: {sought}"),
            Self::Lagging { partition, next, end } => write!(
                f,
                "partition {partition}: the delivery group has come to offset {next} of {end}"
            ),
            Self::Moving(order) => write!(f, "order {order} changed while it was looked at"),
            Self::Unpublished(order, version) => write!(f, "order {order} v{version} waits to be published"),
            Self::Unanswered(order) => write!(f, "a delivery event of order {order} waits to be published"),
            Self::Unsequenced(order, place) => write!(
                f,
                "an event of order {order}, {place}, carries no version (ce_sequence)"
            ),
            Self::Refused(order, version, why) => write!(
                f,
                "order {order} waits at v{version} for a person (mall parked show): {why}"
            ),
            Self::Applying(order, version) => write!(f, "order {order} v{version} is being applied"),
            Self::Waiting(order, version) => {
                write!(f, "order {order} v{version} waits for one before it that has not come")
            }
        }
    }
}

/// The end of the year 9999, beyond which nobody writes a date.
const LAST: u64 = 253_402_300_799_999;

/// A time as people read it; a record may bear any, and those that can't be written are clipped.
pub fn rfc3339(at: Timestamp) -> String {
    let since_epoch = Duration::from_millis(u64::try_from(at.0).unwrap_or_default().min(LAST));
    humantime::format_rfc3339_millis(UNIX_EPOCH + since_epoch).to_string()
}
