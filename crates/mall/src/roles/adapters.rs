//! Opens the log and the database that the options ask for.

use std::sync::Arc;

use anyhow::Result;
use keylane_log::EventLog;
use keylane_log::embedded::{EmbeddedLog, EmbeddedOptions};
use keylane_log::kafka::KafkaLog;
use shop::domain::Source;
use shop::store::{Store, StoreError};
use stores::mysql::MysqlStore;
use stores::sqlite::SqliteStore;

use super::patience::patiently;
use crate::config::{RoleOptions, Storage};
use crate::data_dir::{self, Folder, InUse, Keeper, privacy};

/// What a role works on.
pub struct Adapters {
    pub log: Arc<dyn EventLog>,
    pub store: Arc<dyn Store>,
    /// Keeps the data folder's files knowing of each other.
    pub _keeper: Option<Keeper>,
    /// Keeps the data folder from being reset, where there is one.
    pub _in_use: Option<InUse>,
}

/// Opens both, waiting for what is away, and creates the topic where it is missing.
pub async fn open(options: &RoleOptions, source: Source) -> Result<Adapters> {
    let storage = &options.storage;
    let embedded = storage.bootstrap_server.is_none() || storage.database_url.is_none();
    let _in_use = embedded.then(|| data_dir::hold(&storage.data)).transpose()?;
    let folder = embedded.then(|| Folder::of(storage));
    if let Some(folder) = &folder {
        privacy::tighten(folder.dir());
        patiently("the data folder can't be used", async || folder.check()).await?;
    }
    let store = open_store(storage, source).await?;
    let log = open_log(options).await?;
    create_topic(&log, options).await?;
    let _keeper = match &folder {
        Some(folder) => Some(patiently("the data folder can't be used", async || folder.join(source)).await?),
        None => None,
    };
    Ok(Adapters {
        log,
        store,
        _keeper,
        _in_use,
    })
}

async fn open_log(options: &RoleOptions) -> Result<Arc<dyn EventLog>> {
    let storage = &options.storage;
    if let Some(bootstrap) = &storage.bootstrap_server {
        return Ok(Arc::new(KafkaLog::connect(
            bootstrap.as_str(),
            storage.kafka_properties()?,
        )?));
    }
    let retention = EmbeddedOptions {
        retention_age: Some(options.log_retention),
        ..EmbeddedOptions::default()
    };
    patiently("the embedded log can't be opened", async || {
        EmbeddedLog::open(&storage.data, retention).map(|log| Arc::new(log) as Arc<dyn EventLog>)
    })
    .await
}

/// Opens the database of a service, waiting for one that is away.
pub async fn open_store(storage: &Storage, source: Source) -> Result<Arc<dyn Store>> {
    let path = storage.data.join(match source {
        Source::Orders => "orders.db",
        Source::Deliveries => "deliveries.db",
    });
    patiently("the database can't be opened", async || match &storage.database_url {
        Some(url) => Ok::<_, StoreError>(Arc::new(MysqlStore::connect(url.expose(), source).await?) as Arc<dyn Store>),
        None => Ok(Arc::new(SqliteStore::open(&path, source)?) as Arc<dyn Store>),
    })
    .await
}

/// Opens the database of a service for a command that only reads: on a server nothing is made or changed there.
pub async fn open_store_to_read(storage: &Storage, source: Source) -> Result<Arc<dyn Store>> {
    let Some(url) = &storage.database_url else {
        return open_store(storage, source).await;
    };
    patiently("the database can't be opened", async || {
        let store = MysqlStore::connect_to_read(url.expose(), source).await?;
        Ok::<_, StoreError>(Arc::new(store) as Arc<dyn Store>)
    })
    .await
}

async fn create_topic(log: &Arc<dyn EventLog>, options: &RoleOptions) -> Result<()> {
    let partitions = options.partitions;
    let created = patiently("the topic can't be looked up", async || {
        let (log, topic) = (log.clone(), options.topic.clone());
        tokio::task::spawn_blocking(move || log.create_topic(&topic, partitions))
            .await
            .expect("the log doesn't panic")
    })
    .await?;
    if created {
        tracing::info!("created the topic {} with {partitions} partition(s)", options.topic);
    }
    Ok(())
}
