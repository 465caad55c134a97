//! Tells whether versions ascend. For each key in each partition the highest version and a window below it are remembered.
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
    seen: HashMap<u128, Highest>,
}

/// The highest version of a stream, and those seen just below it.
struct Highest {
    highest: i64,
    /// Where the highest version stands.
    offset: Offset,
    /// Bit n is set if the version n below the highest was seen.
    window: u128,
}

/// How a version follows those before it.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Succession {
    /// It is the highest so far.
    Ascending,
    /// It stood there before.
    Repeated,
    /// It did not stand there before, and a higher one did.
    Backwards { highest: i64, offset: Offset },
    /// It is too far below the highest to tell.
    TooFarBelow,
    /// There are too many keys to remember this one.
    NotRemembered,
}

impl Sequences {
    /// Looks at the next version of a stream, which is a key together with the source that numbers its events.
    pub fn see(
        &mut self,
        partition: Partition,
        stream: (&str, Option<&str>),
        version: i64,
        offset: Offset,
    ) -> Succession {
        let (room, stream) = (self.seen.len() < MAX_KEYS, hash::number((partition.0, stream)));
        match self.seen.get_mut(&stream) {
            Some(state) => state.step(version, offset),
            None if !room => Succession::NotRemembered,
            None => {
                let state = Highest {
                    highest: version,
                    offset,
                    window: 1,
                };
                self.seen.insert(stream, state);
                Succession::Ascending
            }
        }
    }
}

impl Highest {
    fn step(&mut self, version: i64, offset: Offset) -> Succession {
        let ahead = version.saturating_sub(self.highest);
        if ahead > 0 {
            self.window = if ahead < WINDOW { self.window << ahead } else { 0 } | 1;
            (self.highest, self.offset) = (version, offset);
            return Succession::Ascending;
        }
        if ahead <= -WINDOW {
            return Succession::TooFarBelow;
        }
        let bit = 1u128 << -ahead;
        if self.window & bit != 0 {
            return Succession::Repeated;
        }
        self.window |= bit;
        Succession::Backwards {
            highest: self.highest,
            offset: self.offset,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn steps(versions: &[i64]) -> Vec<Succession> {
        let mut sequences = Sequences::default();
        let see = |(at, version): (usize, &i64)| {
            sequences.see(Partition(0), ("6", Some("/orders")), *version, Offset(at as u64))
        };
        versions.iter().enumerate().map(see).collect()
    }

    #[test]
    fn versions_that_ascend_go_on_also_over_gaps() {
        assert_eq!(
            steps(&[1, 2, 3, 500, 501, i64::MAX]),
            [const { Succession::Ascending }; 6]
        );
    }

    #[test]
    fn a_version_seen_before_is_a_repetition_and_another_goes_backwards() {
        let backwards = Succession::Backwards {
            highest: 6,
            offset: Offset(4),
        };
        assert_eq!(
            steps(&[1, 2, 3, 5, 6, 4, 5, 4])[5..],
            [backwards, Succession::Repeated, Succession::Repeated]
        );
    }

    #[test]
    fn what_is_too_far_below_is_not_judged() {
        assert_eq!(steps(&[1, 129, 1])[2], Succession::TooFarBelow);
        assert_eq!(steps(&[2, 129, 2])[2], Succession::Repeated);
        assert_eq!(steps(&[i64::MAX, i64::MIN])[1], Succession::TooFarBelow);
    }

    #[test]
    fn each_partition_and_each_source_counts_for_itself() {
        let mut sequences = Sequences::default();
        for (partition, source) in [(0, "/orders"), (0, "/deliveries"), (1, "/orders")] {
            let first = sequences.see(
                Partition(partition),
                ("6", Some(source)),
                3 - i64::from(partition),
                Offset(9),
            );
            assert_eq!(first, Succession::Ascending, "{partition} {source}");
        }
    }
}
