//! Gates: places at which a simulated process waits until the scheduler lets it go on.
//!
//! ```text
//!   process ── pass(point) ──▶ waits ──▶ grant ──▶ goes on, or fails as it is told
//!                                ▲
//!   scheduler ── waiting() ──────┴── open(id, grant)
//! ```
//!
//! # Invariants
//! * Gates are listed in the order in which they were reached.
//! * A caller that gives up waiting takes its gate away.

use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

/// The gates of one process.
#[derive(Debug, Clone, Default)]
pub struct Gates(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    waiting: Vec<Waiting>,
    reached: u64,
}

#[derive(Debug)]
struct Waiting {
    id: u64,
    point: Point,
    grant: Option<Grant>,
    waker: Waker,
}

/// Where in its work a process waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Point {
    /// What the process does there, such as `run_fence`.
    pub call: &'static str,
    /// Where in this call it stands.
    pub side: Side,
}

/// Where in a call a process stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Side {
    /// Before the next step of a loop that runs as long as the process does.
    Turn,
    /// Before a call takes effect.
    Before,
    /// After a call has taken effect, before its caller has the answer.
    After,
}

/// How the scheduler lets a process go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Grant {
    /// The call goes on.
    Go,
    /// The call fails, for this reason.
    Fail(Fault),
}

/// What may go wrong with a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Fault {
    /// Whoever is called can't be reached; nothing has happened.
    Away,
    /// The call was made, and its answer is lost.
    Unanswered,
    /// Another transaction was in the way, and the call was rolled back.
    Conflict,
}

impl Gates {
    /// Waits at `point` until the scheduler opens this gate.
    pub fn pass(&self, point: Point) -> Pass {
        Pass {
            gates: self.clone(),
            point,
            id: None,
        }
    }

    /// Shows `look` the gates at which somebody waits, in the order in which they were reached, until it returns something:
    /// the number of each, and where it is.
    pub fn find<T>(&self, mut look: impl FnMut(u64, Point) -> Option<T>) -> Option<T> {
        let state = self.lock();
        let mut closed = state.waiting.iter().filter(|waiting| waiting.grant.is_none());
        closed.find_map(|waiting| look(waiting.id, waiting.point))
    }

    /// Opens a gate. Nothing happens if nobody waits there any more.
    pub fn open(&self, id: u64, grant: Grant) {
        let mut state = self.lock();
        if let Some(waiting) = state.waiting.iter_mut().find(|waiting| waiting.id == id) {
            waiting.grant = Some(grant);
            waiting.waker.wake_by_ref();
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The future of [`Gates::pass`].
#[derive(Debug)]
#[must_use]
pub struct Pass {
    gates: Gates,
    point: Point,
    /// The gate's number, once it has been reached.
    id: Option<u64>,
}

impl Future for Pass {
    type Output = Grant;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Grant> {
        let gates = self.gates.clone();
        let mut state = gates.lock();
        let Some(id) = self.id else {
            state.reached += 1;
            let id = state.reached;
            state.waiting.push(Waiting {
                id,
                point: self.point,
                grant: None,
                waker: context.waker().clone(),
            });
            self.id = Some(id);
            return Poll::Pending;
        };
        let at = state.waiting.iter().position(|waiting| waiting.id == id);
        let at = at.expect("a gate stays until it has been passed");
        match state.waiting[at].grant {
            Some(grant) => {
                state.waiting.remove(at);
                self.id = None;
                Poll::Ready(grant)
            }
            None => {
                state.waiting[at].waker.clone_from(context.waker());
                Poll::Pending
            }
        }
    }
}

impl Drop for Pass {
    fn drop(&mut self) {
        if let Some(id) = self.id {
            self.gates.lock().waiting.retain(|waiting| waiting.id != id);
        }
    }
}

/// `run_fence`, and for what stands behind the call `run_fence done`.
impl fmt::Display for Point {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.call)?;
        match self.side {
            Side::Turn | Side::Before => Ok(()),
            Side::After => f.write_str(" done"),
        }
    }
}
