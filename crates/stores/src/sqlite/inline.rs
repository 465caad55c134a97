//! Work that is run in the calling task, over one connection that several stores share.
//!
//! ```text
//!   SqliteStore of one process ─────┐
//!   SqliteStore of another process ─┴▶ RunWork ─▶ Database, in memory
//! ```
//! The simulation runs whole services on one thread in this way, with the statements that also run on files. Whoever
//! implements [`RunWork`] decides when each unit of work runs, and whether its result arrives.

use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use tokio::sync::oneshot;

use super::database::Database;
use shop::store::Result;

/// A unit of work that is to be run. It doesn't wait for anything.
pub type Work = Box<dyn FnOnce() + Send>;

/// Runs the units of work of a store.
#[async_trait]
pub trait RunWork: Send + Sync {
    /// Runs `work` and returns once it is over. `name` is that of the method of the port, such as `run_orders`.
    ///
    /// # Errors
    /// The caller gets this error instead of the work's result, whether the work was run or not. An error of work that was
    /// run should be [`Unknown`](shop::store::StoreError::Unknown), as when a connection is lost during the COMMIT.
    async fn run(&self, name: &'static str, work: Work) -> Result<()>;
}

/// A database, and who runs the work on it.
pub(super) struct Inline {
    pub database: Arc<Mutex<Database>>,
    pub runner: Arc<dyn RunWork>,
}

impl Inline {
    /// Has `work` run, and returns its result.
    pub async fn run<T: Send + 'static>(
        &self,
        name: &'static str,
        work: impl FnOnce(&mut Database) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let database = self.database.clone();
        let (answer, mut answered) = oneshot::channel();
        let work = Box::new(move || {
            // Work that panics rolls its transaction back, so a poisoned lock can be used.
            let mut database = database.lock().unwrap_or_else(PoisonError::into_inner);
            // Nobody waits for the result if the task that asked has been cancelled.
            let _ = answer.send(work(&mut database));
        });
        self.runner.run(name, work).await?;
        answered.try_recv().expect("work that is over without an error was run")
    }
}
