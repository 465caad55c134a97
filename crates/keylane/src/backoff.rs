//! How long to wait before the next try.

use std::time::Duration;

/// Doubling waits with jitter, so that many who failed together don't come back together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backoff {
    /// The wait after the first try.
    pub first: Duration,
    /// No wait is longer.
    pub most: Duration,
}

impl Backoff {
    /// The wait after try number `attempt` (from 1): between half and the whole of the doubled time. `salt` (an offset,
    /// say) decides where between, so that it needs no source of randomness and repeats in a test.
    pub fn after(&self, attempt: u32, salt: u64) -> Duration {
        let doublings = attempt.saturating_sub(1).min(20);
        let whole = self.first.saturating_mul(1 << doublings).min(self.most);
        let mixed = (salt ^ u64::from(attempt) << 32).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 44;
        let part = mixed as f64 / f64::from(1 << 20);
        whole.mul_f64(0.5 + part / 2.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_longest_and_spread_over_half_of_it() {
        let ms = Duration::from_millis;
        let backoff = Backoff {
            first: ms(100),
            most: ms(1000),
        };
        for (attempt, whole) in [(1, 100), (2, 200), (4, 800), (5, 1000), (u32::MAX, 1000)] {
            let waits: Vec<_> = (0..200).map(|salt| backoff.after(attempt, salt)).collect();
            assert!(
                waits.iter().all(|wait| (ms(whole / 2)..=ms(whole)).contains(wait)),
                "{attempt}: {waits:?}"
            );
            let (least, most) = (waits.iter().min().unwrap(), waits.iter().max().unwrap());
            assert!(*most - *least > ms(whole / 3), "they all wait for about {least:?}");
        }
    }
}
