//! What the commands of `kafka-consumer-groups` share: what they are given, what they answer with, and how they fail.

use std::sync::Arc;

use keylane_log::{EventLog, LogError};

use crate::adapters::log::{OpenFor, explained, open_log};
use crate::config::Storage;
use crate::tools::args::Given;

/// Why a command did not do what it was asked.
pub enum CommandError {
    /// The options make no sense. The usage is printed, and the exit code is 1.
    Usage(String),
    /// Another reason, as a sentence on stdout. The exit code is 0, as with Kafka's tool.
    Failed(String),
}

/// What a command prints.
#[derive(Default)]
pub struct CommandOutput {
    pub out: String,
    pub err: String,
}

/// The log, to be read. None if there is no embedded log yet.
pub fn log_to_read(storage: &Storage) -> Result<Option<Arc<dyn EventLog>>, CommandError> {
    open_log(storage, OpenFor::Reading).map_err(|error| failed(&error, storage))
}

pub fn failed(error: &LogError, storage: &Storage) -> CommandError {
    CommandError::Failed(explained(error, storage))
}

/// What the one of these options that was given stands for. Two of them are refused with the sentence that `refusal` makes of
/// their names.
pub fn at_most_one<T: Copy>(
    given: &Given,
    options: &[(&str, T)],
    refusal: impl FnOnce(&str, &str) -> String,
) -> Result<Option<T>, CommandError> {
    let mut chosen = options.iter().filter(|(name, _)| given.has(name));
    match (chosen.next(), chosen.next()) {
        (None, _) => Ok(None),
        (Some((_, meaning)), None) => Ok(Some(*meaning)),
        (Some((one, _)), Some((other, _))) => Err(CommandError::Usage(refusal(one, other))),
    }
}
