//! Whether a server is believed to give no answers. No clock, no connection in here.
//!
//! # Invariants
//! * A call that got no answer shows nothing where one that began later got one: it may have been begun while the server
//!   was away, or on a connection whose other end is gone.

use std::time::Duration;

use tokio::time::Instant;

/// For how long a silent server is believed to be silent: who queued behind the one who found out gets the same answer at
/// once, instead of finding out again.
const BELIEVED: Duration = Duration::from_millis(200);

/// What calls have shown of a server's answering.
#[derive(Debug, Default)]
pub(super) struct Silence {
    /// When the last call began that got an answer, whatever it was.
    answered: Option<Instant>,
    /// When it was found out that there are no answers.
    found: Option<Instant>,
}

impl Silence {
    /// A call that began then got an answer.
    pub fn answered(&mut self, began: Instant) {
        self.answered = self.answered.max(Some(began));
    }

    /// A call that began then got none in its time, which is over `now`.
    pub fn unanswered(&mut self, began: Instant, now: Instant) {
        if self.answered.is_none_or(|answered| answered <= began) {
            self.found = Some(now);
        }
    }

    /// Whether a call need not be begun.
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
