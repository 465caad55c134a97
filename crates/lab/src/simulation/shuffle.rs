//! In which sequence a mall goes on where any is possible: always the same one, or one that a seed chooses.
//!
//! # Invariants
//! * Whatever is left out is met again later: nothing waits for ever.

use fastrand::Rng;

/// One call in so many is answered no earlier than in the next round.
const CALLS: u32 = 8;
/// One turn in so many is left out of a round.
const TURNS: u32 = 3;

/// Chooses what goes on next. By default nothing is left to chance.
#[derive(Debug, Default)]
pub struct Shuffle(Option<Rng>);

impl Shuffle {
    /// Has this seed choose.
    pub fn by(seed: u64) -> Self {
        Self(Some(Rng::with_seed(seed)))
    }

    /// Whether a seed chooses.
    pub fn is_on(&self) -> bool {
        self.0.is_some()
    }

    /// One of these calls; none if there is none, or if the others have to wait a while.
    pub fn call<T>(&mut self, mut calls: Vec<T>) -> Option<T> {
        let Some(rng) = &mut self.0 else {
            return calls.into_iter().next();
        };
        if calls.is_empty() || rng.u32(..CALLS) == 0 {
            return None;
        }
        Some(calls.swap_remove(rng.usize(..calls.len())))
    }

    /// The turns that are taken in this round, in their sequence.
    pub fn turns<T>(&mut self, mut turns: Vec<T>) -> Vec<T> {
        if let Some(rng) = &mut self.0 {
            rng.shuffle(&mut turns);
            turns.retain(|_| rng.u32(..TURNS) != 0);
        }
        turns
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_a_seed_the_first_comes_first_and_nothing_is_left_out() {
        let mut shuffle = Shuffle::default();
        assert_eq!(shuffle.turns(vec![1, 2, 3]), [1, 2, 3]);
        assert_eq!(shuffle.call(vec![1, 2, 3]), Some(1));
    }

    #[test]
    fn a_seed_chooses_the_same_each_time_and_reaches_everything() {
        let chosen = |seed| {
            let mut shuffle = Shuffle::by(seed);
            (0..40)
                .map(|_| (shuffle.call(vec![1, 2, 3]), shuffle.turns(vec![1, 2, 3])))
                .collect::<Vec<_>>()
        };
        assert_eq!(chosen(1), chosen(1));
        assert_ne!(chosen(1), chosen(2));
        for any in [None, Some(1), Some(2), Some(3)] {
            assert!(chosen(1).iter().any(|(call, _)| *call == any), "{any:?}");
        }
    }
}
