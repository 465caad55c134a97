//! `mall up`: runs the roles as child processes, and keeps them running.
//!
//! ```text
//!             ┌── order      ── stderr ──▶ "order      | …"
//!  supervisor ┼── delivery-1 ── stderr ──▶ "delivery-1 | …"
//!             └── gateway    ── stderr ──▶ "gateway    | …"
//! ```
//!
//! The order service is started first, and the others once it is ready: what keeps it from the log or the database would keep
//! the others as well, and is told once.
//!
//! # Invariants
//! * Each child has its own process group, so a Ctrl-C reaches only the supervisor, which sends each child one SIGTERM.
//! * Secrets reach a child in its variables, never among its arguments, which every user of the machine can read.
//! * Each child's stdin is a socket whose other end only the supervisor holds. When the supervisor dies, in whatever way, the
//!   child finishes its work and ends. The child says on that socket when it is ready.
//! * A child that was ready once is started again, after pauses that grow, however it ended. One that refused its options, or
//!   could not start at all, ends the mall.

mod beside;
mod child;
mod crew;
mod examples;
mod output;
mod plan;
mod policy;
mod requests;
mod running;
mod switch;

use std::sync::Arc;

use anyhow::{Context, Result};
use shop::text;
use tokio::sync::{mpsc, watch};
use web::BaseUrl;

use crate::config::{self, PassedOn, Ports, RoleOptions};
use crate::exit::Exit;
use crate::roles::elsewhere;
use crate::runtime;
use crate::shutdown::Signals;
use crate::supervised::Ready;

use child::{ChildEnding, GRACE, Goal};
use examples::Examples;
use output::Output;
use plan::{Plan, Planned};
use requests::{Request, Requests};
use running::Running;

/// Runs the mall until a signal comes. `passed_on` gives those options of the command line that a role knows.
pub fn run(ports: &Ports, options: &RoleOptions, passed_on: &dyn Fn(&str) -> PassedOn) -> Result<Exit> {
    runtime::on_this_thread()?.block_on(async {
        config::command_token()?;
        beside::refuse_second(options)?;
        beside::refuse_misfits(options)?;
        let plan = Plan::new(ports, options, passed_on)?;
        let orders = BaseUrl::of_listener(options.listen_of("order"), plan.order);
        let place = beside::claim(options, orders.as_str())?;
        let roles = plan.roles(options, passed_on);
        let output = Output::new(
            roles.iter().map(|role| role.child.name.clone()),
            options.log,
            options.language.language(),
        );
        output.greeting(plan.greeting(options), plan.facts(options));
        if let Some(sentence) = elsewhere::look(options, &plan.all()) {
            output.trouble(text!("this mall ", "이 mall은 ") + sentence);
        }
        let (requests, requested) = Requests::channel();
        let (ended, endings) = mpsc::unbounded_channel();
        let mall = Running::new(plan, options.clone(), output, place, requests, ended);
        supervise(Arc::new(mall), roles, requested, endings).await
    })
}

/// Waits until every child has been ready, and returns what the first one said; none if one will never be.
async fn all_ready(mut readiness: Vec<watch::Receiver<Option<Ready>>>) -> Option<Ready> {
    for child in &mut readiness {
        child.wait_for(Option::is_some).await.ok()?;
    }
    readiness.first().and_then(|first| *first.borrow())
}

/// Starts every child, the first one before the others, and says what to try once all are ready.
fn start(mall: &Running, roles: Vec<Planned>) {
    let mut readiness: Vec<watch::Receiver<Option<Ready>>> = Vec::new();
    for Planned { child, kind, port } in roles {
        let gate = readiness.first().cloned();
        readiness.push(mall.start(child, kind, port, gate));
    }
    let (said, examples) = (mall.output.clone(), Examples::new(mall.plan.order, &mall.options));
    tokio::spawn(async move {
        if let Some(ready) = all_ready(readiness).await {
            said.hints(examples.lines(ready.next_order));
        }
    });
}

/// Grants what the gateway asks for, one after the other, for as long as the mall runs.
async fn grant_all(mall: Arc<Running>, mut requested: mpsc::Receiver<Request>) {
    while let Some(Request { wish, answer }) = requested.recv().await {
        // Whoever asked may have gone away meanwhile.
        let _ = answer.send(mall.grant(wish).await);
    }
}

async fn supervise(
    mall: Arc<Running>,
    roles: Vec<Planned>,
    requested: mpsc::Receiver<Request>,
    mut endings: mpsc::UnboundedReceiver<ChildEnding>,
) -> Result<Exit> {
    let mut signals = Signals::listen().context("can't listen for signals")?;
    let (goal, output) = (&mall.goal, &mall.output);
    start(&mall, roles);
    tokio::spawn(grant_all(mall.clone(), requested));
    let mut exit = Exit::DONE;
    let mut deadline = None;
    loop {
        let overdue = async {
            match deadline {
                Some(at) => tokio::time::sleep_until(at).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            Some(ending) = endings.recv() => {
                let was_last = mall.has_ended();
                if let ChildEnding::Failed(code) = ending {
                    exit = if exit == Exit::DONE { code } else { exit };
                }
                if was_last {
                    return Ok(exit);
                }
                if matches!(ending, ChildEnding::Stopped) || *goal.borrow() != Goal::Run {
                    continue;
                }
            },
            _ = signals.next() => {}
            () = overdue => {
                output.trouble(text!(
                    "the deadline has passed: ending what still runs",
                    "기한이 지남: 아직 실행 중인 것을 강제로 종료함"
                ));
                goal.send_replace(Goal::Kill);
                deadline = None;
                continue;
            }
        }
        let is_first = *goal.borrow() == Goal::Run;
        match is_first {
            true => {
                output.own(text!(
                    "stopping: finishing what is in flight (a second Ctrl-C ends it at once)",
                    "종료 중: 처리하던 일을 마무리함 (Ctrl-C를 한 번 더 누르면 바로 끝남)"
                ));
                goal.send_replace(Goal::Stop);
                deadline = Some(tokio::time::Instant::now() + mall.options.shutdown_timeout + GRACE);
            }
            false => drop(goal.send_replace(Goal::Kill)),
        }
    }
}
