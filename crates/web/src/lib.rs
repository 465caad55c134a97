//! The HTTP side of both services. It answers as a Spring Data REST 3.3 system does, byte for byte where clients look.
//!
//! ```text
//!  serve ─▶ head and cors: 400 · 415, for the gateway too
//!    └─▶ router ─▶ RequestHead ─▶ Target: 404 · 405 · 406 are known here, before anything is read or written
//!                                      │
//!                   GET, HEAD ─▶ read ─┼─▶ store ─▶ hal ─▶ response
//!             POST, PUT, … ─▶ orders ──┴─▶ group commit ─▶ hal ─▶ response, or problem
//! ```
//!
//! # Invariants
//! * A request that can't be answered in a media type that the client accepts writes nothing.
//! * A command is handed to the group commit once; nothing in here repeats one.
//! * Every answer with an error is `application/problem+json` with a `message`, except for a missing item, whose 404 is empty.

#![warn(clippy::missing_errors_doc)]

mod accept;
mod base_url;
mod body;
mod conditional;
mod connection_permits;
mod cors;
mod deadline;
mod deliveries;
mod entity;
mod forwarded;
pub mod gateway;
mod hal;
mod head;
mod health;
mod links;
pub mod live;
mod observations;
mod order_journal;
mod orders;
mod paging;
mod problem;
mod read;
mod reply;
mod request_head;
mod serve;
mod sse;
mod stall;
mod streams;
mod traffic;

pub use base_url::BaseUrl;
pub use body::read_body;
pub use cors::{CORS_HEADERS, Origin, Origins};
pub use deliveries::{DeliveryService, delivery_router};
pub use forwarded::Proxies;
pub use observations::observed;
pub use order_journal::order_journal;
pub use orders::{OrderService, order_router};
pub use serve::{Front, Limits, serve};
pub use traffic::Traffic;
