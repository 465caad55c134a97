//! Scenarios: what happens in a mall, step by step, and what has to come of it. A scenario is a text file, which is test,
//! documentation and lesson in one. `docs/scenarios.md` tells people the language.
//!
//! ```text
//!   head       title, explain, question, answer, cure …   what readers see, in en and ko                  [`Head`]
//!   setup      broken guard off                           what differs from mall up                       [`Setting`]
//!   steps      modify KIM address=SEOUL                   requests, records, gates, processes, waiting    [`Step`]
//!   expected   fixed expect clean                         judged when nothing moves any more              [`Expectation`]
//! ```
//!
//! # Invariants
//! * Reading, checking and writing are pure. What was read and is written reads the same again.
//! * A scenario that was read makes sense in itself: orders are placed before they are named, processes run before they are
//!   frozen, every gate is opened before the mall has to come to rest, each run expects something.

mod action;
mod check;
mod expectation;
mod model;
mod names;
mod parse;
mod plain;
mod print;
mod setup;
mod words;

pub use action::{Action, Choice, Deed, Differently, Fields, Forged, Gate, Key, Producer, Request, Wish};
pub use expectation::{Change, DoubtName, Expectation, Row, Sight, Stage};
pub use model::{Head, Line, Run, Scenario, Step, WorldName};
pub use names::{EventName, Journal, Name, Role, Spot};
pub use parse::ParseError;
pub use setup::{Assignor, Consumer, Guard, KeyMode, Setting, Setup};

/// Reads a scenario from the text of a file. `file` is what errors call it.
///
/// # Errors
/// The first thing that is wrong or can't be meant: file, line, what stands there, what is allowed.
pub fn parse(file: &str, text: &str) -> Result<Scenario, ParseError> {
    let scenario = parse::read(file, text)?;
    check::check(&scenario).map_err(|(line, says)| ParseError {
        file: file.to_owned(),
        line,
        says,
    })?;
    Ok(scenario)
}

/// What people call the scenario in a file of this name: `zombie` for `a21-zombie.lab`, `lesson-2` for
/// `lesson-2-two-partitions.lab`.
pub fn name_of(file: &str) -> &str {
    let stem = file.strip_suffix(".lab").unwrap_or(file);
    let digits = |word: &str| !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_digit());
    if let Some((number, rest)) = stem.strip_prefix("lesson-").and_then(|rest| rest.split_once('-'))
        && digits(number)
    {
        return &stem[..stem.len() - rest.len() - 1];
    }
    match stem.strip_prefix('a').and_then(|rest| rest.split_once('-')) {
        Some((number, name)) if digits(number) => name,
        _ => stem,
    }
}
