//! Decides whether a child that ended is started again, and when. Pure: it knows no clock and no process.

use std::time::Duration;

use crate::exit::Exit;

/// The pause before the first restart. Each further one is twice as long.
const FIRST_PAUSE: Duration = Duration::from_millis(500);

/// The longest pause.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// A child that ran for so long has recovered, and its next pause is the first one again.
const HEALTHY: Duration = Duration::from_secs(60);

/// What to do about a child that ended by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RestartDecision {
    /// Give the child up: it refused its options, or could not start, and would end in the same way again.
    Refused(Exit),
    /// Start the child again after this pause.
    Restart(Duration),
}

/// The past of a child.
#[derive(Debug, Default)]
pub struct Restarts {
    /// How often the child was started again in all.
    total: u32,
    /// How often it was started again since it last recovered.
    in_row: u32,
    /// Whether the child was ever ready, so that its options are known to work.
    was_ready: bool,
}

/// One process of a child, which ended by itself.
#[derive(Debug, Clone, Copy)]
pub struct ChildRun {
    /// Its exit code; none if a signal ended it.
    pub code: Option<i32>,
    /// How long it ran.
    pub lasted: Duration,
    /// Whether the child said that it was ready.
    pub was_ready: bool,
}

impl Restarts {
    /// Decides what follows a process that has ended. A role that was ever ready has options that work. So what ends it
    /// later lies in its surroundings (a full disk, a database that is away, a file that was edited meanwhile), and may
    /// pass.
    pub fn judge(&mut self, run: ChildRun) -> RestartDecision {
        self.was_ready |= run.was_ready;
        let ended_with = |exit: Exit| run.code == Some(exit.0.into());
        if !self.was_ready && ended_with(Exit::USAGE) {
            return RestartDecision::Refused(Exit::USAGE);
        }
        if !self.was_ready && self.total == 0 && ended_with(Exit::COULD_NOT) {
            return RestartDecision::Refused(Exit::COULD_NOT);
        }
        if run.was_ready && run.lasted >= HEALTHY {
            self.in_row = 0;
        }
        let pause = FIRST_PAUSE.saturating_mul(1 << self.in_row.min(16)).min(LONGEST_PAUSE);
        self.total = self.total.saturating_add(1);
        self.in_row = self.in_row.saturating_add(1);
        RestartDecision::Restart(pause)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHORT: Duration = Duration::from_secs(1);

    fn unready(code: Option<i32>) -> ChildRun {
        ChildRun {
            code,
            lasted: SHORT,
            was_ready: false,
        }
    }

    fn ready(code: Option<i32>) -> ChildRun {
        ChildRun {
            was_ready: true,
            ..unready(code)
        }
    }

    fn long(code: Option<i32>) -> ChildRun {
        ChildRun {
            lasted: HEALTHY,
            ..ready(code)
        }
    }

    #[test]
    fn pauses_double_up_to_a_limit_and_start_anew_after_a_good_life() {
        let mut restarts = Restarts::default();
        let pauses: Vec<_> = (0..9).map(|_| restarts.judge(ready(None))).collect();
        let expected = [500, 1000, 2000, 4000, 8000, 16_000, 30_000, 30_000, 30_000];
        assert_eq!(
            pauses,
            expected.map(|ms| RestartDecision::Restart(Duration::from_millis(ms)))
        );
        let slow = ChildRun {
            was_ready: false,
            ..long(None)
        };
        let longest = RestartDecision::Restart(LONGEST_PAUSE);
        assert_eq!(restarts.judge(slow), longest, "a long start is no good life");
        assert_eq!(restarts.judge(long(Some(101))), RestartDecision::Restart(FIRST_PAUSE));
    }

    #[test]
    fn refused_options_are_never_tried_again() {
        let mut restarts = Restarts::default();
        assert_eq!(restarts.judge(unready(Some(64))), RestartDecision::Refused(Exit::USAGE));
        restarts.judge(unready(None));
        assert_eq!(restarts.judge(unready(Some(64))), RestartDecision::Refused(Exit::USAGE));
    }

    #[test]
    fn what_could_not_start_is_not_tried_again() {
        let mut restarts = Restarts::default();
        let slow = ChildRun {
            lasted: 2 * HEALTHY,
            ..unready(Some(2))
        };
        assert_eq!(restarts.judge(slow), RestartDecision::Refused(Exit::COULD_NOT));
        let mut restarts = Restarts::default();
        restarts.judge(unready(None));
        assert_eq!(
            restarts.judge(unready(Some(2))),
            RestartDecision::Restart(2 * FIRST_PAUSE),
            "a crash came first, so options are not all that is wrong"
        );
    }

    #[test]
    fn what_was_ready_once_is_tried_again_whatever_its_code() {
        for code in [None, Some(0), Some(1), Some(2), Some(64), Some(101), Some(255)] {
            let mut restarts = Restarts::default();
            assert_eq!(
                restarts.judge(ready(code)),
                RestartDecision::Restart(FIRST_PAUSE),
                "{code:?}"
            );
            assert_eq!(
                restarts.judge(unready(code)),
                RestartDecision::Restart(2 * FIRST_PAUSE),
                "{code:?}"
            );
        }
    }
}
