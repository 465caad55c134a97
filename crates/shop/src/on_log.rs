//! Calls the log, whose methods block, from asynchronous code.

use std::sync::Arc;

use keylane_log::EventLog;

/// Makes a call of the log on a thread where it may block without holding up other tasks.
pub async fn on_log<T: Send + 'static>(
    log: &Arc<dyn EventLog>,
    call: impl FnOnce(&dyn EventLog) -> T + Send + 'static,
) -> T {
    let log = log.clone();
    let called = tokio::task::spawn_blocking(move || call(&*log)).await;
    called.expect("the log's calls don't panic")
}
