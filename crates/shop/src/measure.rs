//! Numbers that many threads write at once and anybody may read.
//!
//! # Invariants
//! * Writing is an atomic addition or two: it never waits, and never allocates.
//! * What is read is as of some moment during the reading; a distribution agrees with itself, whatever is written
//!   meanwhile.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// A number that only grows.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

/// A number that is as it was last seen.
#[derive(Debug, Default)]
pub struct Gauge(AtomicU64);

/// How long something took, each time.
#[derive(Debug, Default)]
pub struct Times(Buckets<{ TIMES.len() }>);

/// How large something was, each time.
#[derive(Debug, Default)]
pub struct Sizes(Buckets<{ SIZES.len() }>);

/// What was seen so far.
#[derive(Debug, Clone, PartialEq)]
pub struct Distribution {
    /// Upper bounds, ascending, and how many were not above each.
    pub up_to: Vec<(f64, u64)>,
    /// How many there were in all.
    pub count: u64,
    /// All of them together, in the bounds' unit: seconds, or things.
    pub sum: f64,
}

/// From what a cache answers to what a slow event takes, in nanoseconds.
const TIMES: [u64; 18] = [
    50_000,
    100_000,
    250_000,
    500_000,
    1_000_000,
    2_500_000,
    5_000_000,
    10_000_000,
    25_000_000,
    50_000_000,
    100_000_000,
    250_000_000,
    500_000_000,
    1_000_000_000,
    2_500_000_000,
    5_000_000_000,
    10_000_000_000,
    30_000_000_000,
];
const SIZES: [u64; 9] = [1, 2, 4, 8, 16, 32, 64, 128, 256];

impl Counter {
    /// As it is now.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    /// One more.
    pub fn add(&self) {
        self.add_many(1);
    }

    /// So many more.
    pub fn add_many(&self, more: u64) {
        self.0.fetch_add(more, Ordering::Relaxed);
    }
}

impl Gauge {
    /// As it was last seen.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    /// Replaces what was seen before.
    pub fn set(&self, value: u64) {
        self.0.store(value, Ordering::Relaxed);
    }
}

impl Times {
    /// In seconds.
    pub fn read(&self) -> Distribution {
        self.0.read(&TIMES, 1e9)
    }

    /// One more, which took this long.
    pub fn add(&self, time: Duration) {
        let nanoseconds = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        self.0.add(&TIMES, nanoseconds);
    }
}

impl Sizes {
    /// In things.
    pub fn read(&self) -> Distribution {
        self.0.read(&SIZES, 1.0)
    }

    /// One more of this size.
    pub fn add(&self, size: usize) {
        self.0.add(&SIZES, size as u64);
    }
}

#[derive(Debug)]
struct Buckets<const N: usize> {
    /// How many were in each; those above all bounds are in none.
    within: [AtomicU64; N],
    above: AtomicU64,
    sum: AtomicU64,
}

impl<const N: usize> Buckets<N> {
    fn add(&self, bounds: &[u64; N], value: u64) {
        let at = bounds.partition_point(|bound| *bound < value);
        self.within
            .get(at)
            .unwrap_or(&self.above)
            .fetch_add(1, Ordering::Relaxed);
        self.sum.fetch_add(value, Ordering::Relaxed);
    }

    fn read(&self, bounds: &[u64; N], per_unit: f64) -> Distribution {
        let mut count = 0;
        let up_to = bounds.iter().zip(&self.within).map(|(bound, within)| {
            count += within.load(Ordering::Relaxed);
            (*bound as f64 / per_unit, count)
        });
        Distribution {
            up_to: up_to.collect(),
            count: count + self.above.load(Ordering::Relaxed),
            sum: self.sum.load(Ordering::Relaxed) as f64 / per_unit,
        }
    }
}

impl<const N: usize> Default for Buckets<N> {
    fn default() -> Self {
        Self {
            within: [const { AtomicU64::new(0) }; N],
            above: AtomicU64::new(0),
            sum: AtomicU64::new(0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_counts_below_every_bound_that_it_does_not_exceed() {
        let sizes = Sizes::default();
        for size in [1, 2, 3, 256, 257] {
            sizes.add(size);
        }
        let read = sizes.read();
        let expected = [1, 2, 3, 3, 3, 3, 3, 3, 4].map(Some);
        assert_eq!(
            [1, 2, 4, 8, 16, 32, 64, 128, 256].map(|bound| below(&read, f64::from(bound))),
            expected
        );
        assert_eq!((read.count, read.sum), (5, 519.0));
    }

    #[test]
    fn times_are_told_in_seconds() {
        let times = Times::default();
        times.add(Duration::from_micros(2500));
        times.add(Duration::from_secs(31));
        let read = times.read();
        assert_eq!((below(&read, 0.001), below(&read, 0.0025)), (Some(0), Some(1)));
        assert_eq!(below(&read, 30.0), Some(1));
        assert_eq!((read.count, read.sum), (2, 31.0025));
    }

    fn below(read: &Distribution, bound: f64) -> Option<u64> {
        let found = read.up_to.iter().find(|(upper, _)| *upper == bound)?;
        Some(found.1)
    }
}
