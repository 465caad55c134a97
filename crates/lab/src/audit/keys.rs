//! Remembers in which partition each key was first seen.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use keylane_log::{Offset, Partition};

use super::hash;

/// How many keys are remembered at most.
pub const MAX_KEYS: usize = 2_000_000;

/// The keys seen so far.
#[derive(Default)]
pub(super) struct Keys {
    seen: HashMap<u128, FirstSeen>,
}

/// Where a key was first seen.
struct FirstSeen {
    partition: Partition,
    offset: Offset,
    /// Whether the key was seen in another partition too.
    split: bool,
}

/// How the partition of a record agrees with that of its key's earlier records.
pub(super) enum KeyPlace {
    /// It is the same, or the key is new, or its other partition has been reported.
    Consistent,
    /// It is another one. The key was first seen here. Reported once for each key.
    Split(Partition, Offset),
    /// There are too many keys to remember this one.
    NotRemembered,
}

impl Keys {
    pub fn see(&mut self, key: &str, partition: Partition, offset: Offset) -> KeyPlace {
        let room = self.seen.len() < MAX_KEYS;
        match self.seen.entry(hash::number(key)) {
            Entry::Occupied(mut found) => {
                let state = found.get_mut();
                if state.partition == partition || state.split {
                    return KeyPlace::Consistent;
                }
                state.split = true;
                KeyPlace::Split(state.partition, state.offset)
            }
            Entry::Vacant(_) if !room => KeyPlace::NotRemembered,
            Entry::Vacant(free) => {
                free.insert(FirstSeen {
                    partition,
                    offset,
                    split: false,
                });
                KeyPlace::Consistent
            }
        }
    }

    pub fn len(&self) -> u64 {
        self.seen.len() as u64
    }
}
