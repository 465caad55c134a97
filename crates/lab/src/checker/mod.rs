//! Judges a history: what was written, what the log holds, what took effect, and what came of it.
//!
//! ```text
//!   order journal ───────────────┐
//!   order events in the topic ───┤                      verdicts   named, with evidence: hazard or harm
//!   apply history ───────────────┼─▶ check(History) ─▶
//!   final rows ──────────────────┤                      doubts     why something could not be told
//!   delivery events in the topic ┘
//! ```
//! The verdict that matters most is [`Anomaly::Divergence`]: the final rows are not what the order service's events lead to.
//! The others explain such a difference, or warn of what could have caused one.
//!
//! # Invariants
//! * No clock and no I/O: the same history gives the same judgement, whatever order its rows come in.
//! * Effects are judged, not deliveries of records: a log may hand a record out twice.
//! * An order with events under way gets a [`Doubt`] instead of a verdict that something is missing.
//! * What is certain is told at once, each verdict once, and what only seems so isn't told ([`Checker`]). [`check`] is a
//!   `Checker` that is fed a whole history. Observations say less, and [`Observed`] tells what they make certain.
//! * Memory and time are proportional to the history (time: with the logarithm of a sort). While a mall is watched, orders
//!   that have come to their end are folded away. A history that is too large is surveyed first ([`Survey`]), and only the
//!   orders that the survey suspects are judged ([`check_orders`]).

mod applies;
mod delivery_records;
mod evidence;
mod history;
mod incremental;
mod index;
mod intake;
mod judge;
mod observed;
mod published;
mod settled;
mod state;
mod story;
mod survey;
mod table;
mod timeline;
mod trail;
mod verdict;
mod zombies;

pub use history::{
    Applied, DeliveryRecord, History, OrderRecord, Parked, PartitionState, PlaceInTopic, WaitsFor, Written,
};
pub use incremental::{Checker, News, check};
pub use intake::{Intake, Selection};
pub use judge::check_orders;
pub use observed::Observed;
pub use story::{Chapter, Story, stories};
pub use survey::{Scope, Survey, Surveyed, Suspect};
pub use timeline::{Entry, Mark, Stage, sort_by_time, timeline};
pub use verdict::{Anomaly, Doubt, Fact, Judgement, Outcome, Severity, UnknownAnomaly, Verdict};
