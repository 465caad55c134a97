//! Where a reset lets a group go on.

use std::time::SystemTime;

use keylane_log::Timestamp;

use super::command::CommandError;
use super::plan_file::{self, PlanFile};
use super::{duration, instant};
use crate::tools::args::Given;

/// Where a group is to go on in a partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scenario {
    /// At the first record that is kept.
    Earliest,
    /// At the end.
    Latest,
    /// Where the group is, or at the end if it has not committed.
    Current,
    /// At this offset.
    At(i64),
    /// So many offsets behind where the group is; before it if negative.
    Shift(i64),
    /// At the first record that is not older than this time, in milliseconds since 1970.
    Since(i64),
    /// Where a file says.
    Planned(PlanFile),
}

/// The options for them, in the order in which Kafka's tool looks at them.
pub const NAMES: [&str; 8] = [
    "to-offset",
    "to-datetime",
    "by-duration",
    "to-earliest",
    "to-latest",
    "to-current",
    "shift-by",
    "from-file",
];

/// The scenario that was given.
pub fn of(given: &Given) -> Result<Scenario, CommandError> {
    let name = NAMES
        .iter()
        .find(|name| given.has(name))
        .copied()
        .unwrap_or("to-current");
    let text = given.last(name).unwrap_or_default();
    let number = || given.number(name).map(Option::unwrap_or_default);
    let scenario = match name {
        "to-offset" => number().map(Scenario::At),
        "to-datetime" => instant::parse(text).map(Scenario::Since),
        "by-duration" => duration::parse(text).and_then(before_now).map(Scenario::Since),
        "to-earliest" => Ok(Scenario::Earliest),
        "to-latest" => Ok(Scenario::Latest),
        "shift-by" => number().map(Scenario::Shift),
        "from-file" => plan_file::read(text.as_ref(), given.all("group")).map(Scenario::Planned),
        _ => Ok(Scenario::Current),
    };
    scenario.map_err(CommandError::Failed)
}

/// The time so many milliseconds ago.
fn before_now(millis: i128) -> Result<i64, String> {
    let now = Timestamp::from(SystemTime::now()).0;
    let then = i128::from(now)
        .checked_sub(millis)
        .and_then(|then| i64::try_from(then).ok());
    then.ok_or_else(|| "Instant exceeds minimum or maximum instant".to_owned())
}
