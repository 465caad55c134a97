//! One child: started, watched, started again, stopped.

use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};

use anyhow::{Context, Result};
use rustix::process::{Pid, Signal, kill_process};
use tokio::process::Command;
use tokio::sync::watch;
use tokio::time::Instant;

use super::Wish;
use super::output::{Output, Stream};
use super::policy::{self, Restarts, Verdict};
use crate::config::PassedOn;
use crate::exit::Exit;
use crate::lifeline::Lifeline;
use crate::shutdown::SUPERVISED;
use crate::telemetry::COLOURED;

/// A role to be kept running.
#[derive(Debug)]
pub struct Child {
    /// Its name in front of its lines.
    pub name: String,
    program: PathBuf,
    given: PassedOn,
}

/// How a child ended for good.
#[derive(Debug)]
pub enum Ended {
    /// As it was asked to.
    Stopped,
    /// By itself, for good, or not as it was asked to.
    Failed(Exit),
}

/// How one life of a child ended.
enum Life {
    /// By itself, after it had been ready or not.
    Died(ExitStatus, bool),
    /// After it was asked to stop.
    Stopped(ExitStatus),
    /// It never began.
    NotStarted(anyhow::Error),
}

impl Child {
    /// `program` with what it is given, shown as `name`.
    pub fn new(name: String, program: PathBuf, given: PassedOn) -> Self {
        Self { name, program, given }
    }

    /// Starts it, and again when it dies, until it is asked to stop or refuses to start.
    pub async fn keep_running(&self, output: &Output, mut wishes: watch::Receiver<Wish>) -> Ended {
        let mut restarts = Restarts::default();
        while *wishes.borrow() == Wish::Run {
            let born = Instant::now();
            let (code, was_ready, how) = match self.live(output, &mut wishes).await {
                Life::Died(status, was_ready) => (status.code(), was_ready, format!("died ({status})")),
                Life::Stopped(status) => return self.stopped(status, output),
                Life::NotStarted(error) => (
                    Some(Exit::COULD_NOT.0.into()),
                    false,
                    format!("can't be started: {error:#}"),
                ),
            };
            let life = policy::Life {
                code,
                lived: born.elapsed(),
                was_ready,
            };
            match restarts.judge(life) {
                Verdict::Refused(exit) => {
                    let did_not_start = format!("{} did not start: it {how} (see its lines above)", self.name);
                    output.trouble(&did_not_start);
                    return Ended::Failed(exit);
                }
                Verdict::Restart(pause) => {
                    output.trouble(&format!("{} {how}; starting it again in {pause:?}", self.name));
                    tokio::select! {
                        () = tokio::time::sleep(pause) => {}
                        _ = wishes.changed() => {}
                    }
                }
            }
        }
        Ended::Stopped
    }

    fn stopped(&self, status: ExitStatus, output: &Output) -> Ended {
        match status.success() {
            true => Ended::Stopped,
            false => {
                output.trouble(&format!("{} did not stop cleanly ({status})", self.name));
                Ended::Failed(Exit::COULD_NOT)
            }
        }
    }

    async fn live(&self, output: &Output, wishes: &mut watch::Receiver<Wish>) -> Life {
        let (mut process, lifeline) = match self.spawn(output) {
            Ok(started) => started,
            Err(error) => return Life::NotStarted(error),
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
        let (_, life) = tokio::join!(copied, Self::wait(&mut process, wishes));
        match life {
            Life::Died(status, _) => Life::Died(status, lifeline.was_ready()),
            other => other,
        }
    }

    async fn wait(process: &mut tokio::process::Child, wishes: &mut watch::Receiver<Wish>) -> Life {
        let id = process.id();
        let mut asked = Wish::Run;
        loop {
            let wish = *wishes.borrow_and_update();
            if wish > asked {
                asked = wish;
                send(
                    id,
                    if wish == Wish::Drain {
                        Signal::TERM
                    } else {
                        Signal::KILL
                    },
                );
            }
            tokio::select! {
                status = process.wait() => return match status {
                    Ok(status) if asked == Wish::Run => Life::Died(status, false),
                    Ok(status) => Life::Stopped(status),
                    Err(error) => Life::NotStarted(error.into()),
                },
                Ok(()) = wishes.changed() => {}
            }
        }
    }

    fn spawn(&self, output: &Output) -> Result<(tokio::process::Child, Lifeline)> {
        let (lifeline, stdin) = Lifeline::pair().context("no socket for it")?;
        let mut command = Command::new(&self.program);
        command
            .args(&self.given.words)
            .envs(self.given.variables.iter().cloned())
            .env(SUPERVISED, "1")
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
        Ok((process, lifeline))
    }
}

fn send(id: Option<u32>, signal: Signal) {
    let pid = id.and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
    // It may have ended in between; then there is nothing to tell it.
    if let Some(pid) = pid {
        let _ = kill_process(pid, signal);
    }
}
