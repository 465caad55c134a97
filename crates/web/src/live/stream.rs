//! `GET /live`: the live picture as server-sent events, for as long as the client listens.
//!
//! A client gets a snapshot first, and then what changes. One that comes back with the id of the last frame that it got, in
//! `Last-Event-ID` or `?after=`, goes on behind it if that is still kept. `?order=2` has everything told that is seen of order 2,
//! however much else happens.

use std::fmt::Write as _;

use axum::Router;
use axum::extract::Request;
use axum::response::IntoResponse;
use axum::routing::any;

use super::Live;
use super::picture::Frame;
use crate::problem::Problem;
use crate::sse::{self, After, Source, Wish};

/// The path of the live picture.
const PATH: &str = "/live";
/// About how many bytes are sent in one piece.
const AT_ONCE: usize = 256 * 1024;

/// The routes of the live picture.
pub fn routes<S: Clone + Send + Sync + 'static>(live: Live) -> Router<S> {
    let answer = move |request: Request| {
        let wish = sse::wish(&request, PATH);
        let answer = wish.map(|wish| sse::answer(Listener::new(live.clone(), &wish)));
        std::future::ready(answer.unwrap_or_else(Problem::into_response))
    };
    Router::new().route(PATH, any(answer))
}

/// A client.
#[derive(Debug)]
struct Listener {
    live: Live,
    order: Option<i64>,
    /// The client's number, once it listens.
    number: Option<u64>,
    /// The last frame that the client has: of which session, and its number there.
    has: Option<(u64, u64)>,
    /// Whether the client was told something already.
    told: bool,
}

impl Listener {
    fn new(live: Live, wish: &Wish) -> Self {
        let has = match wish.after {
            Some(After::Id { incarnation, seq }) => Some((incarnation, seq)),
            Some(After::Nothing) | None => None,
        };
        Self {
            live,
            order: wish.order,
            number: None,
            has,
            told: false,
        }
    }

    /// Takes a place among those who listen. It is taken once something is to be sent, as who asks for the head alone hears
    /// nothing.
    fn come(&mut self) {
        if self.number.is_none() {
            let mut state = self.live.lock();
            let number = state.next;
            state.next += 1;
            state.listeners.insert(number, self.order);
            state.left = None;
            state.select();
            self.number = Some(number);
            self.live.0.came.notify_all();
        }
    }
}

impl Source for Listener {
    fn look(&mut self) -> Option<String> {
        self.come();
        let state = self.live.lock();
        let incarnation = state.incarnation;
        let known = self.has.filter(|(session, _)| *session == incarnation);
        let mut text = match std::mem::replace(&mut self.told, true) {
            true => String::new(),
            false => "retry: 1000\n\n".to_owned(),
        };
        match known.and_then(|(_, number)| state.feed.after(number, AT_ONCE)) {
            Some(frames) => {
                for (number, frame) in frames {
                    self.has = Some((incarnation, number));
                    add(&mut text, incarnation, number, &frame);
                }
            }
            None => {
                let number = state.feed.last();
                let snapshot = state.picture.snapshot(self.live.now(), self.has.is_some());
                self.has = Some((incarnation, number));
                add(&mut text, incarnation, number, &snapshot);
            }
        }
        (!text.is_empty()).then_some(text)
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        let Some(number) = self.number else { return };
        let mut state = self.live.lock();
        state.listeners.remove(&number);
        state.select();
        if state.listeners.is_empty() {
            state.left = Some(std::time::Instant::now());
        }
    }
}

fn add(text: &mut String, incarnation: u64, number: u64, Frame { kind, data }: &Frame) {
    let _ = write!(text, "id: {incarnation}-{number}\nevent: {kind}\ndata: {data}\n\n");
}
