//! What the log lines about single events have in common: where they go, and how many of them are written in full.

use std::time::Duration;

use tokio::time::Instant;

/// The tracing target of lines about events. Their text says everything; their fields repeat it for machines.
pub const EVENTS: &str = "events";

/// The kind of the lines that announce an order which has just been broken. More of these than of any other kind are written in
/// full, because each is about another order.
pub const OUT_OF_ORDER: &str = "events out of order";

/// How long an allowance lasts, until the next one begins.
const PERIOD: Duration = Duration::from_secs(1);

/// Lets so many of something through in each second, so that its cost has a bound however much there is of it. Times are
/// passed in.
#[derive(Debug)]
pub(crate) struct Allowance {
    /// How many are let through in a second.
    each_second: u32,
    /// When the present second began; none before the first use.
    since: Option<Instant>,
    /// How many of this second's have been let through.
    used: u32,
}

impl Allowance {
    /// An allowance of which nothing has been used.
    pub const fn new(each_second: u32) -> Self {
        Self {
            each_second,
            since: None,
            used: 0,
        }
    }

    /// Whether one more is let through at this time.
    pub fn take(&mut self, now: Instant) -> bool {
        if self.is_over(now) {
            (self.since, self.used) = (Some(now), 0);
        }
        let allowed = self.used < self.each_second;
        self.used += u32::from(allowed);
        allowed
    }

    /// Whether the second that was begun last has passed, so that the whole allowance is there again.
    pub fn is_over(&self, now: Instant) -> bool {
        self.since
            .is_none_or(|since| now.saturating_duration_since(since) >= PERIOD)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_second_lets_so_many_through() {
        let (mut allowance, start) = (Allowance::new(2), Instant::now());
        let at = |ms| start + Duration::from_millis(ms);
        let let_through = [0, 1, 2, 999, 1000, 1001, 1002, 5000].map(|ms| allowance.take(at(ms)));
        assert_eq!(let_through, [true, true, false, false, true, true, false, true]);
        assert!(!allowance.is_over(at(5999)) && allowance.is_over(at(6000)));
        assert!(allowance.is_over(at(9999)), "nothing is saved up: {allowance:?}");
    }
}
