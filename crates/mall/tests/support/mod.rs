//! What the end-to-end tests share: a mall of real processes, on either stack, and the tools a person would use on it.

// Each test binary uses its part of this.
#![allow(dead_code)]

pub mod events;
pub mod http;
pub mod role;
pub mod secure;
pub mod stack;
pub mod tools;

use std::time::{Duration, Instant};

/// How long anything may take before a test gives up on it: generous, since two cores may run many tests.
pub const PATIENCE: Duration = Duration::from_secs(120);

/// Waits until `probe` answers, and returns its answer.
#[track_caller]
pub fn wait_for<T>(what: &str, mut probe: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = probe() {
            return found;
        }
        assert!(Instant::now() < deadline, "waited {PATIENCE:?} in vain for {what}");
        std::thread::park_timeout(Duration::from_millis(20));
    }
}

/// The value of an environment variable that `./test` sets.
#[track_caller]
pub fn required(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| {
        panic!("{name} is not set: run ./test, or `scripts/services start` and source the env file that it writes")
    })
}
