//! Java's tools, all in one JVM.

use std::io::{Read, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use crate::program::Ended;
use crate::support::required;

/// How long one of Java's tools may take.
const PATIENCE_MS: u32 = 60_000;

/// A JVM that runs Kafka's tools one after the other. Its protocol is described in `scripts/kafka/KafkaTools.java`.
pub struct Jvm {
    process: Child,
    commands: ChildStdin,
    answers: ChildStdout,
}

impl Jvm {
    pub fn start() -> Self {
        let program = format!("{}/kafka-tools", required("MALL_TEST_KAFKA_TOOLS"));
        let mut process = Command::new(program)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("a JVM starts");
        let commands = process.stdin.take().expect("its input");
        let answers = process.stdout.take().expect("its output");
        Self {
            process,
            commands,
            answers,
        }
    }

    /// Runs a tool to its end.
    pub fn run(&mut self, words: &[String], input: &[u8]) -> Ended {
        let mut command = length(words.len()).to_vec();
        for block in words.iter().map(String::as_bytes).chain([input]) {
            command.extend(length(block.len()));
            command.extend(block);
        }
        command.extend(PATIENCE_MS.to_be_bytes());
        self.commands.write_all(&command).expect("the JVM reads");
        self.commands.flush().expect("the JVM reads");
        let code = i32::from_be_bytes(self.number());
        assert_ne!(code, -1, "{words:?} took longer than {PATIENCE_MS} ms");
        Ended {
            code: Some(code),
            out: self.text(),
            err: self.text(),
        }
    }

    fn text(&mut self) -> String {
        let length = u32::from_be_bytes(self.number());
        let mut bytes = vec![0; length as usize];
        self.answers.read_exact(&mut bytes).expect("the JVM answers");
        String::from_utf8_lossy(&bytes).into_owned()
    }

    fn number(&mut self) -> [u8; 4] {
        let mut bytes = [0; 4];
        self.answers.read_exact(&mut bytes).expect("the JVM answers");
        bytes
    }
}

impl Drop for Jvm {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn length(length: usize) -> [u8; 4] {
    u32::try_from(length).expect("a short command").to_be_bytes()
}
