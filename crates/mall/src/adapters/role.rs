//! Opens what a role works on: its log with the topic in it, its database, and the data folder where either is there.

use std::sync::Arc;

use anyhow::Result;
use shop::LogCalls;
use shop::domain::Source;
use shop::store::Store;

use super::log::open_role_log;
use super::retry::until_available;
use super::store::open_store;
use crate::config::RoleOptions;
use crate::data_dir::{self, Folder, FolderKeeper, InUse, privacy};

const FOLDER_UNUSABLE: &str = "the data folder can't be used";

/// The log and the database of a role.
pub struct RoleAdapters {
    pub log: LogCalls,
    pub store: Arc<dyn Store>,
    /// Notes in each file of the data folder how far the others have come, as long as the role runs.
    _keeper: Option<FolderKeeper>,
    /// Keeps the data folder from being reset, as long as the role runs.
    _in_use: Option<InUse>,
}

impl RoleAdapters {
    /// Opens log and database, waiting for what is away, and creates the topic where it is missing.
    pub async fn open(options: &RoleOptions, source: Source) -> Result<Self> {
        let storage = &options.storage;
        let uses_folder = storage.uses_folder();
        let _in_use = uses_folder.then(|| data_dir::hold(&storage.data)).transpose()?;
        let folder = uses_folder.then(|| Folder::of(storage));
        if let Some(folder) = &folder {
            privacy::tighten(folder.dir());
            until_available(FOLDER_UNUSABLE, async || folder.check()).await?;
        }
        let store = open_store(storage, source).await?;
        let log = LogCalls::blocking(open_role_log(options).await?);
        create_topic(&log, options).await?;
        let _keeper = match &folder {
            Some(folder) => Some(until_available(FOLDER_UNUSABLE, async || folder.join(source)).await?),
            None => None,
        };
        Ok(Self {
            log,
            store,
            _keeper,
            _in_use,
        })
    }
}

async fn create_topic(log: &LogCalls, options: &RoleOptions) -> Result<()> {
    let (topic, partitions) = (&options.topic, options.partitions);
    let created = until_available("the topic can't be looked up", async || {
        let topic = topic.clone();
        log.ask("create", move |log| log.create_topic(&topic, partitions)).await
    })
    .await?;
    if created {
        tracing::info!("created the topic {topic} with {partitions} partition(s)");
    }
    Ok(())
}
