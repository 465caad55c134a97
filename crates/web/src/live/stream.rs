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

#[cfg(test)]
mod tests {
    use super::super::{Acting, Away, Mall};
    use super::*;
    use crate::sse::Events;
    use crate::sse::tests::{frame, wish};

    fn live() -> Live {
        let mall = Mall {
            topic: "t".to_owned(),
            group: "g".to_owned(),
            log: "embedded",
            database: "sqlite",
            supervised: false,
            commands: Acting::Unsupervised,
        };
        Live::of(mall, || 17)
    }

    /// Tells that something is away, whose name makes the frame as long as it is wanted.
    fn tell(live: &Live, why: &str) {
        let session = live.session();
        let away = Away {
            what: "log",
            why: why.to_owned(),
        };
        session.tell(|picture| picture.away(vec![away]));
        session.pass_on();
    }

    fn client(live: &Live, query: &str) -> Events<Listener> {
        let Ok(wish) = wish(query, None) else { panic!("{query}") };
        Events::of(Listener::new(live.clone(), &wish))
    }

    fn lines<'a>(text: &'a str, name: &str) -> Vec<&'a str> {
        text.lines()
            .filter_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
            .collect()
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_gets_everything_and_then_what_changes() {
        let live = live();
        tell(&live, "one");
        let mut page = client(&live, "");
        let first = frame(&mut page).await;
        assert!(
            first.starts_with("retry: 1000\n\nid: 17-1\nevent: snapshot\ndata: {\"now\":17,\"mall\""),
            "{first}"
        );
        assert!(
            first.contains("\"why\":\"one\"") && !first.contains("resync"),
            "{first}"
        );
        tell(&live, "two");
        tell(&live, "three");
        let next = frame(&mut page).await;
        assert_eq!(
            (lines(&next, "id"), lines(&next, "event")),
            (vec!["17-2", "17-3"], vec!["away", "away"])
        );
        assert_eq!(frame(&mut page).await, ": still here\n\n");

        let again = frame(&mut client(&live, "after=17-2")).await;
        assert_eq!(lines(&again, "id"), ["17-3"]);
        for unknown in ["after=16-2", "after=17-9", "after=0"] {
            let again = frame(&mut client(&live, unknown)).await;
            assert_eq!(lines(&again, "event"), ["snapshot"], "{unknown}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn who_falls_behind_gets_everything_anew() {
        let live = live();
        let mut page = client(&live, "");
        frame(&mut page).await;
        (0..3000).for_each(|number| tell(&live, &number.to_string()));
        let anew = frame(&mut page).await;
        assert_eq!(
            (lines(&anew, "id"), lines(&anew, "event")),
            (vec!["17-3000"], vec!["snapshot"])
        );
        assert!(anew.contains("\"resync\":true") && anew.contains("\"2999\""), "{anew}");
        // What is too much for one piece comes in several.
        (0..4).for_each(|number| tell(&live, &format!("{number}{}", "x".repeat(AT_ONCE / 2))));
        let (one, other) = (frame(&mut page).await, frame(&mut page).await);
        assert_eq!((lines(&one, "id").len(), lines(&other, "id").len()), (2, 2));
    }

    #[tokio::test(start_paused = true)]
    async fn a_session_that_is_over_tells_nothing_more() {
        let live = live();
        let session = live.session();
        let mut page = client(&live, "");
        frame(&mut page).await;
        live.end();
        assert_eq!(session.tell(|picture| picture.away(Vec::new())), None);
        session.pass_on();
        let anew = frame(&mut page).await;
        assert_eq!(
            (lines(&anew, "id"), lines(&anew, "event")),
            (vec!["18-0"], vec!["snapshot"])
        );
    }

    #[tokio::test(start_paused = true)]
    async fn somebody_listens_once_something_is_sent_and_is_followed_until_it_goes() {
        let live = live();
        let mut page = client(&live, "order=7");
        assert!(!live.is_wanted(), "a head alone is no reason to gather");
        frame(&mut page).await;
        assert!(live.is_wanted());
        live.wait_for_listener();
        let stale = || live.session().tell(|picture| picture.take_stale());
        assert_eq!(stale(), Some(vec![7]));
        live.end();
        assert_eq!(stale(), Some(vec![7]), "the next session follows it too");
        drop(page);
        assert!(live.is_wanted(), "it may come back");
        assert!(live.lock().listeners.is_empty());
    }
}
