//! The runner against a scripted consumer, and on the logs that ship.
//!
//! The Kafka part needs `MALL_TEST_KAFKA` (`host:port`) and fails without it.

#![allow(clippy::single_range_in_vec_init, reason = "what is done is given in ranges")]

mod chaos;
mod commits;
mod faults;
mod logs;
mod order;
mod rebalances;

mod bench;
mod gated;
mod scripted;
