//! Takes connections and gives them to a router, within limits, until it is told to stop.

use std::convert::Infallible;
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::Request;
use axum::response::Response;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::stall::Impatient;
use super::traffic::{MethodIndex, Traffic};

/// How long to wait when a connection can't be taken because the process is out of files.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// What a server grants its clients.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Connections at once; more wait in the listener's backlog.
    pub connections: usize,
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
            head: Duration::from_secs(30),
            stall: Duration::from_secs(30),
            head_bytes: 16 * 1024,
            drain: Duration::from_secs(30),
        }
    }
}

/// Serves until `shutdown`: then no connection is taken any more, idle ones are closed, and requests in flight are finished
/// up to the deadline. Requests are counted in `traffic`. Returns how many connections were cut off at the deadline.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    limits: Limits,
    traffic: Arc<Traffic>,
    shutdown: CancellationToken,
) -> usize {
    let server = Server {
        router,
        slots: Arc::new(Semaphore::new(limits.connections)),
        tasks: TaskTracker::new(),
        cut: CancellationToken::new(),
        limits,
        traffic,
        shutdown,
    };
    while let Some((stream, slot)) = server.accept(&listener).await {
        server.tasks.spawn(server.connection(stream, slot));
    }
    drop(listener);
    server.drain().await
}

struct Server {
    router: Router,
    slots: Arc<Semaphore>,
    tasks: TaskTracker,
    cut: CancellationToken,
    limits: Limits,
    traffic: Arc<Traffic>,
    shutdown: CancellationToken,
}

impl Server {
    /// The next connection, and its place among those that are allowed; `None` once the server is to stop.
    async fn accept(&self, listener: &TcpListener) -> Option<(TcpStream, OwnedSemaphorePermit)> {
        let taken = async {
            let slot = Arc::clone(&self.slots)
                .acquire_owned()
                .await
                .expect("the semaphore is never closed");
            loop {
                match listener.accept().await {
                    Ok((stream, _)) => return (stream, slot),
                    Err(error) => wait_out(&error).await,
                }
            }
        };
        self.shutdown.run_until_cancelled(taken).await
    }

    /// Serves one connection to its end.
    fn connection(&self, stream: TcpStream, slot: OwnedSemaphorePermit) -> impl Future<Output = ()> + use<> {
        // Answers are written whole: there is nothing to wait for.
        let _ = stream.set_nodelay(true);
        let mut http = http1::Builder::new();
        http.timer(TokioTimer::new())
            .header_read_timeout(self.limits.head)
            .max_header_size(self.limits.head_bytes);
        let service = counted(self.router.clone(), self.traffic.clone());
        let connection = http.serve_connection(TokioIo::new(Impatient::new(stream, self.limits.stall)), service);
        let (shutdown, cut) = (self.shutdown.clone(), self.cut.clone());
        async move {
            let _slot = slot;
            let mut connection = pin!(connection);
            let ended = tokio::select! {
                ended = connection.as_mut() => Some(ended),
                () = shutdown.cancelled() => {
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

/// Counts what `router` answers. It is done here, because a layer of the router would cost each request an allocation.
fn counted(
    router: Router,
    traffic: Arc<Traffic>,
) -> impl Service<Request<Incoming>, Response = Response, Error = Infallible, Future: Send> + Send {
    let router = TowerToHyperService::new(router);
    service_fn(move |request: Request<Incoming>| {
        let (method, start) = (MethodIndex::from(request.method()), Instant::now());
        let (answering, traffic) = (router.call(request), traffic.clone());
        async move {
            let response = answering.await?;
            traffic.add(method, response.status(), start.elapsed());
            Ok(response)
        }
    })
}

/// A client that went away before it was taken is no trouble; being out of files passes.
async fn wait_out(error: &io::Error) {
    use io::ErrorKind::{ConnectionAborted, ConnectionReset, Interrupted};
    if !matches!(error.kind(), ConnectionAborted | ConnectionReset | Interrupted) {
        tracing::warn!(%error, "no connection can be taken");
        tokio::time::sleep(ACCEPT_PAUSE).await;
    }
}
