//! A mall that runs: its children, and what a person wants done with them.
//!
//! # Invariants
//! * Wishes are granted one after the other, so that a switch of modes finds what it has stopped as it was.
//! * The gateway is left alone: whoever asks, asks through it.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use keylane_log::LogError;
use shop::text;
use shop::text::Text;
use tokio::sync::{mpsc, oneshot, watch};
use web::BaseUrl;

use super::beside::Place;
use super::child::{self, Ask, Child, ChildEnding, GRACE, Goal, Surroundings};
use super::crew::Crew;
use super::examples::Examples;
use super::output::Output;
use super::plan::Plan;
use super::requests::Requests;
use super::switch::Switch;
use crate::adapters::log::{OpenFor, explained, no_log_yet, open_log};
use crate::config::RoleOptions;
use crate::supervised::Ready;
use crate::supervised::words::{Member, State, Wish};

/// The roles that can be asked for something.
const SERVICES: [&str; 2] = ["order", "delivery"];
/// How many asks of one child may wait.
const WAITING: usize = 4;
/// How long a role that is started again may take until it serves.
const START: Duration = Duration::from_secs(60);

/// A mall that runs.
pub struct Running {
    pub plan: Plan,
    pub options: RoleOptions,
    pub output: Output,
    /// What all children are to do.
    pub goal: watch::Sender<Goal>,
    requests: Requests,
    crew: Crew,
    posts: Mutex<BTreeMap<String, mpsc::Sender<child::Asked>>>,
    /// How many children have not ended for good.
    alive: AtomicUsize,
    ended: mpsc::UnboundedSender<ChildEnding>,
    /// What has been switched, and the account that others read of this mall. Held while a wish is granted.
    state: tokio::sync::Mutex<Granting>,
}

struct Granting {
    switched: Switch,
    place: Option<Place>,
}

impl Running {
    /// A mall without children yet. `ended` hears how each of them ends.
    pub fn new(
        plan: Plan,
        options: RoleOptions,
        output: Output,
        place: Option<Place>,
        requests: Requests,
        ended: mpsc::UnboundedSender<ChildEnding>,
    ) -> Self {
        Self {
            plan,
            options,
            output,
            goal: watch::Sender::new(Goal::Run),
            requests,
            crew: Crew::default(),
            posts: Mutex::default(),
            alive: AtomicUsize::new(0),
            ended,
            state: tokio::sync::Mutex::new(Granting {
                switched: Switch::default(),
                place,
            }),
        }
    }

    /// Starts a child, once the one behind `gate` is ready. Answers with what tells when it is ready itself.
    pub fn start(
        &self,
        child: Child,
        kind: &str,
        port: u16,
        gate: Option<watch::Receiver<Option<Ready>>>,
    ) -> watch::Receiver<Option<Ready>> {
        let (post, asks) = mpsc::channel(WAITING);
        let (name, readiness) = (child.name.clone(), child.readiness());
        self.crew.add(Member {
            name: name.clone(),
            kind: kind.to_owned(),
            url: BaseUrl::of_listener(self.options.listen_of(kind), port)
                .as_str()
                .to_owned(),
            state: State::Starting,
            pid: None,
        });
        let mut posts = self.posts.lock().unwrap_or_else(PoisonError::into_inner);
        posts.insert(name, post);
        self.alive.fetch_add(1, Ordering::Relaxed);
        let ended = self.ended.clone();
        let mut around = Surroundings {
            output: self.output.clone(),
            goals: self.goal.subscribe(),
            asks,
            crew: self.crew.clone(),
            requests: (kind == "gateway").then(|| self.requests.clone()),
        };
        tokio::spawn(async move {
            let ending = match opens(gate, &mut around.goals).await {
                true => child.keep_running(around).await,
                false => ChildEnding::Stopped,
            };
            // Nobody listens any more when the mall has ended at once.
            let _ = ended.send(ending);
        });
        readiness
    }

    /// Notes that a child has ended for good. Answers whether it was the last one.
    pub fn has_ended(&self) -> bool {
        self.alive.fetch_sub(1, Ordering::Relaxed) == 1
    }

    /// Does what somebody wants. Answers with the command that does the same in a terminal, or why it can't be done.
    pub async fn grant(&self, wish: Wish) -> Result<String, Text> {
        let mut granting = self.state.lock().await;
        match wish {
            Wish::Start { role: None } => self.start_another(granting.switched).await,
            Wish::Start { role: Some(role) } => {
                let member = self.service(&role)?;
                self.ask(&role, Ask::Start(granting.switched.words_of(&member.kind)))
                    .await?;
                self.say(&text!("starting {role} again", "{role} 프로세스를 다시 시작함"));
                Ok(self.plan.command(&member.kind, &role, granting.switched))
            }
            Wish::Stop { role } => {
                let done = text!("stopping {role}, as was asked", "요청에 따라 {role} 프로세스를 종료함");
                self.signal(&role, Ask::Stop, "TERM", done).await
            }
            Wish::Kill { role } => {
                let done = text!(
                    "killed {role}, as was asked",
                    "요청에 따라 {role} 프로세스를 강제로 종료함"
                );
                self.signal(&role, Ask::Kill, "KILL", done).await
            }
            Wish::Freeze { role } if self.service(&role)?.state == State::Starting => Err(text!(
                "{role} doesn't serve yet",
                "{role} 프로세스가 아직 준비되지 않음"
            )),
            Wish::Freeze { role } => {
                let done = text!("froze {role}, as was asked", "요청에 따라 {role} 프로세스를 멈춰 둠");
                self.signal(&role, Ask::Freeze, "STOP", done).await
            }
            Wish::Wake { role } => {
                let done = text!(
                    "woke {role}, as was asked",
                    "요청에 따라 {role} 프로세스를 다시 움직이게 함"
                );
                self.signal(&role, Ask::Wake, "CONT", done).await
            }
            Wish::Grow { partitions } => {
                self.grow(partitions).await?;
                let topic = &self.options.topic;
                self.say(&text!(
                    "{topic} has {partitions} partitions now, as was asked",
                    "요청에 따라 {topic} 토픽의 파티션을 {partitions}개로 늘림"
                ));
                Ok(Examples::new(self.plan.order, &self.options).grow(partitions))
            }
            Wish::Switch { key, guard, lanes } => {
                let switch = Switch::new(key, guard, lanes)?;
                self.switch(switch, &mut granting).await
            }
        }
    }

    /// Does to the process of a service what this signal does, and tells it. Answers with the command that sends the signal.
    async fn signal(&self, role: &str, ask: Ask, signal: &str, done: Text) -> Result<String, Text> {
        self.service(role)?;
        let pid = self.ask(role, ask).await?;
        self.say(&done);
        Ok(pid.map(|pid| format!("kill -{signal} {pid}")).unwrap_or_default())
    }

    /// Gives the topic more partitions.
    async fn grow(&self, partitions: u32) -> Result<(), Text> {
        let (storage, topic) = (self.options.storage.clone(), self.options.topic.clone());
        let grown = tokio::task::spawn_blocking(move || {
            let grow = || match open_log(&storage, OpenFor::Writing)? {
                Some(log) => log.grow_topic(&topic, partitions),
                None => Err(LogError::Unavailable(no_log_yet(&storage))),
            };
            grow().map_err(|error| explained(&error, &storage))
        });
        let outcome = grown.await.unwrap_or_else(|error| Err(error.to_string()));
        outcome.map_err(Text::from)
    }

    /// Starts one more delivery instance.
    async fn start_another(&self, switched: Switch) -> Result<String, Text> {
        let names: Vec<String> = self
            .crew
            .of_kind("delivery")
            .into_iter()
            .map(|member| member.name)
            .collect();
        let cant = |error: anyhow::Error| {
            text!(
                "no more instance can be started: {error:#}",
                "인스턴스를 더 시작할 수 없음: {error:#}"
            )
        };
        let (name, port, mut given) = self.plan.another(&self.options, &names).map_err(cant)?;
        given.replace(switched.words_of("delivery"));
        self.output.add(&name);
        self.say(&text!(
            "starting {name}, as was asked",
            "요청에 따라 {name} 프로세스를 시작함"
        ));
        let child = Child::new(name.clone(), self.plan.program.clone(), given).extra();
        self.start(child, "delivery", port, None);
        Ok(self.plan.command("delivery", &name, switched))
    }

    /// Stops the services that the new modes concern, and starts them again in these.
    async fn switch(&self, switch: Switch, granting: &mut Granting) -> Result<String, Text> {
        let kinds: Vec<&str> = SERVICES
            .into_iter()
            .filter(|kind| !switch.words_of(kind).is_empty())
            .collect();
        let members = |kind: &&str| self.crew.of_kind(kind);
        let concerned: Vec<Member> = kinds
            .iter()
            .flat_map(members)
            .filter(|member| member.state != State::Stopped)
            .collect();
        let flags = switch.flags();
        self.say(&text!(
            "switching to {flags}, as was asked",
            "요청에 따라 {flags}(으)로 바꿈"
        ));
        for member in &concerned {
            self.ask(&member.name, Ask::Stop).await?;
        }
        let rests = |state| state == State::Stopped;
        let stopped = self
            .until(&concerned, self.options.shutdown_timeout + GRACE, rests)
            .await;
        if stopped.is_ok() {
            granting.switched.add(switch);
            if let Some(place) = &mut granting.place {
                place.tell(granting.switched);
            }
        }
        // What didn't stop in time goes on as it is, and the others as they were.
        for kind in SERVICES {
            let of_kind: Vec<Member> = concerned.iter().filter(|member| member.kind == kind).cloned().collect();
            for member in &of_kind {
                let words = granting.switched.words_of(kind);
                let started = self.ask(&member.name, Ask::Start(words)).await;
                if stopped.is_ok() {
                    started?;
                }
            }
            if stopped.is_ok() {
                self.until(&of_kind, START, |state| state == State::Serving).await?;
            }
        }
        stopped?;
        Ok(self.plan.command("up", "", granting.switched))
    }

    /// Waits until each of these roles does what is wanted.
    async fn until(&self, members: &[Member], patience: Duration, wanted: impl Fn(State) -> bool) -> Result<(), Text> {
        let mut crew = self.crew.subscribe();
        let all = crew.wait_for(|crew| {
            let is_there = |member: &Member| {
                let now = crew.iter().find(|other| other.name == member.name);
                now.is_some_and(|now| wanted(now.state))
            };
            members.iter().all(is_there)
        });
        let waited = tokio::time::timeout(patience, all).await;
        match waited {
            Ok(_) => Ok(()),
            Err(_) => {
                let seconds = patience.as_secs();
                Err(text!(
                    "not all services have stopped and started within {seconds} s, see the lines of mall up",
                    "모든 서비스가 {seconds}초 안에 종료하고 다시 시작하지 못함. mall up의 로그 참고"
                ))
            }
        }
    }

    /// The order service or the delivery instance of this name.
    fn service(&self, name: &str) -> Result<Member, Text> {
        let all: Vec<Member> = SERVICES.iter().flat_map(|kind| self.crew.of_kind(kind)).collect();
        let found = all.iter().find(|member| member.name == name).cloned();
        let names: Vec<&str> = all.iter().map(|member| member.name.as_str()).collect();
        let names = names.join(", ");
        found.ok_or_else(|| {
            text!(
                "there is no {name} that this mall up could start or stop; there are {names}",
                "이 mall up이 시작하거나 종료할 수 있는 {name} 프로세스가 없음. 가능한 이름: {names}"
            )
        })
    }

    async fn ask(&self, name: &str, ask: Ask) -> Result<Option<u32>, Text> {
        let ends = || {
            text!(
                "{name} ends with the mall",
                "{name} 프로세스가 mall과 함께 종료되는 중임"
            )
        };
        let post = {
            let posts = self.posts.lock().unwrap_or_else(PoisonError::into_inner);
            posts.get(name).cloned().ok_or_else(ends)?
        };
        let (answer, answered) = oneshot::channel();
        post.send((ask, answer)).await.map_err(|_| ends())?;
        answered.await.map_err(|_| ends())?
    }

    fn say(&self, line: &Text) {
        self.output.own(line.clone());
    }
}

/// Waits until the child behind `gate` is ready, for which this one waits; false if the mall is to stop before.
async fn opens(gate: Option<watch::Receiver<Option<Ready>>>, goals: &mut watch::Receiver<Goal>) -> bool {
    let Some(mut first) = gate else { return true };
    tokio::select! {
        ready = first.wait_for(Option::is_some) => ready.is_ok(),
        _ = goals.wait_for(|goal| *goal != Goal::Run) => false,
    }
}
