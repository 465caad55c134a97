//! The SQLite adapter in the contract's suite: each test has two files in a folder of its own.

use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use rusqlite::Connection;
use shop::domain::Source;
use shop::store::Store;
use stores::sqlite::SqliteStore;

use crate::fixture::Fixture;

pub struct SqliteFixture {
    folder: tempfile::TempDir,
}

impl SqliteFixture {
    pub fn new() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
        }
    }

    fn path(&self, source: Source) -> PathBuf {
        self.folder.path().join(match source {
            Source::Orders => "orders.db",
            Source::Deliveries => "deliveries.db",
        })
    }
}

#[async_trait]
impl Fixture for SqliteFixture {
    async fn open(&self, source: Source) -> Arc<dyn Store> {
        Arc::new(SqliteStore::open(&self.path(source), source).unwrap())
    }

    async fn execute(&self, source: Source, sql: &str) {
        let connection = Connection::open(self.path(source)).unwrap();
        connection.execute_batch(sql).unwrap();
    }
}
