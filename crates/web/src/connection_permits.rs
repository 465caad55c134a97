//! Permits for connections, of which there is a bounded number. When all are taken, the client that has been idle longest has
//! to leave, so that idle clients don't lock others out, above all probes.
//!
//! ```text
//!   accept ─▶ ConnectionPermits::take ─▶ ConnectionPermit ─▶ freed with the connection
//!                  │ none is free                                     ▲
//!                  └▶ the client that is idle longest is told to leave ┘
//! ```
//!
//! # Invariants
//! * There are never more connections than permits.
//! * No client is told to leave while it is being answered, or before it has been idle for the grace period.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// How long to wait for a free permit before another idle client is told to leave.
const LOOK_PAUSE: Duration = Duration::from_millis(50);

/// The value of `idle_since` while a client is not idle.
const BUSY: u64 = u64::MAX;

/// All permits of a server.
pub(super) struct ConnectionPermits {
    free: Arc<Semaphore>,
    taken: Mutex<Taken>,
    /// How long a client may be idle before it can be told to leave.
    grace: Duration,
    /// The time from which `idle_since` counts.
    started: Instant,
}

#[derive(Default)]
struct Taken {
    next: u64,
    clients: HashMap<u64, Arc<Client>>,
}

/// The state of a client's connection, which its task shares with the permits.
pub(super) struct Client {
    /// The time from which `idle_since` counts.
    started: Instant,
    /// Since when the client has been idle, in milliseconds from `started`; [`BUSY`] while it is not.
    idle_since: AtomicU64,
    /// Whether a part of an answer waits for the client to read it.
    pub(super) writing: AtomicBool,
    /// Whether the client listens to an answer without an end.
    pub(super) listening: AtomicBool,
    /// Cancelled when the client has to leave, because another one needs its permit.
    pub(super) leave: CancellationToken,
}

/// A permit for one connection, which is free again once this value is dropped.
pub(super) struct ConnectionPermit {
    permits: Arc<ConnectionPermits>,
    number: u64,
    pub(super) client: Arc<Client>,
    _permit: OwnedSemaphorePermit,
}

/// Keeps a client from being idle until the answer to its request has been handed over, when this value is dropped.
pub(super) struct Busy(Arc<Client>);

impl ConnectionPermits {
    pub(super) fn new(permits: usize, grace: Duration) -> Arc<Self> {
        Arc::new(Self {
            free: Arc::new(Semaphore::new(permits)),
            taken: Mutex::default(),
            grace,
            started: Instant::now(),
        })
    }

    /// Takes a permit, as soon as there is one.
    pub(super) async fn take(self: &Arc<Self>) -> ConnectionPermit {
        loop {
            if let Ok(permit) = Arc::clone(&self.free).try_acquire_owned() {
                return self.register(permit);
            }
            self.make_room();
            let freed = tokio::time::timeout(LOOK_PAUSE, Arc::clone(&self.free).acquire_owned()).await;
            if let Ok(permit) = freed {
                return self.register(permit.expect("the semaphore is never closed"));
            }
        }
    }

    /// Tells the client that has been idle longest to leave, if that is longer than the grace period. Returns whether there
    /// is such a client.
    pub(super) fn make_room(&self) -> bool {
        let ripe = millis(self.started.elapsed().saturating_sub(self.grace));
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

    fn register(self: &Arc<Self>, permit: OwnedSemaphorePermit) -> ConnectionPermit {
        let client = Arc::new(Client {
            started: self.started,
            idle_since: AtomicU64::new(millis(self.started.elapsed())),
            writing: AtomicBool::new(false),
            listening: AtomicBool::new(false),
            leave: CancellationToken::new(),
        });
        let mut taken = self.lock();
        let number = taken.next;
        taken.next += 1;
        taken.clients.insert(number, Arc::clone(&client));
        ConnectionPermit {
            permits: Arc::clone(self),
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
    /// Whether the client waits for no answer and has read all of the last one.
    pub(super) fn is_idle(&self) -> bool {
        self.idle_since.load(Relaxed) != BUSY && !self.writing.load(Relaxed)
    }

    /// Notes that the client has sent a request, until the result is dropped.
    pub(super) fn asks(self: &Arc<Self>) -> Busy {
        self.idle_since.store(BUSY, Relaxed);
        Busy(Arc::clone(self))
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.idle_since.store(millis(self.0.started.elapsed()), Relaxed);
    }
}

impl Drop for ConnectionPermit {
    fn drop(&mut self) {
        self.permits.lock().clients.remove(&self.number);
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
        let permits = ConnectionPermits::new(3, GRACE);
        let first = permits.take().await;
        tokio::time::advance(Duration::from_millis(10)).await;
        let (second, third) = (permits.take().await, permits.take().await);
        let busy = first.client.asks();
        second.client.writing.store(true, Relaxed);
        assert!(!permits.make_room(), "nobody has been idle for long");
        tokio::time::advance(GRACE).await;
        assert!(permits.make_room());
        assert!(third.client.leave.is_cancelled());
        assert!(!permits.make_room(), "the others are being answered");
        drop(busy);
        second.client.writing.store(false, Relaxed);
        assert!(permits.make_room());
        assert!(
            second.client.leave.is_cancelled(),
            "the first one was answered just now"
        );
        assert!(!first.client.leave.is_cancelled());
    }

    #[tokio::test(start_paused = true)]
    async fn there_are_never_more_than_places() {
        let permits = ConnectionPermits::new(1, GRACE);
        let permit = permits.take().await;
        let busy = permit.client.asks();
        assert!(tokio::time::timeout(GRACE * 10, permits.take()).await.is_err());
        drop(busy);
        let next = tokio::spawn({
            let permits = Arc::clone(&permits);
            async move { permits.take().await }
        });
        permit.client.leave.cancelled().await;
        assert!(!next.is_finished(), "the place is still taken");
        drop(permit);
        let next = next.await.expect("a place");
        assert_eq!(permits.lock().clients.len(), 1);
        drop(next);
        assert!(permits.lock().clients.is_empty());
    }
}
