//! The live picture of a mall, and `GET /live`, which tells it to pages.
//!
//! ```text
//!   whoever gathers ── Session ─▶ Picture ─ every 100 ms ─▶ Feed: the last frames ─┬─▶ client
//!                                    └───────── snapshot ─────────────────────────┴─▶ client
//! ```
//! A [`Recorder`] writes what a picture tells as a file that can be opened again.
//!
//! How it is gathered, this crate doesn't know: a [`Live`] is asked whether somebody listens, and what is read then is told to
//! its [`Session`].
//!
//! # Invariants
//! * All clients share one picture and one feed. A client costs no memory but its place in the feed, and one that falls behind
//!   what is kept gets a snapshot.
//! * Ids of another session are never taken for those of this one.

mod feed;
mod load;
mod orders;
mod picture;
mod recorder;
mod shown;
mod stream;

pub use picture::{FOLLOWED, Frame, Picture};
pub use recorder::Recorder;
pub use shown::{
    Acting, Actual, Away, Expected, Group, Growth, Holds, Mall, Member, Modes, Partition, Rates, Record, Role,
    RoleState, Row, Verdict,
};
pub use stream::routes;

use std::collections::BTreeMap;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use feed::Feed;

/// For how long gathering goes on when nobody listens any more, for a client that comes back.
const GRACE: Duration = Duration::from_secs(30);

/// A handle of the live picture. Clones share it.
#[derive(Debug, Clone)]
pub struct Live(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    /// Woken when the first client comes.
    came: Condvar,
    /// The time, in milliseconds since 1970 (UTC).
    clock: fn() -> i64,
}

#[derive(Debug)]
struct State {
    picture: Picture,
    feed: Feed,
    /// The number of this session.
    incarnation: u64,
    /// The order that each client looks at, by the client's number.
    listeners: BTreeMap<u64, Option<i64>>,
    /// The number of the next client.
    next: u64,
    /// When the last client left; none if there never was one, or some are there.
    left: Option<Instant>,
}

/// The right to tell what was read. What is told after the session's end is dropped.
#[derive(Debug, Clone)]
pub struct Session {
    live: Live,
    incarnation: u64,
}

impl Live {
    /// A picture of this mall, of which nothing is known yet. The clock gives milliseconds since 1970 (UTC).
    pub fn of(mall: Mall, clock: fn() -> i64) -> Self {
        Self(Arc::new(Shared {
            state: Mutex::new(State {
                picture: Picture::of(mall),
                feed: Feed::default(),
                incarnation: u64::try_from(clock()).unwrap_or(0),
                listeners: BTreeMap::new(),
                next: 0,
                left: None,
            }),
            came: Condvar::new(),
            clock,
        }))
    }

    /// Blocks until somebody listens.
    pub fn wait_for_listener(&self) {
        let wait = |state: &mut State| state.listeners.is_empty();
        drop(
            self.0
                .came
                .wait_while(self.lock(), wait)
                .unwrap_or_else(PoisonError::into_inner),
        );
    }

    /// Whether somebody listens, or did a short while ago.
    pub fn is_wanted(&self) -> bool {
        let state = self.lock();
        !state.listeners.is_empty() || state.left.is_some_and(|left| left.elapsed() < GRACE)
    }

    /// The session in which the picture is told what was read, from now to [`Live::end`].
    pub fn session(&self) -> Session {
        let incarnation = self.lock().incarnation;
        Session {
            live: self.clone(),
            incarnation,
        }
    }

    /// Ends the session: what was told is forgotten.
    pub fn end(&self) {
        let mut state = self.lock();
        let incarnation = u64::try_from(self.now()).unwrap_or(0).max(state.incarnation + 1);
        state.picture = Picture::of(state.picture.mall().clone());
        state.feed = Feed::default();
        state.incarnation = incarnation;
        state.select();
    }

    fn now(&self) -> i64 {
        (self.0.clock)()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Session {
    /// Tells the picture what was read. None if the session is over.
    pub fn tell<T>(&self, tell: impl FnOnce(&mut Picture) -> T) -> Option<T> {
        let mut state = self.live.lock();
        (state.incarnation == self.incarnation).then(|| tell(&mut state.picture))
    }

    /// Passes on what was told since the last time. Called every 100 ms or so.
    pub fn pass_on(&self) {
        let now = self.live.now();
        let mut state = self.live.lock();
        if state.incarnation == self.incarnation {
            let frames = state.picture.flush(now);
            frames.into_iter().for_each(|frame| state.feed.push(frame));
        }
    }
}

impl State {
    /// Tells the picture which orders clients look at.
    fn select(&mut self) {
        let selected = self.listeners.values().flatten().copied().collect();
        self.picture.select(selected);
    }
}
