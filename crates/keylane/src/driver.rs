//! A thread and a clock for a runner.

use std::time::Duration;

use keylane_log::{Consumer, LogError};
use tokio::runtime::Handle;
use tokio::sync::oneshot;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::handler::Handler;
use crate::options::Options;
use crate::runner::{Runner, Summary};

/// Reads records from `consumer` and calls `handler` with them until `shutdown` is cancelled. Then the records in
/// flight are finished, what is done is committed, and the group is left. Dropping the returned future starts the same
/// shutdown, without waiting for it.
///
/// Handlers run on the Tokio runtime that this function is called on; its timer must be enabled.
///
/// # Errors
/// [`LogError::Refused`] and [`LogError::Broken`] as the log returned them; [`LogError::Broken`] if the handler
/// panicked or a thread could not be started. What was done by then has been committed, unless the log did not take it.
pub async fn run<H: Handler>(
    consumer: Box<dyn Consumer>,
    handler: H,
    options: Options,
    shutdown: CancellationToken,
) -> Result<Summary, LogError> {
    let shutdown = shutdown.child_token();
    let _dropped = shutdown.clone().drop_guard();
    let runtime = Handle::current();
    let now = Instant::now();
    let runner = Runner::ended_by(shutdown.clone(), consumer, handler, options, runtime.clone(), now);
    let (result, ended) = oneshot::channel();
    std::thread::Builder::new()
        .name("keylane-poll".to_owned())
        .spawn(move || result.send(drive(runner, &runtime, &shutdown)))
        .map_err(|error| LogError::Broken(format!("the polling thread could not be started: {error}")))?;
    let died = |_| Err(LogError::Broken("the polling thread panicked".to_owned()));
    ended.await.unwrap_or_else(died)
}

/// The driver sets no limit to the waits of a step, since each poll has a timeout of its own.
const UNBOUNDED: Duration = Duration::MAX;

/// Takes one step after the other until `shutdown` is cancelled or the log fails, and closes the runner.
fn drive<H: Handler>(
    mut runner: Runner<H>,
    runtime: &Handle,
    shutdown: &CancellationToken,
) -> Result<Summary, LogError> {
    // The handlers' time is this thread's time, even where it is paused.
    let _entered = runtime.enter();
    let mut result = Ok(());
    while result.is_ok() && !shutdown.is_cancelled() {
        result = runner
            .step(Instant::now(), UNBOUNDED)
            .map(|pause| wait(pause, runtime, shutdown));
    }
    runner.begin_close(Instant::now());
    let summary = loop {
        if let Some(summary) = runner.close_step(Instant::now(), UNBOUNDED) {
            break summary;
        }
    };
    result.map(|()| summary)
}

/// Waits until the pause is over or a shutdown cuts it short.
fn wait(pause: Duration, runtime: &Handle, shutdown: &CancellationToken) {
    if !pause.is_zero() {
        let pause = async { tokio::time::timeout(pause, shutdown.cancelled()).await };
        // It makes no difference whether the time or the shutdown has ended the wait.
        let _ = runtime.block_on(pause);
    }
}
