//! The runner against a scripted consumer.

#![allow(clippy::single_range_in_vec_init, reason = "what is done is given in ranges")]

mod chaos;
mod commits;
mod faults;
mod order;
mod rebalances;

mod bench;
mod gated;
mod scripted;
