//! Tells about an outage once, and when it is over.

use std::time::Instant;

/// A kind of call that fails for a while.
#[derive(Debug)]
pub struct Outage {
    what: &'static str,
    since: Option<Instant>,
    calls: u32,
}

impl Outage {
    /// Nothing has failed yet. `what` is the sentence that is told when it does.
    pub fn new(what: &'static str) -> Self {
        Self {
            what,
            since: None,
            calls: 0,
        }
    }

    /// A call failed; how many have by now. Only the first is told.
    pub fn noted(&mut self, reason: &str) -> u32 {
        if self.since.is_none() {
            tracing::warn!(reason, "{}", self.what);
            self.since = Some(Instant::now());
        }
        self.calls = self.calls.saturating_add(1);
        self.calls
    }

    /// It works again, which is told if it didn't before.
    pub fn ended(&mut self) {
        if let Some(since) = self.since.take() {
            let seconds = since.elapsed().as_secs_f64();
            tracing::info!(seconds, calls = self.calls, "over: {}", self.what);
            self.calls = 0;
        }
    }
}
