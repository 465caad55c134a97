//! Listens to what the roles see happen, and brings it into one sequence.
//!
//! Each role tells what it sees as server-sent events, some milliseconds late. So what happened is passed on only once it is
//! old enough that nothing earlier can still come.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use observe::{Observation, What};

use crate::clock;
use crate::observations::{Observations, Told};

/// How old an observation has to be before it is passed on.
pub const SETTLED: Duration = Duration::from_millis(250);

/// What was heard and not passed on yet.
#[derive(Debug, Clone, Default)]
pub struct Heard(Arc<Mutex<Vec<Observation>>>);

impl Heard {
    /// Listens to the role at `address`, which scenarios call `who`, for as long as it lives.
    ///
    /// # Errors
    /// It can't be listened to.
    pub fn listen(&self, address: SocketAddr, who: &str) -> std::io::Result<()> {
        let mut stream = Observations::of(address, "0", None)?;
        let (heard, who): (Self, Arc<str>) = (self.clone(), who.into());
        thread::spawn(move || {
            while let Ok(Some(told)) = stream.next() {
                if let Told::Seen(seen) = told {
                    heard.lock().push(Observation {
                        who: who.clone(),
                        ..seen
                    });
                }
            }
        });
        Ok(())
    }

    /// Notes what the world itself has done to a role.
    pub fn note(&self, who: &str, what: What) {
        self.lock().push(Observation {
            seq: 0,
            at: clock::now().0,
            who: who.into(),
            what,
        });
    }

    /// Whether something is old enough to be passed on.
    pub fn has_settled(&self) -> bool {
        let before = settled_before();
        self.lock().iter().any(|seen| seen.at <= before)
    }

    /// Passes on what is old enough, in the sequence in which it happened.
    pub fn take(&self) -> Vec<Observation> {
        let before = settled_before();
        let mut heard = self.lock();
        let (mut settled, fresh) = std::mem::take(&mut *heard)
            .into_iter()
            .partition::<Vec<_>, _>(|seen| seen.at <= before);
        *heard = fresh;
        // What one role saw stays in its sequence, as the sort is stable and each role's clock goes forward.
        settled.sort_by_key(|seen| seen.at);
        settled
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Observation>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The time up to which everything has been heard, in milliseconds since 1970.
fn settled_before() -> i64 {
    clock::now().0 - i64::try_from(SETTLED.as_millis()).expect("a short time")
}
