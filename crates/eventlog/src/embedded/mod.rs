//! The embedded log.

pub mod append;
pub mod fetch;
pub mod group;
pub mod page;
pub mod positions;
pub mod retention;
pub mod schema;
pub mod topics;

mod fault;
mod headers;
mod pulse;
mod turnstile;

pub use turnstile::{Turn, Turnstile};
