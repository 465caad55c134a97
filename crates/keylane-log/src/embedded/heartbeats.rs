//! Tells living members from dead ones without a common clock.
//!
//! A member's row counts its heartbeats. Every other member measures, on its own clock, for how long that count has not
//! changed.

use std::collections::BTreeMap;
use std::time::Duration;

/// The heartbeats of a member, as its row says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Heartbeat {
    pub(super) member: String,
    pub(super) count: i64,
    /// For how long the count may stay unchanged before the member counts as dead.
    pub(super) session: Duration,
}

/// What one member has seen of the heartbeats of the others.
#[derive(Debug, Default)]
pub(super) struct Heartbeats {
    /// The last count of each member, and when it was seen first.
    seen: BTreeMap<String, (i64, Duration)>,
    /// When heartbeats were noted last.
    noted_at: Option<Duration>,
}

impl Heartbeats {
    /// Notes the heartbeats that are seen at `now`. Returns the members that have been silent for their whole session.
    ///
    /// If the last call was long ago, the observer may have missed heartbeats, so it starts to measure anew.
    pub(super) fn note(&mut self, heartbeats: &[Heartbeat], now: Duration) -> Vec<String> {
        let absent = self
            .noted_at
            .map_or(Duration::ZERO, |noted_at| now.saturating_sub(noted_at));
        self.noted_at = Some(now);
        let before = std::mem::take(&mut self.seen);
        let mut silent = Vec::new();
        for heartbeat in heartbeats {
            let since = match before.get(&heartbeat.member) {
                Some((count, since)) if *count == heartbeat.count && absent <= heartbeat.session / 2 => *since,
                _ => now,
            };
            if now.saturating_sub(since) >= heartbeat.session {
                silent.push(heartbeat.member.clone());
            }
            self.seen.insert(heartbeat.member.clone(), (heartbeat.count, since));
        }
        silent
    }

    /// The members seen at the last call of [`note`](Self::note).
    pub(super) fn members(&self) -> impl Iterator<Item = &str> {
        self.seen.keys().map(String::as_str)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    fn heartbeat(count: i64) -> [Heartbeat; 1] {
        [Heartbeat {
            member: "other".into(),
            count,
            session: ms(1000),
        }]
    }

    #[test]
    fn silence_for_a_whole_session_is_death() {
        let mut heartbeats = Heartbeats::default();
        for (now, count, dead) in [
            (0, 1, false),
            (400, 1, false),
            (800, 2, false),
            (1300, 2, false),
            (1799, 2, false),
            (1800, 2, true),
        ] {
            assert_eq!(
                !heartbeats.note(&heartbeat(count), ms(now)).is_empty(),
                dead,
                "at {now} ms"
            );
        }
    }

    #[test]
    fn a_member_that_slept_itself_takes_no_other_for_dead() {
        let mut heartbeats = Heartbeats::default();
        for (now, dead) in [(0, false), (501, false), (1001, false), (1501, true)] {
            assert_eq!(!heartbeats.note(&heartbeat(1), ms(now)).is_empty(), dead, "at {now} ms");
        }
    }
}
