//! `mall`: the whole mall in one binary.
//!
//! ```text
//!  mall ── up ──▶ mall order      8081 ─┐
//!                 mall delivery   8082 ─┼─ meet in the data folder, or in Kafka and MySQL
//!                 mall gateway    8088 ─┘
//!  mall kafka-topics, kafka-console-…, sql: look at and change what they share
//! ```
//!
//! # Invariants
//! * This crate alone reads the environment and the wall clock, and it alone names adapters.
//! * Nothing starts before every option has been checked.
//! * A secret is never printed, not even in the message about a wrong value.

mod audit;
mod cli;
mod config;
mod data_dir;
mod doctor;
mod exit;
mod lifeline;
mod logs;
mod metrics;
mod net;
mod parked;
mod plain;
mod reset;
mod roles;
mod scan;
mod shutdown;
mod sql;
mod supervisor;
mod telemetry;
mod tools;
mod verify;

use std::process::ExitCode;

fn main() -> ExitCode {
    data_dir::privacy::by_default();
    let words = std::env::args_os().collect();
    let ended = cli::run(words);
    telemetry::end();
    match ended {
        Ok(code) => code.into(),
        Err(error) => {
            exit::say(&format!("mall: {error:#}"));
            exit::of(&error).into()
        }
    }
}
