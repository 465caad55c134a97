//! The lab: finds out whether events kept their order, and shows the evidence.
//!
//! * [`checker`] judges a history of the mall: journals, topic, effects and final rows.
//! * [`audit`] judges any topic, of which only the records are known.
//! * [`simulated_kafka`] is a Kafka in memory that behaves as the real one was found to.
//!
//! Neither reads anything by itself; the caller gathers what is judged.

pub mod audit;
pub mod checker;
pub mod simulated_kafka;
