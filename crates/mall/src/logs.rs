//! Which log a tool looks at: Kafka when it is named, otherwise the embedded one of the data folder.

use std::sync::Arc;

use keylane_log::embedded::{EmbeddedLog, EmbeddedOptions};
use keylane_log::kafka::KafkaLog;
use keylane_log::{EventLog, LogError};

use crate::config::Storage;
use crate::data_dir::{self, Folder, Trouble, privacy};

/// What a tool is going to do with the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// Look: nothing is created.
    Reading,
    /// Change: the embedded log is created when it is missing.
    Writing,
}

/// Opens the log. `Ok(None)` if it is to be read and there is no embedded log yet.
pub fn open(storage: &Storage, purpose: Purpose) -> Result<Option<Arc<dyn EventLog>>, LogError> {
    if let Some(servers) = &storage.bootstrap_server {
        let properties = storage
            .kafka_properties()
            .map_err(|error| LogError::Refused(error.to_string()))?;
        return Ok(Some(Arc::new(KafkaLog::connect(servers.as_str(), properties)?)));
    }
    match purpose {
        Purpose::Reading if !data_dir::has_log(&storage.data) => Ok(None),
        Purpose::Reading => Ok(Some(Arc::new(EmbeddedLog::open_existing(&storage.data)?))),
        Purpose::Writing => {
            whole(storage)?;
            // A tool is no place to decide how long records are kept: that is the services' option.
            let options = EmbeddedOptions {
                retention_age: None,
                retention_bytes: None,
            };
            Ok(Some(Arc::new(EmbeddedLog::open(&storage.data, options)?)))
        }
    }
}

/// A tool that creates what is missing must not hide that something is gone.
fn whole(storage: &Storage) -> Result<(), LogError> {
    let folder = Folder::of(storage);
    if !folder.dir().exists() {
        return privacy::create(folder.dir()).map_err(|error| {
            LogError::Broken(format!(
                "can't create the data folder {}: {error}",
                folder.dir().display()
            ))
        });
    }
    folder.check().map_err(|trouble| match trouble {
        Trouble::Kept(sentence) => LogError::Unavailable(sentence),
        Trouble::Wrong(sentence) => LogError::Broken(sentence),
    })
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
