//! Counters, gauges and histograms that many threads write at once and any thread may read.
//!
//! There is no registry and no text format here: whoever exports metrics reads the values and writes them down.
//!
//! # Invariants
//! * A write is one or two atomic additions. It never waits and never allocates.
//! * A read sees the values of some moment during the read. The counts of one [`Distribution`] agree with each other,
//!   even while other threads write.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// A number that only grows, such as the records handled since the start.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

/// A number that goes up and down, such as the records in memory.
#[derive(Debug, Default)]
pub struct Gauge(AtomicU64);

/// A histogram of durations, with buckets from 50 µs to 30 s.
#[derive(Debug, Default)]
pub struct Times(Buckets<{ TIMES.len() }>);

/// A histogram of sizes, such as the requests in a batch, with buckets from 1 to 256.
#[derive(Debug, Default)]
pub struct Sizes(Buckets<{ SIZES.len() }>);

/// What a histogram has observed so far.
#[derive(Debug, Clone, PartialEq)]
pub struct Distribution {
    /// The buckets' upper bounds, ascending, each with how many observations were not above it.
    pub up_to: Vec<(f64, u64)>,
    /// How many observations there were, those above the last bound included.
    pub count: u64,
    /// The sum of all observations, in the unit of the bounds (seconds for [`Times`]).
    pub sum: f64,
}

/// The bounds of [`Times`] in nanoseconds: from an answer out of a cache to a slow event.
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
/// The bounds of [`Sizes`].
const SIZES: [u64; 9] = [1, 2, 4, 8, 16, 32, 64, 128, 256];

impl Counter {
    /// The count so far.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    /// Counts one more.
    pub fn inc(&self) {
        self.inc_by(1);
    }

    /// Counts `more`.
    pub fn inc_by(&self, more: u64) {
        self.0.fetch_add(more, Ordering::Relaxed);
    }
}

impl Gauge {
    /// The value that was set last; 0 before the first.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    /// Replaces the value.
    pub fn set(&self, value: u64) {
        self.0.store(value, Ordering::Relaxed);
    }
}

impl Times {
    /// Reads the histogram; bounds and sum are in seconds.
    pub fn read(&self) -> Distribution {
        self.0.read(&TIMES, 1e9)
    }

    /// Adds one duration to the histogram.
    pub fn observe(&self, time: Duration) {
        let nanoseconds = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        self.0.observe(&TIMES, nanoseconds);
    }
}

impl Sizes {
    /// Reads the histogram; bounds and sum are plain numbers.
    pub fn read(&self) -> Distribution {
        self.0.read(&SIZES, 1.0)
    }

    /// Adds one size to the histogram.
    pub fn observe(&self, size: usize) {
        self.0.observe(&SIZES, size as u64);
    }
}

#[derive(Debug)]
struct Buckets<const N: usize> {
    /// The observations in each bucket alone, those of smaller buckets left out.
    within: [AtomicU64; N],
    /// The observations above the last bound.
    above: AtomicU64,
    sum: AtomicU64,
}

impl<const N: usize> Buckets<N> {
    fn observe(&self, bounds: &[u64; N], value: u64) {
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
            sizes.observe(size);
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
    fn times_are_read_in_seconds() {
        let times = Times::default();
        times.observe(Duration::from_micros(2500));
        times.observe(Duration::from_secs(31));
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
