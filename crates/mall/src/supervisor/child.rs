//! One child process of the supervisor: starts it, waits for its end, starts it again, and stops it.

use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};

use anyhow::{Context, Result};
use rustix::process::{Pid, Signal, kill_process};
use shop::text;
use tokio::process::Command;
use tokio::sync::watch;
use tokio::time::Instant;

use super::output::{Output, Stream};
use super::policy::{ChildRun, RestartDecision, Restarts};
use crate::config::PassedOn;
use crate::exit::Exit;
use crate::supervised::{AGAIN, Ready, SUPERVISED, SupervisorEnd};
use crate::telemetry::COLOURED;

/// What a child is to do now. A later goal replaces an earlier one, never the other way round.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Goal {
    /// To run, and to be started again when it ends.
    Run,
    /// To finish its work and end (SIGTERM).
    Stop,
    /// To end at once (SIGKILL).
    Kill,
}

/// A role that is to be kept running.
#[derive(Debug)]
pub struct Child {
    /// The name that stands in front of its lines.
    pub name: String,
    program: PathBuf,
    given: PassedOn,
    /// What the child said when it was last ready; none before its first time.
    ready: watch::Sender<Option<Ready>>,
}

/// How a child ended for good.
#[derive(Debug)]
pub enum ChildEnding {
    /// The child was asked to stop, and did so.
    Stopped,
    /// The child could not start, or did not stop cleanly.
    Failed(Exit),
}

/// How one process of a child ended.
enum ProcessEnd {
    /// The process ended by itself.
    Died { status: ExitStatus, was_ready: bool },
    /// The process ended after it was asked to stop.
    Stopped(ExitStatus),
    /// There was no process.
    NotStarted(anyhow::Error),
}

impl Child {
    /// A child that runs `program` with what it is given.
    pub fn new(name: String, program: PathBuf, given: PassedOn) -> Self {
        let ready = watch::Sender::new(None);
        Self {
            name,
            program,
            given,
            ready,
        }
    }

    /// Tells when the child is ready.
    pub fn readiness(&self) -> watch::Receiver<Option<Ready>> {
        self.ready.subscribe()
    }

    /// Starts the child, and again when it dies, until it is asked to stop or refuses to start.
    pub async fn keep_running(&self, output: &Output, mut goals: watch::Receiver<Goal>) -> ChildEnding {
        let (mut restarts, mut state) = (Restarts::default(), "1");
        while *goals.borrow() == Goal::Run {
            let started = Instant::now();
            let (code, was_ready, how) = match self.run_once(state, output, &mut goals).await {
                ProcessEnd::Died { status, was_ready } => (status.code(), was_ready, format!("died ({status})")),
                ProcessEnd::Stopped(status) => return self.stopped(status, output),
                ProcessEnd::NotStarted(error) => (
                    Some(Exit::COULD_NOT.0.into()),
                    false,
                    format!("can't be started: {error:#}"),
                ),
            };
            // A process that never got ready may have done nothing of what a first one does.
            if was_ready {
                state = AGAIN;
            }
            let run = ChildRun {
                code,
                lasted: started.elapsed(),
                was_ready,
            };
            match restarts.judge(run) {
                RestartDecision::Refused(exit) => {
                    let name = &self.name;
                    output.trouble(text!(
                        "{name} did not start: it {how} (see its lines above)",
                        "{name} 프로세스를 시작하지 못함: {how} (위의 로그 참고)"
                    ));
                    return ChildEnding::Failed(exit);
                }
                RestartDecision::Restart(pause) => {
                    let name = &self.name;
                    output.trouble(text!(
                        "{name} {how}; starting it again in {pause:?}",
                        "{name} 프로세스: {how}. {pause:?} 뒤에 다시 시작함"
                    ));
                    tokio::select! {
                        () = tokio::time::sleep(pause) => {}
                        _ = goals.changed() => {}
                    }
                }
            }
        }
        ChildEnding::Stopped
    }

    fn stopped(&self, status: ExitStatus, output: &Output) -> ChildEnding {
        match status.success() {
            true => ChildEnding::Stopped,
            false => {
                let name = &self.name;
                output.trouble(text!(
                    "{name} did not stop cleanly ({status})",
                    "{name} 프로세스가 정상적으로 종료되지 않음 ({status})"
                ));
                ChildEnding::Failed(Exit::COULD_NOT)
            }
        }
    }

    /// Runs one process of the child; `state` tells it whether it is the first.
    async fn run_once(&self, state: &str, output: &Output, goals: &mut watch::Receiver<Goal>) -> ProcessEnd {
        let (mut process, supervisor_end) = match self.spawn(state, output) {
            Ok(started) => started,
            Err(error) => return ProcessEnd::NotStarted(error),
        };
        let (stdout, stderr) = (process.stdout.take(), process.stderr.take());
        let copied = async {
            tokio::join!(
                async {
                    if let Some(stream) = stdout {
                        output.copy(&self.name, stream, Stream::Out).await
                    }
                },
                async {
                    if let Some(stream) = stderr {
                        output.copy(&self.name, stream, Stream::Err).await
                    }
                },
            )
        };
        let (_, was_ready, ended) = tokio::join!(copied, self.hear(&supervisor_end), Self::wait(&mut process, goals));
        match ended {
            Ok((status, Goal::Run)) => ProcessEnd::Died { status, was_ready },
            Ok((status, Goal::Stop | Goal::Kill)) => ProcessEnd::Stopped(status),
            Err(error) => ProcessEnd::NotStarted(error.into()),
        }
    }

    /// Waits until the process says that it is ready, or has ended. Returns whether it was ready.
    async fn hear(&self, supervisor_end: &SupervisorEnd) -> bool {
        let ready = supervisor_end.ready().await;
        if ready.is_some() {
            self.ready.send_replace(ready);
        }
        ready.is_some()
    }

    /// Waits until the process has ended, and signals it whenever the goal changes. Answers with the last goal.
    async fn wait(
        process: &mut tokio::process::Child,
        goals: &mut watch::Receiver<Goal>,
    ) -> std::io::Result<(ExitStatus, Goal)> {
        let id = process.id();
        let mut asked = Goal::Run;
        loop {
            let goal = *goals.borrow_and_update();
            if goal > asked {
                asked = goal;
                match goal {
                    Goal::Run => {}
                    Goal::Stop => send(id, Signal::TERM),
                    Goal::Kill => send(id, Signal::KILL),
                }
            }
            tokio::select! {
                status = process.wait() => return Ok((status?, asked)),
                Ok(()) = goals.changed() => {}
            }
        }
    }

    fn spawn(&self, state: &str, output: &Output) -> Result<(tokio::process::Child, SupervisorEnd)> {
        let (supervisor_end, stdin) = SupervisorEnd::pair().context("no socket for it")?;
        let mut command = Command::new(&self.program);
        command
            .args(&self.given.words)
            .envs(self.given.variables.iter().cloned())
            .env(SUPERVISED, state)
            .env_remove("MALL_PORT")
            .env_remove("MALL_NAME")
            .process_group(0)
            .stdin(Stdio::from(stdin))
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        if output.coloured() {
            command.env(COLOURED, "1");
        }
        let process = command.spawn().with_context(|| format!("{}", self.program.display()))?;
        Ok((process, supervisor_end))
    }
}

fn send(id: Option<u32>, signal: Signal) {
    let pid = id.and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
    // A process that has ended meanwhile can't be signalled, and need not be.
    if let Some(pid) = pid {
        let _ = kill_process(pid, signal);
    }
}
