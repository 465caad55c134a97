//! How long to wait between the tries of a call that fails.

use std::time::Duration;

/// Waits that double from try to try, with jitter, so that callers that failed together don't all come back together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backoff {
    /// The wait after the first try, before jitter.
    pub first: Duration,
    /// The longest wait.
    pub most: Duration,
}

impl Backoff {
    /// The wait after try number `attempt`, counted from 1. It lies between half the doubled time and all of it.
    /// `salt`, for example an offset, decides where between, so that the wait needs no random numbers and a test can
    /// repeat it.
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
            assert!(*most - *least > ms(whole / 3), "all waits are about {least:?}");
        }
    }
}
