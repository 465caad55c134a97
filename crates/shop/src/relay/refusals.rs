//! The rows that the log refuses, and when each is tried again. There is no clock in here; times are passed in.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use keylane::Backoff;
use planted::Bug;
use tokio::time::Instant;

/// How long a refused row waits before it is tried again, as the topic's settings may have been mended. The pause doubles
/// with each refusal: a refusal by the broker costs a Kafka producer a new session, so a row that is refused again and again
/// would leave no time for the rows behind it.
const PAUSES: Backoff = Backoff {
    first: Duration::from_secs(30),
    most: Duration::from_secs(600),
};

/// The refusals of rows that the log has not taken since, by the number of the order or of the letter.
#[derive(Debug)]
pub(super) struct Refusals(HashMap<i64, Refusal>);

#[derive(Debug, Clone, Copy)]
struct Refusal {
    /// The number of the refused row in its journal.
    row: i64,
    /// Until when the row is not tried again.
    until: Instant,
    /// How often the log has refused rows of this number in sequence.
    times: u32,
}

impl Refusals {
    /// Begins without refusals.
    pub fn new() -> Self {
        Self(HashMap::new())
    }

    /// Whether a row is not to be sent at this time, because a row of its number was refused: this one, or one before it.
    pub fn is_blocked(&self, number: i64, row: i64, now: Instant) -> bool {
        let passed_over = |refusal: &Refusal| planted::is_in(Bug::RelayPassesOver) && refusal.row != row;
        let blocks = |refusal: &Refusal| refusal.until > now && !passed_over(refusal);
        self.0.get(&number).is_some_and(blocks)
    }

    /// Notes that the log has refused a row. Returns whether this is the first refusal of its number.
    pub fn refused(&mut self, number: i64, row: i64, now: Instant) -> bool {
        let times = self.0.get(&number).map_or(1, |refusal| refusal.times.saturating_add(1));
        let until = now + PAUSES.after(times, number.cast_unsigned());
        self.0.insert(number, Refusal { row, until, times });
        times == 1
    }

    /// Notes that the log has taken a row of this number. Returns whether it had refused one before.
    pub fn taken(&mut self, number: i64) -> bool {
        self.0.remove(&number).is_some()
    }

    /// Forgets the refusals of all rows but these, which still wait in the journal. The other rows have been published by
    /// another relay or by a person.
    pub fn keep(&mut self, waiting: impl IntoIterator<Item = i64>) {
        if self.0.is_empty() {
            return;
        }
        let waiting: HashSet<i64> = waiting.into_iter().collect();
        self.0.retain(|_, refusal| waiting.contains(&refusal.row));
    }

    /// How many orders or letters are refused.
    pub fn count(&self) -> usize {
        self.0.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_refusal_doubles_the_pause_up_to_a_limit() {
        let (mut refusals, start) = (Refusals::new(), Instant::now());
        assert!(refusals.refused(6, 60, start), "the first is news");
        assert!(refusals.is_blocked(6, 60, start));
        assert!(!refusals.is_blocked(6, 60, start + PAUSES.first));
        assert!(!refusals.is_blocked(7, 70, start));
        for _ in 0..9 {
            assert!(!refusals.refused(6, 60, start));
        }
        assert!(refusals.is_blocked(6, 60, start + PAUSES.most / 3));
        assert!(!refusals.is_blocked(6, 60, start + PAUSES.most));
        assert_eq!(refusals.count(), 1);
        assert!(refusals.taken(6) && !refusals.taken(6));
        assert_eq!(refusals.count(), 0);
    }

    #[test]
    fn what_waits_no_more_is_refused_no_more() {
        let (mut refusals, now) = (Refusals::new(), Instant::now());
        refusals.refused(6, 60, now);
        refusals.refused(7, 70, now);
        refusals.keep([70, 61]);
        assert!(!refusals.is_blocked(6, 60, now), "its row 61 is another event");
        assert!(refusals.is_blocked(7, 70, now));
        assert!(refusals.refused(6, 61, now), "which is news");
        refusals.keep([]);
        assert_eq!(refusals.count(), 0);
    }
}
