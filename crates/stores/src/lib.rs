//! The two databases that a service can keep its rows in, behind the port [`shop::store::Store`].
//!
//! * [`sqlite`]: a file of this machine, which several processes write in turn.
//! * [`mysql`]: a MySQL or MariaDB server.
//!
//! # Invariants
//! * Both give the same answers: one suite of tests holds for both (`tests/contract`).
//! * What is decided about orders and deliveries is decided by the domain of [`shop`]; in here stands how rows are locked,
//!   read and written.

pub mod mysql;
pub mod sqlite;
