//! Telling the living from the dead without a common clock.
//!
//! A member's row counts its beats. Everybody else times, on a clock of their own, for how long the count has stood
//! still.

use std::collections::BTreeMap;
use std::time::Duration;

/// A member's row, as far as its life is concerned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Beat {
    pub(super) member: String,
    pub(super) count: i64,
    /// For how long the count may stand still.
    pub(super) session: Duration,
}

/// What one member knows of the others' beats.
#[derive(Debug, Default)]
pub(super) struct Pulses {
    seen: BTreeMap<String, (i64, Duration)>,
    looked: Option<Duration>,
}

impl Pulses {
    /// Notes the beats seen at `now`; returns who has been silent for its whole session.
    ///
    /// Whoever looks after a long absence has itself to blame for not having seen beats: it then starts to time anew.
    pub(super) fn look(&mut self, beats: &[Beat], now: Duration) -> Vec<String> {
        let absent = self.looked.map_or(Duration::ZERO, |looked| now.saturating_sub(looked));
        self.looked = Some(now);
        let before = std::mem::take(&mut self.seen);
        let mut silent = Vec::new();
        for beat in beats {
            let since = match before.get(&beat.member) {
                Some((count, since)) if *count == beat.count && absent <= beat.session / 2 => *since,
                _ => now,
            };
            if now.saturating_sub(since) >= beat.session {
                silent.push(beat.member.clone());
            }
            self.seen.insert(beat.member.clone(), (beat.count, since));
        }
        silent
    }

    /// Whose beats were seen last.
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

    fn beat(count: i64) -> [Beat; 1] {
        [Beat {
            member: "other".into(),
            count,
            session: ms(1000),
        }]
    }

    #[test]
    fn silence_for_a_whole_session_is_death() {
        let mut pulses = Pulses::default();
        for (now, count, dead) in [
            (0, 1, false),
            (400, 1, false),
            (800, 2, false),
            (1300, 2, false),
            (1799, 2, false),
            (1800, 2, true),
        ] {
            assert_eq!(!pulses.look(&beat(count), ms(now)).is_empty(), dead, "at {now} ms");
        }
    }

    #[test]
    fn whoever_overslept_accuses_nobody() {
        let mut pulses = Pulses::default();
        for (now, dead) in [(0, false), (501, false), (1001, false), (1501, true)] {
            assert_eq!(!pulses.look(&beat(1), ms(now)).is_empty(), dead, "at {now} ms");
        }
    }
}
