//! `kafka-consumer-groups`: `--list`, `--describe`, `--delete`, `--reset-offsets`, `--delete-offsets`.
//!
//! As with Kafka's tool, a command that fails says so on stdout and still ends with exit code 0; wrong usage ends with 1.
//! Beyond Kafka's tool, stderr explains why a member has no partition.

mod command;
mod delete;
mod describe;
mod duration;
#[cfg(test)]
mod examples;
mod instant;
mod list;
mod plan_file;
mod planner;
mod reset;
mod scenario;
mod scope;
mod table;
mod usage;
mod views;

use command::{CommandError, CommandOutput};

use super::ToolError;
use super::args::{Given, Opt};
use super::properties::isolation_level;
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
        "delete",
        "Delete groups that nobody is in, with all that they have committed.",
    ),
    Opt::flag(
        "reset-offsets",
        "Reset offsets of consumer groups that nobody is in. Only shows them (--dry-run) unless --execute is given.",
    ),
    Opt::flag(
        "delete-offsets",
        "Delete what one group has committed for topics that nobody in it reads.",
    ),
    Opt::repeated("group", "consumer group", "The consumer group we wish to act on."),
    Opt::flag("all-groups", "Apply to all consumer groups."),
    Opt::flag("offsets", "Describe the group's partitions and their lag; the default."),
    Opt::flag("members", "Describe members of the group."),
    Opt::optional(
        "state",
        "state",
        "",
        "Describe the state of the group; or list groups with their states, or with certain ones, as stable,empty.",
    ),
    Opt::optional(
        "type",
        "type",
        "",
        "Only listing: groups with their types, or with certain ones, as classic,consumer.",
    ),
    Opt::flag("verbose", "Only describing: tell more."),
    Opt::repeated(
        "topic",
        "topic",
        "Only resetting and deleting offsets: the topic, or some of its partitions as topic1:0,1,2.",
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
    Opt::value(
        "by-duration",
        "duration",
        "Reset offsets to the first record that is not older. Format: 'PnDTnHnMnS'.",
    ),
    Opt::value(
        "from-file",
        "path to CSV file",
        "Reset offsets to values defined in a CSV file, as --export prints it.",
    ),
    Opt::flag(
        "export",
        "Print a reset as CSV: topic,partition,offset, behind the group unless a single one is named.",
    ),
    Opt::flag("dry-run", "Only show results without executing changes; the default."),
    Opt::flag("execute", "Execute the reset."),
    Opt::unsupported(
        "validate-regex",
        Some("regex"),
        "patterns that brokers match (RE2/J) are not known here; use Kafka's own tool",
    ),
    Opt::unsupported(
        "timeout",
        Some("timeout (ms)"),
        "every call gives up after five seconds; leave it out",
    ),
];

/// A command: it gets the options, and where the log is, and writes its output.
type Command = fn(&Given, &Storage, &mut CommandOutput) -> Result<(), CommandError>;

const COMMANDS: [(&str, Command); 5] = [
    ("list", list::run),
    ("describe", describe::run),
    ("delete", delete::groups),
    ("reset-offsets", reset::run),
    ("delete-offsets", delete::offsets),
];

/// Runs the tool.
pub fn run(given: &Given, storage: &Storage) -> Result<Exit, ToolError> {
    usage::check(given).map_err(tool_error)?;
    let commands: Vec<_> = COMMANDS.iter().filter(|(name, _)| given.has(name)).collect();
    let [(_, command)] = commands[..] else {
        let sentence = "Command must include exactly one action: --list, --describe, --delete, --reset-offsets, \
                        --delete-offsets, --validate-regex";
        return Err(ToolError::Usage(sentence.into()));
    };
    let mut output = CommandOutput::default();
    let done = command(given, &uncommitted(storage)?, &mut output);
    if let Err(CommandError::Failed(sentence)) = &done {
        output.out.push_str(&format!(
            "\nError: Executing consumer group command failed due to {sentence}\n"
        ));
    }
    let _ = console::print(&output.out);
    console::print_error(&output.err);
    match done {
        Ok(()) | Err(CommandError::Failed(_)) => Ok(Exit::DONE),
        Err(error) => Err(tool_error(error)),
    }
}

/// Where the log is, with ends of partitions that include open transactions. Kafka's tool knows no others, whatever the
/// properties of a consumer say.
fn uncommitted(storage: &Storage) -> Result<Storage, ToolError> {
    let mut storage = storage.clone();
    if storage.bootstrap_server.is_some() {
        storage.kafka_property.push(isolation_level("read_uncommitted")?);
    }
    Ok(storage)
}

fn tool_error(error: CommandError) -> ToolError {
    match error {
        CommandError::Usage(sentence) => ToolError::Usage(sentence),
        CommandError::Refused(sentence) => ToolError::Refused(sentence),
        CommandError::Failed(sentence) => ToolError::Other(sentence),
    }
}
