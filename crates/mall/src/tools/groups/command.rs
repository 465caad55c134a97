//! What the commands of `kafka-consumer-groups` share: what they are given, what they answer with, and how they fail.

use std::collections::BTreeSet;
use std::sync::Arc;

use keylane_log::{EventLog, LogError};

use crate::adapters::log::{OpenFor, explained, open_log};
use crate::config::Storage;
use crate::data_dir;
use crate::tools::args::Given;

/// Why a command did not do what it was asked.
#[derive(Debug)]
pub enum CommandError {
    /// The options make no sense. The usage is printed, and the exit code is 1.
    Usage(String),
    /// Kafka's tool can do this and ours can't, as a sentence that names it. The exit code is 64.
    Refused(String),
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

/// The log, to be changed. None if there is no embedded log yet, which is not created for that.
pub fn log_to_change(storage: &Storage) -> Result<Option<Arc<dyn EventLog>>, CommandError> {
    if storage.bootstrap_server.is_none() && !data_dir::has_log(&storage.data) {
        return Ok(None);
    }
    open_log(storage, OpenFor::Writing).map_err(|error| failed(&error, storage))
}

/// The groups that `--group` names, or all of them, each once and in the order of their names.
pub fn chosen_groups(
    given: &Given,
    log: Option<&dyn EventLog>,
    storage: &Storage,
) -> Result<BTreeSet<String>, CommandError> {
    if !given.has("all-groups") {
        return Ok(given.all("group").iter().cloned().collect());
    }
    let all = log.map_or(Ok(Vec::new()), EventLog::groups);
    Ok(all.map_err(|error| failed(&error, storage))?.into_iter().collect())
}

pub fn failed(error: &LogError, storage: &Storage) -> CommandError {
    CommandError::Failed(explained(error, storage))
}
