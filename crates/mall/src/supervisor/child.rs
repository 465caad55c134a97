//! One child process of the supervisor: starts it, waits for its end, starts it again, and does with it what is asked.
//!
//! ```text
//!             ┌──────────── ended by itself: after a pause ───────────┐
//!             ▼                                                       │
//!   start ─▶ runs ─── asked to stop ─▶ rests ── asked to start ─▶ runs again
//!             └────── the mall ends ──▶ ended for good ◀──────────────┘
//! ```

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use anyhow::{Context, Result};
use rustix::process::{Pid, Signal, kill_process};
use shop::text;
use shop::text::Text;
use tokio::process::Command;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::Instant;

use super::crew::Crew;
use super::output::{Output, Stream};
use super::policy::{ChildRun, RestartDecision, Restarts};
use super::requests::Requests;
use crate::config::{COMMAND_TOKEN, PassedOn};
use crate::exit::Exit;
use crate::supervised::words::State;
use crate::supervised::{AGAIN, FromRole, Ready, SUPERVISED, SupervisorEnd, ToRole};
use crate::telemetry::COLOURED;

/// How much longer than its own deadline for shutdown a child may take to end.
pub const GRACE: Duration = Duration::from_secs(5);

/// What all children are to do now. A later goal replaces an earlier one, never the other way round.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Goal {
    /// To run, and to be started again when they end.
    Run,
    /// To finish their work and end (SIGTERM).
    Stop,
    /// To end at once (SIGKILL).
    Kill,
}

/// What is asked of one child.
#[derive(Debug)]
pub enum Ask {
    /// To run again after it was stopped, with these words instead of those that begin alike.
    Start(Vec<OsString>),
    /// To finish its work and end, and to rest then.
    Stop,
    /// To be gone at once.
    Kill,
    /// To stand still.
    Freeze,
    /// To go on after it stood still.
    Wake,
}

/// Something asked of a child, and where its answer goes: the process that it was done to, or why it can't be done.
pub type Asked = (Ask, oneshot::Sender<Result<Option<u32>, Text>>);

/// A role that is to be kept running.
#[derive(Debug)]
pub struct Child {
    /// The name that stands in front of its lines.
    pub name: String,
    program: PathBuf,
    given: PassedOn,
    /// Whether the mall can do without it: it was added while the mall ran.
    is_extra: bool,
    /// What the child said when it was last ready; none before its first time.
    ready: watch::Sender<Option<Ready>>,
}

/// What a child has to do with.
pub struct Surroundings {
    /// Where its lines go.
    pub output: Output,
    /// What all children are to do.
    pub goals: watch::Receiver<Goal>,
    /// What is asked of this one.
    pub asks: mpsc::Receiver<Asked>,
    /// Where it notes what it does.
    pub crew: Crew,
    /// What the gateway asks goes here; none of another child.
    pub requests: Option<Requests>,
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
    /// The process ended after somebody asked for that, and the child rests.
    Rests(ExitStatus),
    /// The process ended after the mall was asked to stop.
    Stopped(ExitStatus),
    /// There was no process.
    NotStarted(anyhow::Error),
}

/// Why a process was asked to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wanted {
    Nothing,
    Rest,
    End(Goal),
}

impl Child {
    /// A child that runs `program` with what it is given.
    pub fn new(name: String, program: PathBuf, given: PassedOn) -> Self {
        let ready = watch::Sender::new(None);
        Self {
            name,
            program,
            given,
            is_extra: false,
            ready,
        }
    }

    /// The same child, whose failure to start doesn't end the mall.
    #[must_use]
    pub fn extra(self) -> Self {
        Self { is_extra: true, ..self }
    }

    /// Tells when the child is ready.
    pub fn readiness(&self) -> watch::Receiver<Option<Ready>> {
        self.ready.subscribe()
    }

    /// Starts the child, and again when it dies or when that is asked for, until the mall ends or the child refuses to start.
    pub async fn keep_running(mut self, mut around: Surroundings) -> ChildEnding {
        let (mut restarts, mut state) = (Restarts::default(), "1");
        while *around.goals.borrow() == Goal::Run {
            let started = Instant::now();
            around.crew.note(&self.name, State::Starting, None);
            let (code, was_ready, how) = match self.run_once(state, &mut around).await {
                ProcessEnd::Died { status, was_ready } => (status.code(), was_ready, format!("died ({status})")),
                ProcessEnd::Stopped(status) => return self.stopped(status, &around.output),
                ProcessEnd::Rests(status) => {
                    let _ = self.stopped(status, &around.output);
                    state = AGAIN;
                    self.rest(&mut around).await;
                    continue;
                }
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
                    around.output.trouble(text!(
                        "{name} did not start: it {how} (see its lines above)",
                        "{name} 프로세스를 시작하지 못함: {how} (위의 로그 참고)"
                    ));
                    if !self.is_extra {
                        return ChildEnding::Failed(exit);
                    }
                    self.rest(&mut around).await;
                }
                RestartDecision::Restart(pause) => {
                    let name = &self.name;
                    around.output.trouble(text!(
                        "{name} {how}; starting it again in {pause:?}",
                        "{name} 프로세스: {how}. {pause:?} 뒤에 다시 시작함"
                    ));
                    self.pause(Instant::now() + pause, &mut around).await;
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

    /// Waits before the child is started again, unless it is asked to start now, or to rest.
    async fn pause(&mut self, until: Instant, around: &mut Surroundings) {
        around.crew.note(&self.name, State::Starting, None);
        loop {
            tokio::select! {
                () = tokio::time::sleep_until(until) => return,
                _ = around.goals.changed() => return,
                Some((ask, answer)) = around.asks.recv() => {
                    let rests = matches!(ask, Ask::Stop);
                    let starts = self.answer_without_process(ask, answer);
                    if rests {
                        return self.rest(around).await;
                    }
                    if starts {
                        return;
                    }
                }
            }
        }
    }

    /// Waits until the child is asked to start again, or the mall ends.
    async fn rest(&mut self, around: &mut Surroundings) {
        around.crew.note(&self.name, State::Stopped, None);
        loop {
            tokio::select! {
                _ = around.goals.changed() => return,
                Some((ask, answer)) = around.asks.recv() => {
                    if self.answer_without_process(ask, answer) {
                        return;
                    }
                }
            }
        }
    }

    /// Answers what is asked of a child without a process. Returns whether it is to start now.
    fn answer_without_process(&mut self, ask: Ask, answer: oneshot::Sender<Result<Option<u32>, Text>>) -> bool {
        let (starts, outcome) = match ask {
            Ask::Start(words) => {
                self.given.replace(words);
                (true, Ok(None))
            }
            Ask::Stop => (false, Ok(None)),
            Ask::Kill | Ask::Freeze | Ask::Wake => (false, Err(self.has_no_process())),
        };
        // Whoever asked may have gone away meanwhile.
        let _ = answer.send(outcome);
        starts
    }

    fn has_no_process(&self) -> Text {
        let name = &self.name;
        text!("{name} doesn't run now", "{name} 프로세스가 지금 실행 중이 아님")
    }

    /// Runs one process of the child; `state` tells it whether it is the first.
    async fn run_once(&self, state: &str, around: &mut Surroundings) -> ProcessEnd {
        let (mut process, supervisor_end) = match self.spawn(state, &around.output) {
            Ok(started) => started,
            Err(error) => return ProcessEnd::NotStarted(error),
        };
        let (stdout, stderr) = (process.stdout.take(), process.stderr.take());
        let (name, output) = (&self.name, around.output.clone());
        let copied = async {
            tokio::join!(
                async {
                    if let Some(stream) = stdout {
                        output.copy(name, stream, Stream::Out).await
                    }
                },
                async {
                    if let Some(stream) = stderr {
                        output.copy(name, stream, Stream::Err).await
                    }
                },
            )
        };
        let (crew, requests) = (around.crew.clone(), around.requests.clone());
        let (said, hears) = supervisor_end.split();
        let heard = self.hear(process.id(), (said, hears), &crew, requests);
        let (_, was_ready, ended) = tokio::join!(copied, heard, self.wait(&mut process, around));
        match ended {
            Ok((status, Wanted::Nothing)) => ProcessEnd::Died { status, was_ready },
            Ok((status, Wanted::Rest)) => ProcessEnd::Rests(status),
            Ok((status, Wanted::End(_))) => ProcessEnd::Stopped(status),
            Err(error) => ProcessEnd::NotStarted(error.into()),
        }
    }

    /// Hears the process until it has ended. Returns whether it was ready.
    async fn hear(
        &self,
        pid: Option<u32>,
        (mut said, hears): (FromRole, ToRole),
        crew: &Crew,
        requests: Option<Requests>,
    ) -> bool {
        let Some(ready) = said.ready().await else { return false };
        self.ready.send_replace(Some(ready));
        crew.note_ready(&self.name, pid);
        match requests {
            Some(requests) => requests.carry(said, hears, crew).await,
            // The other end stays open until the process has ended, or it would take that for the supervisor's end.
            None => while said.line().await.is_some() {},
        }
        true
    }

    /// Waits until the process has ended, and does to it what is asked meanwhile. Answers with what was wanted last.
    async fn wait(
        &self,
        process: &mut tokio::process::Child,
        around: &mut Surroundings,
    ) -> std::io::Result<(ExitStatus, Wanted)> {
        let id = process.id();
        let mut wanted = Wanted::Nothing;
        loop {
            let goal = *around.goals.borrow_and_update();
            if goal > Goal::Run && wanted != Wanted::End(goal) {
                wanted = Wanted::End(goal);
                self.end(id, goal, &around.crew);
            }
            tokio::select! {
                status = process.wait() => return Ok((status?, wanted)),
                Ok(()) = around.goals.changed() => {}
                Some((ask, answer)) = around.asks.recv() => {
                    if matches!(ask, Ask::Stop) && wanted == Wanted::Nothing {
                        wanted = Wanted::Rest;
                    }
                    let _ = answer.send(self.done_to(id, &ask, wanted, &around.crew));
                }
            }
        }
    }

    fn end(&self, id: Option<u32>, goal: Goal, crew: &Crew) {
        match goal {
            Goal::Run => {}
            Goal::Stop => {
                send(id, Signal::TERM);
                // One that stands still can't finish anything.
                send(id, Signal::CONT);
                crew.note(&self.name, State::Stopping, id);
            }
            Goal::Kill => send(id, Signal::KILL),
        }
    }

    /// Does what is asked to the process of this number.
    fn done_to(&self, id: Option<u32>, ask: &Ask, wanted: Wanted, crew: &Crew) -> Result<Option<u32>, Text> {
        let name = &self.name;
        match ask {
            Ask::Start(_) => return Err(text!("{name} runs already", "{name} 프로세스가 이미 실행 중임")),
            Ask::Stop => self.end(id, Goal::Stop, crew),
            Ask::Kill => send(id, Signal::KILL),
            Ask::Freeze if wanted != Wanted::Nothing => {
                return Err(text!(
                    "{name} is stopping, and can't be frozen any more",
                    "{name} 프로세스가 종료 중이라 멈춰 둘 수 없음"
                ));
            }
            Ask::Freeze => {
                send(id, Signal::STOP);
                crew.note(name, State::Frozen, id);
            }
            Ask::Wake => {
                send(id, Signal::CONT);
                crew.note_woken(name);
            }
        }
        Ok(id)
    }

    fn spawn(&self, state: &str, output: &Output) -> Result<(tokio::process::Child, SupervisorEnd)> {
        let (supervisor_end, stdin) = SupervisorEnd::pair().context("no socket for it")?;
        let mut command = Command::new(&self.program);
        command
            .args(&self.given.words)
            // Of the roles, the gateway alone is given it.
            .env_remove(COMMAND_TOKEN)
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
