//! The mall's two services: orders, deliveries, and how events travel between them.
//!
//! ```text
//!  HTTP ─▶ order ─▶ store: order row + journal row, one transaction
//!                     │
//!                   relay ─▶ EventLog ─▶ keylane ─▶ delivery ─▶ store: delivery row + journal row, one transaction
//!                               ▲                                   │
//!                               └─────────────── relay ◀────────────┘
//! ```
//!
//! # Invariants
//! * An event leaves a service only through its journal, and a journal row is written in the transaction of its effect.
//! * The domain is pure: no clock, no socket, no async. Time is passed in.
//! * Nothing in this crate knows which adapter of the log or of the store runs.

#![warn(clippy::missing_errors_doc)]

pub mod domain;
pub mod store;

pub mod commit;
pub mod health;
pub mod lines;
mod log_calls;
pub mod observed;
pub mod records;
pub mod relay;
mod rfc3339;
pub mod spelling;
pub mod text;
pub mod trace;

pub mod delivery;
pub mod parked;
pub mod service;

pub use log_calls::{BlockingThreads, CallLog, LogCall, LogCalls};
pub use rfc3339::rfc3339;
