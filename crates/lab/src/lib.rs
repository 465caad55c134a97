//! The lab: finds out what happened to the order of events, and proves it.
//!
//! [`checker`] judges a history that somebody else has gathered.

pub mod checker;
