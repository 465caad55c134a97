//! The HTTP side of both services: what the clients of a Spring Data REST 3.3 system expect, byte for byte where they look.
//!
//! ```text
//!  serve ─▶ head and cors: 400 · 415, for the gateway too
//!    └─▶ router ─▶ Asked ─▶ Target: 404 · 405 · 406 are known here, before anything is read or written
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
mod base_url;
mod body;
mod conditional;
mod cors;
mod deliveries;
mod entity;
pub mod gateway;
mod hal;
mod head;
mod health;
mod links;
mod order_journal;
mod orders;
mod paging;
mod places;
mod problem;
mod read;
mod reply;
mod serve;
mod stall;
mod traffic;

pub use base_url::BaseUrl;
pub use body::read_body;
pub use cors::{CORS_HEADERS, Origin, Origins};
pub use deliveries::{DeliveryService, delivery_router};
pub use order_journal::order_journal;
pub use orders::{OrderService, order_router};
pub use serve::{Front, Limits, serve};
pub use traffic::Traffic;
