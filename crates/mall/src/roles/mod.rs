//! The services, wired: which adapters they run on.

pub mod delivery;
pub mod order;
