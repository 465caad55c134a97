//! A role of the mall as a process of its own.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use rustix::process::{Pid, Signal, kill_process, kill_process_group};

use super::wait_for;

/// A running role: killed when the test is done with it.
pub struct Role {
    name: String,
    child: Child,
    lines: Arc<Mutex<Vec<String>>>,
    reader: Option<JoinHandle<()>>,
}

impl Role {
    /// Starts `mall` with these arguments.
    #[track_caller]
    pub fn start(name: &str, command: &mut Command) -> Self {
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{name} could not be started: {error}"));
        let lines = Arc::new(Mutex::new(Vec::new()));
        let stderr = BufReader::new(child.stderr.take().expect("stderr is piped"));
        let sink = lines.clone();
        let reader = std::thread::spawn(move || {
            for line in stderr.lines().map_while(Result::ok) {
                sink.lock().expect("no reader panics").push(line);
            }
        });
        Self {
            name: name.into(),
            child,
            lines,
            reader: Some(reader),
        }
    }

    /// Where it listens, once it says so.
    #[track_caller]
    pub fn address(&self) -> SocketAddr {
        let line = self.wait_line("listening on http://");
        let address = line
            .split("listening on http://")
            .nth(1)
            .and_then(|rest| rest.split([' ', '"']).next());
        address
            .and_then(|address| address.parse().ok())
            .unwrap_or_else(|| panic!("no address in {line:?}"))
    }

    /// The first line that contains `text`, now or later.
    #[track_caller]
    pub fn wait_line(&self, text: &str) -> String {
        wait_for(
            &format!("{text:?} of {}, which said:\n{}", self.name, self.said()),
            || self.lines().into_iter().find(|line| line.contains(text)),
        )
    }

    /// All it has said so far.
    pub fn lines(&self) -> Vec<String> {
        self.lines.lock().expect("no reader panics").clone()
    }

    /// All it has ever said, once it has ended.
    pub fn last_lines(&mut self) -> Vec<String> {
        if let Some(reader) = self.reader.take() {
            reader.join().expect("no reader panics");
        }
        self.lines()
    }

    pub fn said(&self) -> String {
        self.lines().join("\n")
    }

    pub fn signal(&self, signal: Signal) {
        kill_process(self.pid(), signal).unwrap_or_else(|error| panic!("{} can't be signalled: {error}", self.name));
    }

    /// What Ctrl-C in a terminal does.
    pub fn signal_group(&self, signal: Signal) {
        kill_process_group(self.pid(), signal)
            .unwrap_or_else(|error| panic!("the group of {} can't be signalled: {error}", self.name));
    }

    pub fn pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }

    /// SIGKILL, and waits until it is gone.
    pub fn kill(&mut self) {
        self.child.kill().expect("a child can be killed");
        self.child.wait().expect("a killed child ends");
    }

    /// Waits until it ends by itself; what it said is complete then.
    #[track_caller]
    pub fn wait_exit(&mut self) -> ExitStatus {
        let name = self.name.clone();
        let status = wait_for(&format!("the end of {name}"), || {
            self.child.try_wait().expect("a child can be waited for")
        });
        if let Some(reader) = self.reader.take() {
            reader.join().expect("the reader doesn't panic");
        }
        status
    }

    /// SIGTERM, and the exit code it leads to.
    #[track_caller]
    pub fn stop(&mut self) -> Option<i32> {
        self.signal(Signal::TERM);
        self.wait_exit().code()
    }
}

impl Drop for Role {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("--- {} said:\n{}", self.name, self.said());
        }
    }
}
