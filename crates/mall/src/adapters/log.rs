//! Opens the log: Kafka when it is named, otherwise the embedded one of the data folder.

pub use keylane_log::kafka::{Cause, Cluster, KafkaLog, TopicDetails, TopicSetting};

use std::path::Path;
use std::sync::Arc;

use anyhow::anyhow;
use keylane_log::embedded::{EmbeddedLog, EmbeddedOptions};
use keylane_log::{EventLog, LogError};

use super::retry::until_available;
use super::silence;
use crate::config::{RoleOptions, Storage};
use crate::data_dir::{self, Folder, FolderError, privacy};

/// Keeps every record. Only a service's option decides how long records are kept, not a tool that happens to open the log.
const KEEP_EVERYTHING: EmbeddedOptions = EmbeddedOptions {
    retention_age: None,
    retention_bytes: None,
};

/// What a tool is going to do with the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OpenFor {
    /// The tool only looks: nothing is created.
    Reading,
    /// The tool changes something: the embedded log is created when it is missing.
    Writing,
}

/// Opens the log for a tool. `Ok(None)` if it is to be read and there is no embedded log yet.
pub fn open_log(storage: &Storage, purpose: OpenFor) -> Result<Option<Arc<dyn EventLog>>, LogError> {
    if let Some(kafka) = kafka(storage) {
        return Ok(Some(Arc::new(kafka?)));
    }
    match purpose {
        OpenFor::Reading if !data_dir::has_log(&storage.data) => Ok(None),
        OpenFor::Reading => Ok(Some(Arc::new(EmbeddedLog::open_existing(&storage.data)?))),
        OpenFor::Writing => {
            create_folder_or_check(storage)?;
            Ok(Some(Arc::new(EmbeddedLog::open(&storage.data, KEEP_EVERYTHING)?)))
        }
    }
}

/// Opens the log for a command that reads a log which has to be there.
pub fn open_existing_log(storage: &Storage) -> anyhow::Result<Arc<dyn EventLog>> {
    let log = open_log(storage, OpenFor::Reading).map_err(|error| anyhow!(explained(&error, storage)))?;
    log.ok_or_else(|| anyhow!("{}: nothing has been started there", no_log_yet(storage)))
}

/// Opens the log for a role, which waits for one that is away.
pub(super) async fn open_role_log(options: &RoleOptions) -> anyhow::Result<Arc<dyn EventLog>> {
    if let Some(kafka) = kafka(&options.storage) {
        return Ok(Arc::new(kafka?));
    }
    let retention = EmbeddedOptions {
        retention_age: Some(options.log_retention),
        ..EmbeddedOptions::default()
    };
    until_available("the embedded log can't be opened", async || {
        EmbeddedLog::open(&options.storage.data, retention).map(|log| Arc::new(log) as Arc<dyn EventLog>)
    })
    .await
}

/// Creates the embedded log in a data folder that lacks it.
pub fn create_embedded_log(data: &Path) -> Result<(), LogError> {
    EmbeddedLog::open(data, KEEP_EVERYTHING).map(drop)
}

/// The adapter for Kafka, for what only Kafka can tell. None if the embedded log is used.
pub fn kafka(storage: &Storage) -> Option<Result<KafkaLog, LogError>> {
    let servers = storage.bootstrap_server.as_ref()?;
    let properties = storage.kafka_properties();
    let properties = properties.map_err(|error| LogError::Refused(error.to_string()));
    let kafka = properties.and_then(|properties| KafkaLog::connect(servers.as_str(), properties));
    Some(kafka.inspect(|kafka| silence::watch(kafka.first_answer(), servers.as_str())))
}

/// What went wrong, with a hint where the user probably meant the embedded log.
pub fn explained(error: &LogError, storage: &Storage) -> String {
    match (error, &storage.bootstrap_server) {
        (LogError::Unavailable(_), Some(_)) if data_dir::has_log(&storage.data) => {
            format!("{error}; leave it (--bootstrap-server) out for the embedded log")
        }
        _ => error.to_string(),
    }
}

/// Says that the data folder holds no log.
pub fn no_log_yet(storage: &Storage) -> String {
    format!("there is no embedded log in {} yet", storage.data.display())
}

/// Makes sure that a tool which creates what is missing does not hide that a file of the folder is gone.
fn create_folder_or_check(storage: &Storage) -> Result<(), LogError> {
    let folder = Folder::of(storage);
    let dir = folder.dir();
    if !dir.exists() {
        return privacy::create(dir)
            .map_err(|error| LogError::Broken(format!("can't create the data folder {}: {error}", dir.display())));
    }
    folder.check().map_err(|error| match error {
        FolderError::Kept(sentence) => LogError::Unavailable(sentence),
        FolderError::Wrong(sentence) => LogError::Broken(sentence),
    })
}
