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

use std::fmt::Write as _;

use axum::Router;
use axum::extract::Request;
use axum::response::IntoResponse;
use axum::routing::any;
use observe::{Batch, Observation, Observer, Reader};
use serde::Serialize;

use super::problem::Problem;
use super::sse::{self, After, Source, Wish};

/// The path of a role's observations.
const PATH: &str = "/observations";

/// The most observations that are sent in one piece.
const AT_ONCE: usize = 256;

/// The router of a role, with its observations added to it.
pub fn observed<S: Clone + Send + Sync + 'static>(router: Router<S>, observer: Observer) -> Router<S> {
    let answer = move |request: Request| {
        let wish = sse::wish(&request, PATH);
        let answer = wish.map(|wish| sse::answer(Events::new(&observer, &wish)));
        std::future::ready(answer.unwrap_or_else(Problem::into_response))
    };
    router.route(PATH, any(answer))
}

/// What a client hears.
struct Events {
    reader: Reader,
    incarnation: u64,
    order: Option<i64>,
    /// What is sent before all else.
    first: Option<String>,
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
        Self {
            reader: observer.after(after),
            incarnation,
            order: wish.order,
            first: Some(first),
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

impl Source for Events {
    fn look(&mut self) -> Option<String> {
        if let Some(first) = self.first.take() {
            return Some(first);
        }
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
}

fn missed(many: Option<u64>) -> String {
    format!("event: missed\ndata: {{\"missed\":{}}}\n\n", json(&many))
}

fn json(value: &impl Serialize) -> String {
    serde_json::to_string(value).expect("its maps have texts as keys")
}

#[cfg(test)]
mod tests {
    use observe::What;
    use tokio::time::Instant;

    use super::sse::HEARTBEAT;
    use super::sse::tests::{frame, wish};
    use super::*;

    fn events(observer: &Observer, wish: &Wish) -> sse::Events<Events> {
        sse::Events::of(Events::new(observer, wish))
    }

    fn passed(order: i64) -> What {
        What::PassedOver { order, version: 1 }
    }

    #[tokio::test(start_paused = true)]
    async fn events_come_as_they_happen_and_silence_is_broken() {
        let observer = Observer::keeping(4, "order", 17);
        observer.emit(5, passed(1));
        let mut events = events(&observer, &Wish::default());
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
            let mut events = events(&observer, &wish);
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
