//! A process of the mall that a scenario starts, signals and listens to.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use lab::world::Trouble;
use rustix::process::{Pid, Signal, kill_process};
use tokio::runtime::Runtime;

use super::interrupt::Living;
use super::standstill;
use crate::supervised::{SUPERVISED, SupervisorEnd};

/// How long a process may take until it serves.
const START_TIMEOUT: Duration = Duration::from_secs(40);
/// How long a process that is to stop may take.
const STOP_TIMEOUT: Duration = Duration::from_secs(40);
/// How many of its last lines are kept, for the message about one that ends by itself.
const LINES: usize = 12;

/// A process that serves.
#[derive(Debug)]
pub struct Process {
    child: Child,
    /// The address on which it serves.
    pub address: SocketAddr,
    said: Said,
    living: Living,
    /// The process stops when this is dropped, so it never outlives the scenario.
    _supervisor_end: SupervisorEnd,
}

type Said = Arc<Mutex<VecDeque<String>>>;

impl Process {
    /// Starts a process and waits until it serves.
    ///
    /// # Errors
    /// The process does not come to serve. The message holds the last lines that it has written.
    pub fn start(mut command: Command, name: &str, runtime: &Runtime, living: Living) -> Result<Self, Trouble> {
        let failed = |why: String| Trouble::Failed(format!("{name} can't be started: {why}"));
        let _entered = runtime.enter();
        let (supervisor_end, stdin) = SupervisorEnd::pair().map_err(|error| failed(error.to_string()))?;
        command
            .env(SUPERVISED, "1")
            .process_group(0)
            .stdin(Stdio::from(stdin))
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        let mut child = command.spawn().map_err(|error| failed(error.to_string()))?;
        living.begins(child.id());
        let said = Said::default();
        let addresses = read_lines(child.stderr.take().expect("it is piped"), said.clone());
        match address(&addresses) {
            Some(address) => Ok(Self {
                child,
                address,
                said,
                living,
                _supervisor_end: supervisor_end,
            }),
            None => {
                end(&mut child, &living);
                Err(failed(format!("it said\n{}", last_lines(&said))))
            }
        }
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: Signal) {
        // A process that has ended by itself is noticed when it is looked at.
        if let Some(pid) = self.pid() {
            let _ = kill_process(pid, signal);
        }
    }

    /// Has it stand still, but not while others wait for a file in the folder `data` that it has locked.
    pub fn freeze(&self, data: &Path) {
        if let Some(pid) = self.pid() {
            standstill::freeze(pid, data);
        }
    }

    fn pid(&self) -> Option<Pid> {
        i32::try_from(self.child.id()).ok().and_then(Pid::from_raw)
    }

    /// Ends it at once.
    pub fn kill(&mut self) {
        end(&mut self.child, &self.living);
    }

    /// Ends it in good order.
    ///
    /// # Errors
    /// It does not end, or not in good order.
    pub fn stop(&mut self, name: &str) -> Result<(), Trouble> {
        self.signal(Signal::TERM);
        let deadline = Instant::now() + STOP_TIMEOUT;
        loop {
            match self.child.try_wait() {
                Ok(Some(status)) if status.success() => return Ok(()),
                Ok(Some(status)) => return Err(self.ended(name, status)),
                Ok(None) if Instant::now() < deadline => thread::sleep(Duration::from_millis(10)),
                Ok(None) => return Err(Trouble::Failed(format!("{name} does not stop"))),
                Err(error) => return Err(Trouble::Failed(format!("{name} can't be waited for: {error}"))),
            }
        }
    }

    /// Fails if it has ended by itself.
    pub fn look(&mut self, name: &str) -> Result<(), Trouble> {
        match self.child.try_wait() {
            Ok(Some(status)) => Err(self.ended(name, status)),
            Ok(None) | Err(_) => Ok(()),
        }
    }

    fn ended(&self, name: &str, status: ExitStatus) -> Trouble {
        Trouble::Failed(format!(
            "{name} has ended ({status}); it said\n{}",
            last_lines(&self.said)
        ))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        end(&mut self.child, &self.living);
    }
}

/// Ends a process that may have ended already, and waits for that.
fn end(child: &mut Child, living: &Living) {
    // One that has ended and been waited for is not killed again.
    let _ = child.kill();
    let _ = child.wait();
    living.ended(child.id());
}

/// Keeps the last lines of a process, and passes the address on once it says where it listens.
fn read_lines(stream: impl Read + Send + 'static, said: Said) -> Receiver<SocketAddr> {
    let (sender, addresses) = channel();
    thread::spawn(move || {
        for line in BufReader::new(stream).lines().map_while(Result::ok) {
            tell_address(&line, &sender);
            let mut said = said.lock().unwrap_or_else(PoisonError::into_inner);
            said.push_back(line);
            if said.len() > LINES {
                said.pop_front();
            }
        }
    });
    addresses
}

fn tell_address(line: &str, addresses: &Sender<SocketAddr>) {
    let address = line
        .split_once("listening on http://")
        .map(|(_, address)| address.trim());
    if let Some(address) = address.and_then(|address| address.parse().ok()) {
        // Only the first one is waited for.
        let _ = addresses.send(address);
    }
}

/// The address on which the process serves; none if it ends, or takes too long.
fn address(addresses: &Receiver<SocketAddr>) -> Option<SocketAddr> {
    addresses.recv_timeout(START_TIMEOUT).ok()
}

fn last_lines(said: &Said) -> String {
    let said = said.lock().unwrap_or_else(PoisonError::into_inner);
    said.iter().map(|line| format!("  {line}\n")).collect()
}
