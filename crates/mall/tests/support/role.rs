//! A role of the mall, or its supervisor, as a process of its own.

use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use rustix::process::{Pid, Signal, kill_process, kill_process_group};

use super::wait_for;

/// A running role, whose lines of either stream are kept: killed when the test is done with it.
pub struct Role {
    name: String,
    child: Child,
    lines: Arc<Mutex<Vec<String>>>,
    readers: Vec<JoinHandle<()>>,
}

impl Role {
    /// Starts `mall` with these arguments.
    #[track_caller]
    pub fn start(name: &str, command: &mut Command) -> Self {
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{name} could not be started: {error}"));
        let lines = Arc::new(Mutex::new(Vec::new()));
        let readers = vec![
            keep(child.stdout.take().expect("stdout is piped"), &lines),
            keep(child.stderr.take().expect("stderr is piped"), &lines),
        ];
        Self {
            name: name.into(),
            child,
            lines,
            readers,
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

    /// The first line that `is` accepts among those behind the first `read`, which then counts up to it.
    #[track_caller]
    pub fn wait_behind(&self, read: &mut usize, what: &str, is: impl Fn(&str) -> bool) -> String {
        let (at, line) = wait_for(
            &format!("{what} of {}, which said:\n{}", self.name, self.said()),
            || {
                let behind = self.lines().into_iter().enumerate().skip(*read);
                behind.into_iter().find(|(_, line)| is(line))
            },
        );
        *read = at + 1;
        line
    }

    /// Waits until the trouble that this sentence tells is over; it has been told once when it began and once when it ended.
    #[track_caller]
    pub fn told_once(&self, sentence: &str) {
        let over = format!("over: {sentence}");
        // The health of a role may be mended a moment before the role says so.
        self.wait_line(&over);
        let lines = self.lines();
        let ends = lines.iter().filter(|line| line.contains(&over)).count();
        let begins = lines.iter().filter(|line| line.contains(sentence)).count() - ends;
        assert_eq!((begins, ends), (1, 1), "{sentence}: {}", self.said());
    }

    /// The processes that it has started, by the kernel's own list.
    pub fn children(&self) -> Vec<Pid> {
        let id = self.child.id();
        let list = std::fs::read_to_string(format!("/proc/{id}/task/{id}/children")).expect("a list");
        list.split_whitespace()
            .filter_map(|id| Pid::from_raw(id.parse().ok()?))
            .collect()
    }

    /// The child of a supervisor that runs this role.
    #[track_caller]
    pub fn child_of(&self, role: &str) -> Pid {
        let children = self.children();
        let runs = |pid: &&Pid| words_of(**pid).contains(&format!("\0{role}\0"));
        let found = children.iter().find(runs);
        *found.unwrap_or_else(|| panic!("no {role} among {children:?}"))
    }

    /// All it has said so far.
    pub fn lines(&self) -> Vec<String> {
        self.lines.lock().expect("no reader panics").clone()
    }

    /// All it has ever said, once it has ended.
    pub fn last_lines(&mut self) -> Vec<String> {
        for reader in self.readers.drain(..) {
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
        self.last_lines();
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

fn keep(stream: impl Read + Send + 'static, lines: &Arc<Mutex<Vec<String>>>) -> JoinHandle<()> {
    let lines = lines.clone();
    std::thread::spawn(move || {
        for line in BufReader::new(stream).lines().map_while(Result::ok) {
            lines.lock().expect("no reader panics").push(line);
        }
    })
}

/// The words of a process's command line, each with a zero behind it; empty once it has ended.
pub fn words_of(pid: Pid) -> String {
    std::fs::read_to_string(format!("/proc/{}/cmdline", pid.as_raw_nonzero())).unwrap_or_default()
}
