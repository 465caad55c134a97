//! Decides which of many lines of one kind are written: the first, or the first few, at once and in full, then one summary
//! an interval with a count, and a last summary once no more come. Pure: times are passed in.
//!
//! ```text
//!   ● ● ●●●●●●● ●●●●   ●●●●               lines of one kind
//!   written   12 more        4 more     over: 17 in all
//! ```
//!
//! # Invariants
//! * No line is dropped without being counted: those written at once and those counted in summaries are all lines.
//! * Of each kind there are as many lines at once as the caller says, one an interval, and one at the end. Kinds are words in
//!   the source, so there are few.

use std::collections::BTreeMap;
use std::time::Duration;

use tracing::Level;

/// The time between two summaries of a kind.
pub const SUMMARY_INTERVAL: Duration = Duration::from_secs(10);
/// The length at which an example is cut, in characters.
const LONGEST_EXAMPLE: usize = 400;

/// The counts of all kinds. Times are measured from any fixed moment.
#[derive(Debug, Default)]
pub struct Tally {
    kinds: BTreeMap<String, KindCounts>,
}

#[derive(Debug)]
struct KindCounts {
    level: Level,
    /// When the first line was written, or a summary was last due.
    since: Duration,
    /// How many lines were written themselves.
    told: u64,
    /// How many lines came since then that were not.
    more: u64,
    /// How many lines came in all.
    total: u64,
    /// The last line that was not written itself.
    example: String,
}

/// A line that stands for several others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Summary {
    /// The kind of these lines.
    pub kind: String,
    /// The level of the last of them.
    pub level: Level,
    /// How many lines it stands for. None of them if it only says that no more come.
    pub more: u64,
    /// How many lines came in all, with the first, which was written itself.
    pub total: u64,
    /// The text of the last of them.
    pub example: String,
    /// Whether none has come for a whole interval.
    pub over: bool,
}

impl Tally {
    /// A tally that has counted nothing.
    pub const fn new() -> Self {
        Self { kinds: BTreeMap::new() }
    }

    /// Counts a line, and says whether it is to be written itself, as the first `in_full` of a kind are.
    pub fn note(
        &mut self,
        kind: &str,
        in_full: u64,
        level: Level,
        now: Duration,
        example: impl FnOnce() -> String,
    ) -> bool {
        let Some(known) = self.kinds.get_mut(kind) else {
            let first = KindCounts {
                level,
                since: now,
                told: 1,
                more: 0,
                total: 1,
                example: String::new(),
            };
            self.kinds.insert(kind.to_owned(), first);
            return true;
        };
        known.total += 1;
        if known.told < in_full {
            known.told += 1;
            return true;
        }
        known.more += 1;
        known.level = level;
        known.example = example().chars().take(LONGEST_EXAMPLE).collect();
        false
    }

    /// The summaries that are due now.
    pub fn due(&mut self, now: Duration) -> Vec<Summary> {
        let mut due = Vec::new();
        self.kinds.retain(|name, kind| {
            if now < kind.since + SUMMARY_INTERVAL {
                return true;
            }
            let over = kind.more == 0;
            // Where every line was written itself, there is nothing to add.
            if kind.total > kind.told {
                due.push(kind.summary(name, over));
            }
            kind.since = now;
            kind.more = 0;
            !over
        });
        due
    }

    /// The summaries of everything that no summary has told yet, for the end of the process.
    pub fn rest(&mut self) -> Vec<Summary> {
        let kinds = std::mem::take(&mut self.kinds);
        let untold = kinds.iter().filter(|(_, kind)| kind.more > 0);
        untold.map(|(name, kind)| kind.summary(name, false)).collect()
    }
}

impl KindCounts {
    fn summary(&self, name: &str, over: bool) -> Summary {
        Summary {
            kind: name.to_owned(),
            level: self.level,
            more: self.more,
            total: self.total,
            example: self.example.clone(),
            over,
        }
    }
}

impl std::fmt::Display for Summary {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { kind, more, total, .. } = self;
        match self.over {
            true => write!(f, "{kind}: over, {total} in all"),
            false => write!(f, "{kind}: {more} more, {total} so far; the last: {}", self.example),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn note(tally: &mut Tally, kind: &str, now: Duration) -> bool {
        tally.note(kind, 1, Level::WARN, now, || format!("{kind} at {}", now.as_millis()))
    }

    #[test]
    fn the_first_is_told_and_the_rest_counted() {
        let mut tally = Tally::default();
        let (mut told, mut counted, mut lines) = (0, 0, Vec::new());
        for number in 0..20_000 {
            let now = Duration::from_millis(number * 2);
            told += u64::from(note(&mut tally, "garbage", now));
            let due = tally.due(now);
            counted += due.iter().map(|line| line.more).sum::<u64>();
            lines.extend(due);
        }
        lines.extend(tally.due(50 * SECOND));
        counted += lines.last().map_or(0, |line| line.more);
        assert_eq!((told, told + counted), (1, 20_000));
        assert_eq!(lines.len(), 4, "{lines:?}");
        assert_eq!(
            lines[0].to_string(),
            "garbage: 5000 more, 5001 so far; the last: garbage at 10000"
        );
        let over = tally.due(60 * SECOND);
        assert_eq!(over[0].to_string(), "garbage: over, 20000 in all");
        assert!(note(&mut tally, "garbage", 61 * SECOND), "it begins anew");
    }

    #[test]
    fn one_alone_has_no_second_line() {
        let mut tally = Tally::default();
        assert!(note(&mut tally, "one", SECOND));
        assert_eq!(tally.due(11 * SECOND), []);
        assert!(tally.kinds.is_empty());
    }

    #[test]
    fn of_some_kinds_the_first_few_are_told() {
        let mut tally = Tally::default();
        let mut note = |now| tally.note("few", 3, Level::ERROR, now, || "an example".to_owned());
        assert_eq!(
            [0, 1, 2, 3, 4].map(|at| note(at * SECOND)),
            [true, true, true, false, false]
        );
        let [line] = &tally.due(10 * SECOND)[..] else {
            panic!("one summary");
        };
        assert_eq!((line.more, line.total), (2, 5));
        assert_eq!(tally.due(20 * SECOND)[0].to_string(), "few: over, 5 in all");

        let mut note = |now| tally.note("few", 3, Level::ERROR, now, String::new);
        assert!(note(30 * SECOND) && note(31 * SECOND));
        assert_eq!(tally.due(40 * SECOND), [], "both were told");
        assert!(tally.kinds.is_empty(), "nothing is left to be told");
    }

    #[test]
    fn kinds_are_told_apart_and_what_is_left_is_told_at_the_end() {
        let mut tally = Tally::default();
        for kind in ["a", "b", "b", "b"] {
            note(&mut tally, kind, SECOND);
        }
        let rest = tally.rest();
        assert_eq!(rest.len(), 1);
        assert_eq!((rest[0].kind.as_str(), rest[0].more, rest[0].total), ("b", 2, 3));
        assert_eq!(tally.rest(), []);
    }

    #[test]
    fn an_example_has_an_end() {
        let mut tally = Tally::default();
        note(&mut tally, "long", SECOND);
        tally.note("long", 1, Level::ERROR, SECOND, || "é".repeat(100_000));
        let rest = tally.rest();
        assert_eq!(rest[0].example.chars().count(), LONGEST_EXAMPLE);
        assert_eq!(rest[0].level, Level::ERROR);
    }
}
