//! The connections of a store: opened when needed, used by one unit of work at a time, and kept for the next.
//!
//! # Invariants
//! * A unit of work ends within [`CALL_DEADLINE`] plus [`PROBE`], below the 2 s that callers are promised, whatever the
//!   server does: connecting, waiting for a free connection and every statement share one deadline.
//! * A connection that was dropped in the middle of a statement (its caller went away, its deadline passed) is closed and
//!   never used again.
//! * If a connection fails in a way that a new one may not (it is gone, or its server has been demoted or refuses us), it is
//!   closed with all others that were opened before, because the host's name may lead to another server by now.
//! * The server rolls back what happened before COMMIT together with its connection. So a unit of work whose *kept*
//!   connection turns out to be dead (the server was restarted, or demoted) is run once more on a new connection.

use std::future::Future;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::{Instant, timeout_at};

use super::address::Address;
use super::session::{Ending, Health, QUIET, Session};
use super::silence::Silence;
use shop::store::{Result, StoreError};

/// The deadline of a unit of work as a whole. The server waits 1 s for a lock.
pub(super) const CALL_DEADLINE: Duration = Duration::from_millis(1500);
/// The deadline for finding out whether the server hangs or another session holds the rows.
const PROBE: Duration = Duration::from_millis(300);

/// What all connections of a store have shown about the server.
#[derive(Default)]
pub(super) struct Server {
    /// How often the open connections were given up. Only those opened since the last time may be used again.
    given_up: AtomicU64,
    /// Whether a write has failed since the last successful probe.
    suspect: AtomicBool,
}

impl Server {
    /// Whether a write has failed since the last probe that tried every kind of write.
    pub fn is_suspect(&self) -> bool {
        self.suspect.load(Ordering::Relaxed)
    }

    /// Notes that a probe has tried every kind of write with success.
    pub fn takes_writes(&self) {
        self.suspect.store(false, Ordering::Relaxed);
    }

    fn given_up(&self) -> u64 {
        self.given_up.load(Ordering::Acquire)
    }

    /// Gives up all connections that are open now.
    fn give_up_all(&self) {
        self.given_up.fetch_add(1, Ordering::AcqRel);
    }

    fn note<T>(&self, result: &Result<T>) {
        if matches!(result, Err(StoreError::Unwritable(_) | StoreError::Broken(_))) {
            self.suspect.store(true, Ordering::Relaxed);
        }
    }
}

/// A pool of connections whose transactions end in the same way.
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
    /// A pool of at most `limit` connections, of which none is open yet.
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

    /// Runs a unit of work on a connection that it has for itself; `work` returns the connection with its result.
    pub async fn run<T, W>(&self, work: impl Fn(Session) -> W) -> Result<T>
    where
        W: Future<Output = (Session, Result<T>)>,
    {
        let began = Instant::now();
        if self.silence().is_believed(began) {
            let shown = &self.address.shown;
            return Err(StoreError::Unavailable(format!("the database {shown} doesn't answer")));
        }
        let result = self.run_until(began + CALL_DEADLINE, work).await;
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
            if session.health != Health::Sound {
                self.server.give_up_all();
            }
            if !is_dead(&session, &result) || Instant::now() >= deadline {
                return self.settle(session, result).await;
            }
        }
        let (session, result) = work(self.open(deadline).await?).await;
        self.settle(session, result).await
    }

    /// Keeps the connection if it can be used again, and finds out whether a stalled one waited for rows that another session
    /// holds or for a server that hangs.
    async fn settle<T>(&self, mut session: Session, result: Result<T>) -> Result<T> {
        if session.health == Health::Sound && result.is_err() && self.ending == Ending::Commit {
            session.roll_back().await;
        }
        match session.health {
            Health::Sound => self.keep(session),
            Health::Lost => {}
            Health::Stalled => {
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
        permit
            .map(|permit| permit.expect("the semaphore is never closed"))
            .map_err(|_| {
                StoreError::Unavailable(format!(
                    "all {} connections to the database {} are busy",
                    self.limit, self.address.shown
                ))
            })
    }

    fn note_silence<T>(&self, began: Instant, result: &Result<T>) {
        let now = Instant::now();
        match result {
            Err(StoreError::Unavailable(_) | StoreError::Unknown(_)) if now < began + CALL_DEADLINE => {}
            Err(StoreError::Unavailable(_) | StoreError::Unknown(_)) => self.silence().unanswered(began, now),
            Ok(_) | Err(_) => self.silence().answered(began),
        }
    }

    fn silence(&self) -> MutexGuard<'_, Silence> {
        self.silence.lock().expect("nobody panics holding it")
    }

    /// Opens a new connection. If the server refuses it (another password, a database that is gone), that is an outage for a
    /// service that has used the database before.
    async fn open(&self, deadline: Instant) -> Result<Session> {
        let given_up = self.server.given_up();
        let opened = Session::open(&self.address, true, self.ending, deadline).await;
        let mut session = opened.map_err(|error| match error {
            StoreError::Broken(why) => StoreError::Unavailable(why),
            error => error,
        })?;
        session.given_up_before = given_up;
        Ok(session)
    }

    /// Takes a kept connection that has not been idle for so long that the server may be about to end it.
    fn take(&self) -> Option<Session> {
        let (given_up, now) = (self.server.given_up(), Instant::now());
        let mut idle = self.idle.lock().expect("nobody panics holding it");
        idle.retain(|session| session.given_up_before == given_up && now < session.deadline + QUIET / 2);
        idle.pop()
    }

    fn keep(&self, session: Session) {
        self.idle.lock().expect("nobody panics holding it").push(session);
    }
}

/// Whether the unit of work failed because of its connection, so that it may succeed on a new one. Nothing was committed.
fn is_dead<T>(session: &Session, result: &Result<T>) -> bool {
    let blamed = matches!(
        result,
        Err(StoreError::Unavailable(_) | StoreError::Unwritable(_) | StoreError::Broken(_))
    );
    session.health == Health::Lost && blamed
}
