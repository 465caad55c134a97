//! Accepts connections and serves them with a router, within limits, until it is told to stop.

use std::convert::Infallible;
use std::io;
use std::net::IpAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::http::StatusCode;
use axum::http::header::{AUTHORIZATION, CONTENT_LENGTH};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use hyper::body::{Frame, Incoming, SizeHint};
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::connection_permits::{Busy, Client, ConnectionPermit, ConnectionPermits};
use super::cors::{Caller, Origins};
use super::forwarded::{self, Proxies};
use super::head;
use super::stall::StallGuard;
use super::streams::{Stream, Streams};
use super::traffic::{MethodIndex, Traffic};

/// The pause after a connection could not be accepted because the process has no file descriptors left.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// How long a client that listens may take to read the last of it once the server is told to stop.
const STREAM_END: Duration = Duration::from_secs(1);

/// The limits of a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// The most connections at a time. Once there are as many, the one that has been idle longest gives way to a new one;
    /// others wait in the listener's backlog.
    pub connections: usize,
    /// The most answers without an end (server-sent events) at a time.
    pub streams: usize,
    /// How long a connection may be idle before it has to give way.
    pub grace: Duration,
    /// How long a request's head may take to arrive, which is also how long a connection may be idle.
    pub head: Duration,
    /// How long a client may go without reading anything of an answer that is being sent to it.
    pub stall: Duration,
    /// The longest head of a request, in bytes.
    pub head_bytes: usize,
    /// How long requests in flight may still take once the server is told to stop.
    pub drain: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 4096,
            streams: 64,
            grace: Duration::from_secs(1),
            head: Duration::from_secs(30),
            stall: Duration::from_secs(30),
            head_bytes: 16 * 1024,
            drain: Duration::from_secs(30),
        }
    }
}

/// What every request passes before a router sees it.
#[derive(Debug, Clone, Default)]
pub struct Front {
    /// The counters of requests.
    pub traffic: Arc<Traffic>,
    /// The origins whose pages may call.
    pub origins: Origins,
    /// The proxies that may say where the client is.
    pub proxies: Proxies,
}

/// Serves until `shutdown` is cancelled. From then on no connection is accepted, idle ones are closed, answers without an end
/// end, and requests in flight go on until `limits.drain` has passed. Returns how many connections were cut off then.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    limits: Limits,
    front: Front,
    shutdown: CancellationToken,
) -> usize {
    let server = Server {
        router,
        permits: ConnectionPermits::new(limits.connections, limits.grace),
        streams: Streams::new(limits.streams, shutdown.clone()),
        tasks: TaskTracker::new(),
        cut: CancellationToken::new(),
        limits,
        front,
        shutdown,
    };
    while let Some((stream, permit)) = server.accept(&listener).await {
        server.tasks.spawn(server.connection(stream, permit));
    }
    drop(listener);
    server.drain().await
}

struct Server {
    router: Router,
    permits: Arc<ConnectionPermits>,
    streams: Streams,
    tasks: TaskTracker,
    /// Cancelled when the connections that are still open are cut off.
    cut: CancellationToken,
    limits: Limits,
    front: Front,
    shutdown: CancellationToken,
}

impl Server {
    /// The next connection and its permit; `None` once the server is to stop.
    async fn accept(&self, listener: &TcpListener) -> Option<(TcpStream, ConnectionPermit)> {
        let taken = async {
            let stream = loop {
                match listener.accept().await {
                    Ok((stream, _)) => break stream,
                    Err(error) => self.wait_out(&error).await,
                }
            };
            (stream, self.permits.take().await)
        };
        self.shutdown.run_until_cancelled(taken).await
    }

    /// Handles an error of `accept`. A client that went away before it was accepted is no trouble. If the process has no file
    /// descriptors left, an idle client is told to leave, and the server waits for a moment.
    async fn wait_out(&self, error: &io::Error) {
        use io::ErrorKind::{ConnectionAborted, ConnectionReset, Interrupted};
        if !matches!(error.kind(), ConnectionAborted | ConnectionReset | Interrupted) {
            tracing::warn!(tally = "connections that can't be taken", %error, "no connection can be taken");
            self.permits.make_room();
            tokio::time::sleep(ACCEPT_PAUSE).await;
        }
    }

    /// Serves one connection to its end.
    fn connection(&self, stream: TcpStream, permit: ConnectionPermit) -> impl Future<Output = ()> + use<> {
        // Answers are written whole, so the kernel need not wait for more to send.
        let _ = stream.set_nodelay(true);
        let mut http = http1::Builder::new();
        // A client that has sent its request and closed its own side still waits for its answer.
        http.half_close(true)
            .timer(TokioTimer::new())
            .header_read_timeout(self.limits.head)
            .max_header_size(self.limits.head_bytes);
        let client = Arc::clone(&permit.client);
        // A client that is gone already has no address, and nobody to be believed.
        let peer = stream.peer_addr().ok().map(|peer| peer.ip());
        let trusted = peer.is_some_and(|peer| self.front.proxies.trust(peer));
        let service = Fronted {
            peer,
            front: self.front.clone(),
            streams: self.streams.clone(),
            trusted,
            client: Arc::clone(&client),
        };
        let service = service.around(self.router.clone());
        let io = StallGuard::new(stream, Arc::clone(&client), self.limits.stall);
        let connection = http.serve_connection(TokioIo::new(io), service);
        let (shutdown, cut) = (self.shutdown.clone(), self.cut.clone());
        async move {
            let _permit = permit;
            let mut connection = pin!(connection);
            let ended = tokio::select! {
                ended = connection.as_mut() => Some(ended),
                () = shutdown.cancelled() => {
                    connection.as_mut().graceful_shutdown();
                    match client.listening.load(Relaxed) {
                        true => tokio::time::timeout(STREAM_END, connection).await.ok(),
                        false => cut.run_until_cancelled(connection).await,
                    }
                }
                () = client.leave.cancelled() => {
                    if client.is_idle() {
                        return;
                    }
                    // The client has sent a request since it was chosen to leave, and still gets the answer.
                    connection.as_mut().graceful_shutdown();
                    cut.run_until_cancelled(connection).await
                }
            };
            if let Some(Err(error)) = ended {
                tracing::debug!(%error, "connection ended");
            }
        }
    }

    async fn drain(self) -> usize {
        self.tasks.close();
        let drained = tokio::time::timeout(self.limits.drain, self.tasks.wait()).await;
        let left = if drained.is_ok() { 0 } else { self.tasks.len() };
        self.cut.cancel();
        self.tasks.wait().await;
        left
    }
}

/// The address of whoever has sent a request. Only one that carries an `Authorization` has it, as noting it costs an allocation.
#[derive(Debug, Clone, Copy)]
pub(super) struct Peer(pub IpAddr);

/// What stands around the router for one connection. No layer of the router does this, because that would cost an allocation
/// for each request.
struct Fronted {
    front: Front,
    streams: Streams,
    /// The client's address; none if it is gone already.
    peer: Option<IpAddr>,
    /// Whether this client is a proxy whose `Forwarded` headers are believed.
    trusted: bool,
    client: Arc<Client>,
}

impl Fronted {
    /// Puts normalising, CORS, counting and the limit of streams around `router`.
    fn around(
        self,
        router: Router,
    ) -> impl Service<Request<Incoming>, Response = Response<BusyBody>, Error = Infallible, Future: Send> + Send {
        let router = TowerToHyperService::new(router);
        service_fn(move |mut request: Request<Incoming>| {
            let (method, start) = (MethodIndex::from(request.method()), Instant::now());
            let (client, streams) = (Arc::clone(&self.client), self.streams.clone());
            let (busy, traffic) = (client.asks(), Arc::clone(&self.front.traffic));
            forwarded::note(&mut request, self.trusted);
            if let Some(peer) = self.peer.filter(|_| request.headers().contains_key(AUTHORIZATION)) {
                request.extensions_mut().insert(Peer(peer));
            }
            let admitted = match head::normalise(&mut request).and_then(|()| self.front.origins.caller(&request)) {
                Ok(caller) => Ok((router.call(request), caller)),
                Err(problem) => Err(problem),
            };
            async move {
                let (mut response, caller) = match admitted {
                    Ok((answering, caller)) => (answering.await?, caller),
                    Err(problem) => (problem.into_response(), Caller::UNKNOWN),
                };
                let stream = streams.admit(&response, &client).unwrap_or_else(|full| {
                    response = full.into_response();
                    None
                });
                caller.add_headers(&mut response);
                if response.status() == StatusCode::NOT_MODIFIED {
                    // axum writes a length of 0 for HEAD, but the header would be about the item that is not sent.
                    response.headers_mut().remove(CONTENT_LENGTH);
                }
                traffic.add(method, response.status(), start.elapsed());
                Ok(response.map(|body| BusyBody {
                    body,
                    stream,
                    _busy: busy,
                }))
            }
        })
    }
}

/// The body of an answer, with which the client counts as busy until the whole of it has been handed over.
struct BusyBody {
    body: Body,
    /// Set if the body has no end of its own.
    stream: Option<Stream>,
    _busy: Busy,
}

impl hyper::body::Body for BusyBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let polled = Pin::new(&mut self.body).poll_frame(cx);
        let over = polled.is_pending() && self.stream.as_mut().is_some_and(|stream| stream.is_over(cx));
        if over { Poll::Ready(None) } else { polled }
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
