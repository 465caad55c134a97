//! Many histories on all cores, whose results are taken in order.
//!
//! ```text
//!   next number ─▶ thread ─ work ─┐
//!   next number ─▶ thread ─ work ─┴▶ results that came early ─▶ take(0), take(1), take(2) …
//!        ▲                                                              │
//!        └────────── no further ahead of what was taken than ◀──────────┘
//! ```
//!
//! # Invariants
//! * Results are taken in the order of their numbers, so what is made of them doesn't depend on how many threads there are.
//! * Memory doesn't grow with the number of histories: no more than [`AHEAD`] results wait to be taken.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError, mpsc};
use std::thread;

/// How far ahead of the one that was taken last a number may be begun. One history may take as long as a hundred others.
const AHEAD: u64 = 1_000;

/// Does `work` for the numbers from 0 up to `count`, on as many threads as the machine has, and calls `take` with the results
/// on this thread, in the order of the numbers, until it breaks. Returns how many were taken.
///
/// # Panics
/// If the work does.
pub fn in_order<T: Send>(
    count: u64,
    work: impl Fn(u64) -> T + Sync,
    mut take: impl FnMut(u64, T) -> ControlFlow<()>,
) -> u64 {
    let turns = Turns::default();
    let threads = thread::available_parallelism().map_or(1, usize::from);
    thread::scope(|scope| {
        let (sender, receiver) = mpsc::channel();
        for _ in 0..threads {
            let (sender, turns, work) = (sender.clone(), &turns, &work);
            scope.spawn(move || {
                let _ends = EndsByPanic(turns);
                while let Some(number) = turns.next(count) {
                    if sender.send((number, work(number))).is_err() {
                        return;
                    }
                }
            });
        }
        drop(sender);
        let mut early = BTreeMap::new();
        let mut taken = 0;
        for (number, result) in receiver {
            early.insert(number, result);
            while let Some(result) = early.remove(&taken) {
                let goes_on = take(taken, result);
                taken += 1;
                turns.taken(taken);
                if goes_on.is_break() {
                    turns.end();
                    return taken;
                }
            }
        }
        taken
    })
}

/// Which number is begun next.
#[derive(Default)]
struct Turns {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    next: u64,
    taken: u64,
    ended: bool,
}

impl Turns {
    /// The next number, once it may be begun; none if there is no more to do.
    fn next(&self, count: u64) -> Option<u64> {
        let waits = |state: &mut State| !state.ended && state.next < count && state.next >= state.taken + AHEAD;
        let state = self.changed.wait_while(self.lock(), waits);
        let mut state = state.unwrap_or_else(PoisonError::into_inner);
        if state.ended || state.next >= count {
            return None;
        }
        state.next += 1;
        Some(state.next - 1)
    }

    fn taken(&self, taken: u64) {
        self.lock().taken = taken;
        self.changed.notify_all();
    }

    fn end(&self) {
        self.lock().ended = true;
        self.changed.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Ends the others' work if this thread panics, as they would wait for its result.
struct EndsByPanic<'a>(&'a Turns);

impl Drop for EndsByPanic<'_> {
    fn drop(&mut self) {
        if thread::panicking() {
            self.0.end();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::*;

    #[test]
    fn results_come_in_order_and_none_is_begun_far_ahead() {
        let taken = AtomicU64::new(0);
        let mut seen = Vec::new();
        let work = |number: u64| {
            assert!(number <= taken.load(Ordering::SeqCst) + AHEAD, "{number}");
            // The first one is the slowest.
            let pause = if number == 0 { 50 } else { 0 };
            thread::sleep(std::time::Duration::from_millis(pause));
            number * 2
        };
        let count = in_order(3 * AHEAD, work, |number, result| {
            seen.push((number, result));
            taken.store(number, Ordering::SeqCst);
            ControlFlow::Continue(())
        });
        assert_eq!(count, 3 * AHEAD);
        assert!(seen.iter().copied().eq((0..count).map(|number| (number, number * 2))));
    }

    #[test]
    fn it_ends_where_the_caller_breaks() {
        let last = |number, ()| {
            if number == 9 {
                ControlFlow::Break(())
            } else {
                ControlFlow::Continue(())
            }
        };
        assert_eq!(in_order(u64::MAX, |_| (), last), 10);
    }

    #[test]
    #[should_panic(expected = "panicked")]
    fn work_that_panics_ends_everything() {
        let work = |number| assert!(number != 5, "this panic belongs to the test");
        in_order(u64::MAX, work, |_, ()| ControlFlow::Continue(()));
    }
}
