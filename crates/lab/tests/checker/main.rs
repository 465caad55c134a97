//! The checker, against histories that are right and histories that one thing is wrong with.
#![allow(missing_docs)]

mod doubts;
mod model;
mod mutations;
mod named;
mod random;
