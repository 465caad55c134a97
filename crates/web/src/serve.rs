//! Takes connections and gives them to a router, within limits, until it is told to stop.

use std::convert::Infallible;
use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::http::StatusCode;
use axum::http::header::CONTENT_LENGTH;
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

use super::cors::{Asker, Origins};
use super::head;
use super::places::{Busy, Client, Places, Seat};
use super::stall::Impatient;
use super::traffic::{MethodIndex, Traffic};

/// How long to wait when a connection can't be taken because the process is out of files.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// What a server grants its clients.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Connections at once. When there are as many, whoever has been idle longest gives way; more wait in the listener's
    /// backlog.
    pub connections: usize,
    /// How long a connection may be idle without having to give way.
    pub grace: Duration,
    /// How long a request's head may take to arrive, which is also how long a connection may be idle.
    pub head: Duration,
    /// How long a client may take nothing of an answer that is being sent to it.
    pub stall: Duration,
    /// The longest head of a request, in bytes.
    pub head_bytes: usize,
    /// How long requests in flight may go on once the server is told to stop.
    pub drain: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 4096,
            grace: Duration::from_secs(1),
            head: Duration::from_secs(30),
            stall: Duration::from_secs(30),
            head_bytes: 16 * 1024,
            drain: Duration::from_secs(30),
        }
    }
}

/// What stands before a router.
#[derive(Debug, Clone, Default)]
pub struct Front {
    /// Where requests are counted.
    pub traffic: Arc<Traffic>,
    /// Whose pages may call.
    pub origins: Origins,
}

/// Serves until `shutdown`: then no connection is taken any more, idle ones are closed, and requests in flight are finished
/// up to the deadline. Returns how many connections were cut off at the deadline.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    limits: Limits,
    front: Front,
    shutdown: CancellationToken,
) -> usize {
    let server = Server {
        router,
        places: Places::new(limits.connections, limits.grace),
        tasks: TaskTracker::new(),
        cut: CancellationToken::new(),
        limits,
        front,
        shutdown,
    };
    while let Some((stream, seat)) = server.accept(&listener).await {
        server.tasks.spawn(server.connection(stream, seat));
    }
    drop(listener);
    server.drain().await
}

struct Server {
    router: Router,
    places: Arc<Places>,
    tasks: TaskTracker,
    cut: CancellationToken,
    limits: Limits,
    front: Front,
    shutdown: CancellationToken,
}

impl Server {
    /// The next connection, and its place among those that are allowed; `None` once the server is to stop.
    async fn accept(&self, listener: &TcpListener) -> Option<(TcpStream, Seat)> {
        let taken = async {
            let stream = loop {
                match listener.accept().await {
                    Ok((stream, _)) => break stream,
                    Err(error) => self.wait_out(&error).await,
                }
            };
            (stream, self.places.take().await)
        };
        self.shutdown.run_until_cancelled(taken).await
    }

    /// A client that went away before it was taken is no trouble; being out of files passes.
    async fn wait_out(&self, error: &io::Error) {
        use io::ErrorKind::{ConnectionAborted, ConnectionReset, Interrupted};
        if !matches!(error.kind(), ConnectionAborted | ConnectionReset | Interrupted) {
            tracing::warn!(tally = "connections that can't be taken", %error, "no connection can be taken");
            self.places.make_room();
            tokio::time::sleep(ACCEPT_PAUSE).await;
        }
    }

    /// Serves one connection to its end.
    fn connection(&self, stream: TcpStream, seat: Seat) -> impl Future<Output = ()> + use<> {
        // Answers are written whole: there is nothing to wait for.
        let _ = stream.set_nodelay(true);
        let mut http = http1::Builder::new();
        // A client that has sent its request and closed its own side still waits for its answer.
        http.half_close(true)
            .timer(TokioTimer::new())
            .header_read_timeout(self.limits.head)
            .max_header_size(self.limits.head_bytes);
        let client = Arc::clone(&seat.client);
        let service = fronted(self.router.clone(), self.front.clone(), Arc::clone(&client));
        let io = Impatient::new(stream, Arc::clone(&client), self.limits.stall);
        let connection = http.serve_connection(TokioIo::new(io), service);
        let (shutdown, cut) = (self.shutdown.clone(), self.cut.clone());
        async move {
            let _seat = seat;
            let mut connection = pin!(connection);
            let ended = tokio::select! {
                ended = connection.as_mut() => Some(ended),
                () = shutdown.cancelled() => {
                    connection.as_mut().graceful_shutdown();
                    cut.run_until_cancelled(connection).await
                }
                () = client.leave.cancelled() => {
                    if client.is_idle() {
                        return;
                    }
                    // It has asked for something since it was chosen: that is still answered.
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

/// What every request of a client goes through before `router` sees it, and every answer after. It is done here, because a
/// layer of the router would cost each request an allocation.
fn fronted(
    router: Router,
    front: Front,
    client: Arc<Client>,
) -> impl Service<Request<Incoming>, Response = Response<Answer>, Error = Infallible, Future: Send> + Send {
    let router = TowerToHyperService::new(router);
    service_fn(move |mut request: Request<Incoming>| {
        let (method, start) = (MethodIndex::from(request.method()), Instant::now());
        let (busy, traffic) = (client.asks(), Arc::clone(&front.traffic));
        let admitted = match head::tidy(&mut request).and_then(|()| front.origins.asker(&request)) {
            Ok(asker) => Ok((router.call(request), asker)),
            Err(problem) => Err(problem),
        };
        async move {
            let (mut response, asker) = match admitted {
                Ok((answering, asker)) => (answering.await?, asker),
                Err(problem) => (problem.into_response(), Asker::UNKNOWN),
            };
            asker.dress(&mut response);
            if response.status() == StatusCode::NOT_MODIFIED {
                // axum writes a 0 for HEAD, but it would be about the item that is not sent.
                response.headers_mut().remove(CONTENT_LENGTH);
            }
            traffic.add(method, response.status(), start.elapsed());
            Ok(response.map(|body| Answer { body, _busy: busy }))
        }
    })
}

/// The body of an answer; its client is busy until it has been handed over.
struct Answer {
    body: Body,
    _busy: Busy,
}

impl hyper::body::Body for Answer {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
