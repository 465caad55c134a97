//! The body of a request: its form, and its bytes, which are read up to a limit and within a deadline.

use std::time::Duration;

use axum::body::Body;
use axum::http::header::CONTENT_TYPE;
use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse, Response};
use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use hyper::body::Body as _;

use super::problem::Problem;
use super::request_head::{ACCEPT_PATCH, PATCH_FORMS, RequestHead};

/// The longest body that is read, in bytes.
const MAX_BYTES: usize = 64 * 1024;
/// How many bytes of a body that is too long are still read and dropped, so that its sender sees the answer.
const DRAINED_BYTES: usize = 1024 * 1024;
/// How long a body may take to arrive.
const DEADLINE: Duration = Duration::from_secs(10);

/// The form of the body of a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum BodyForm {
    /// The body is a JSON object with fields of an order.
    Fields,
    /// The body is a JSON Patch (RFC 6902): an array of operations.
    JsonPatch,
}

/// The form that `Content-Type` names. A request without one is read as JSON.
pub(super) fn form_of(head: &RequestHead) -> Result<BodyForm, Problem> {
    let mut types = head
        .headers
        .get_all(CONTENT_TYPE)
        .iter()
        .filter(|sent| !sent.is_empty());
    let Some(sent) = types.next() else {
        return Ok(BodyForm::Fields);
    };
    if types.next().is_some() {
        return Err(Problem::unsupported("several kinds", "application/json"));
    }
    let sent = sent.to_str().unwrap_or("unreadable");
    let essence = sent.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let patch = head.method == Method::PATCH;
    match essence.strip_prefix("application/") {
        Some("json-patch+json") if patch => Ok(BodyForm::JsonPatch),
        Some("json-patch+json") => Err(Problem::unsupported(sent, "application/json")),
        Some(subtype) if subtype == "json" || subtype.ends_with("+json") => Ok(BodyForm::Fields),
        _ if patch => Err(Problem::unsupported(sent, PATCH_FORMS).with(ACCEPT_PATCH, PATCH_FORMS)),
        _ => Err(Problem::unsupported(sent, "application/json")),
    }
}

/// The bytes of a body that is to be sent on, read within the same limits as the services'.
///
/// # Errors
/// The answer for a client whose body is too long, too slow, or broke off.
pub async fn read_body(body: Body) -> Result<Bytes, Response> {
    read(body).await.map_err(IntoResponse::into_response)
}

/// The bytes of a body, which must arrive within 10 s and be no more than 64 KiB.
pub(super) async fn read(body: Body) -> Result<Bytes, Problem> {
    if body.size_hint().lower() > DRAINED_BYTES as u64 {
        return Err(Problem::too_large(MAX_BYTES));
    }
    match tokio::time::timeout(DEADLINE, collect(body)).await {
        Ok(read) => read,
        Err(_) => Err(Problem::too_slow()),
    }
}

async fn collect(mut body: Body) -> Result<Bytes, Problem> {
    let mut read = Bytes::new();
    let mut length = 0;
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| Problem::new(StatusCode::BAD_REQUEST, "The body broke off."))?;
        let Ok(data) = frame.into_data() else { continue };
        length += data.len();
        if length > DRAINED_BYTES {
            break;
        }
        if length <= MAX_BYTES {
            read = if read.is_empty() { data } else { joined(read, &data) };
        }
    }
    if length > MAX_BYTES {
        Err(Problem::too_large(MAX_BYTES))
    } else {
        Ok(read)
    }
}

fn joined(read: Bytes, more: &[u8]) -> Bytes {
    let mut read = BytesMut::from(read);
    read.extend_from_slice(more);
    read.freeze()
}

#[cfg(test)]
mod tests {
    use std::pin::Pin;
    use std::task::{Context, Poll};

    use hyper::body::Frame;

    use super::*;

    /// A body of frames of these sizes, the last one first. Then it ends, or, if `false`, sends nothing more for ever.
    struct Sender(Vec<usize>, bool);

    impl hyper::body::Body for Sender {
        type Data = Bytes;
        type Error = std::convert::Infallible;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
            match self.0.pop() {
                Some(length) => Poll::Ready(Some(Ok(Frame::data(Bytes::from(vec![b' '; length]))))),
                None if self.1 => Poll::Ready(None),
                None => Poll::Pending,
            }
        }
    }

    async fn outcome(sender: Sender) -> Result<usize, u16> {
        let read = read(Body::new(sender)).await;
        read.map(|bytes| bytes.len())
            .map_err(|problem| problem.into_response().status().as_u16())
    }

    #[tokio::test(start_paused = true)]
    async fn bodies_end_in_time_and_at_64_kib() {
        assert_eq!(outcome(Sender(vec![], true)).await, Ok(0));
        assert_eq!(outcome(Sender(vec![1, 65_000, 535], true)).await, Ok(65_536));
        assert_eq!(outcome(Sender(vec![1, 65_536], true)).await, Err(413));
        assert_eq!(outcome(Sender(vec![65_536; 1000], false)).await, Err(413));
        assert_eq!(outcome(Sender(vec![10], false)).await, Err(408));
    }
}
