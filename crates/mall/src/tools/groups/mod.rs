//! `kafka-consumer-groups`: `--list`, `--describe`, `--reset-offsets`.
//!
//! As with Kafka's tool, a command that fails says so on stdout and still ends with exit code 0; wrong usage ends with 1.
//! Beyond Kafka's tool, stderr explains why a member has no partition.

mod command;
mod describe;
mod instant;
mod reset;
mod table;

use command::{CommandError, CommandOutput, failed, log_to_read};

use super::ToolError;
use super::args::{Given, Opt, cannot_be_used_together};
use crate::config::Storage;
use crate::console;
use crate::exit::Exit;

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

/// A command: it gets the options, and where the log is, and writes its output.
type Command = fn(&Given, &Storage, &mut CommandOutput) -> Result<(), CommandError>;

const COMMANDS: [(&str, Command); 3] = [
    ("list", list),
    ("describe", describe::run),
    ("reset-offsets", reset::run),
];

/// Runs the tool.
pub fn run(given: &Given, storage: &Storage) -> Result<Exit, ToolError> {
    if let Some(name) = UNSUPPORTED.iter().find(|name| given.has(name)) {
        let sentence = format!("--{name} is not supported here; use Kafka's own tool");
        return Err(ToolError::Other(sentence));
    }
    let commands: Vec<_> = COMMANDS.iter().filter(|(name, _)| given.has(name)).collect();
    let [(_, command)] = commands[..] else {
        let sentence = "Command must include exactly one action: --list, --describe, --reset-offsets";
        return Err(ToolError::Usage(sentence.into()));
    };
    let mut output = CommandOutput::default();
    let done = command(given, storage, &mut output);
    if let Err(CommandError::Failed(sentence)) = &done {
        output.out.push_str(&format!(
            "\nError: Executing consumer group command failed due to {sentence}\n"
        ));
    }
    let _ = console::print(&output.out);
    console::print_error(&output.err);
    match done {
        Err(CommandError::Usage(sentence)) => Err(ToolError::Usage(sentence)),
        _ => Ok(Exit::DONE),
    }
}

fn list(given: &Given, storage: &Storage, output: &mut CommandOutput) -> Result<(), CommandError> {
    for other in ["group", "all-groups", "topic", "members", "offsets", "state"] {
        if given.has(other) {
            return Err(CommandError::Usage(cannot_be_used_together(other, "list")));
        }
    }
    let Some(log) = log_to_read(storage)? else {
        return Ok(());
    };
    for group in log.groups().map_err(|error| failed(&error, storage))? {
        output.out.push_str(&group);
        output.out.push('\n');
    }
    Ok(())
}
