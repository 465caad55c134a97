//! Whether versions ascend: for each key in each partition the highest one and a window below it.
//!
//! ```text
//!   seen 1 2 3 5 6      highest 6, window …110111
//!   then 4              behind 6, and not seen: backwards
//!   then 5              seen: a repetition
//! ```

use std::collections::HashMap;

use keylane_log::{Offset, Partition};

use super::hash;
use super::keys::MAX_KEYS;

/// How many versions below the highest are remembered.
const WINDOW: i64 = 128;

/// The versions seen, by partition, key and source.
#[derive(Default)]
pub(super) struct Sequences {
    seen: HashMap<u128, State>,
}

struct State {
    highest: i64,
    offset: Offset,
    /// Bit n: the version n below the highest was seen.
    window: u128,
}

/// How a version follows those before it.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// It is the highest yet.
    On,
    /// It stood there before.
    Repeated,
    /// It did not, and a higher one stands before it.
    Backwards { highest: i64, offset: Offset },
    /// It is too far below the highest to tell.
    TooOld,
    /// There are too many keys to remember this one.
    Forgotten,
}

impl Sequences {
    /// `stream`: the key, and whose versions they are.
    pub fn see(&mut self, partition: Partition, stream: (&str, &str), version: i64, offset: Offset) -> Step {
        let (room, stream) = (self.seen.len() < MAX_KEYS, hash::number((partition.0, stream)));
        match self.seen.get_mut(&stream) {
            Some(state) => state.step(version, offset),
            None if !room => Step::Forgotten,
            None => {
                let state = State {
                    highest: version,
                    offset,
                    window: 1,
                };
                self.seen.insert(stream, state);
                Step::On
            }
        }
    }
}

impl State {
    fn step(&mut self, version: i64, offset: Offset) -> Step {
        let ahead = version.saturating_sub(self.highest);
        if ahead > 0 {
            self.window = if ahead < WINDOW { self.window << ahead } else { 0 } | 1;
            (self.highest, self.offset) = (version, offset);
            return Step::On;
        }
        if ahead <= -WINDOW {
            return Step::TooOld;
        }
        let bit = 1u128 << -ahead;
        if self.window & bit != 0 {
            return Step::Repeated;
        }
        self.window |= bit;
        Step::Backwards {
            highest: self.highest,
            offset: self.offset,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn steps(versions: &[i64]) -> Vec<Step> {
        let mut sequences = Sequences::default();
        let see =
            |(at, version): (usize, &i64)| sequences.see(Partition(0), ("6", "/orders"), *version, Offset(at as u64));
        versions.iter().enumerate().map(see).collect()
    }

    #[test]
    fn versions_that_ascend_go_on_also_over_gaps() {
        assert_eq!(steps(&[1, 2, 3, 500, 501, i64::MAX]), [const { Step::On }; 6]);
    }

    #[test]
    fn a_version_seen_before_is_a_repetition_and_another_goes_backwards() {
        let backwards = Step::Backwards {
            highest: 6,
            offset: Offset(4),
        };
        assert_eq!(
            steps(&[1, 2, 3, 5, 6, 4, 5, 4])[5..],
            [backwards, Step::Repeated, Step::Repeated]
        );
    }

    #[test]
    fn what_is_too_far_below_is_not_judged() {
        assert_eq!(steps(&[1, 129, 1])[2], Step::TooOld);
        assert_eq!(steps(&[2, 129, 2])[2], Step::Repeated);
        assert_eq!(steps(&[i64::MAX, i64::MIN])[1], Step::TooOld);
    }

    #[test]
    fn each_partition_and_each_source_counts_for_itself() {
        let mut sequences = Sequences::default();
        for (partition, source) in [(0, "/orders"), (0, "/deliveries"), (1, "/orders")] {
            let first = sequences.see(Partition(partition), ("6", source), 3 - i64::from(partition), Offset(9));
            assert_eq!(first, Step::On, "{partition} {source}");
        }
    }
}
