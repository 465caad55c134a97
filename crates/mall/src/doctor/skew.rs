//! How far clocks may differ.

/// Milliseconds by which two clocks may differ. Beyond that, retention and the times in logs mislead.
pub const TOLERATED_MS: i64 = 5_000;
