//! Runs the binary in a folder of its own, without the tester's own `MALL_…` variables.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use tempfile::TempDir;

/// A folder to run in.
pub struct Folder(TempDir);

/// How a command ended.
#[derive(Debug)]
pub struct Ended {
    pub code: Option<i32>,
    pub out: String,
    pub err: String,
}

impl Folder {
    pub fn new() -> Self {
        Self(tempfile::tempdir().expect("a folder"))
    }

    pub fn path(&self) -> &Path {
        self.0.path()
    }

    pub fn has_data(&self) -> bool {
        self.path().join("mall-data").exists()
    }

    pub fn command(&self, words: &[&str]) -> Command {
        let mut command = self.at_home(env!("CARGO_BIN_EXE_mall"));
        command.args(words);
        command
    }

    /// A program in this folder, without the tester's own variables.
    fn at_home(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("MALL_") {
                command.env_remove(name);
            }
        }
        // Messages are in the language of the locale.
        command.env("LC_ALL", "C.UTF-8");
        command.current_dir(self.path());
        command
    }

    pub fn run(&self, words: &[&str]) -> Ended {
        ended(self.command(words).stdin(Stdio::null()).output().expect("it runs"))
    }

    pub fn run_with(&self, words: &[&str], input: &str) -> Ended {
        self.feed(words, input.as_bytes())
    }

    /// Runs it with these bytes on its standard input, which it need not read. One that does not end is killed.
    pub fn feed(&self, words: &[&str], input: &[u8]) -> Ended {
        let mut command = self.at_home("timeout");
        command
            .args(["--signal=KILL", "90", env!("CARGO_BIN_EXE_mall")])
            .args(words)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command.spawn().expect("it runs");
        let mut stdin = child.stdin.take().expect("its input");
        let written = stdin.write_all(input);
        drop(stdin);
        let ended = ended(child.wait_with_output().expect("it ends"));
        assert!(written.is_ok() || ended.code != Some(0), "it read all of its input");
        ended
    }
}

/// Any free ports for the roles of a mall, so that nobody else's is in the way.
pub const FREE_PORTS: [&str; 3] = ["--order-port=0", "--delivery-port=0", "--gateway-port=0"];

pub fn ended(output: Output) -> Ended {
    Ended {
        code: output.status.code(),
        out: String::from_utf8_lossy(&output.stdout).into_owned(),
        err: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}
