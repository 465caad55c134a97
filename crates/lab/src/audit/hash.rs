//! Keys as numbers of 128 bits: of a fixed size, and no two keys of any topic share one.

use std::hash::{DefaultHasher, Hash, Hasher};

/// A key's number; the same in every run.
pub(super) fn number(key: impl Hash) -> u128 {
    let half = |salt: u8| {
        let mut hasher = DefaultHasher::new();
        salt.hash(&mut hasher);
        key.hash(&mut hasher);
        u128::from(hasher.finish())
    };
    (half(0) << 64) | half(1)
}
