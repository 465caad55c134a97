//! The language of scenarios: what is read, what is refused and how, and that what is written reads the same.
#![allow(missing_docs)]

mod catalogue;
mod generated;
mod guide;
mod read;
mod refused;
mod shipped;
