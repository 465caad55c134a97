//! What a person decides in a simulated mall about what is parked: beside all processes, and at once.

use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use async_trait::async_trait;
use shop::domain::{OrderId, Version};
use shop::store::Result;
use stores::sqlite::{RunWork, SqliteStore, Work};

use super::mall::Mall;
use crate::person;
use crate::world::Answer;

impl Mall {
    /// Has an order's first parked event handled once more.
    ///
    /// # Errors
    /// The database fails.
    pub fn retry(&self, order: OrderId) -> Result<Answer> {
        at_once(person::retry(&self.delivery_store(), order, self.time()))
    }

    /// Has one version of an order passed over.
    ///
    /// # Errors
    /// The database fails.
    pub fn discard(&self, order: OrderId, version: Version) -> Result<Answer> {
        at_once(person::discard(&self.delivery_store(), order, version, self.time()))
    }

    fn delivery_store(&self) -> SqliteStore {
        SqliteStore::inline(self.deliveries.clone(), Arc::new(AtOnce))
    }
}

/// Runs work without waiting at any gate.
struct AtOnce;

#[async_trait]
impl RunWork for AtOnce {
    async fn run(&self, _name: &'static str, work: Work) -> Result<()> {
        work();
        Ok(())
    }
}

/// What comes of work that is run at once.
fn at_once<T>(work: impl Future<Output = T>) -> T {
    match pin!(work).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(done) => done,
        Poll::Pending => unreachable!("work that is run at once waits for nothing"),
    }
}
