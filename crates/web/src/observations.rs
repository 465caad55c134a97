//! `GET /observations`: what a role sees happen, as server-sent events, for as long as the client listens.
//!
//! ```text
//!   : delivery-1                                              the first frame: whose observations these are
//!   retry: 1000
//!
//!   id: 1749697512193-9                                       the role's incarnation, and the observation's number in it
//!   event: finished
//!   data: {"seq":9,"at":1749697512999,"who":"delivery-1","what":"finished", …}
//!
//!   event: missed                                             some are gone: so many, or null if nobody can tell
//!   data: {"missed":12}
//!
//!   : still here                                              after 15 s without anything else
//! ```
//! A client that comes without an id hears what happens from now on. With `Last-Event-ID`, or `?after=` for tools, it goes on
//! behind that one, and with 0 at the first that is kept. `?order=2` leaves out what is not about that order.
//!
//! # Invariants
//! * A client that reads too slowly costs no memory: observations are read from the role's ring when they can be sent, and those
//!   that are gone by then are told by their number.
//! * The ids of a role's former life are never taken for those of this one.

use std::convert::Infallible;
use std::fmt::Write as _;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::http::header::{ACCEPT, CACHE_CONTROL, CONTENT_TYPE};
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use bytes::Bytes;
use hyper::body::Frame;
use observe::{Batch, Observation, Observer, Reader};
use serde::Serialize;
use tokio::time::{Instant, Interval, MissedTickBehavior, interval};

use super::accept::{EVENT_STREAM, negotiate};
use super::problem::Problem;

/// The path of a role's observations.
const PATH: &str = "/observations";

/// The pause between two looks at the ring. Whoever emits wakes nobody, so that this costs nothing while nobody listens.
const LOOK_PAUSE: Duration = Duration::from_millis(50);
/// After how long without an event a comment keeps proxies from closing the connection, and shows whether the client is there.
const HEARTBEAT: Duration = Duration::from_secs(15);
/// The most observations that are sent in one piece.
const AT_ONCE: usize = 256;

/// The router of a role, with its observations added to it.
pub fn observed<S: Clone + Send + Sync + 'static>(router: Router<S>, observer: Observer) -> Router<S> {
    let answer = move |request: Request| {
        let answer = answer(&request, &observer).unwrap_or_else(Problem::into_response);
        std::future::ready(answer)
    };
    router.route(PATH, any(answer))
}

fn answer(request: &Request, observer: &Observer) -> Result<Response, Problem> {
    if ![Method::GET, Method::HEAD].contains(request.method()) {
        return Err(Problem::method_not_allowed(request.method(), PATH, "GET, HEAD"));
    }
    let accept = request.headers().get(ACCEPT).and_then(|accept| accept.to_str().ok());
    if negotiate(accept, &[EVENT_STREAM]).is_none() {
        return Err(Problem::not_acceptable(&[EVENT_STREAM]));
    }
    let wish = Wish::of(request.uri(), request.headers())?;
    let events = Events::new(observer, &wish);
    let headers = [(CONTENT_TYPE, EVENT_STREAM), (CACHE_CONTROL, "no-store")];
    Ok((headers, Body::new(events)).into_response())
}

/// What a client wants to hear.
#[derive(Debug, Default, PartialEq, Eq)]
struct Wish {
    after: Option<After>,
    order: Option<i64>,
}

/// Behind which observation a client wants to go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum After {
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
struct Events {
    reader: Reader,
    incarnation: u64,
    order: Option<i64>,
    /// What is sent before all else.
    first: Option<String>,
    looks: Interval,
    /// When something was sent last.
    sent: Instant,
}

impl Events {
    fn new(observer: &Observer, wish: &Wish) -> Self {
        let (incarnation, last) = (observer.incarnation(), observer.last());
        let mut first = format!(": {}\nretry: 1000\n\n", observer.who());
        let after = match wish.after {
            None => last,
            Some(After::Nothing) => 0,
            Some(After::Id { incarnation: own, seq }) if own == incarnation => seq.min(last),
            Some(After::Id { .. }) => {
                // Nobody can tell what the role's former life still saw, nor what else happened until it was started again.
                first += &missed(None);
                0
            }
        };
        let mut looks = interval(LOOK_PAUSE);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self {
            reader: observer.after(after),
            incarnation,
            order: wish.order,
            first: Some(first),
            looks,
            sent: Instant::now(),
        }
    }

    /// What has come since the last look, as it is sent. None if there is nothing.
    fn look(&mut self) -> Option<String> {
        loop {
            let batch = self.reader.read(AT_ONCE);
            if batch == Batch::default() {
                return None;
            }
            let text = self.rendered(&batch);
            if !text.is_empty() {
                return Some(text);
            }
        }
    }

    fn rendered(&self, batch: &Batch) -> String {
        let mut text = match batch.missed {
            0 => String::new(),
            many => missed(Some(many)),
        };
        let wanted = |seen: &&Observation| self.order.is_none() || seen.what.order() == self.order;
        for seen in batch.observations.iter().filter(wanted) {
            let (incarnation, seq, kind) = (self.incarnation, seen.seq, seen.what.kind());
            let _ = write!(text, "id: {incarnation}-{seq}\nevent: {kind}\ndata: {}\n\n", json(seen));
        }
        text
    }
}

fn missed(many: Option<u64>) -> String {
    format!("event: missed\ndata: {{\"missed\":{}}}\n\n", json(&many))
}

fn json(value: &impl Serialize) -> String {
    serde_json::to_string(value).expect("its maps have texts as keys")
}

impl hyper::body::Body for Events {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let text = loop {
            if let Some(first) = self.first.take() {
                break first;
            }
            if let Some(events) = self.look() {
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
mod tests {
    use observe::What;

    use super::*;

    fn passed(order: i64) -> What {
        What::PassedOver { order, version: 1 }
    }

    async fn frame(events: &mut Events) -> String {
        let frame = std::future::poll_fn(|cx| hyper::body::Body::poll_frame(Pin::new(&mut *events), cx)).await;
        let frame = frame.expect("it goes on").expect("it never fails");
        String::from_utf8(frame.into_data().expect("data").to_vec()).expect("text")
    }

    fn wish(query: &str, header: Option<&'static str>) -> Result<Wish, Problem> {
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

    #[tokio::test(start_paused = true)]
    async fn events_come_as_they_happen_and_silence_is_broken() {
        let observer = Observer::keeping(4, "order", 17);
        observer.emit(5, passed(1));
        let mut events = Events::new(&observer, &Wish::default());
        assert_eq!(frame(&mut events).await, ": order\nretry: 1000\n\n");
        observer.emit(6, passed(2));
        assert_eq!(
            frame(&mut events).await,
            "id: 17-2\nevent: passed-over\n\
             data: {\"seq\":2,\"at\":6,\"who\":\"order\",\"what\":\"passed-over\",\"order\":2,\"version\":1}\n\n"
        );
        let start = Instant::now();
        assert_eq!(frame(&mut events).await, ": still here\n\n");
        assert!(start.elapsed() >= HEARTBEAT);
        (0..6).for_each(|order| observer.emit(7, passed(order)));
        let late = frame(&mut events).await;
        assert!(
            late.starts_with("event: missed\ndata: {\"missed\":2}\n\nid: 17-5\n"),
            "{late}"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_goes_on_where_it_was_and_hears_of_another_life() {
        let observer = Observer::new("order", 17);
        (1..=3).for_each(|order| observer.emit(0, passed(order)));
        let heard = async |query: &str| {
            let Ok(wish) = wish(query, None) else { panic!("{query}") };
            let mut events = Events::new(&observer, &wish);
            let mut heard = frame(&mut events).await;
            observer.emit(0, passed(9));
            heard += &frame(&mut events).await;
            let lines = heard
                .lines()
                .filter(|line| line.starts_with("id") || line.contains("missed"));
            lines.collect::<Vec<_>>().join(" ")
        };
        assert_eq!(heard("after=17-2").await, "id: 17-3 id: 17-4");
        assert_eq!(heard("after=0&order=2").await, "id: 17-2");
        assert_eq!(heard("after=17-99").await, "id: 17-6", "a number that is not there yet");
        assert!(
            heard("after=16-2")
                .await
                .starts_with("event: missed data: {\"missed\":null} id: 17-1 id: 17-2")
        );
    }
}
