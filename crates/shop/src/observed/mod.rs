//! What the services see happen. Each thing is made an observation once: its log line is a rendering of it, and the observer
//! keeps it for whoever reads along, so that the two can't disagree.
//!
//! ```text
//!   order service ─┐
//!   relay ─────────┼─▶ observe::What ─┬─▶ Sentence, in two languages ─▶ log line, narration
//!   runner ────────┤
//!   fence, naive ──┘                  └─▶ Observer ─▶ GET /observations, the lab
//! ```

mod orders;
mod runner;
pub(crate) mod words;

pub(crate) mod line;
mod reasons;
mod sentence;

pub use orders::run_orders;
pub use runner::listener;
pub(crate) use sentence::Head;
pub use sentence::{Sentence, text};
pub use words::member;
