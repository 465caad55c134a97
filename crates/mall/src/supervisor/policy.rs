//! Whether a child that ended is started again, and when. No clock, no process.

use std::time::Duration;

use crate::exit::Exit;

/// The first pause; each further one is twice as long.
const FIRST: Duration = Duration::from_millis(500);

/// No pause is longer.
const LONGEST: Duration = Duration::from_secs(30);

/// A child that ran as long as this has recovered: pauses start anew.
const HEALTHY: Duration = Duration::from_secs(60);

/// What to do about a child that ended by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It refused its options, or could not even start: starting it again would end the same way.
    Refused(Exit),
    /// Start it again after this pause.
    Restart(Duration),
}

/// A child's past.
#[derive(Debug, Default)]
pub struct Restarts {
    /// How often it was started again, ever.
    total: u32,
    /// How often since it last ran well.
    in_row: u32,
}

impl Restarts {
    /// Judges a life of length `lived` that ended with `code` (none: by a signal).
    pub fn judge(&mut self, code: Option<i32>, lived: Duration) -> Verdict {
        match code {
            Some(64) => return Verdict::Refused(Exit::USAGE),
            // Later on the same code is a fault of its surroundings, which may pass.
            Some(2) if self.total == 0 && lived < HEALTHY => return Verdict::Refused(Exit::COULD_NOT),
            _ => {}
        }
        if lived >= HEALTHY {
            self.in_row = 0;
        }
        let pause = FIRST.saturating_mul(1 << self.in_row.min(16)).min(LONGEST);
        self.total = self.total.saturating_add(1);
        self.in_row = self.in_row.saturating_add(1);
        Verdict::Restart(pause)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHORT: Duration = Duration::from_secs(1);

    #[test]
    fn pauses_double_up_to_a_limit_and_start_anew_after_a_good_life() {
        let mut restarts = Restarts::default();
        let pauses: Vec<_> = (0..9).map(|_| restarts.judge(None, SHORT)).collect();
        let expected = [500, 1000, 2000, 4000, 8000, 16_000, 30_000, 30_000, 30_000];
        assert_eq!(pauses, expected.map(|ms| Verdict::Restart(Duration::from_millis(ms))));
        assert_eq!(restarts.judge(Some(101), HEALTHY), Verdict::Restart(FIRST));
    }

    #[test]
    fn refused_options_are_never_tried_again() {
        let mut restarts = Restarts::default();
        assert_eq!(restarts.judge(Some(64), SHORT), Verdict::Refused(Exit::USAGE));
        restarts.judge(None, SHORT);
        assert_eq!(restarts.judge(Some(64), HEALTHY), Verdict::Refused(Exit::USAGE));
    }

    #[test]
    fn what_could_not_start_is_not_tried_again_but_what_once_ran_is() {
        let mut restarts = Restarts::default();
        assert_eq!(restarts.judge(Some(2), SHORT), Verdict::Refused(Exit::COULD_NOT));
        restarts.judge(None, HEALTHY);
        assert!(matches!(restarts.judge(Some(2), SHORT), Verdict::Restart(_)));
    }
}
