//! Answers without an end: server-sent events, of this role or, at the gateway, of one behind it.
//!
//! # Invariants
//! * There is a bounded number of them, so that they leave places to those who only ask.
//! * They end once the server is to stop. A client that reads too slowly for that is cut off soon.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::task::{Context, Poll};

use axum::http::StatusCode;
use axum::http::header::{CONTENT_TYPE, RETRY_AFTER};
use axum::response::Response;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

use super::accept::EVENT_STREAM;
use super::connection_permits::Client;
use super::problem::Problem;

/// The streams that a server sends.
#[derive(Clone)]
pub(super) struct Streams {
    places: Arc<Semaphore>,
    shutdown: CancellationToken,
}

/// A stream that is being sent.
pub(super) struct Stream {
    client: Arc<Client>,
    shutdown: Pin<Box<WaitForCancellationFutureOwned>>,
    _place: OwnedSemaphorePermit,
}

impl Streams {
    /// At most so many streams, until `shutdown` is cancelled.
    pub fn new(places: usize, shutdown: CancellationToken) -> Self {
        Self {
            places: Arc::new(Semaphore::new(places)),
            shutdown,
        }
    }

    /// Gives an answer a place, if it is a stream.
    ///
    /// # Errors
    /// The answer that is given instead when all places are taken.
    pub fn admit(&self, answer: &Response, client: &Arc<Client>) -> Result<Option<Stream>, Problem> {
        let kind = answer.headers().get(CONTENT_TYPE).map(|kind| kind.as_bytes());
        if !kind.is_some_and(|kind| kind.starts_with(EVENT_STREAM.as_bytes())) {
            return Ok(None);
        }
        let Ok(place) = Arc::clone(&self.places).try_acquire_owned() else {
            let message = "So many clients listen already that there is no place for another one; try again later.";
            return Err(Problem::new(StatusCode::SERVICE_UNAVAILABLE, message).with(RETRY_AFTER, "5"));
        };
        client.listening.store(true, Relaxed);
        Ok(Some(Stream {
            client: Arc::clone(client),
            shutdown: Box::pin(self.shutdown.clone().cancelled_owned()),
            _place: place,
        }))
    }
}

impl Stream {
    /// Whether the stream is to end, now that it has nothing to send.
    pub fn is_over(&mut self, cx: &mut Context<'_>) -> bool {
        self.shutdown.as_mut().poll(cx) == Poll::Ready(())
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.client.listening.store(false, Relaxed);
    }
}
