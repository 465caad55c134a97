//! Tells about an outage once, and when it is over.

use std::time::Instant;

/// A kind of call that fails for a while.
#[derive(Debug)]
pub(crate) struct Outage {
    what: &'static str,
    since: Option<Instant>,
    tries: u32,
}

impl Outage {
    pub fn new(what: &'static str) -> Self {
        Self {
            what,
            since: None,
            tries: 0,
        }
    }

    /// A call failed; how many have by now.
    pub fn noted(&mut self, reason: &str) -> u32 {
        if self.since.is_none() {
            tracing::warn!(reason, "{}; trying again", self.what);
            self.since = Some(Instant::now());
        }
        self.tries += 1;
        self.tries
    }

    /// A call succeeded.
    pub fn ended(&mut self) {
        if let Some(since) = self.since.take() {
            let seconds = since.elapsed().as_secs_f64();
            tracing::info!(seconds, tries = self.tries, "over: {}", self.what);
            self.tries = 0;
        }
    }
}
