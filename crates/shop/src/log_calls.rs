//! Calls the log, whose methods block, from asynchronous code.
//!
//! ```text
//!   relay, letters, gaps, metrics ──▶ LogCalls ──▶ CallLog ─┬▶ a blocking thread            (programs)
//!                                                           └▶ at once, between two gates   (simulation)
//! ```
//!
//! # Invariants
//! * Asynchronous code of the services calls the log through [`LogCalls`] alone, so whoever implements [`CallLog`] decides
//!   when each call is made, and whether its answer arrives.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use keylane_log::{EventLog, LogError, NewRecord, Placed};
use tokio::sync::oneshot;
use tokio::task::spawn_blocking;

/// A call of the log that is to be made. It blocks.
pub type LogCall = Box<dyn FnOnce() + Send>;

/// Makes calls of the log for asynchronous code.
#[async_trait]
pub trait CallLog: Send + Sync {
    /// Makes `call` and returns once it is over. `name` says which of the log's methods it is about, such as `append`.
    ///
    /// # Errors
    /// The caller gets this error instead of the log's answer, whether the call was made or not. As after any
    /// [`LogError::Unavailable`], the caller then doesn't know whether the call took effect.
    async fn call(&self, name: &'static str, call: LogCall) -> Result<(), LogError>;
}

/// A log that asynchronous code can call.
#[derive(Clone)]
pub struct LogCalls {
    log: Arc<dyn EventLog>,
    caller: Arc<dyn CallLog>,
}

impl LogCalls {
    /// Calls `log` on threads where it may block without holding up other tasks.
    pub fn blocking(log: Arc<dyn EventLog>) -> Self {
        Self::made_by(Arc::new(BlockingThreads), log)
    }

    /// Calls `log` in the way of `caller`.
    pub fn made_by(caller: Arc<dyn CallLog>, log: Arc<dyn EventLog>) -> Self {
        Self { log, caller }
    }

    /// The log itself, for code that may block.
    pub fn log(&self) -> &Arc<dyn EventLog> {
        &self.log
    }

    /// Makes a call, which is named after the method of the log that it is about.
    ///
    /// # Errors
    /// The call's own error, or the reason why its answer is not known.
    pub async fn ask<T, E>(
        &self,
        name: &'static str,
        call: impl FnOnce(&dyn EventLog) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<LogError> + Send + 'static,
    {
        self.make(name, call).await?
    }

    /// Appends records, as [`EventLog::append`] does. Returns one result for each record, in order.
    pub async fn append(
        &self,
        topic: &str,
        records: Vec<NewRecord>,
        patience: Duration,
    ) -> Vec<Result<Placed, LogError>> {
        let (topic, count) = (topic.to_owned(), records.len());
        let answers = self.make("append", move |log| log.append(&topic, records, patience));
        answers.await.unwrap_or_else(|error| vec![Err(error); count])
    }

    async fn make<T: Send + 'static>(
        &self,
        name: &'static str,
        call: impl FnOnce(&dyn EventLog) -> T + Send + 'static,
    ) -> Result<T, LogError> {
        let log = self.log.clone();
        let (answer, mut answered) = oneshot::channel();
        let call = Box::new(move || {
            // Nobody waits for the answer if the task that asked has been cancelled.
            let _ = answer.send(call(&*log));
        });
        self.caller.call(name, call).await?;
        Ok(answered
            .try_recv()
            .expect("a call that is over without an error was made"))
    }
}

/// Makes each call on a thread of Tokio's pool for calls that block.
#[derive(Debug, Clone, Copy)]
pub struct BlockingThreads;

#[async_trait]
impl CallLog for BlockingThreads {
    async fn call(&self, _name: &'static str, call: LogCall) -> Result<(), LogError> {
        spawn_blocking(call).await.expect("the log's calls don't panic");
        Ok(())
    }
}
