//! What the log refuses, and when each of these is tried again. No clock in here; times are passed in.

use std::collections::HashMap;
use std::hash::Hash;
use std::time::Duration;

use tokio::time::Instant;

/// How long what was refused first is passed over. It is tried again because a topic's settings may have been mended.
const FIRST: Duration = Duration::from_secs(30);
/// No pause is longer. Each refusal doubles it: one that only the broker can tell costs a Kafka producer a new session, so what
/// is refused again and again would leave no time for what stands behind it.
const LONGEST: Duration = Duration::from_secs(600);

/// What the log has refused, and has not taken since.
#[derive(Debug)]
pub(super) struct Refusals<K>(HashMap<K, Refusal>);

#[derive(Debug, Clone, Copy)]
struct Refusal {
    until: Instant,
    pause: Duration,
}

impl<K: Eq + Hash> Refusals<K> {
    /// Nothing has been refused.
    pub fn new() -> Self {
        Self(HashMap::new())
    }

    /// Whether it is passed over at this time.
    pub fn is_blocked(&self, what: &K, now: Instant) -> bool {
        self.0.get(what).is_some_and(|refusal| refusal.until > now)
    }

    /// It was refused; whether that is news.
    pub fn refused(&mut self, what: K, now: Instant) -> bool {
        let before = self.0.get(&what).map(|refusal| refusal.pause);
        let pause = before.map_or(FIRST, |pause| LONGEST.min(pause * 2));
        let until = now + pause;
        self.0.insert(what, Refusal { until, pause });
        before.is_none()
    }

    /// It was taken; whether it had been refused before.
    pub fn taken(&mut self, what: &K) -> bool {
        self.0.remove(what).is_some()
    }

    /// How many there are.
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
        assert!(refusals.refused(6, start), "the first is news");
        assert!(refusals.is_blocked(&6, start + FIRST - Duration::from_millis(1)));
        assert!(!refusals.is_blocked(&6, start + FIRST));
        assert!(!refusals.is_blocked(&7, start));
        assert!(!refusals.refused(6, start));
        assert!(refusals.is_blocked(&6, start + FIRST), "twice as long");
        for _ in 0..9 {
            refusals.refused(6, start);
        }
        assert!(!refusals.is_blocked(&6, start + LONGEST));
        assert_eq!(refusals.count(), 1);
        assert!(refusals.taken(&6) && !refusals.taken(&6));
        assert_eq!(refusals.count(), 0);
    }
}
