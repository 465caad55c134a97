//! The test server, and a database of its own for each test.

use std::sync::atomic::{AtomicU64, Ordering};

use shop::domain::Source;
use sqlx::mysql::{MySqlConnectOptions, MySqlConnection};
use sqlx::{AssertSqlSafe, ConnectOptions};
use stores::mysql::MysqlStore;

/// The server's address, without a database.
pub fn server() -> String {
    std::env::var("MALL_TEST_MYSQL").expect(
        "MALL_TEST_MYSQL is not set: these tests need a MariaDB or MySQL server, as mysql://root:1234@127.0.0.1:3306",
    )
}

/// A database that is dropped with this value.
pub struct Database {
    pub name: String,
}

impl Database {
    /// A name that no other test uses; the database itself is not created.
    pub fn unmade() -> Self {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let now = std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)
            .unwrap();
        let name = format!(
            "mall-test-{}-{}-{}",
            std::process::id(),
            now.subsec_nanos(),
            COUNT.fetch_add(1, Ordering::Relaxed)
        );
        Self { name }
    }

    /// An empty database, created as a server without configuration creates one.
    pub async fn make(charset: &str) -> Self {
        let database = Self::unmade();
        let sql = format!("create database `{}` character set {charset}", database.name);
        execute(&mut login(&server(), "utf8mb4").await, &sql).await;
        database
    }

    pub fn url(&self) -> String {
        format!("{}/{}", server(), self.name)
    }

    pub async fn open(&self, source: Source) -> MysqlStore {
        MysqlStore::connect(&self.url(), source)
            .await
            .expect("the database can be opened")
    }

    /// A client of the database that uses this character set.
    pub async fn client_speaking(&self, charset: &str) -> MySqlConnection {
        login(&self.url(), charset).await
    }

    pub async fn client(&self) -> MySqlConnection {
        self.client_speaking("utf8mb4").await
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        let sql = format!("set lock_wait_timeout = 10; drop database if exists `{}`", self.name);
        let dropped = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            runtime.block_on(async { execute(&mut login(&server(), "utf8mb4").await, &sql).await });
        });
        if dropped.join().is_err() && !std::thread::panicking() {
            panic!("the test's database {} could not be dropped", self.name);
        }
    }
}

async fn login(url: &str, charset: &str) -> MySqlConnection {
    let options: MySqlConnectOptions = url.parse().expect("MALL_TEST_MYSQL is an address");
    options
        .charset(charset)
        .disable_statement_logging()
        .connect()
        .await
        .expect("the server answers")
}

/// Runs statements.
pub async fn execute(client: &mut MySqlConnection, sql: &str) {
    let done = sqlx::raw_sql(AssertSqlSafe(sql)).execute(client).await;
    done.unwrap_or_else(|error| panic!("{sql}: {error}"));
}

/// The first column of a query's rows, as text.
pub async fn texts(client: &mut MySqlConnection, sql: &str) -> Vec<Option<String>> {
    sqlx::query_scalar(AssertSqlSafe(sql))
        .fetch_all(client)
        .await
        .unwrap_or_else(|error| panic!("{sql}: {error}"))
}

/// The only number that a query returns.
pub async fn number(client: &mut MySqlConnection, sql: &str) -> i64 {
    sqlx::query_scalar(AssertSqlSafe(sql))
        .fetch_one(client)
        .await
        .unwrap_or_else(|error| panic!("{sql}: {error}"))
}
