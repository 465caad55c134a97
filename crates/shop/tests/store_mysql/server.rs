//! A database of each test's own, and a proxy in front of the server that can fail in every way.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use shop::domain::{Change, OrderCommand, OrderFields, OrderId, OrderOutcome, OrderPatch, OrderRequest, Source};
use shop::store::mysql::MysqlStore;
use sqlx::mysql::{MySqlConnectOptions, MySqlConnection};
use sqlx::{AssertSqlSafe, ConnectOptions};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// The server's address, without a database.
pub fn server() -> String {
    std::env::var("MALL_TEST_MYSQL").expect(
        "MALL_TEST_MYSQL is not set: these tests need a MariaDB or MySQL server, as mysql://root:1234@127.0.0.1:3306",
    )
}

/// A database that goes with its value.
pub struct Database {
    pub name: String,
}

impl Database {
    /// A name that nobody else uses; the database itself isn't made.
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

    /// An empty database, made as an unconfigured server makes one.
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

    /// A client of the database that speaks a character set.
    pub async fn client_speaking(&self, charset: &str) -> MySqlConnection {
        login(&self.url(), charset).await
    }

    pub async fn client(&self) -> MySqlConnection {
        self.client_speaking("utf8mb4").await
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        let sql = format!("drop database if exists `{}`", self.name);
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

/// The only number that a query answers.
pub async fn number(client: &mut MySqlConnection, sql: &str) -> i64 {
    sqlx::query_scalar(AssertSqlSafe(sql))
        .fetch_one(client)
        .await
        .unwrap_or_else(|error| panic!("{sql}: {error}"))
}

/// Waits until a condition holds.
pub async fn until<F: Future<Output = bool>>(what: &str, condition: impl Fn() -> F) {
    let deadline = Instant::now() + Duration::from_secs(10);
    while !condition().await {
        assert!(Instant::now() < deadline, "{what}: not within 10 s");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

pub fn radio() -> OrderFields {
    OrderFields {
        product_id: Some("100".into()),
        product_name: Some("RADIO".into()),
        qty: Some(3),
        customer_id: Some(2000),
        address: Some("부산 🏠".into()),
    }
}

pub fn request(command: OrderCommand) -> OrderRequest {
    OrderRequest {
        command,
        traceparent: None,
    }
}

pub fn place() -> OrderRequest {
    request(OrderCommand::Place(radio()))
}

pub fn move_to(id: OrderId, address: &str) -> OrderRequest {
    let patch = OrderPatch {
        address: Some(Some(address.to_owned())),
        ..OrderPatch::default()
    };
    request(OrderCommand::Change(id, Change::Merge(patch)))
}

pub fn number_of(outcome: &OrderOutcome) -> OrderId {
    match outcome {
        OrderOutcome::Placed(order) => order.id,
        other => panic!("not placed: {other:?}"),
    }
}

/// How a proxy treats what clients say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Passes everything on.
    Pass,
    /// Holds everything: a server that hangs.
    Hang,
    /// Closes every connection, and each new one: a server that is gone.
    Gone,
    /// Closes a connection that says `commit`, once the server has heard it.
    CutAtCommit,
    /// Holds the answer to `commit`.
    HangAtCommit,
}

/// A proxy in front of the server.
pub struct Proxy {
    pub port: u16,
    mode: watch::Sender<Mode>,
}

impl Proxy {
    pub async fn start() -> Self {
        let upstream = server();
        let upstream: Arc<str> = upstream
            .rsplit('@')
            .next()
            .expect("an address")
            .trim_end_matches('/')
            .into();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (mode, modes) = watch::channel(Mode::Pass);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(relay(client, upstream.clone(), modes.clone()));
            }
        });
        Self { port, mode }
    }

    pub fn set(&self, mode: Mode) {
        self.mode.send_replace(mode);
    }

    pub fn url(&self, database: &Database) -> String {
        let server = server();
        let login = server.rsplit_once('@').expect("an address").0;
        format!("{login}@127.0.0.1:{}/{}", self.port, database.name)
    }
}

async fn relay(mut client: TcpStream, upstream: Arc<str>, mut modes: watch::Receiver<Mode>) {
    if *modes.borrow() == Mode::Gone {
        return;
    }
    let mut server = TcpStream::connect(&*upstream).await.unwrap();
    let (mut asked, mut answered) = (vec![0; 65536], vec![0; 65536]);
    let mut committing = false;
    loop {
        let mode = *modes.borrow_and_update();
        let held = mode == Mode::Hang || (mode == Mode::HangAtCommit && committing);
        tokio::select! {
            changed = modes.changed() => {
                if changed.is_err() || *modes.borrow() == Mode::Gone {
                    return;
                }
            }
            read = client.read(&mut asked), if !held => {
                let Ok(n @ 1..) = read else { return };
                committing = asked[..n].windows(6).any(|word| word == b"commit");
                if server.write_all(&asked[..n]).await.is_err() {
                    return;
                }
            }
            read = server.read(&mut answered), if !held => {
                let Ok(n @ 1..) = read else { return };
                if committing && mode == Mode::CutAtCommit {
                    return;
                }
                if client.write_all(&answered[..n]).await.is_err() {
                    return;
                }
                committing = false;
            }
        }
    }
}
