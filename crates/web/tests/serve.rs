//! The limits of the server, and how it stops.

mod wire;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::routing::get;
use observe::{Observer, What};
use tokio::net::TcpListener;
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use web::{Front, Limits, observed, serve};
use wire::{Connection, request};

/// A router with the observations of a role, in which `/fast` answers at once, `/large` with more than all buffers on the way hold, and `/slow` says
/// that it has begun and waits to be released.
struct Server {
    address: SocketAddr,
    begun: Arc<Notify>,
    release: Arc<Notify>,
    observer: Observer,
    shutdown: CancellationToken,
    served: JoinHandle<usize>,
}

impl Server {
    async fn start(limits: Limits) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (begun, release, shutdown) = (
            Arc::new(Notify::new()),
            Arc::new(Notify::new()),
            CancellationToken::new(),
        );
        let signals = (Arc::clone(&begun), Arc::clone(&release));
        let slow = move || {
            let (begun, release) = signals.clone();
            async move {
                begun.notify_one();
                release.notified().await;
                "slow"
            }
        };
        let large = get(|| async { vec![b'x'; 64 * 1024 * 1024] });
        let observer = Observer::new("role", 17);
        let router = observed(Router::new(), observer.clone())
            .route("/large", large)
            .route("/fast", get(|| async { "fast" }))
            .route("/slow", get(slow));
        let served = tokio::spawn(serve(listener, router, limits, Front::default(), shutdown.clone()));
        Self {
            address,
            begun,
            release,
            observer,
            shutdown,
            served,
        }
    }

    async fn asked(&self, path: &str) -> Connection {
        let mut connection = Connection::open(self.address).await;
        connection.send(&request(&format!("GET {path}"), &[], b"")).await;
        connection
    }
}

#[tokio::test]
async fn requests_in_flight_are_finished_and_idle_connections_closed() {
    let server = Server::start(Limits::default()).await;
    let mut idle = server.asked("/fast").await;
    assert_eq!(idle.answer(false).await.body, "fast");
    let mut untouched = Connection::open(server.address).await;
    let mut slow = server.asked("/slow").await;
    server.begun.notified().await;

    server.shutdown.cancel();
    assert!(idle.is_closed().await);
    assert!(untouched.is_closed().await);
    server.release.notify_one();
    assert_eq!(slow.answer(false).await.body, "slow");
    assert!(slow.is_closed().await);
    assert_eq!(server.served.await.unwrap(), 0);
}

#[tokio::test]
async fn the_drain_ends_at_its_deadline() {
    let limits = Limits {
        drain: Duration::from_millis(20),
        ..Limits::default()
    };
    let server = Server::start(limits).await;
    let mut slow = server.asked("/slow").await;
    server.begun.notified().await;
    server.shutdown.cancel();
    assert_eq!(server.served.await.unwrap(), 1);
    assert!(slow.is_closed().await);
}

#[tokio::test]
async fn connections_beyond_the_limit_wait_for_a_place() {
    let server = Server::start(Limits {
        connections: 1,
        grace: Duration::from_secs(3600),
        ..Limits::default()
    })
    .await;
    let mut first = server.asked("/slow").await;
    server.begun.notified().await;
    let mut second = server.asked("/fast").await;
    server.release.notify_one();
    assert_eq!(first.answer(false).await.body, "slow");
    for _ in 0..100 {
        first.send(&request("GET /fast", &[], b"")).await;
        assert_eq!(first.answer(false).await.body, "fast");
    }
    assert!(second.is_silent(), "the only place is still taken");
    drop(first);
    assert_eq!(second.answer(false).await.body, "fast");
}

/// Clients that send nothing, hold back half a head, or have had their answer don't lock others out.
#[tokio::test]
async fn idle_connections_give_their_places_up() {
    let server = Server::start(Limits {
        connections: 40,
        grace: Duration::from_millis(20),
        ..Limits::default()
    })
    .await;
    let mut slow = server.asked("/slow").await;
    server.begun.notified().await;
    let mut idle = Vec::new();
    for number in 0..200 {
        let mut connection = Connection::open(server.address).await;
        match number % 3 {
            0 => {}
            1 => connection.send(b"GET /fast HTTP/1.1\r\nHost: ").await,
            _ => {
                connection.send(&request("GET /fast", &[], b"")).await;
                assert_eq!(connection.answer(false).await.body, "fast");
            }
        }
        idle.push(connection);
    }
    let mut probe = server.asked("/fast").await;
    assert_eq!(probe.answer(false).await.body, "fast");
    assert!(idle[0].is_closed().await, "the longest idle has left");
    server.release.notify_one();
    assert_eq!(slow.answer(false).await.body, "slow", "whoever is being answered stays");
}

#[tokio::test]
async fn a_client_that_still_takes_its_answer_is_not_idle() {
    let server = Server::start(Limits {
        connections: 1,
        grace: Duration::ZERO,
        ..Limits::default()
    })
    .await;
    let mut reader = server.asked("/large").await;
    reader.hears().await;
    let mut next = server.asked("/fast").await;
    assert_eq!(reader.answer(false).await.body.len(), 64 * 1024 * 1024);
    assert_eq!(next.answer(false).await.body, "fast");
}

#[tokio::test]
async fn a_client_that_closes_its_side_is_answered() {
    let server = Server::start(Limits::default()).await;
    let mut fast = server.asked("/fast").await;
    fast.half_close().await;
    assert!(fast.rest().await.expect("an end").ends_with("fast"));
    let mut slow = server.asked("/slow").await;
    slow.half_close().await;
    server.begun.notified().await;
    server.release.notify_one();
    assert!(slow.rest().await.expect("an end").ends_with("slow"));
    let mut two = Connection::open(server.address).await;
    let both = [request("GET /fast", &[], b""), request("GET /fast", &[], b"")].concat();
    two.send(&both).await;
    two.half_close().await;
    assert_eq!(two.rest().await.expect("an end").matches("200 OK").count(), 2);
    let mut half = Connection::open(server.address).await;
    half.send(b"GET /fast HTTP/1.1\r\nHost").await;
    half.half_close().await;
    assert!(
        !half.rest().await.expect("an end").contains("200"),
        "half a request is none"
    );
}

#[tokio::test]
async fn heads_have_to_be_short_and_in_time() {
    let limits = Limits {
        head: Duration::from_millis(50),
        ..Limits::default()
    };
    let server = Server::start(limits).await;
    let mut slow = Connection::open(server.address).await;
    slow.send(b"GET /fast HTTP/1.1\r\nHost: ").await;
    assert!(slow.is_closed().await);

    let server = Server::start(Limits::default()).await;
    let mut long = Connection::open(server.address).await;
    long.send(&request("GET /fast", &[("X-Long", &"x".repeat(17_000))], b""))
        .await;
    assert_eq!(long.answer(false).await.status, 431);
    let mut many = Connection::open(server.address).await;
    many.send(&request("GET /fast", &vec![("X-Many", "x"); 101], b"")).await;
    assert_eq!(many.answer(false).await.status, 431);
}

#[tokio::test]
async fn clients_that_do_not_read_lose_their_connection() {
    let limits = Limits {
        stall: Duration::from_millis(50),
        connections: 1,
        ..Limits::default()
    };
    let server = Server::start(limits).await;
    let _deaf = server.asked("/large").await;
    let mut next = server.asked("/fast").await;
    assert_eq!(next.answer(false).await.body, "fast");
}

#[tokio::test]
async fn who_listens_hears_the_last_word_and_holds_up_no_shutdown() {
    let server = Server::start(Limits::default()).await;
    let mut listener = server.asked("/observations").await;
    listener.hears_text("retry: 1000").await;
    server.observer.emit(1, What::Frozen);
    listener.hears_text("event: frozen").await;
    let deaf = server.asked("/observations?after=0").await;
    deaf.hears().await;
    // More than all buffers on the way hold, and more than the role keeps.
    let long = What::LeaseWon {
        lease: "x".repeat(4000),
    };
    (0..5000).for_each(|_| server.observer.emit(2, long.clone()));
    server.observer.emit(3, What::Woken);
    let heard = listener.hears_text("event: woken").await;
    assert!(heard.contains("\"missed\":905"), "{}", &heard[..200]);
    server.observer.emit(3, What::Stopped);
    server.shutdown.cancel();
    assert!(listener.rest().await.expect("an end").contains("event: stopped"));
    assert_eq!(
        server.served.await.unwrap(),
        0,
        "nobody had to be waited for until the deadline"
    );
}

#[tokio::test]
async fn listeners_leave_places_to_those_who_ask() {
    let server = Server::start(Limits {
        streams: 1,
        connections: 3,
        ..Limits::default()
    })
    .await;
    let mut listener = server.asked("/observations").await;
    listener.hears_text("retry: 1000").await;
    let full = server.asked("/observations").await.answer(false).await;
    assert_eq!((full.status, full.header("retry-after")), (503, Some("5")));
    assert_eq!(server.asked("/fast").await.answer(false).await.body, "fast");
    let mut head = Connection::open(server.address).await;
    head.send(&request("HEAD /observations", &[], b"")).await;
    assert_eq!(head.answer(true).await.status, 503);
    drop(listener);
    let mut next = loop {
        // That the listener is gone is noticed when something is sent to it.
        server.observer.emit(1, What::Frozen);
        let mut next = server.asked("/observations").await;
        if next.hears_text("\r\n").await.contains("200") {
            break next;
        }
        tokio::task::yield_now().await;
    };
    next.hears_text("retry: 1000").await;
}

#[tokio::test]
async fn observations_can_only_be_listened_to() {
    let server = Server::start(Limits::default()).await;
    let ask = async |request: Vec<u8>| {
        let mut connection = Connection::open(server.address).await;
        connection.send(&request).await;
        connection.answer(false).await
    };
    let post = ask(request(
        "POST /observations",
        &[("Content-Type", "application/json")],
        b"{}",
    ))
    .await;
    assert_eq!((post.status, post.header("allow")), (405, Some("GET, HEAD")));
    assert_eq!(
        ask(request("GET /observations", &[("Accept", "text/html")], b""))
            .await
            .status,
        406
    );
    assert_eq!(ask(request("GET /observations?after=x", &[], b"")).await.status, 400);
    assert_eq!(
        ask(request("GET /observations", &[("Last-Event-ID", "x")], b""))
            .await
            .status,
        400
    );
}
