//! Storms: what happens to the group of the delivery instances while orders come in, on real Kafka and MariaDB.
//!
//! ```text
//!   growth     2 → 5 partitions, while orders are open that move with them
//!   restarts   three instances on eight partitions: each stopped and started again, each killed and started again
//!   zombie     one is frozen in the midst of a modification, another takes over, and the first wakes up
//!   java       a Java consumer joins the group, reads, commits nothing, and leaves
//!   brokers    three of them: one is killed, all are restarted, two say nothing for a while
//!   poison     an event that can't be handled, from Java's producer and from the database's refusal
//! ```
//!
//! Each ends with `mall verify --wait`, which must find no harm, and with what the handlers themselves recorded of their
//! turns, where no two may be at one order at once.
//!
//! A group can be formed in three ways (range, cooperative-sticky, KIP-848). Each storm takes one of them, so that all
//! are met; `MALL_TEST_STORM=all` has each storm take all, which needs some ten minutes:
//!
//! ```text
//!   MALL_TEST_STORM=all cargo test -p mall --test storm
//! ```
//!
//! Nothing here is decided by how long something takes: everything waits for what can be seen.
#![allow(missing_docs)]

#[path = "../support/mod.rs"]
mod support;

mod assignor;
mod brokers;
mod fleet;
mod growth;
mod handlers;
mod java;
mod load;
mod poison;
mod restarts;
mod zombie;
