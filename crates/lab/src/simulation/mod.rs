//! The simulation: the code that ships, on one thread, with one seeded scheduler that decides what happens next.
//!
//! ```text
//!                    ┌── process: order       ── gates ──┐
//!   scheduler ── one ┼── process: delivery-1  ── gates ──┼── stores and log in memory
//!    (seed)    step  └── process: delivery-2  ── gates ──┘
//! ```
//! Each process is a Tokio runtime of its own whose time is virtual. Whatever reaches out of a process (a call of its store
//! or of the log, a step of a loop) waits at a gate until the scheduler opens it.
//!
//! A history that did harm is made small ([`minimize`]) and then a scenario ([`found`]), which real processes can play.
//!
//! # Invariants
//! * A run is a pure function of its configuration and its choices; the seed makes the choices.

mod chronicle;
mod counts;
mod foreign;
pub mod found;
mod gated;
pub mod gates;
mod holds;
mod judged;
pub mod log;
mod losses;
mod mall;
pub mod many;
pub mod minimize;
mod person;
mod process;
mod published;
mod removed;
mod roles;
pub mod run;
pub mod scheduler;
mod settle;
mod shrink;
mod shuffle;
mod spare;
pub mod step;
mod tally;
pub mod text;
mod troubled;
mod watch;
mod world;

pub use world::SimulatedWorld;
