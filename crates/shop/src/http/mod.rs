//! The HTTP side of both services: what the clients of a Spring Data REST 3.3 system expect, byte for byte where they look.
//!
//! ```text
//!  serve ─▶ router ─▶ Asked ─▶ Target: 404 · 405 · 406 are known here, before anything is read or written
//!                                │
//!             GET, HEAD ─▶ read ─┼─▶ store ─▶ hal ─▶ response
//!       POST, PUT, … ─▶ orders ──┴─▶ group commit ─▶ hal ─▶ response, or problem
//! ```
//!
//! # Invariants
//! * A request that can't be answered in a form the client accepts writes nothing.
//! * A command is handed to the group commit once; nothing in here repeats one.
//! * Whatever is answered with an error carries `application/problem+json` with a `message`, but for a missing item, whose
//!   404 is empty.

mod accept;
mod asked;
mod body;
mod conditional;
mod deliveries;
mod entity;
mod hal;
mod health;
mod orders;
mod paging;
mod problem;
mod read;
mod serve;
mod stall;
mod traffic;

pub use deliveries::{DeliveryService, delivery_router};
pub use orders::{OrderService, order_router};
pub use serve::{Limits, serve};
pub use traffic::Traffic;
