//! The services, put together from the log, the database, the domain's services and HTTP.
//!
//! ```text
//!  order:     HTTP ─▶ group commit ─▶ store      relay: store ─▶ log
//!  delivery:  log ─▶ lanes ─▶ handler ─▶ group commit ─▶ store      relay: store ─▶ log
//!  gateway:   HTTP ─▶ HTTP
//! ```
//! A role that stops first takes in nothing more (requests, records), then answers what it has accepted, then publishes
//! what its journal still holds.
//!
//! Roles name no adapter: [`crate::adapters`] gives them the log and the store.

pub mod delivery;
pub mod elsewhere;
pub mod gates;
pub mod gateway;
pub mod order;

mod admission;
mod ahead;
mod idleness;
mod startup;
