//! The lab: finds out what happened to the order of events, and proves it.
//!
//! [`checker`] judges a history of the mall that somebody else has gathered; [`audit`] asks the same of anybody's topic,
//! of which only the records are known.

pub mod audit;
pub mod checker;
