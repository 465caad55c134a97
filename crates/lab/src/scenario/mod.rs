//! Scenarios: what happens in a mall, step by step, and what has to come of it. A scenario is a text file, which is test,
//! documentation and lesson in one:
//!
//! ```text
//! title en Zombie                          # what readers see: title, explain, question, answer, cure, in en and ko;
//! title ko 좀비                            # further lines of such a text begin with a blank
//! anomaly 21                               # its number in docs/anomalies.md; or: lesson 2
//! worlds simulated embedded real           # where it can honestly be shown; or: described en Why it can't be run
//! explain en
//!   An instance stands still in the midst of its work. …
//!
//! deliveries 2                             # the mall that each run starts with: what differs from mall up
//! broken guard off                         # a line that begins with broken or fixed belongs to that run alone
//!
//! place KIM address=PUSAN                  # the steps. Each run begins with an empty mall: the first order is number 1
//! hold KIM v2 in delivery-1                # gates make the interleaving, never the clock
//! modify KIM address=SEOUL
//! wait until KIM v2 begun by delivery-1
//! …
//! release KIM v2 in delivery-1
//! broken expect resurrection KIM           # judged at the end, when nothing moves any more
//! fixed expect clean
//! ```
//!
//! # The lines
//! *Head*: `title`, `explain`, `question`, `answer`, `cure`, `described`, each with `en` or `ko` and a text; `anomaly 19 20`, `lesson 2`,
//! `worlds simulated simulated-kafka embedded real`, `runs fixed` (if it has only that one).
//!
//! *Setup* ([`Setting`]): `partitions 2`, `deliveries 2`, `relays 2`, `key order-id|none`, `guard version|off`, `lanes 1`,
//! `modify-delay 10s`, `session-timeout 4s`, `gap-deadline 5s`, `clock order-2 -1h`,
//! `consumer commit-first|task-per-record|latest-reset|no-drain|newest-timestamp` (a naive one instead of the one that ships),
//! `assignor cooperative-sticky|range|roundrobin|broker`.
//!
//! *Requests* ([`Request`]): `place KIM customer=2000 product=RADIO qty=3 address=PUSAN`, `modify KIM address=SEOUL if v1 via order-2`,
//! `cancel KIM`.
//!
//! *Records* that somebody other than the relay writes ([`Producer`]): `publish KIM v2` (an event of the journal, which the relay
//! then leaves alone), `publish KIM delivery v1`, `lose KIM v2` (it is never sent),
//! `forge KIM v2 OrderModified address=BUSAN`, `forge KIM v2 unreadable`. Behind a record: `key none|empty|quoted|padded|binary`,
//! and `to P1`, `partitioner crc32` or `assuming 1` (partitions).
//!
//! *Gates* ([`Gate`]): `hold KIM v2 in delivery-1`, `hold relay`, `hold relay before mark`, `hold delivery-relay`, `hold commit`, each with
//! `in ROLE` or without; `release` with the same words.
//!
//! *Processes* ([`Deed`]): `freeze`, `wake`, `kill`, `stop`, `start` with `order`, `order-2`, `delivery-1`, …;
//! `start delivery-3 guard off mixed`.
//!
//! *Topic and group*: `grow 4`, `truncate P0@1`, `seek P0@0`, `limit 800`, `limit none`. *People*: `retry KIM`, `discard KIM v2`.
//!
//! *Waiting*: `wait until SIGHT`, `settle`. A [`Sight`] is `KIM v2 applied by delivery-1` ([`Stage`]) or `delivery-1 assigned P0`
//! ([`Change`]).
//!
//! *Expectations* ([`Expectation`]): `expect inversion KIM` (any verdict of the checker), `expect clean`, `expect refused` (the
//! request, or the person's decision, of the line before), `expect delivery KIM "DELIVERY CANCELLED" address=SEOUL`,
//! `expect deliveries KIM 2`, `expect doubt parked KIM`, `expect seen SIGHT`, `expect never SIGHT`, `expect times 4 SIGHT`,
//! `expect seen SIGHT before SIGHT`.
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
