//! Places for connections: a bounded number. When all are taken, whoever has been idle longest gives its place up, so that
//! idle clients don't lock others out, a probe above all.
//!
//! ```text
//!   accept ─▶ Places::take ─▶ Seat ──────────────▶ freed with the connection
//!                  │ none is free                        ▲
//!                  └▶ the longest idle is told to leave ─┘
//! ```
//!
//! # Invariants
//! * There are never more seats than places.
//! * Nobody is told to leave while it is being answered, nor in the moments between a request and the next.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// How long a place is waited for before the next idle connection is looked for.
const LOOK: Duration = Duration::from_millis(50);

/// Stands for the moment since which a connection is idle while it isn't.
const BUSY: u64 = u64::MAX;

/// All places of a server.
pub(super) struct Places {
    free: Arc<Semaphore>,
    taken: Mutex<Taken>,
    /// How long a connection may be idle without anybody asking for its place.
    grace: Duration,
    epoch: Instant,
}

#[derive(Default)]
struct Taken {
    next: u64,
    clients: HashMap<u64, Arc<Client>>,
}

/// What is known of a connection by others than itself.
pub(super) struct Client {
    epoch: Instant,
    /// Milliseconds from the epoch, or [`BUSY`].
    idle_since: AtomicU64,
    /// Whether an answer waits for the client to take it.
    pub(super) writing: AtomicBool,
    /// Somebody else needs its place.
    pub(super) leave: CancellationToken,
}

/// A place that is taken, for as long as this lives.
pub(super) struct Seat {
    places: Arc<Places>,
    number: u64,
    pub(super) client: Arc<Client>,
    _permit: OwnedSemaphorePermit,
}

/// A request that is being answered, until its answer has been handed over.
pub(super) struct Busy(Arc<Client>);

impl Places {
    pub(super) fn new(places: usize, grace: Duration) -> Arc<Self> {
        Arc::new(Self {
            free: Arc::new(Semaphore::new(places)),
            taken: Mutex::default(),
            grace,
            epoch: Instant::now(),
        })
    }

    /// A place, as soon as there is one.
    pub(super) async fn take(self: &Arc<Self>) -> Seat {
        loop {
            if let Ok(permit) = Arc::clone(&self.free).try_acquire_owned() {
                return self.seat(permit);
            }
            self.make_room();
            let freed = tokio::time::timeout(LOOK, Arc::clone(&self.free).acquire_owned()).await;
            if let Ok(permit) = freed {
                return self.seat(permit.expect("the semaphore is never closed"));
            }
        }
    }

    /// Tells the client that has been idle longest, for longer than the grace, to leave; whether there is one.
    pub(super) fn make_room(&self) -> bool {
        let ripe = millis(self.epoch.elapsed().saturating_sub(self.grace));
        let taken = self.lock();
        let longest = taken
            .clients
            .values()
            .filter(|client| client.is_idle() && !client.leave.is_cancelled())
            .min_by_key(|client| client.idle_since.load(Relaxed))
            .filter(|client| client.idle_since.load(Relaxed) <= ripe);
        if let Some(client) = longest {
            client.leave.cancel();
        }
        longest.is_some()
    }

    fn seat(self: &Arc<Self>, permit: OwnedSemaphorePermit) -> Seat {
        let client = Arc::new(Client {
            epoch: self.epoch,
            idle_since: AtomicU64::new(millis(self.epoch.elapsed())),
            writing: AtomicBool::new(false),
            leave: CancellationToken::new(),
        });
        let mut taken = self.lock();
        let number = taken.next;
        taken.next += 1;
        taken.clients.insert(number, Arc::clone(&client));
        Seat {
            places: Arc::clone(self),
            number,
            client,
            _permit: permit,
        }
    }

    fn lock(&self) -> MutexGuard<'_, Taken> {
        self.taken.lock().expect("nothing panics while it holds this")
    }
}

impl Client {
    /// Whether it neither is being answered nor has still to take an answer.
    pub(super) fn is_idle(&self) -> bool {
        self.idle_since.load(Relaxed) != BUSY && !self.writing.load(Relaxed)
    }

    /// Notes that it asks for something.
    pub(super) fn asks(self: &Arc<Self>) -> Busy {
        self.idle_since.store(BUSY, Relaxed);
        Busy(Arc::clone(self))
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.idle_since.store(millis(self.0.epoch.elapsed()), Relaxed);
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.places.lock().clients.remove(&self.number);
    }
}

fn millis(time: Duration) -> u64 {
    time.as_millis() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    const GRACE: Duration = Duration::from_secs(1);

    #[tokio::test(start_paused = true)]
    async fn the_longest_idle_leaves_first_and_the_busy_stay() {
        let places = Places::new(3, GRACE);
        let first = places.take().await;
        tokio::time::advance(Duration::from_millis(10)).await;
        let (second, third) = (places.take().await, places.take().await);
        let busy = first.client.asks();
        second.client.writing.store(true, Relaxed);
        assert!(!places.make_room(), "nobody has been idle for long");
        tokio::time::advance(GRACE).await;
        assert!(places.make_room());
        assert!(third.client.leave.is_cancelled());
        assert!(!places.make_room(), "the others are being answered");
        drop(busy);
        second.client.writing.store(false, Relaxed);
        assert!(places.make_room());
        assert!(
            second.client.leave.is_cancelled(),
            "the first one was answered just now"
        );
        assert!(!first.client.leave.is_cancelled());
    }

    #[tokio::test(start_paused = true)]
    async fn there_are_never_more_than_places() {
        let places = Places::new(1, GRACE);
        let seat = places.take().await;
        let busy = seat.client.asks();
        assert!(tokio::time::timeout(GRACE * 10, places.take()).await.is_err());
        drop(busy);
        let next = tokio::spawn({
            let places = Arc::clone(&places);
            async move { places.take().await }
        });
        seat.client.leave.cancelled().await;
        assert!(!next.is_finished(), "the place is still taken");
        drop(seat);
        let next = next.await.expect("a place");
        assert_eq!(places.lock().clients.len(), 1);
        drop(next);
        assert!(places.lock().clients.is_empty());
    }
}
