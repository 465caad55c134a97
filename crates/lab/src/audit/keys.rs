//! In which partition each key was first seen.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use keylane_log::{Offset, Partition};

use super::hash;

/// How many keys are remembered.
pub const MAX_KEYS: usize = 2_000_000;

/// The keys seen so far.
#[derive(Default)]
pub(super) struct Keys {
    seen: HashMap<u128, State>,
}

struct State {
    partition: Partition,
    offset: Offset,
    split: bool,
}

/// What a record says about its key.
pub(super) enum Sight {
    /// Nothing new.
    Known,
    /// The key stands in a second partition; here is where it was first. Said once a key.
    Split(Partition, Offset),
    /// There are too many keys to remember this one.
    Forgotten,
}

impl Keys {
    pub fn see(&mut self, key: &str, partition: Partition, offset: Offset) -> Sight {
        let room = self.seen.len() < MAX_KEYS;
        match self.seen.entry(hash::number(key)) {
            Entry::Occupied(mut found) => {
                let state = found.get_mut();
                if state.partition == partition || state.split {
                    return Sight::Known;
                }
                state.split = true;
                Sight::Split(state.partition, state.offset)
            }
            Entry::Vacant(_) if !room => Sight::Forgotten,
            Entry::Vacant(free) => {
                free.insert(State {
                    partition,
                    offset,
                    split: false,
                });
                Sight::Known
            }
        }
    }

    pub fn len(&self) -> u64 {
        self.seen.len() as u64
    }
}
