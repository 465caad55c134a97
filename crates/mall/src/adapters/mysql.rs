//! What only the adapter for MySQL and MariaDB can tell, for `mall doctor`.

pub use stores::mysql::Trial;

use shop::domain::Source;
use shop::store::{Result, Store};
use stores::mysql::MysqlStore;

use crate::config::DatabaseUrl;

/// Runs a service's own statements on temporary tables of the server.
///
/// # Errors
/// Says which statement the server or the account's rights don't allow.
pub async fn try_out(url: &DatabaseUrl, source: Source) -> Result<Trial> {
    MysqlStore::try_out(url.expose(), source).await
}

/// Whether the server takes what a service writes; false if the service's tables are not there yet. What is written is
/// rolled back.
///
/// # Errors
/// Says why the server takes no writes.
pub async fn takes_writes(url: &DatabaseUrl, source: Source) -> Result<bool> {
    stores::mysql::takes_writes(url.expose(), source).await
}

/// Opens the tables of a service for reading, without waiting for a server that is away.
///
/// # Errors
/// Says what is missing there, or why the server can't be asked.
pub async fn look_into(url: &DatabaseUrl, source: Source) -> Result<Box<dyn Store>> {
    Ok(Box::new(MysqlStore::connect_to_read(url.expose(), source).await?))
}

/// Drops the database that `url` names.
///
/// # Errors
/// Says why the server does not do that.
pub async fn drop_database(url: &DatabaseUrl) -> Result<()> {
    stores::mysql::drop_database(url.expose()).await
}
