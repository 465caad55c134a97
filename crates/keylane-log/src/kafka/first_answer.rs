//! How long the brokers let a client wait for their first answer: a program that waits at its start can say so before a call
//! gives up.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Whether the brokers have ever answered, and for how long a call waits that is under way.
#[derive(Debug, Default)]
pub struct FirstAnswer {
    came: AtomicBool,
    /// When the call that is under way began; none between two calls.
    asked: Mutex<Option<Instant>>,
}

impl FirstAnswer {
    /// Whether the brokers have answered a call.
    pub fn has_come(&self) -> bool {
        self.came.load(Ordering::Relaxed)
    }

    /// For how long the call under way has waited for the first answer of all; none between two calls, and once an answer
    /// has come.
    pub fn awaited(&self) -> Option<Duration> {
        let asked = *self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        asked.filter(|_| !self.has_come()).map(|asked| asked.elapsed())
    }

    /// Makes a call and notes whether it was answered.
    pub(super) fn of<T, E>(&self, call: impl FnOnce() -> Result<T, E>) -> Result<T, E> {
        if self.has_come() {
            return call();
        }
        let note = |asked| *self.asked.lock().unwrap_or_else(PoisonError::into_inner) = asked;
        note(Some(Instant::now()));
        let answer = call();
        note(None);
        if answer.is_ok() {
            self.came.store(true, Ordering::Relaxed);
        }
        answer
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_awaited_during_calls_until_one_is_answered() {
        let first = FirstAnswer::default();
        assert_eq!(first.awaited(), None, "nothing was asked");
        let during = first.of(|| Err::<(), _>(first.awaited()));
        assert!(matches!(during, Err(Some(_))), "{during:?}");
        assert!(first.awaited().is_none() && !first.has_come());
        let answer = first.of(|| Ok::<_, ()>(first.awaited()));
        assert!(matches!(answer, Ok(Some(_))), "{answer:?}");
        assert!(first.has_come());
        assert_eq!(
            first.of(|| Ok::<_, ()>(first.awaited())),
            Ok(None),
            "the first has come"
        );
    }
}
