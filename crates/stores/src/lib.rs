//! The adapters of the port [`shop::store::Store`] for the two kinds of databases that a service can keep its rows in.
//!
//! * [`sqlite`]: a file on this machine, which several processes write in turn.
//! * [`mysql`]: a MySQL or MariaDB server.
//!
//! # Invariants
//! * Both give the same answers: one suite of tests holds for both (`tests/contract`).
//! * The domain of [`shop`] decides what becomes of orders and deliveries; these adapters only lock, read and write rows.

#![warn(clippy::missing_errors_doc)]

pub mod mysql;
pub mod sqlite;
