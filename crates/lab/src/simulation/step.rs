//! The steps of a simulated history.

use std::fmt;

use super::foreign::Foreign;
use super::gates::{Fault, Point};
use crate::scenario::Role;

/// Something that the scheduler decides. A step that makes no sense where it stands (a gate at which nobody waits, a process
/// that doesn't run) changes nothing, so any list of steps is a history.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Step {
    /// Whoever waits longest at this gate goes on.
    Open(Role, Point),
    /// Whoever waits longest at this gate goes on, and its call fails.
    Fail(Role, Point, Fault),
    /// Whoever waits longest at this gate goes on, and what it asks the brokers for is not answered in time: it is done in
    /// part, later or never.
    Late(Role, Point),
    /// So many milliseconds pass.
    Pass(u32),
    /// Everything goes on that can, without trouble, until nothing moves any more.
    Flow,
    /// A customer places an order with this order service.
    Place(Role),
    /// A customer changes the order with this number.
    Modify(Role, i64),
    /// A customer cancels the order with this number.
    Cancel(Role, i64),
    /// A process is gone at once, and only its silence shows it.
    Kill(Role),
    /// A process is asked to end in good order.
    Stop(Role),
    /// A process is started: again, or as a new one.
    Start(Role),
    /// A process stands still.
    Freeze(Role),
    /// A frozen process goes on.
    Wake(Role),
    /// The topic has so many partitions from now on.
    Grow(u32),
    /// Retention removes the records of a partition that the group has committed.
    Remove(u32),
    /// Retention removes the first records of a partition, up to so many, whether somebody has handled them or not.
    Expire(u32, u32),
    /// The topic refuses records with more bytes from now on; none means the usual limit.
    Limit(Option<u32>),
    /// Somebody else writes a record into this partition.
    Write(Foreign, u32),
    /// A person has the first parked event of this order handled once more.
    Retry(i64),
    /// A person has this version of an order passed over.
    Discard(i64, i64),
    /// The group takes a partition away from its holder, for nobody in particular.
    Rebalance(u32),
    /// The group gives a process up that lives, and tells it at its next poll.
    GiveUp(Role),
    /// At its next poll a process gets so many records of each of its partitions again.
    Repeat(Role, u32),
    /// An unclean election takes the last records of a partition away, up to so many that the group has handled. It takes no
    /// others until the group has assigned it anew.
    Cut(u32, u32),
}

impl Step {
    /// Whether the step is an action or a fault, and not only the order in which things happen.
    pub fn counts(&self) -> bool {
        !matches!(self, Self::Open(..) | Self::Pass(_) | Self::Flow)
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Open(role, point) => write!(f, "open {role} {point}"),
            Self::Fail(role, point, fault) => write!(f, "fail {role} {point} {fault}"),
            Self::Late(role, point) => write!(f, "late {role} {point}"),
            Self::Pass(time) => write!(f, "pass {time}ms"),
            Self::Flow => f.write_str("flow"),
            Self::Place(role) => write!(f, "place via {role}"),
            Self::Modify(role, order) => write!(f, "modify {order} via {role}"),
            Self::Cancel(role, order) => write!(f, "cancel {order} via {role}"),
            Self::Kill(role) => write!(f, "kill {role}"),
            Self::Stop(role) => write!(f, "stop {role}"),
            Self::Start(role) => write!(f, "start {role}"),
            Self::Freeze(role) => write!(f, "freeze {role}"),
            Self::Wake(role) => write!(f, "wake {role}"),
            Self::Grow(partitions) => write!(f, "grow {partitions}"),
            Self::Remove(partition) => write!(f, "remove P{partition}"),
            Self::Expire(partition, records) => write!(f, "expire {records} of P{partition}"),
            Self::Limit(Some(bytes)) => write!(f, "limit {bytes}"),
            Self::Limit(None) => f.write_str("limit none"),
            Self::Write(what, partition) => write!(f, "write {what} to P{partition}"),
            Self::Retry(order) => write!(f, "retry {order}"),
            Self::Discard(order, version) => write!(f, "discard {order} v{version}"),
            Self::Rebalance(partition) => write!(f, "rebalance P{partition}"),
            Self::GiveUp(role) => write!(f, "give-up {role}"),
            Self::Repeat(role, records) => write!(f, "repeat {records} to {role}"),
            Self::Cut(partition, records) => write!(f, "cut {records} of P{partition}"),
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Away => "away",
            Self::Unanswered => "unanswered",
            Self::Conflict => "conflict",
        })
    }
}
