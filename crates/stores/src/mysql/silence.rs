//! Decides whether calls to a server that hangs fail at once. There is no clock and no connection in here.
//!
//! # Invariants
//! * A call without an answer shows nothing if a call that began later got one: the first may have begun while the server was
//!   away, or on a connection whose other end is gone.

use std::time::Duration;

use tokio::time::Instant;

/// How long calls fail at once after a call has found that the server gives no answer. The calls that waited behind it then
/// need not find that out each for itself.
const BELIEVED: Duration = Duration::from_millis(200);

/// What calls have shown about whether a server answers.
#[derive(Debug, Default)]
pub(super) struct Silence {
    /// The latest time at which a call began that got an answer, whatever the answer was.
    answered: Option<Instant>,
    /// When a call last found that the server gives no answer.
    found: Option<Instant>,
}

impl Silence {
    /// Notes that a call which began at this time got an answer.
    pub fn answered(&mut self, began: Instant) {
        self.answered = self.answered.max(Some(began));
    }

    /// Notes that a call which began at this time has got no answer by `now`, when its time is over.
    pub fn unanswered(&mut self, began: Instant, now: Instant) {
        if self.answered.is_none_or(|answered| answered <= began) {
            self.found = Some(now);
        }
    }

    /// Whether a call at this time is to fail at once.
    pub fn is_believed(&self, now: Instant) -> bool {
        self.found.is_some_and(|found| now < found + BELIEVED)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn silence_is_believed_for_a_moment() {
        let (mut silence, began) = (Silence::default(), Instant::now());
        assert!(!silence.is_believed(began));
        let now = began + SECOND;
        silence.answered(began);
        silence.unanswered(began, now);
        assert!(silence.is_believed(now));
        assert!(!silence.is_believed(now + BELIEVED));
    }

    #[test]
    fn a_call_without_an_answer_shows_nothing_where_a_later_one_got_one() {
        let (mut silence, first) = (Silence::default(), Instant::now());
        let (second, third) = (first + SECOND, first + 2 * SECOND);
        silence.answered(second);
        silence.answered(first);
        silence.unanswered(first, third);
        assert!(!silence.is_believed(third));
        silence.unanswered(third, third + SECOND);
        assert!(silence.is_believed(third + SECOND), "which was the last to begin");
    }
}
