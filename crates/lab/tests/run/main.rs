//! The runner of scenarios and the narration, with a world that follows a script.
#![allow(missing_docs)]

#[allow(dead_code)]
#[path = "../checker/model.rs"]
mod model;

mod narrated;
mod reports;
mod scripted;
