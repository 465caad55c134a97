//! The simulated Kafka does what a log must do, and keeps the promises of its module whatever its faults do.

mod contract;
mod faults;
mod member;
mod model;
mod runner;
mod world;
