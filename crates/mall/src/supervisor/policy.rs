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
    /// It refused its options, or could not even start, and never got ready: starting it again would end the same way.
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
    /// Whether it ever had all that its options name.
    was_ready: bool,
}

/// One life of a child that ended by itself.
#[derive(Debug, Clone, Copy)]
pub struct Life {
    /// Its exit code; none if a signal ended it.
    pub code: Option<i32>,
    /// How long it was.
    pub lived: Duration,
    /// Whether the child said that it was ready.
    pub was_ready: bool,
}

impl Restarts {
    /// Judges a life. A role that was ready once had options it can run with: whatever ends it later is a fault of its
    /// surroundings (a full disk, a database that is away, a file that was edited meanwhile), which may pass.
    pub fn judge(&mut self, life: Life) -> Verdict {
        self.was_ready |= life.was_ready;
        match life.code {
            Some(64) if !self.was_ready => return Verdict::Refused(Exit::USAGE),
            Some(2) if !self.was_ready && self.total == 0 => return Verdict::Refused(Exit::COULD_NOT),
            _ => {}
        }
        if life.was_ready && life.lived >= HEALTHY {
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

    fn unready(code: Option<i32>) -> Life {
        Life {
            code,
            lived: SHORT,
            was_ready: false,
        }
    }

    fn ready(code: Option<i32>) -> Life {
        Life {
            was_ready: true,
            ..unready(code)
        }
    }

    fn long(code: Option<i32>) -> Life {
        Life {
            lived: HEALTHY,
            ..ready(code)
        }
    }

    #[test]
    fn pauses_double_up_to_a_limit_and_start_anew_after_a_good_life() {
        let mut restarts = Restarts::default();
        let pauses: Vec<_> = (0..9).map(|_| restarts.judge(ready(None))).collect();
        let expected = [500, 1000, 2000, 4000, 8000, 16_000, 30_000, 30_000, 30_000];
        assert_eq!(pauses, expected.map(|ms| Verdict::Restart(Duration::from_millis(ms))));
        let slow = Life {
            was_ready: false,
            ..long(None)
        };
        let longest = Verdict::Restart(LONGEST);
        assert_eq!(restarts.judge(slow), longest, "a long start is no good life");
        assert_eq!(restarts.judge(long(Some(101))), Verdict::Restart(FIRST));
    }

    #[test]
    fn refused_options_are_never_tried_again() {
        let mut restarts = Restarts::default();
        assert_eq!(restarts.judge(unready(Some(64))), Verdict::Refused(Exit::USAGE));
        restarts.judge(unready(None));
        assert_eq!(restarts.judge(unready(Some(64))), Verdict::Refused(Exit::USAGE));
    }

    #[test]
    fn what_could_not_start_is_not_tried_again() {
        let mut restarts = Restarts::default();
        let slow = Life {
            lived: 2 * HEALTHY,
            ..unready(Some(2))
        };
        assert_eq!(restarts.judge(slow), Verdict::Refused(Exit::COULD_NOT));
        let mut restarts = Restarts::default();
        restarts.judge(unready(None));
        assert_eq!(
            restarts.judge(unready(Some(2))),
            Verdict::Restart(2 * FIRST),
            "a crash came first, so options are not all that is wrong"
        );
    }

    #[test]
    fn what_was_ready_once_is_tried_again_whatever_its_code() {
        for code in [None, Some(0), Some(1), Some(2), Some(64), Some(101), Some(255)] {
            let mut restarts = Restarts::default();
            assert_eq!(restarts.judge(ready(code)), Verdict::Restart(FIRST), "{code:?}");
            assert_eq!(restarts.judge(unready(code)), Verdict::Restart(2 * FIRST), "{code:?}");
        }
    }
}
