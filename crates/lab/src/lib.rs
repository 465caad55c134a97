//! The lab: shows how events lose their order, and finds out whether they kept it.
//!
//! * [`scenario`] reads files that say what happens in a mall, and what has to come of it.
//! * [`world`] is what such a mall must be able to do.
//! * [`run`] does a scenario's steps in a world, and compares what comes out with what was expected; [`narration`] tells it.
//! * [`checker`] judges a history of the mall: journals, topic, effects and final rows.
//! * [`audit`] judges any topic, of which only the records are known.
//! * [`simulated_kafka`] is a Kafka in memory that behaves as the real one was found to.
//! * [`naive`] holds the consumers that scenarios warn of.
//! * [`played`] makes the records that a scenario has somebody else than the relay write, and [`person`] what it has a
//!   person decide.
//! * [`translate`] makes a history's entries of rows and records.
//! * [`simulation`] runs the code that ships, on one thread, in the order of events that a seed chooses.
//!
//! Checker and audit read nothing by themselves; the caller gathers what is judged.

pub mod audit;
pub mod checker;
pub mod naive;
pub mod narration;
pub mod person;
pub mod played;
pub mod run;
pub mod scenario;
pub mod simulated_kafka;
pub mod simulation;
pub mod translate;
pub mod world;
