//! The command line as a person or a script meets it, through the real binary: options and where they come from, Kafka's
//! tools on the embedded log, `sql`, `reset`, the gateway and the supervisor.

#[path = "../support/mod.rs"]
mod support;

mod commands;
mod config;
mod differential;
mod doctor;
mod folder;
mod groups;
mod idle;
mod json_log;
mod lab;
mod modes;
mod plain;
mod program;
mod real;
mod reset;
mod rights;
mod secrets;
mod secure;
mod supervisor;
mod token;
mod tools;
mod typed;
