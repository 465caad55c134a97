//! What happens when somebody interrupts the program: its processes end, also frozen ones, and its files are removed.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use rustix::process::{Pid, Signal, kill_process};
use tokio::runtime::Runtime;
use tokio::signal::unix::{SignalKind, signal};

use super::remains::{Remains, wait_for_groups};

/// The processes that have to end with the program.
#[derive(Debug, Clone, Default)]
pub struct Living(Arc<Mutex<BTreeSet<u32>>>);

impl Living {
    /// Notes that a process lives.
    pub fn begins(&self, id: u32) {
        self.with(|ids| ids.insert(id));
    }

    /// Notes that a process has ended and been waited for, so that its number may be another's by now.
    pub fn ended(&self, id: u32) {
        self.with(|ids| ids.remove(&id));
    }

    fn kill_all(&self) {
        self.with(|ids| {
            let pids = ids.iter().filter_map(|id| Pid::from_raw(i32::try_from(*id).ok()?));
            for pid in pids {
                // One that has ended by itself can't be killed, and need not be.
                let _ = kill_process(pid, Signal::KILL);
            }
        });
    }

    fn with<T>(&self, work: impl FnOnce(&mut BTreeSet<u32>) -> T) -> T {
        work(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Has Ctrl-C and SIGTERM end the `living` processes, remove what `remains`, and end this program.
///
/// # Errors
/// The signals can't be listened to.
pub fn clear_up(runtime: &Runtime, living: Living, remains: Remains) -> std::io::Result<()> {
    let _entered = runtime.enter();
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    runtime.spawn(async move {
        let number = tokio::select! {
            biased;
            _ = interrupt.recv() => Signal::INT,
            _ = terminate.recv() => Signal::TERM,
        };
        living.kill_all();
        std::thread::spawn(move || {
            remains.clear();
            wait_for_groups();
            std::process::exit(128 + number.as_raw());
        });
    });
    Ok(())
}
