//! Tests of the runner: against a scripted consumer, and on both logs of `keylane-log`.
//!
//! The part on Kafka needs a broker whose address (`host:port`) is in `MALL_TEST_KAFKA`, and fails without it.

#![allow(clippy::single_range_in_vec_init, reason = "done offsets are given as ranges")]

mod chaos;
mod commits;
mod events;
mod faults;
mod group;
mod logs;
mod order;
#[cfg(feature = "planted")]
mod planted;
mod rebalances;
mod steps;

mod bench;
mod gated;
mod scripted;
mod stepped;
