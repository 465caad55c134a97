//! A consumer whose calls fail when the scheduler says so.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use keylane_log::{Consumer, LogError, Position, Rebalance, Record, Result, TopicPartition};

use super::gates::{Fault, Grant};

/// What goes wrong with the calls of a consumer in the step that is being taken. Copies share it.
#[derive(Debug, Clone, Default)]
pub struct Trouble(Arc<Mutex<Option<Fault>>>);

impl Trouble {
    /// Has calls fail from now on, or no longer.
    pub fn set(&self, grant: Grant) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = match grant {
            Grant::Go => None,
            Grant::Fail(fault) => Some(fault),
        };
    }

    fn get(&self) -> Option<Fault> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A consumer with [`Trouble`].
pub struct Troubled<C> {
    inner: C,
    trouble: Trouble,
}

impl<C> Troubled<C> {
    /// Has the calls of `inner` fail as `trouble` says.
    pub fn new(inner: C, trouble: Trouble) -> Self {
        Self { inner, trouble }
    }

    fn reach(&self) -> Result<()> {
        match self.trouble.get() {
            Some(Fault::Away) => Err(away()),
            Some(Fault::Unanswered | Fault::Conflict) | None => Ok(()),
        }
    }
}

fn away() -> LogError {
    LogError::Unavailable("the log is away".to_owned())
}

impl<C: Consumer> Consumer for Troubled<C> {
    fn poll(&mut self, timeout: Duration, rebalance: &mut dyn Rebalance) -> Result<Vec<Record>> {
        self.reach()?;
        self.inner.poll(timeout, rebalance)
    }

    fn commit(&mut self, positions: &[Position]) -> Result<Vec<TopicPartition>> {
        self.reach()?;
        let answer = self.inner.commit(positions);
        match self.trouble.get() {
            Some(Fault::Unanswered) => Err(away()),
            Some(Fault::Away | Fault::Conflict) | None => answer,
        }
    }

    fn pause(&mut self, partitions: &[TopicPartition]) -> Result<()> {
        self.reach()?;
        self.inner.pause(partitions)
    }

    fn resume(&mut self, partitions: &[TopicPartition]) -> Result<()> {
        self.reach()?;
        self.inner.resume(partitions)
    }

    fn leave(&mut self, rebalance: &mut dyn Rebalance) -> Result<()> {
        self.inner.leave(rebalance)
    }
}
