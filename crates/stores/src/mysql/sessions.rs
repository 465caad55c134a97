//! The connections of a store: opened when needed, used by one unit of work at a time, kept for the next.
//!
//! # Invariants
//! * A unit of work ends within [`PATIENCE`] and [`PROBE`], below the 2 s that callers are promised, whatever the server
//!   does: connecting, waiting for a free connection and every statement share one deadline.
//! * A connection that was dropped in the middle (its caller went away, its deadline passed) is closed, never reused.
//! * A connection that failed in a way that another one may not (it is gone, or leads to a server that has been demoted, or
//!   that refuses us) is closed, and with it all that were opened before: the name may lead to another server by now.
//! * What happened before COMMIT is rolled back with its connection, so a unit of work whose *kept* connection turns out
//!   to be dead (the server was restarted, or demoted) is run once more, on a new one.

use std::future::Future;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::{Instant, timeout_at};

use super::address::Address;
use super::session::{Ending, QUIET, Session, State};
use super::silence::Silence;
use shop::store::{Result, StoreError};

/// What a unit of work may take in all. Locks are waited for 1 s each.
pub(super) const PATIENCE: Duration = Duration::from_millis(1500);
/// What it may take to find out whether a server hangs or somebody holds our rows.
const PROBE: Duration = Duration::from_millis(300);

/// What all connections of a store have shown of the server.
#[derive(Default)]
pub(super) struct Server {
    /// Which connections may be used on: those opened since one was found to be dead.
    generation: AtomicU64,
    suspect: AtomicBool,
}

impl Server {
    /// Whether a write has failed since the last one that was known to be of every kind.
    pub fn is_suspect(&self) -> bool {
        self.suspect.load(Ordering::Relaxed)
    }

    /// Every kind of write has been tried, with success.
    pub fn takes_writes(&self) {
        self.suspect.store(false, Ordering::Relaxed);
    }

    fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }

    /// Nothing that was opened up to now is to be trusted.
    fn end_generation(&self) {
        self.generation.fetch_add(1, Ordering::AcqRel);
    }

    fn note<T>(&self, result: &Result<T>) {
        if matches!(result, Err(StoreError::Unwritable(_) | StoreError::Broken(_))) {
            self.suspect.store(true, Ordering::Relaxed);
        }
    }
}

/// Connections of one kind.
pub(super) struct Sessions {
    address: Address,
    ending: Ending,
    limit: usize,
    free: Semaphore,
    idle: Mutex<Vec<Session>>,
    server: Arc<Server>,
    silence: Mutex<Silence>,
}

impl Sessions {
    /// At most `limit` connections; none is opened yet.
    pub fn new(address: Address, ending: Ending, limit: usize, server: Arc<Server>) -> Self {
        Self {
            address,
            ending,
            limit,
            free: Semaphore::new(limit),
            idle: Mutex::default(),
            server,
            silence: Mutex::default(),
        }
    }

    /// Runs a unit of work on a connection of its own; `work` gives the connection back with its result.
    pub async fn run<T, W>(&self, work: impl Fn(Session) -> W) -> Result<T>
    where
        W: Future<Output = (Session, Result<T>)>,
    {
        let began = Instant::now();
        if self.silence().is_believed(began) {
            let shown = &self.address.shown;
            return Err(StoreError::Unavailable(format!("the database {shown} doesn't answer")));
        }
        let result = self.run_until(began + PATIENCE, work).await;
        self.server.note(&result);
        self.note_silence(began, &result);
        result
    }

    async fn run_until<T, W>(&self, deadline: Instant, work: impl Fn(Session) -> W) -> Result<T>
    where
        W: Future<Output = (Session, Result<T>)>,
    {
        let _permit = self.permit(deadline).await?;
        if let Some(mut session) = self.take() {
            session.deadline = deadline;
            let (session, result) = work(session).await;
            if session.state != State::Sound {
                self.server.end_generation();
            }
            if !is_dead(&session, &result) || Instant::now() >= deadline {
                return self.settle(session, result).await;
            }
        }
        let (session, result) = work(self.open(deadline).await?).await;
        self.settle(session, result).await
    }

    /// Keeps the connection if it can be used on, and tells a held row from a hanging server.
    async fn settle<T>(&self, mut session: Session, result: Result<T>) -> Result<T> {
        if session.state == State::Sound && result.is_err() && self.ending == Ending::Commit {
            session.roll_back().await;
        }
        match session.state {
            State::Sound => self.keep(session),
            State::Lost => {}
            State::Stalled => {
                drop(session);
                let probe = self.open(Instant::now() + PROBE).await;
                if let Ok(session) = probe {
                    self.keep(session);
                    return Err(StoreError::Conflict(
                        "somebody else has held the same rows for too long".to_owned(),
                    ));
                }
            }
        }
        result
    }

    async fn permit(&self, deadline: Instant) -> Result<SemaphorePermit<'_>> {
        let permit = timeout_at(deadline, self.free.acquire()).await;
        permit.map(|permit| permit.expect("it is never closed")).map_err(|_| {
            StoreError::Unavailable(format!(
                "all {} connections to the database {} are busy",
                self.limit, self.address.shown
            ))
        })
    }

    fn note_silence<T>(&self, began: Instant, result: &Result<T>) {
        let now = Instant::now();
        match result {
            Err(StoreError::Unavailable(_) | StoreError::Unknown(_)) if now < began + PATIENCE => {}
            Err(StoreError::Unavailable(_) | StoreError::Unknown(_)) => self.silence().unanswered(began, now),
            Ok(_) | Err(_) => self.silence().answered(began),
        }
    }

    fn silence(&self) -> MutexGuard<'_, Silence> {
        self.silence.lock().expect("nobody panics holding it")
    }

    /// A new connection. That the server lets us in no more (another password, a database that is gone) is an outage for
    /// who has used it already.
    async fn open(&self, deadline: Instant) -> Result<Session> {
        let generation = self.server.generation();
        let opened = Session::open(&self.address, true, self.ending, deadline).await;
        let mut session = opened.map_err(|error| match error {
            StoreError::Broken(why) => StoreError::Unavailable(why),
            error => error,
        })?;
        session.generation = generation;
        Ok(session)
    }

    /// One that is kept, and not so long that the server may be about to end it.
    fn take(&self) -> Option<Session> {
        let (generation, now) = (self.server.generation(), Instant::now());
        let mut idle = self.idle.lock().expect("nobody panics holding it");
        idle.retain(|session| session.generation == generation && now < session.deadline + QUIET / 2);
        idle.pop()
    }

    fn keep(&self, session: Session) {
        self.idle.lock().expect("nobody panics holding it").push(session);
    }
}

/// Whether the connection was to blame, so that another one may do better. Nothing was done on this one.
fn is_dead<T>(session: &Session, result: &Result<T>) -> bool {
    let blamed = matches!(
        result,
        Err(StoreError::Unavailable(_) | StoreError::Unwritable(_) | StoreError::Broken(_))
    );
    session.state == State::Lost && blamed
}
