//! Keys as numbers of 128 bits. They have a fixed size, and it is as good as impossible that two keys of a topic share one.

use std::hash::{DefaultHasher, Hash, Hasher};

/// The number of a key. It is the same whenever the program runs.
pub(super) fn number(key: impl Hash) -> u128 {
    let half = |salt: u8| {
        let mut hasher = DefaultHasher::new();
        salt.hash(&mut hasher);
        key.hash(&mut hasher);
        u128::from(hasher.finish())
    };
    (half(0) << 64) | half(1)
}
