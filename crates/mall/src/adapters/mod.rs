//! Opens the log and the databases that the options name.
//!
//! ```text
//!   options ─┬─▶ log:   embedded, in the data folder  |  Kafka           ─▶ dyn EventLog
//!            └─▶ store: SQLite, in the data folder    |  MySQL, MariaDB  ─▶ dyn Store
//! ```
//!
//! # Invariants
//! * This is the only place in the program that names an adapter. Everybody else works with the ports [`EventLog`] and
//!   [`Store`], or asks here for what a single adapter can tell (`mall doctor`).
//!
//! Two parts of the program pass the adapters by on purpose, and read what the adapters keep: [`crate::data_dir`] compares the
//! SQLite files of a data folder with each other, and `mall sql` opens files and servers in such a way that they can't be
//! written.
//!
//! [`EventLog`]: keylane_log::EventLog
//! [`Store`]: shop::store::Store

pub mod log;
pub mod mysql;
mod retry;
mod role;
mod silence;
mod store;

pub use retry::until_available;
pub use role::RoleAdapters;
pub use store::{create_sqlite_store, look_into_sqlite, look_into_store, open_store, open_store_to_read};
