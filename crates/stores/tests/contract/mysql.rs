//! The MySQL adapter in the contract's suite: each test has a database of its own on the server of `MALL_TEST_MYSQL`.

use std::sync::Arc;

use async_trait::async_trait;
use shop::domain::Source;
use shop::store::Store;

use crate::database::{Database, execute};
use crate::fixture::Fixture;

pub struct MysqlFixture {
    database: Database,
}

impl MysqlFixture {
    pub fn new() -> Self {
        Self {
            database: Database::unmade(),
        }
    }
}

#[async_trait]
impl Fixture for MysqlFixture {
    async fn open(&self, source: Source) -> Arc<dyn Store> {
        Arc::new(self.database.open(source).await)
    }

    async fn execute(&self, _source: Source, sql: &str) {
        execute(&mut self.database.client().await, sql).await;
    }
}
