//! Logs the start and the end of an outage, instead of every failed call.

use tokio::time::Instant;

/// Follows one kind of call that may fail for a while, and logs one line when it starts to fail and one when it works
/// again.
#[derive(Debug)]
pub struct Outage {
    what: &'static str,
    /// When the first call failed; `None` while calls succeed.
    since: Option<Instant>,
    /// How many calls have failed since then.
    calls: u32,
}

impl Outage {
    /// Starts without an outage. `what` is the sentence that is logged when a call fails.
    pub fn new(what: &'static str) -> Self {
        Self {
            what,
            since: None,
            calls: 0,
        }
    }

    /// Notes a failed call, and logs it if it is the first of the outage. Returns how many calls of the outage have
    /// failed.
    pub fn noted(&mut self, reason: &str) -> u32 {
        if self.since.is_none() {
            tracing::warn!(reason, "{}", self.what);
            self.since = Some(Instant::now());
        }
        self.calls = self.calls.saturating_add(1);
        self.calls
    }

    /// Notes a successful call, and logs the end of the outage if there was one.
    pub fn ended(&mut self) {
        if let Some(since) = self.since.take() {
            let seconds = since.elapsed().as_secs_f64();
            tracing::info!(seconds, calls = self.calls, "over: {}", self.what);
            self.calls = 0;
        }
    }
}
