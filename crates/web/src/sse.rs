//! Server-sent events: what a client asks for, and the body that sends events for as long as it listens.
//!
//! # Invariants
//! * Nothing is looked up before the client can take it, so one that reads slowly costs no memory here.
//! * A source that has nothing to tell is asked again after a pause. It wakes nobody.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::body::Body;
use axum::extract::Request;
use axum::http::header::{ACCEPT, CACHE_CONTROL, CONTENT_TYPE};
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use hyper::body::Frame;
use tokio::time::{Instant, Interval, MissedTickBehavior, interval};

use super::accept::{EVENT_STREAM, negotiate};
use super::problem::Problem;

/// The pause between two looks at a source.
const LOOK_PAUSE: Duration = Duration::from_millis(50);
/// After how long without an event a comment keeps proxies from closing the connection, and shows whether the client is there.
pub(super) const HEARTBEAT: Duration = Duration::from_secs(15);

/// Where events come from.
pub(super) trait Source: Send + Unpin + 'static {
    /// The events that have come since the last look, as they are sent. None if there are none.
    fn look(&mut self) -> Option<String>;
}

/// Reads what a request for the events at `path` asks for.
///
/// # Errors
/// The problem that is the answer to a request that can't be answered so.
pub(super) fn wish(request: &Request, path: &str) -> Result<Wish, Problem> {
    if ![Method::GET, Method::HEAD].contains(request.method()) {
        return Err(Problem::method_not_allowed(request.method(), path, "GET, HEAD"));
    }
    let accept = request.headers().get(ACCEPT).and_then(|accept| accept.to_str().ok());
    if negotiate(accept, &[EVENT_STREAM]).is_none() {
        return Err(Problem::not_acceptable(&[EVENT_STREAM]));
    }
    Wish::of(request.uri(), request.headers())
}

/// An answer that sends the events of a source.
pub(super) fn answer(source: impl Source) -> Response {
    let headers = [(CONTENT_TYPE, EVENT_STREAM), (CACHE_CONTROL, "no-store")];
    (headers, Body::new(Events::of(source))).into_response()
}

/// What a client wants to hear.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Wish {
    pub after: Option<After>,
    pub order: Option<i64>,
}

/// Behind which observation a client wants to go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum After {
    /// From the first one that is kept.
    Nothing,
    /// Behind this number of this incarnation.
    Id { incarnation: u64, seq: u64 },
}

impl Wish {
    fn of(uri: &Uri, headers: &HeaderMap) -> Result<Self, Problem> {
        let mut wish = Self::default();
        for (name, value) in form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes()) {
            match &*name {
                "after" => wish.after = Some(After::parse("after", &value)?),
                "order" => {
                    wish.order = Some(
                        value
                            .parse()
                            .map_err(|_| unreadable("order", &value, "an order's number"))?,
                    )
                }
                _ => {}
            }
        }
        // A browser that connects again repeats the address that it was given, and says in the header how far it has come.
        if let Some(id) = headers.get("last-event-id") {
            let id = id.to_str().unwrap_or_default();
            wish.after = Some(After::parse("Last-Event-ID", id)?);
        }
        Ok(wish)
    }
}

impl After {
    fn parse(name: &str, text: &str) -> Result<Self, Problem> {
        let id = || {
            let (incarnation, seq) = text.split_once('-')?;
            let (incarnation, seq) = (incarnation.parse().ok()?, seq.parse().ok()?);
            Some(Self::Id { incarnation, seq })
        };
        match text {
            "0" => Ok(Self::Nothing),
            _ => id().ok_or_else(|| unreadable(name, text, "0, or an id that this service has sent")),
        }
    }
}

fn unreadable(name: &str, text: &str, allowed: &str) -> Problem {
    Problem::new(
        StatusCode::BAD_REQUEST,
        format!("{name} {text:?} can't be read; allowed: {allowed}."),
    )
}

/// The body of an answer: events, for as long as somebody reads them.
pub(super) struct Events<S> {
    source: S,
    looks: Interval,
    /// When something was sent last.
    sent: Instant,
}

impl<S: Source> Events<S> {
    pub fn of(source: S) -> Self {
        let mut looks = interval(LOOK_PAUSE);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self {
            source,
            looks,
            sent: Instant::now(),
        }
    }
}

impl<S: Source> hyper::body::Body for Events<S> {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let text = loop {
            if let Some(events) = self.source.look() {
                break events;
            }
            ready!(self.looks.poll_tick(cx));
            if self.sent.elapsed() >= HEARTBEAT {
                break ": still here\n\n".to_owned();
            }
        };
        self.sent = Instant::now();
        Poll::Ready(Some(Ok(Frame::data(Bytes::from(text)))))
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub async fn frame<S: Source>(events: &mut Events<S>) -> String {
        let frame = std::future::poll_fn(|cx| hyper::body::Body::poll_frame(Pin::new(&mut *events), cx)).await;
        let frame = frame.expect("it goes on").expect("it never fails");
        String::from_utf8(frame.into_data().expect("data").to_vec()).expect("text")
    }

    pub fn wish(query: &str, header: Option<&'static str>) -> Result<Wish, Problem> {
        let uri = format!("/observations?{query}").parse().expect("a path");
        let mut headers = HeaderMap::new();
        if let Some(id) = header {
            headers.insert("last-event-id", axum::http::HeaderValue::from_static(id));
        }
        Wish::of(&uri, &headers)
    }

    #[test]
    fn a_client_says_where_it_goes_on() {
        let id = |incarnation, seq| Some(After::Id { incarnation, seq });
        let after = |query, header| wish(query, header).ok().map(|wish| wish.after);
        assert_eq!(after("", None), Some(None));
        assert_eq!(after("after=0&x=y", None), Some(Some(After::Nothing)));
        assert_eq!(after("after=17-4", None), Some(id(17, 4)));
        assert_eq!(
            after("after=17-4", Some("17-9")),
            Some(id(17, 9)),
            "the header is newer"
        );
        for bad in [
            "after=",
            "after=17",
            "after=17-",
            "after=-4",
            "after=a-b",
            "order=x",
            "order=",
        ] {
            assert!(wish(bad, None).is_err(), "{bad}");
        }
        assert!(wish("", Some("nonsense")).is_err());
        assert_eq!(wish("order=2", None).ok().and_then(|wish| wish.order), Some(2));
    }
}
