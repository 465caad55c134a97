//! Which rows of a table were read, where rows are numbered in the sequence in which they are written, but may be committed
//! later than rows with higher numbers.

use std::collections::{BTreeSet, VecDeque};

/// For how many looks a missing number is waited for. After that it counts as rolled back.
const PATIENCE: usize = 40;

/// The numbers of the rows that were read.
#[derive(Debug)]
pub struct Seen {
    /// Up to this number none is waited for.
    floor: i64,
    /// Those above it that were read.
    above: BTreeSet<i64>,
    /// The highest number at each of the last looks.
    highest: VecDeque<i64>,
}

impl Seen {
    /// All rows up to this number were read.
    pub fn up_to(floor: i64) -> Self {
        Self {
            floor,
            above: BTreeSet::new(),
            highest: VecDeque::new(),
        }
    }

    /// The number behind which rows are to be read.
    pub fn floor(&self) -> i64 {
        self.floor
    }

    /// Notes a row. False if it was read before.
    pub fn is_new(&mut self, number: i64) -> bool {
        number > self.floor && self.above.insert(number)
    }

    /// Ends a look: what has been missing for long is given up.
    pub fn end_look(&mut self) {
        self.highest.push_back(self.above.last().copied().unwrap_or(self.floor));
        if self.highest.len() > PATIENCE {
            let given_up = self.highest.pop_front().unwrap_or(self.floor);
            if given_up > self.floor {
                self.above = self.above.split_off(&(given_up + 1));
                self.floor = given_up;
            }
        }
        while self.above.first() == Some(&(self.floor + 1)) {
            self.above.pop_first();
            self.floor += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_that_is_committed_late_is_read_once() {
        let mut seen = Seen::up_to(4);
        let mut read = |rows: &[i64]| {
            let new: Vec<i64> = rows.iter().copied().filter(|row| seen.is_new(*row)).collect();
            seen.end_look();
            (new, seen.floor())
        };
        assert_eq!(read(&[5, 7]), (vec![5, 7], 5));
        assert_eq!(read(&[7, 8]), (vec![8], 5));
        assert_eq!(read(&[6, 7, 8]), (vec![6], 8));
        assert_eq!(read(&[]), (vec![], 8));
    }

    #[test]
    fn a_number_that_was_rolled_back_is_not_waited_for_for_ever() {
        let mut seen = Seen::up_to(0);
        assert!(seen.is_new(2));
        for _ in 0..PATIENCE {
            seen.end_look();
            assert_eq!(seen.floor(), 0);
        }
        seen.end_look();
        assert_eq!(seen.floor(), 2);
        assert!(!seen.is_new(2) && seen.is_new(3));
    }
}
