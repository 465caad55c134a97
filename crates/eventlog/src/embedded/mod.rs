//! The embedded log.

mod turnstile;

pub use turnstile::{Turn, Turnstile};
