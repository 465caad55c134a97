//! What has to come out of a run, and what can be waited for.

use std::fmt;

use super::names::{EventName, Name, Role};
use super::words::{Quoted, words};
use crate::checker::Anomaly;

/// What has to come out of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Expectation {
    /// What the line before this one asks for is refused: a request, or what a person decides about what is parked.
    Refused,
    /// The checker finds no harm, and has no doubt but those that are expected. Hazards are allowed.
    Clean,
    /// The checker finds this about an order, whatever else it finds.
    Verdict(Anomaly, Name),
    /// The checker can't judge something about an order, by the name of the doubt, such as `parked`.
    Doubt(DoubtName, Name),
    /// The last delivery of an order stands so.
    Delivery(Name, Row),
    /// An order has so many deliveries.
    Deliveries(Name, u32),
    /// This was observed.
    Seen(Sight),
    /// This was not observed.
    Never(Sight),
    /// This was observed so often. A sight of partitions counts each partition.
    Times(u32, Sight),
    /// The first was observed before the second, and both were. Of several, the first ones count.
    Before(Sight, Sight),
}

/// How a delivery stands. What is none is not compared.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Row {
    /// Its status, such as `DELIVERY CANCELLED`.
    pub status: Option<String>,
    /// How many pieces are delivered.
    pub qty: Option<i32>,
    /// Where they are delivered to.
    pub address: Option<String>,
}

/// Something that can be observed in a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sight {
    /// Something happened to an event.
    Event {
        /// Which event.
        event: EventName,
        /// What happened to it.
        stage: Stage,
        /// Who saw it; none means anybody.
        by: Option<Role>,
    },
    /// Something happened to a process.
    Process {
        /// Which process.
        role: Role,
        /// What happened to it.
        change: Change,
        /// The partition that it is about, for `assigned`, `revoked` and `lost`; none means any.
        partition: Option<u32>,
    },
}

/// What can happen to an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// It stands in its journal.
    Committed,
    /// The log has acknowledged it.
    Published,
    /// An instance has taken its record.
    Taken,
    /// An instance does slow work for it.
    Begun,
    /// An instance could not handle it this time, and tries again.
    TriedAgain,
    /// It took effect, in its turn or not.
    Applied,
    /// It took effect after a later version of its order.
    OutOfOrder,
    /// It took effect a second time.
    AppliedAgain,
    /// It took effect before its predecessor.
    AppliedEarly,
    /// It had taken effect before, and changed nothing.
    Duplicate,
    /// It came before its predecessor and is parked.
    Parked,
    /// It was parked, and its turn has come.
    HandedOver,
    /// After the slow work, another instance had applied it already.
    Stale,
    /// It can't be handled, and what follows of its order waits.
    Poison,
    /// It can't be handled and has become a dead letter.
    Buried,
    /// There was nothing to do about it.
    Ignored,
    /// It was passed over, as a person wanted.
    PassedOver,
}

/// What can happen to a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// Partitions were assigned to it.
    Assigned,
    /// It has given partitions back.
    Revoked,
    /// Partitions were taken away from it.
    Lost,
    /// It has won a lease, as a relay does that publishes.
    Leads,
    /// It serves.
    Started,
    /// It has ended in good order.
    Stopped,
    /// It was killed.
    Killed,
    /// It was frozen.
    Frozen,
    /// It goes on.
    Woken,
}

/// The name of a doubt of the checker ([`crate::checker::Doubt::name`]).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DoubtName {
    /// An event waits for a person, or for one that has not come.
    Parked,
    /// An event carries no version.
    Unsequenced,
    /// An event waits to be published.
    Unpublished,
}

words!(Stage {
    Stage::Committed = "committed",
    Stage::Published = "published",
    Stage::Taken = "taken",
    Stage::Begun = "begun",
    Stage::TriedAgain = "tried-again",
    Stage::Applied = "applied",
    Stage::OutOfOrder = "out-of-order",
    Stage::AppliedAgain = "applied-again",
    Stage::AppliedEarly = "applied-early",
    Stage::Duplicate = "duplicate",
    Stage::Parked = "parked",
    Stage::HandedOver = "handed-over",
    Stage::Stale = "stale",
    Stage::Poison = "poison",
    Stage::Buried = "buried",
    Stage::Ignored = "ignored",
    Stage::PassedOver = "passed-over",
});
words!(Change {
    Change::Assigned = "assigned",
    Change::Revoked = "revoked",
    Change::Lost = "lost",
    Change::Leads = "leads",
    Change::Started = "started",
    Change::Stopped = "stopped",
    Change::Killed = "killed",
    Change::Frozen = "frozen",
    Change::Woken = "woken",
});
words!(DoubtName {
    DoubtName::Parked = "parked",
    DoubtName::Unsequenced = "unsequenced",
    DoubtName::Unpublished = "unpublished",
});

impl Expectation {
    /// What must or must not be observed, or how often, or in which sequence.
    pub fn sights(&self) -> Vec<&Sight> {
        match self {
            Self::Seen(sight) | Self::Never(sight) | Self::Times(_, sight) => vec![sight],
            Self::Before(first, second) => vec![first, second],
            _ => Vec::new(),
        }
    }

    /// The order that it is about, if it is about one and names no sight.
    pub fn order(&self) -> Option<&Name> {
        match self {
            Self::Verdict(_, order) | Self::Doubt(_, order) | Self::Delivery(order, _) | Self::Deliveries(order, _) => {
                Some(order)
            }
            _ => None,
        }
    }
}

/// The line of the file.
impl fmt::Display for Expectation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("expect ")?;
        match self {
            Self::Refused => f.write_str("refused"),
            Self::Clean => f.write_str("clean"),
            Self::Verdict(anomaly, order) => write!(f, "{anomaly} {order}"),
            Self::Doubt(doubt, order) => write!(f, "doubt {doubt} {order}"),
            Self::Delivery(order, row) => write!(f, "delivery {order}{row}"),
            Self::Deliveries(order, count) => write!(f, "deliveries {order} {count}"),
            Self::Seen(sight) => write!(f, "seen {sight}"),
            Self::Never(sight) => write!(f, "never {sight}"),
            Self::Times(count, sight) => write!(f, "times {count} {sight}"),
            Self::Before(first, second) => write!(f, "seen {first} before {second}"),
        }
    }
}

/// With a blank before each part.
impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(status) = &self.status {
            write!(f, " {}", Quoted(status))?;
        }
        if let Some(qty) = self.qty {
            write!(f, " qty={qty}")?;
        }
        if let Some(address) = &self.address {
            write!(f, " address={}", Quoted(address))?;
        }
        Ok(())
    }
}

/// `KIM v2 applied by delivery-1`, `delivery-1 assigned P0`
impl fmt::Display for Sight {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Event { event, stage, by } => {
                write!(f, "{event} {stage}")?;
                by.map_or(Ok(()), |role| write!(f, " by {role}"))
            }
            Self::Process {
                role,
                change,
                partition,
            } => {
                write!(f, "{role} {change}")?;
                partition.map_or(Ok(()), |partition| write!(f, " P{partition}"))
            }
        }
    }
}
