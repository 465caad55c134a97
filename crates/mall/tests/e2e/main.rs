//! The mall as a person runs it: real processes, on the embedded default and on real Kafka and MariaDB.
#![allow(missing_docs)]

#[path = "../support/mod.rs"]
mod support;

mod audit;
mod browsers;
mod contract;
mod course;
mod fence;
mod floods;
mod language;
mod lines;
mod live;
mod metrics;
mod observations;
mod readme;
mod shutdown;
mod trouble;
mod verify;
