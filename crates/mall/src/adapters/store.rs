//! Opens the database of a service: a file of the data folder, or a server.

use std::path::Path;
use std::sync::Arc;

use anyhow::Result;
use shop::domain::Source;
use shop::store::{Store, StoreError};
use stores::mysql::MysqlStore;
use stores::sqlite::SqliteStore;

use super::retry::until_available;
use crate::config::Storage;
use crate::data_dir::DataFile;

const CANT_OPEN: &str = "the database can't be opened";

/// Opens the database of a service, and waits for one that is away. What is missing in it is created.
pub async fn open_store(storage: &Storage, source: Source) -> Result<Arc<dyn Store>> {
    until_available(CANT_OPEN, async || {
        Ok::<Arc<dyn Store>, StoreError>(match &storage.database_url {
            Some(url) => Arc::new(MysqlStore::connect(url.expose(), source).await?),
            None => Arc::new(sqlite(&storage.data, source)?),
        })
    })
    .await
}

/// Opens the database of a service for a command that only reads. On a server nothing is created or changed, so that an
/// account that may only select is enough.
pub async fn open_store_to_read(storage: &Storage, source: Source) -> Result<Arc<dyn Store>> {
    let Some(url) = &storage.database_url else {
        return open_store(storage, source).await;
    };
    until_available(CANT_OPEN, async || {
        let store = MysqlStore::connect_to_read(url.expose(), source).await?;
        Ok::<Arc<dyn Store>, StoreError>(Arc::new(store))
    })
    .await
}

/// Opens the file of a service for reading, as it is: nothing in it is brought up to date.
///
/// # Errors
/// Says why the file can't be read.
pub fn look_into_sqlite(path: &Path, source: Source) -> Result<Box<dyn Store>, StoreError> {
    Ok(Box::new(SqliteStore::open_to_read(path, source)?))
}

/// Opens the database of a service for reading, as it is and without waiting for it.
///
/// # Errors
/// Says why it can't be read.
pub async fn look_into_store(storage: &Storage, source: Source) -> Result<Arc<dyn Store>, StoreError> {
    Ok(match &storage.database_url {
        Some(url) => Arc::new(MysqlStore::connect_to_read(url.expose(), source).await?),
        None => Arc::from(look_into_sqlite(
            &storage.data.join(DataFile::of(source).name()),
            source,
        )?),
    })
}

/// Creates the file of a service in a data folder that lacks it.
pub fn create_sqlite_store(data: &Path, source: Source) -> Result<()> {
    sqlite(data, source).map(drop).map_err(Into::into)
}

fn sqlite(data: &Path, source: Source) -> Result<SqliteStore, StoreError> {
    SqliteStore::open(&data.join(DataFile::of(source).name()), source)
}
