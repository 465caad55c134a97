//! A simulated process: a Tokio runtime of its own whose time passes only when it is told to.
//!
//! ```text
//!   run()          everything that is ready, until all tasks wait; no time passes
//!   pass_time(t)   timers fire one after the other, and what they wake runs, until `t` is over
//!   jump(t)        time passes while nothing runs, as for a process that is frozen
//!   drop           a crash: every task is gone, wherever it stood
//! ```
//!
//! # Invariants
//! * Nothing of a process runs but within these calls, on the caller's thread.
//! * What a process does depends on nothing but the calls that are made here, and what it is given.

use std::cell::Cell;
use std::future::poll_fn;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Poll, Waker};
use std::time::Duration;

use keylane_log::Timestamp;
use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinHandle;
use tokio::time::Instant;

thread_local! {
    /// The wall clock of the process that runs on this thread.
    static WALL: Cell<Option<WallClock>> = const { Cell::new(None) };
}

/// What a process takes for the time of day.
#[derive(Debug, Clone, Copy)]
struct WallClock {
    started: Instant,
    at_start: Timestamp,
}

/// The wall clock of the simulated process that runs now, which is to be asked nowhere else.
pub fn wall_clock() -> Timestamp {
    let wall = WALL.get().expect("the clock is asked within a simulated process");
    Timestamp(wall.at_start.0 + wall.started.elapsed().as_millis() as i64)
}

/// How long the simulated process that runs now has been running, by its own count.
pub fn monotonic_clock() -> Duration {
    let wall = WALL.get().expect("the clock is asked within a simulated process");
    wall.started.elapsed()
}

/// A simulated process.
pub struct Process {
    runtime: Runtime,
    idle: Arc<Idle>,
    wall: WallClock,
    /// How much time has passed since the start, as far as the process was told. Timers fire in whole milliseconds, so what is
    /// waited for is always a moment counted from the start, and no process gets ahead of the others bit by bit.
    age: Duration,
    /// The tasks without which the process has ended.
    tasks: Vec<JoinHandle<()>>,
}

/// Tells the driver of a runtime that all its tasks wait.
#[derive(Debug, Default)]
struct Idle(Mutex<Option<Waker>>);

impl Process {
    /// A process without tasks, whose wall clock shows `now`.
    pub fn new(now: Timestamp) -> Self {
        let idle = Arc::new(Idle::default());
        let parked = idle.clone();
        let runtime = Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .on_thread_park(move || parked.notify())
            .build()
            .expect("a runtime without input and output needs nothing that could be missing");
        let started = runtime.block_on(async { Instant::now() });
        Self {
            runtime,
            idle,
            wall: WallClock { started, at_start: now },
            age: Duration::ZERO,
            tasks: Vec::new(),
        }
    }

    /// Has `make` put together what the process is made of. It may spawn tasks.
    pub fn make<T>(&mut self, make: impl FnOnce() -> T) -> T {
        WALL.set(Some(self.wall));
        let _entered = self.runtime.enter();
        make()
    }

    /// Adds a task that runs as long as the process does.
    pub fn spawn(&mut self, task: impl Future<Output = ()> + Send + 'static) {
        self.tasks.push(self.runtime.spawn(task));
    }

    /// Adds a task that may end at any time.
    pub fn spawn_aside(&mut self, task: impl Future<Output = ()> + Send + 'static) {
        self.runtime.spawn(task);
    }

    /// Runs `future` and all tasks until the future is ready, and says what came of it. Time passes as timers need it.
    pub fn block_on<T>(&mut self, future: impl Future<Output = T>) -> T {
        WALL.set(Some(self.wall));
        self.runtime.block_on(future)
    }

    /// Runs all tasks until each of them waits. No time passes.
    pub fn run(&mut self) {
        let idle = self.idle.clone();
        self.block_on(idle.wait());
    }

    /// Lets time pass, and runs the tasks meanwhile.
    pub fn pass_time(&mut self, time: Duration) {
        self.age += time;
        let until = self.wall.started + self.age;
        self.block_on(async move { tokio::time::sleep_until(until).await });
        self.run();
    }

    /// Lets time pass that the process doesn't notice before it is over, then runs its tasks.
    pub fn jump(&mut self, time: Duration) {
        self.age += time;
        self.block_on(tokio::time::advance(time));
        self.run();
    }

    /// Whether one of the process' own tasks has ended, by itself or by a panic.
    pub fn has_lost_a_task(&self) -> bool {
        self.tasks.iter().any(JoinHandle::is_finished)
    }

    /// Whether all of the process' own tasks have ended.
    pub fn has_ended(&self) -> bool {
        self.tasks.iter().all(JoinHandle::is_finished)
    }
}

impl Idle {
    /// Called by the runtime when no task is ready. Waking the driver keeps the runtime from passing time.
    fn notify(&self) {
        if let Some(waker) = self.0.lock().unwrap_or_else(PoisonError::into_inner).take() {
            waker.wake();
        }
    }

    async fn wait(&self) {
        let mut asked = false;
        poll_fn(|context| {
            let mut waker = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            if asked && waker.is_none() {
                return Poll::Ready(());
            }
            asked = true;
            *waker = Some(context.waker().clone());
            Poll::Pending
        })
        .await;
    }
}

#[cfg(test)]
mod tests {
    use super::super::gates::{Gates, Grant, Point, Side};
    use super::*;
    use std::sync::atomic::{AtomicU64, Ordering};

    const POINT: Point = Point {
        call: "work",
        side: Side::Before,
    };

    /// The numbers of the gates at which somebody waits.
    fn waiting(gates: &Gates) -> Vec<u64> {
        let mut ids = Vec::new();
        let _ = gates.find(|id, point| {
            assert_eq!(point, POINT);
            ids.push(id);
            None::<()>
        });
        ids
    }

    fn age(process: &mut Process) -> Duration {
        process.block_on(async { monotonic_clock() })
    }

    #[test]
    fn no_time_passes_while_tasks_run() {
        let mut process = Process::new(Timestamp(1_000));
        let count = Arc::new(AtomicU64::new(0));
        let counted = count.clone();
        process.spawn(async move {
            for _ in 0..500 {
                counted.fetch_add(1, Ordering::Relaxed);
                tokio::task::yield_now().await;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
            counted.fetch_add(1, Ordering::Relaxed);
            std::future::pending().await
        });
        process.run();
        assert_eq!(count.load(Ordering::Relaxed), 500);
        assert_eq!(age(&mut process), Duration::ZERO);
        process.pass_time(Duration::from_millis(4));
        assert_eq!(count.load(Ordering::Relaxed), 500);
        process.pass_time(Duration::from_millis(4));
        assert_eq!(count.load(Ordering::Relaxed), 501);
        assert_eq!(age(&mut process), Duration::from_millis(8));
        assert!(!process.has_lost_a_task());
    }

    #[test]
    fn fractions_of_milliseconds_do_not_add_up_to_more() {
        let mut process = Process::new(Timestamp(0));
        for _ in 0..1_000 {
            process.pass_time(Duration::from_micros(7_500));
        }
        assert_eq!(age(&mut process), Duration::from_millis(7_500));
    }

    #[test]
    fn timers_fire_one_after_the_other_and_after_a_jump_all_at_once() {
        let ticks = |process: &mut Process, pass: fn(&mut Process, Duration)| {
            let seen: Arc<Mutex<Vec<i64>>> = Arc::default();
            let noted = seen.clone();
            process.spawn(async move {
                for _ in 0..3 {
                    tokio::time::sleep(Duration::from_millis(10)).await;
                    noted.lock().unwrap().push(wall_clock().0);
                }
                std::future::pending().await
            });
            process.run();
            pass(process, Duration::from_millis(100));
            seen.lock().unwrap().clone()
        };
        assert_eq!(
            ticks(&mut Process::new(Timestamp(500)), Process::pass_time),
            [510, 520, 530]
        );
        assert_eq!(ticks(&mut Process::new(Timestamp(500)), Process::jump), [600]);
    }

    #[test]
    fn a_gate_holds_its_caller_until_it_is_opened() {
        let (mut process, gates) = (Process::new(Timestamp(0)), Gates::default());
        let (passing, done) = (gates.clone(), Arc::new(AtomicU64::new(0)));
        let counted = done.clone();
        process.spawn(async move {
            while passing.pass(POINT).await == Grant::Go {
                counted.fetch_add(1, Ordering::Relaxed);
            }
        });
        process.run();
        process.pass_time(Duration::from_secs(60));
        assert_eq!(done.load(Ordering::Relaxed), 0);
        for expected in 1..4 {
            let [id] = waiting(&gates)[..] else {
                panic!("{gates:?}");
            };
            gates.open(id, Grant::Go);
            process.run();
            assert_eq!(done.load(Ordering::Relaxed), expected);
        }
    }

    #[test]
    fn a_crash_takes_all_tasks_and_their_gates_away() {
        let (mut process, gates) = (Process::new(Timestamp(0)), Gates::default());
        let passing = gates.clone();
        process.spawn(async move {
            passing.pass(POINT).await;
        });
        process.run();
        assert_eq!(waiting(&gates).len(), 1);
        drop(process);
        assert!(waiting(&gates).is_empty());
    }
}
