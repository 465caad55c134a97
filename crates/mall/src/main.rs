//! `mall`: the whole mall in one binary.
//!
//! ```text
//!  mall up ─▶ mall order      8081 ─┐
//!             mall delivery   8082 ─┼─ share a data folder, or Kafka and MySQL
//!             mall gateway    8088 ─┘
//!  mall kafka-topics, kafka-console-…, sql, verify, …: look at what they share, and change it
//! ```
//!
//! # Invariants
//! * This crate alone reads the environment and, apart from the adapters' own input and output, the wall clock ([`clock`]).
//! * Adapters are named in [`adapters`] alone.
//! * Nothing starts before every option has been checked.
//! * A secret is never printed, not even in the message about a wrong value.

mod adapters;
mod audit;
mod cli;
mod clock;
mod config;
mod console;
mod data_dir;
mod doctor;
mod exit;
mod history;
mod lab;
mod language;
mod live;
mod metrics;
mod modes;
mod net;
mod observations;
mod parked;
mod probe;
mod reset;
mod roles;
mod runtime;
mod scan;
mod shutdown;
mod sql;
mod supervised;
mod supervisor;
mod telemetry;
mod timeline;
mod tools;
mod verify;

use std::process::ExitCode;

fn main() -> ExitCode {
    data_dir::privacy::by_default();
    let words = std::env::args_os().collect();
    let ended = cli::run(words);
    telemetry::tell_the_rest();
    match ended {
        Ok(code) => code.into(),
        Err(error) => {
            console::say(&format!("mall: {error:#}"));
            exit::of(&error).into()
        }
    }
}
