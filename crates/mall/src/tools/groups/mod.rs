//! `kafka-consumer-groups`: `--list`, `--describe`, `--reset-offsets`.
//!
//! As with Kafka's tool a command that fails says so on stdout and still ends with 0; wrong usage ends with 1. Beyond
//! Kafka's, a member that has nothing to do is explained on stderr.

mod describe;
mod instant;
mod reset;

use std::sync::Arc;

use keylane_log::{EventLog, LogError};

use super::args::{Given, Opt};
use super::{Wrong, lines};
use crate::config::Storage;
use crate::exit::Exit;
use crate::logs::{self, Purpose};

pub const OPTIONS: [Opt; 27] = [
    Opt::flag("list", "List all consumer groups."),
    Opt::flag(
        "describe",
        "Describe consumer group and list offset lag (number of messages not yet processed) related to given group.",
    ),
    Opt::flag(
        "reset-offsets",
        "Reset offsets of a consumer group that nobody is in. Only shows them (--dry-run) unless --execute is given.",
    ),
    Opt::repeated("group", "consumer group", "The consumer group we wish to act on."),
    Opt::flag("all-groups", "Only describing: apply to all consumer groups."),
    Opt::flag("offsets", "Describe the group's partitions and their lag; the default."),
    Opt::flag("members", "Describe members of the group."),
    Opt::flag("state", "Describe the state of the group."),
    Opt::repeated(
        "topic",
        "topic",
        "Only resetting: the topic, or some of its partitions as topic1:0,1,2.",
    ),
    Opt::flag(
        "all-topics",
        "Only resetting: all topics for which the group has committed.",
    ),
    Opt::flag("to-earliest", "Reset offsets to earliest offset."),
    Opt::flag("to-latest", "Reset offsets to latest offset."),
    Opt::flag("to-current", "Reset offsets to current offset."),
    Opt::value("to-offset", "offset", "Reset offsets to a specific offset."),
    Opt::value(
        "shift-by",
        "number-of-offsets",
        "Reset offsets shifting current offset by 'n', where 'n' can be positive or negative.",
    ),
    Opt::value(
        "to-datetime",
        "datetime",
        "Reset offsets to the first record since. Format: 'YYYY-MM-DDThh:mm:ss.sss', in UTC or followed by +09:00.",
    ),
    Opt::flag("dry-run", "Only show results without executing changes; the default."),
    Opt::flag("execute", "Execute the reset."),
    Opt::flag("delete", NOT_HERE),
    Opt::flag("delete-offsets", NOT_HERE),
    Opt::value("by-duration", "duration", NOT_HERE),
    Opt::value("from-file", "path to CSV file", NOT_HERE),
    Opt::flag("export", NOT_HERE),
    Opt::value("validate-regex", "regex", NOT_HERE),
    Opt::flag("verbose", NOT_HERE),
    Opt::flag("type", NOT_HERE),
    Opt::value(
        "timeout",
        "timeout (ms)",
        "Not supported: every call gives up after five seconds.",
    ),
];

const NOT_HERE: &str = "Not supported: use Kafka's own tool.";

const UNSUPPORTED: [&str; 9] = [
    "delete",
    "delete-offsets",
    "by-duration",
    "from-file",
    "export",
    "validate-regex",
    "verbose",
    "type",
    "timeout",
];

const ACTIONS: [&str; 3] = ["list", "describe", "reset-offsets"];

/// Why a command did not do what it was asked.
enum Failure {
    /// The options make no sense: the usage follows, and exit code 1.
    Usage(String),
    /// Something else: a sentence on stdout, and exit code 0, as with Kafka's tool.
    Command(String),
}

/// What a command has to say.
#[derive(Default)]
struct Said {
    out: String,
    err: String,
}

/// Does what was asked.
pub fn run(given: &Given, storage: &Storage) -> Result<Exit, Wrong> {
    if let Some(name) = UNSUPPORTED.iter().find(|name| given.has(name)) {
        let sentence = format!("--{name} is not supported here; use Kafka's own tool");
        return Err(Wrong::Other(sentence));
    }
    let actions: Vec<_> = ACTIONS.into_iter().filter(|action| given.has(action)).collect();
    let [action] = actions[..] else {
        let sentence = "Command must include exactly one action: --list, --describe, --reset-offsets";
        return Err(Wrong::Usage(sentence.into()));
    };
    let mut said = Said::default();
    let done = match action {
        "list" => list(given, storage, &mut said),
        "describe" => describe::run(given, storage, &mut said),
        _ => reset::run(given, storage, &mut said),
    };
    if let Err(Failure::Command(sentence)) = &done {
        said.out.push_str(&format!(
            "\nError: Executing consumer group command failed due to {sentence}\n"
        ));
    }
    // Nobody reading is no reason to fail.
    let _ = lines::print(&said.out);
    lines::warn(&said.err);
    match done {
        Err(Failure::Usage(sentence)) => Err(Wrong::Usage(sentence)),
        _ => Ok(Exit::DONE),
    }
}

fn list(given: &Given, storage: &Storage, said: &mut Said) -> Result<(), Failure> {
    for other in ["group", "all-groups", "topic", "members", "offsets", "state"] {
        if given.has(other) {
            let sentence = format!("Option \"[{other}]\" can't be used with option \"[list]\"");
            return Err(Failure::Usage(sentence));
        }
    }
    let Some(log) = look(storage)? else {
        return Ok(());
    };
    for group in log.groups().map_err(|error| failed(&error, storage))? {
        said.out.push_str(&group);
        said.out.push('\n');
    }
    Ok(())
}

/// The log, to look at; none if there is no embedded log yet.
fn look(storage: &Storage) -> Result<Option<Arc<dyn EventLog>>, Failure> {
    logs::open(storage, Purpose::Reading).map_err(|error| failed(&error, storage))
}

fn failed(error: &LogError, storage: &Storage) -> Failure {
    Failure::Command(logs::explained(error, storage))
}

/// Refuses more than one of these options.
fn at_most_one<'a>(given: &Given, options: &[&'a str], sentence: &str) -> Result<Option<&'a str>, Failure> {
    let chosen: Vec<_> = options.iter().filter(|option| given.has(option)).collect();
    match chosen[..] {
        [] => Ok(None),
        [one] => Ok(Some(one)),
        [one, other, ..] => Err(Failure::Usage(sentence.replace("{one}", one).replace("{other}", other))),
    }
}
