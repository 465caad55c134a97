//! What a scenario holds: work on events before its write, relays, commits.
//!
//! # Invariants
//! * What is held waits for as long as it is held, whatever time passes, and is gone with its process.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use keylane_log::{Consumer, LogError, Position, Rebalance, Record, Result, TopicPartition};
use shop::delivery::Hold;
use shop::domain::{IncomingEvent, OrderId, Version};
use tokio::sync::Notify;

use super::gates::{Point, Side};
use crate::scenario::{Journal, Role};

/// Everything that is held. Copies share it.
#[derive(Debug, Clone, Default)]
pub struct Holds(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    held: Mutex<Vec<Held>>,
    released: Notify,
}

/// Something that is held, and the only process in which it is; none means each.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    /// What is held.
    pub what: What,
    /// The only process.
    pub within: Option<Role>,
}

/// What can be held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum What {
    /// Work on an event, before its write.
    Work(OrderId, Version),
    /// Relays of this journal, before they send.
    Send(Journal),
    /// Relays of this journal, before they mark what was sent.
    Mark(Journal),
    /// Commits of offsets.
    Commit,
}

impl Holds {
    /// Holds something from now on.
    pub fn hold(&self, held: Held) {
        self.lock().push(held);
    }

    /// Lets go what was held so.
    pub fn release(&self, held: &Held) {
        self.lock().retain(|other| other != held);
        self.0.released.notify_waiters();
    }

    /// Whether a process has to wait at this gate.
    pub fn stops(&self, role: Role, point: Point) -> bool {
        let of = match role {
            Role::Order(_) => Journal::Orders,
            Role::Delivery(_) => Journal::Deliveries,
        };
        match (point.call, point.side) {
            ("append", Side::Before) => self.holds(What::Send(of), role),
            ("append", Side::After) => self.holds(What::Mark(of), role),
            _ => false,
        }
    }

    /// Holds the work of this process.
    pub fn on_work(&self, role: Role) -> Hold {
        let holds = self.clone();
        Hold::by(move |event: &IncomingEvent| {
            let work = What::Work(event.order_id, event.version.unwrap_or(Version(0)));
            let holds = holds.clone();
            Box::pin(async move {
                loop {
                    let released = holds.0.released.notified();
                    if !holds.holds(work, role) {
                        return;
                    }
                    released.await;
                }
            })
        })
    }

    fn holds(&self, what: What, role: Role) -> bool {
        let is = |held: &Held| held.what == what && held.within.is_none_or(|within| within == role);
        self.lock().iter().any(is)
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Held>> {
        self.0.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A consumer whose commits go unheard while they are held.
pub struct Holding<C> {
    /// The consumer itself.
    pub inner: C,
    /// What is held.
    pub holds: Holds,
    /// The process of the consumer.
    pub role: Role,
}

impl<C: Consumer> Consumer for Holding<C> {
    fn poll(&mut self, timeout: Duration, rebalance: &mut dyn Rebalance) -> Result<Vec<Record>> {
        self.inner.poll(timeout, rebalance)
    }

    fn commit(&mut self, positions: &[Position]) -> Result<Vec<TopicPartition>> {
        if self.holds.holds(What::Commit, self.role) {
            return Err(LogError::Unavailable("the commit is held".to_owned()));
        }
        self.inner.commit(positions)
    }

    fn pause(&mut self, partitions: &[TopicPartition]) -> Result<()> {
        self.inner.pause(partitions)
    }

    fn resume(&mut self, partitions: &[TopicPartition]) -> Result<()> {
        self.inner.resume(partitions)
    }

    fn leave(&mut self, rebalance: &mut dyn Rebalance) -> Result<()> {
        self.inner.leave(rebalance)
    }
}
