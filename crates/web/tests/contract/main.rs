//! The HTTP contract over a socket: tables of requests and answers by topic, and the few stories that no table tells.
//! A failure names its row.

mod conditional;
mod cors;
mod course;
mod create;
mod deliveries;
mod forms;
mod heads;
mod items;
mod paging;
mod probes;
mod problems;
mod table;
#[path = "../wire/mod.rs"]
mod wire;
