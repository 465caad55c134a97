//! A service on a port of its own over a real SQLite store, and a client that sends exactly the bytes that it is given.

#![allow(dead_code, reason = "each test binary uses its own part")]

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use keylane_log::Timestamp;
use shop::commit::GroupCommit;
use shop::domain::{OrderOutcome, OrderRequest, Source};
use shop::health::Readiness;
use shop::store::{Store, StoreError};
use stores::sqlite::SqliteStore;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;
use web::{DeliveryService, Front, Limits, OrderService, delivery_router, order_router, serve};

/// The timestamp of every event.
pub const NOW: Timestamp = Timestamp(1_749_697_512_193);

/// An order that keeps the rules.
pub const ORDER: &str = r#"{"customerId":1,"productId":"1","qty":1,"address":"A"}"#;

/// The TV order of the contract as httpie sends it.
pub const NEW_TV: &str = r#"{"customerId":"1000","productId":"100","productName":"TV","qty":"3","address":"SEOUL"}"#;

/// The TV order as it is answered.
pub const TV: &str = r#"{"productId":"100","productName":"TV","qty":3,"customerId":1000,"address":"SEOUL","_links":{"self":{"href":"http://localhost:8081/orders/1"},"order":{"href":"http://localhost:8081/orders/1"}}}"#;

/// How long anything may take before a test fails.
const TEST_DEADLINE: Duration = Duration::from_secs(60);

/// The headers that httpie sends, besides Host and those of the body.
pub const HTTPIE: &[(&str, &str)] = &[
    ("User-Agent", "HTTPie/3.2.2"),
    ("Accept-Encoding", "gzip, deflate"),
    ("Accept", "application/json, */*;q=0.5"),
    ("Connection", "keep-alive"),
];

/// A running service.
pub struct Service {
    pub address: SocketAddr,
    pub store: Arc<dyn Store>,
    pub readiness: Arc<Readiness>,
    stop: CancellationToken,
    _folder: TempDir,
}

/// An answer of the service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WireAnswer {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: String,
}

impl Service {
    /// An order service without orders.
    pub async fn orders() -> Self {
        Self::orders_for(&[]).await
    }

    /// An order service that has the TV order of the contract.
    pub async fn with_tv() -> Self {
        let service = Self::orders().await;
        service.place_tv().await;
        service
    }

    /// An order service of which every commit has this outcome.
    pub async fn orders_failing(error: StoreError) -> Self {
        Self::orders_behind(Front::default(), |_| {
            GroupCommit::start(move |_| {
                let error = error.clone();
                async move { Err(error) }
            })
        })
        .await
    }

    /// An order service without orders that pages of these origins may call.
    pub async fn orders_for(origins: &[&str]) -> Self {
        let origins = origins.iter().map(|origin| origin.parse().expect("an origin"));
        let front = Front {
            origins: origins.collect(),
            ..Front::default()
        };
        Self::orders_behind(front, |store| {
            GroupCommit::start(move |batch: Arc<[OrderRequest]>| {
                let store = Arc::clone(&store);
                async move { store.run_orders(&batch, NOW).await }
            })
        })
        .await
    }

    async fn orders_behind(
        front: Front,
        commit: impl FnOnce(Arc<dyn Store>) -> GroupCommit<OrderRequest, OrderOutcome>,
    ) -> Self {
        Self::start(Source::Orders, front, |store, readiness| {
            let (orders, authority) = (commit(Arc::clone(&store)), "localhost:8081".to_owned());
            order_router(OrderService {
                store,
                orders,
                readiness,
                authority,
            })
        })
        .await
    }

    /// A delivery service without deliveries.
    pub async fn deliveries() -> Self {
        Self::start(Source::Deliveries, Front::default(), |store, readiness| {
            delivery_router(DeliveryService {
                store,
                readiness,
                authority: "localhost:8082".to_owned(),
            })
        })
        .await
    }

    async fn start(
        source: Source,
        front: Front,
        router: impl FnOnce(Arc<dyn Store>, Arc<Readiness>) -> Router,
    ) -> Self {
        let folder = TempDir::new().expect("a temporary folder");
        let store = open(&folder.path().join("shop.db"), source).await;
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let (address, readiness) = (listener.local_addr().unwrap(), Arc::new(Readiness::new(|| NOW)));
        let stop = CancellationToken::new();
        let router = router(Arc::clone(&store), Arc::clone(&readiness));
        tokio::spawn(serve(listener, router, Limits::default(), front, stop.clone()));
        Self {
            address,
            store,
            readiness,
            stop,
            _folder: folder,
        }
    }

    /// Sends a request with these headers on a connection of its own, with a Content-Length if there is a body.
    pub async fn send(&self, line: &str, headers: &[(&str, &str)], body: impl AsRef<[u8]>) -> WireAnswer {
        let mut connection = Connection::open(self.address).await;
        connection.send(&request(line, headers, body.as_ref())).await;
        connection.answer(line.starts_with("HEAD ")).await
    }

    /// Sends the bytes, closes the client's side, and returns what the service sends until it closes its own; `None`
    /// if it never does.
    pub async fn exchange(&self, bytes: &[u8]) -> Option<String> {
        let mut connection = Connection::open(self.address).await;
        // The service may have closed the connection before it has read everything.
        let _ = connection.stream.write_all(bytes).await;
        let _ = connection.stream.shutdown().await;
        connection.rest().await
    }

    /// Sends a request as httpie sends it.
    pub async fn httpie(&self, line: &str, body: &str) -> WireAnswer {
        let mut headers = HTTPIE.to_vec();
        if !body.is_empty() {
            headers.push(("Content-Type", "application/json"));
        }
        self.send(line, &headers, body).await
    }

    /// Sends a GET with no header but Host.
    pub async fn get(&self, path: &str) -> WireAnswer {
        self.send(&format!("GET {path}"), &[], "").await
    }

    /// Places the TV order of the contract.
    pub async fn place_tv(&self) {
        assert_eq!(self.httpie("POST /orders", NEW_TV).await.status, 201);
    }

    /// How many events an order has had.
    pub async fn events_of(&self, order: i64) -> usize {
        self.store
            .order_events(shop::domain::OrderId(order))
            .await
            .expect("the journal answers")
            .len()
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

async fn open(path: &Path, source: Source) -> Arc<dyn Store> {
    let path = path.to_owned();
    let opened = tokio::task::spawn_blocking(move || SqliteStore::open(&path, source)).await;
    Arc::new(opened.expect("opening does not panic").expect("a new database opens"))
}

/// A request as bytes; `line` is its method and target.
pub fn request(line: &str, headers: &[(&str, &str)], body: &[u8]) -> Vec<u8> {
    let mut text = format!("{line} HTTP/1.1\r\nHost: localhost:8081\r\n");
    for (name, value) in headers {
        text.push_str(&format!("{name}: {value}\r\n"));
    }
    if !body.is_empty() {
        text.push_str(&format!("Content-Length: {}\r\n", body.len()));
    }
    let mut bytes = format!("{text}\r\n").into_bytes();
    bytes.extend_from_slice(body);
    bytes
}

/// A connection over which a test sends and reads bytes itself.
pub struct Connection {
    stream: TcpStream,
    read: Vec<u8>,
}

impl Connection {
    pub async fn open(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).await.expect("the service listens");
        Self {
            stream,
            read: Vec::new(),
        }
    }

    pub async fn send(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).await.expect("the service reads");
    }

    /// Waits until the service has sent a first byte.
    pub async fn hears(&self) {
        let heard = tokio::time::timeout(TEST_DEADLINE, self.stream.readable()).await;
        heard.expect("a byte in time").expect("an open connection");
    }

    /// Waits until the service has sent this text. Returns all that came up to its end and was not returned before.
    pub async fn hears_text(&mut self, text: &str) -> String {
        let heard = async {
            let mut searched = 0;
            loop {
                let new = &self.read[searched..];
                if let Some(at) = new.windows(text.len()).position(|window| window == text.as_bytes()) {
                    return self.read.drain(..searched + at + text.len()).collect();
                }
                searched = self.read.len().saturating_sub(text.len());
                self.more().await;
            }
        };
        let heard: Vec<u8> = tokio::time::timeout(TEST_DEADLINE, heard)
            .await
            .expect("the text in time");
        String::from_utf8_lossy(&heard).into_owned()
    }

    /// Closes the client's side; what the service sends can still be read.
    pub async fn half_close(&mut self) {
        self.stream.shutdown().await.expect("an open connection");
    }

    /// Everything that the service sends until it closes the connection; `None` if it does not.
    pub async fn rest(mut self) -> Option<String> {
        let read = tokio::time::timeout(TEST_DEADLINE, self.stream.read_to_end(&mut self.read)).await;
        // A service that closes before it has read everything resets the connection; what came before counts.
        let text = String::from_utf8_lossy(&self.read).into_owned();
        read.ok().map(|_| text)
    }

    /// Reads the next answer. An answer to a HEAD has no body, whatever its Content-Length says.
    pub async fn answer(&mut self, to_head: bool) -> WireAnswer {
        tokio::time::timeout(TEST_DEADLINE, self.read_answer(to_head))
            .await
            .expect("an answer in time")
    }

    /// Whether the service closes the connection without sending another byte.
    pub async fn is_closed(&mut self) -> bool {
        let mut byte = [0];
        let read = tokio::time::timeout(TEST_DEADLINE, self.stream.read(&mut byte)).await;
        self.read.is_empty() && matches!(read.expect("an end in time"), Ok(0) | Err(_))
    }

    /// Whether no byte has arrived so far.
    pub fn is_silent(&self) -> bool {
        matches!(self.stream.try_read(&mut [0]), Err(error) if error.kind() == std::io::ErrorKind::WouldBlock)
    }

    async fn read_answer(&mut self, to_head: bool) -> WireAnswer {
        let end = loop {
            match self.read.windows(4).position(|window| window == b"\r\n\r\n") {
                Some(end) => break end,
                None => self.more().await,
            }
        };
        let head = String::from_utf8(self.read.drain(..end + 4).collect()).expect("a head in ASCII");
        let mut lines = head.trim_end().split("\r\n");
        let status = lines
            .next()
            .unwrap()
            .split(' ')
            .nth(1)
            .unwrap()
            .parse()
            .expect("a status");
        let split = |line: &str| {
            line.split_once(": ")
                .map(|(name, value)| (name.to_lowercase(), value.to_owned()))
        };
        let mut answer = WireAnswer {
            status,
            headers: lines.filter_map(split).collect(),
            body: String::new(),
        };
        let length = answer
            .header("content-length")
            .map_or(0, |length| length.parse().expect("a length"));
        let length = if to_head { 0 } else { length };
        while self.read.len() < length {
            self.more().await;
        }
        answer.body = String::from_utf8(self.read.drain(..length).collect()).expect("a body in UTF-8");
        answer
    }

    async fn more(&mut self) {
        let read = self
            .stream
            .read_buf(&mut self.read)
            .await
            .expect("the connection holds");
        assert!(
            read > 0,
            "the connection ended inside an answer: {:?}",
            String::from_utf8_lossy(&self.read)
        );
    }
}

impl WireAnswer {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(known, _)| known == name)
            .map(|(_, value)| value.as_str())
    }

    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error} in {:?}", self.body))
    }

    /// The `message`, if the answer is a problem whose other members are right.
    pub fn problem(&self) -> Option<String> {
        let problem: serde_json::Value = serde_json::from_str(&self.body).ok()?;
        let right = self.header("content-type") == Some("application/problem+json") && problem["status"] == self.status;
        problem["message"].as_str().filter(|_| right).map(str::to_owned)
    }

    /// The `message` of a problem.
    pub fn message(&self) -> String {
        self.problem()
            .unwrap_or_else(|| panic!("no problem with a message: {self:?}"))
    }
}

/// The statuses of all answers in what a connection has read.
pub fn statuses(text: &str) -> Vec<u16> {
    let answers = text.split("HTTP/1.").skip(1);
    answers
        .filter_map(|answer| answer.split(' ').nth(1)?.parse().ok())
        .collect()
}

/// Goes through a table and reports every row that failed, by name.
#[derive(Default)]
pub struct Rows(Vec<String>);

impl Rows {
    pub fn check(&mut self, name: &str, holds: bool, seen: impl std::fmt::Debug) {
        if !holds {
            self.0.push(format!("{name}: {seen:?}"));
        }
    }
}

impl Drop for Rows {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            assert!(self.0.is_empty(), "{} rows fail:\n{}", self.0.len(), self.0.join("\n"));
        }
    }
}
