//! How much is seen, and whether it is too much to pass all of it on.
//!
//! A bucket holds a burst and drains steadily: what a few hundred orders at once cause is passed on whole, and what comes faster
//! than it drains for longer is thinned until it is half empty again.

use super::shown::Rates;

/// How many observations a second are passed on for as long as they come.
const STEADY: u64 = 500;
/// How many more may come in a burst.
const BURST: u64 = 5000;
/// Thinning ends once so many of a burst are left.
const RELIEVED: u64 = BURST / 2;

/// Counts what is seen.
#[derive(Debug, Default)]
pub struct Load {
    /// How full the bucket is, in thousandths of an observation.
    level: u64,
    /// Up to when it has drained, in milliseconds since 1970.
    drained: i64,
    thinned: bool,
    /// When the second began that is being counted.
    begun: Option<i64>,
    committed: u64,
    published: u64,
    applied: u64,
}

/// What an observation counts as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Counted {
    Committed,
    Published,
    Applied,
    Other,
}

impl Load {
    /// Counts an observation. True if it is to be passed on whatever it is about.
    pub fn count(&mut self, counted: Counted) -> bool {
        match counted {
            Counted::Committed => self.committed += 1,
            Counted::Published => self.published += 1,
            Counted::Applied => self.applied += 1,
            Counted::Other => {}
        }
        self.level = (self.level + 1000).min(BURST * 1000);
        self.thinned |= self.level >= BURST * 1000;
        !self.thinned
    }

    /// Lets the time pass. Once a second there are rates.
    pub fn pass(&mut self, now: i64, lag: u64) -> Option<Rates> {
        let elapsed = u64::try_from(now.saturating_sub(self.drained)).unwrap_or(0);
        self.drained = now;
        self.level = self.level.saturating_sub(elapsed.saturating_mul(STEADY));
        self.thinned &= self.level > RELIEVED * 1000;
        let begun = *self.begun.get_or_insert(now);
        let span = u64::try_from(now.saturating_sub(begun)).unwrap_or(0);
        if span < 1000 && now >= begun {
            return None;
        }
        self.begun = Some(now);
        let a_second = |count: &mut u64| (std::mem::take(count) * 1000 + span / 2) / span.max(1000);
        Some(Rates {
            committed: a_second(&mut self.committed),
            published: a_second(&mut self.published),
            applied: a_second(&mut self.applied),
            lag,
            thinned: self.thinned,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many of so many observations are passed on.
    fn passed(load: &mut Load, many: u64) -> u64 {
        (0..many).filter(|_| load.count(Counted::Applied)).count() as u64
    }

    #[test]
    fn a_burst_is_passed_on_and_a_flood_is_thinned_until_it_is_over() {
        let mut load = Load::default();
        load.pass(0, 0);
        assert_eq!(passed(&mut load, 4000), 4000);
        load.pass(1000, 0);
        assert_eq!(passed(&mut load, 1500), 1499, "the bucket is full with the last");
        let rates = load.pass(2000, 7).expect("a second is over");
        assert_eq!((rates.applied, rates.lag, rates.thinned), (1500, 7, true));
        assert_eq!(passed(&mut load, 10), 0);
        let relieved = load.pass(7000, 0).expect("seconds are over");
        assert!(!relieved.thinned);
        assert_eq!(relieved.applied, 2, "10 in five seconds");
        assert_eq!(passed(&mut load, 10), 10);
    }

    #[test]
    fn a_steady_stream_is_never_thinned() {
        let mut load = Load::default();
        for second in 0..100 {
            load.pass(second * 1000, 0);
            assert_eq!(passed(&mut load, STEADY), STEADY, "second {second}");
        }
    }

    #[test]
    fn a_clock_that_goes_back_stops_nothing() {
        let mut load = Load::default();
        load.pass(10_000, 0);
        load.count(Counted::Committed);
        assert!(load.pass(5000, 0).is_some());
        assert!(load.pass(6000, 0).is_some());
    }
}
