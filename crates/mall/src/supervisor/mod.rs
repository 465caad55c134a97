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
mod examples;
mod output;
mod policy;

use std::ffi::OsString;
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::{Map, Value};
use shop::domain::Source;
use shop::text;
use shop::text::Text;
use tokio::sync::{mpsc, watch};
use web::BaseUrl;

use crate::config::{PassedOn, Ports, RoleOptions};
use crate::console::json;
use crate::exit::Exit;
use crate::modes::Modes;
use crate::net::{self, FIRST_DELIVERY_PORT, Port};
use crate::roles::elsewhere;
use crate::runtime;
use crate::shutdown::Signals;
use crate::supervised::Ready;

use child::{Child, ChildEnding, Goal};
use examples::Examples;
use output::Output;

/// How much longer than its own deadline for shutdown a child may take to end.
const GRACE: Duration = Duration::from_secs(5);

/// Runs the mall until a signal comes. `passed_on` gives those options of the command line that a role knows.
pub fn run(ports: &Ports, options: &RoleOptions, passed_on: &dyn Fn(&str) -> PassedOn) -> Result<Exit> {
    runtime::on_this_thread()?.block_on(async {
        beside::refuse_second(options)?;
        beside::refuse_misfits(options)?;
        let plan = PortPlan::new(ports, options)?;
        let orders = BaseUrl::of_listener(options.listen, plan.order);
        let _place = beside::claim(options, orders.as_str())?;
        let children = plan.children(options, passed_on)?;
        supervise(children, &plan, options).await
    })
}

/// The port of each role.
struct PortPlan {
    order: u16,
    deliveries: Vec<u16>,
    gateway: u16,
}

impl PortPlan {
    /// Finds free ports. One that was asked for, and those of the order service and the gateway, on which clients rely, are
    /// taken or refused; the other deliveries move on to the next free one.
    fn new(ports: &Ports, options: &RoleOptions) -> Result<Self> {
        // All ports are held until the last is found, or two roles could get the same one.
        let mut held = Vec::new();
        let mut take = |port: Port, option: &str| -> Result<u16> {
            let listener = net::bind(options.listen, port, option)?;
            let port = listener.local_addr()?.port();
            held.push(listener);
            Ok(port)
        };
        let order = take(Port::Fixed(ports.order_port), "--order-port")?;
        let gateway = take(Port::Fixed(ports.gateway_port), "--gateway-port")?;
        let mut deliveries = Vec::new();
        let mut next = match ports.delivery_port {
            Some(port) => Port::Fixed(port),
            None => Port::FirstFreeFrom(FIRST_DELIVERY_PORT),
        };
        for _ in 0..ports.deliveries {
            let port = take(next, "--delivery-port")?;
            // 0 stands for any free port, for each instance anew.
            if !matches!(next, Port::Fixed(0)) {
                next = Port::FirstFreeFrom(port.saturating_add(1));
            }
            deliveries.push(port);
        }
        Ok(Self {
            order,
            deliveries,
            gateway,
        })
    }

    fn all(&self) -> Vec<u16> {
        let others = [self.order, self.gateway];
        self.deliveries.iter().copied().chain(others).collect()
    }

    fn children(&self, options: &RoleOptions, passed_on: &dyn Fn(&str) -> PassedOn) -> Result<Vec<Child>> {
        let program = std::env::current_exe().context("can't find the program's own file")?;
        let child = |name: String, role: &str, port: u16, more: Vec<OsString>| {
            let mut given = passed_on(role);
            let own = [role.into(), format!("--port={port}").into()];
            given.words = own.into_iter().chain(given.words).chain(more).collect();
            Child::new(name, program.clone(), given)
        };
        let mut urls: Vec<OsString> = Vec::new();
        if options.order_url.is_none() {
            urls.push(
                format!(
                    "--order-url={}",
                    BaseUrl::of_listener(options.listen, self.order).as_str()
                )
                .into(),
            );
        }
        let mut children = vec![child("order".into(), "order", self.order, Vec::new())];
        for (name, port) in net::delivery_names(&self.deliveries).into_iter().zip(&self.deliveries) {
            let mut more = urls.clone();
            more.push(format!("--name={name}").into());
            children.push(child(name, "delivery", *port, more));
        }
        if let (None, Some(port)) = (&options.delivery_url, self.deliveries.first()) {
            urls.push(
                format!(
                    "--delivery-url={}",
                    BaseUrl::of_listener(options.listen, *port).as_str()
                )
                .into(),
            );
        }
        children.push(child("gateway".into(), "gateway", self.gateway, urls));
        Ok(children)
    }

    /// What was started and where, as fields of a JSON line.
    fn facts(&self, options: &RoleOptions) -> Map<String, Value> {
        let storage = &options.storage;
        let url = |port: u16| Value::from(BaseUrl::of_listener(options.listen, port).as_str());
        let embedded = || Value::from(storage.data.display().to_string());
        let log = storage
            .bootstrap_server
            .as_ref()
            .map(|servers| Value::from(servers.as_str()));
        let database = storage.database_url.as_ref().map(|url| Value::from(url.to_string()));
        let modes = Modes::of(options).labels(Source::Deliveries).into_iter();
        let modes = modes.map(|(mode, value)| (mode.to_owned(), Value::from(value)));
        Map::from_iter([
            json::message("started"),
            ("orders".into(), url(self.order)),
            (
                "deliveries".into(),
                self.deliveries.iter().map(|port| url(*port)).collect(),
            ),
            ("gateway".into(), url(self.gateway)),
            ("log".into(), log.unwrap_or_else(embedded)),
            ("database".into(), database.unwrap_or_else(embedded)),
            ("topic".into(), Value::from(options.topic.as_str())),
            ("modes".into(), Value::Object(modes.collect())),
        ])
    }

    /// What is started and where, in lines for people.
    fn greeting(&self, options: &RoleOptions) -> Vec<Text> {
        let storage = &options.storage;
        let modes = Modes::of(options);
        let shown = |port: u16| match options.listen {
            IpAddr::V4(Ipv4Addr::LOCALHOST) => format!("http://localhost:{port}"),
            _ => BaseUrl::of_listener(options.listen, port).as_str().to_owned(),
        };
        let deliveries: Vec<_> = self.deliveries.iter().map(|port| shown(*port)).collect();
        let (orders, deliveries, gateway) = (shown(self.order), deliveries.join(", "), shown(self.gateway));
        let flags = modes.flags(Source::Deliveries);
        vec![
            text!("orders      {orders}", "주문          {orders}"),
            text!("deliveries  {deliveries}", "배송          {deliveries}"),
            text!("gateway     {gateway}", "게이트웨이    {gateway}"),
            text!("log         ", "로그          ") + storage.log_place(),
            text!("database    ", "데이터베이스  ") + storage.database_place(),
            text!("modes       {flags}: ", "모드          {flags}: ") + modes.meaning(Source::Deliveries),
            text!(
                "Ctrl-C finishes what is in flight and stops everything.",
                "Ctrl-C를 누르면 처리하던 일을 마무리하고 모두 종료합니다."
            ),
        ]
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

/// Waits until every child has been ready, and returns what the first one said; none if one will never be.
async fn all_ready(mut readiness: Vec<watch::Receiver<Option<Ready>>>) -> Option<Ready> {
    for child in &mut readiness {
        child.wait_for(Option::is_some).await.ok()?;
    }
    readiness.first().and_then(|first| *first.borrow())
}

/// Starts every child, the first one before the others, and says what to try once all are ready. The answer tells how each ends.
fn start(
    children: Vec<Child>,
    goals: watch::Receiver<Goal>,
    output: &Output,
    examples: Examples,
) -> mpsc::Receiver<ChildEnding> {
    let (ended, endings) = mpsc::channel(children.len().max(1));
    let readiness: Vec<_> = children.iter().map(Child::readiness).collect();
    let first = readiness[0].clone();
    for (at, child) in children.into_iter().enumerate() {
        let (output, mut goals, ended) = (output.clone(), goals.clone(), ended.clone());
        let gate = (at > 0).then(|| first.clone());
        tokio::spawn(async move {
            let ending = match opens(gate, &mut goals).await {
                true => child.keep_running(&output, goals).await,
                false => ChildEnding::Stopped,
            };
            // The receiver waits for every child.
            let _ = ended.send(ending).await;
        });
    }
    let said = output.clone();
    tokio::spawn(async move {
        if let Some(ready) = all_ready(readiness).await {
            said.hints(examples.lines(ready.next_order));
        }
    });
    endings
}

async fn supervise(children: Vec<Child>, plan: &PortPlan, options: &RoleOptions) -> Result<Exit> {
    let mut signals = Signals::listen().context("can't listen for signals")?;
    let output = Output::new(
        children.iter().map(|child| child.name.clone()),
        options.log,
        options.language.language(),
    );
    output.greeting(plan.greeting(options), plan.facts(options));
    if let Some(sentence) = elsewhere::look(options, &plan.all()) {
        output.trouble(text!("this mall ", "이 mall은 ") + sentence);
    }
    let (goal, goals) = watch::channel(Goal::Run);
    let mut endings = start(children, goals, &output, Examples::new(plan.order, options));
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
            ending = endings.recv() => match ending {
                Some(ChildEnding::Stopped) => continue,
                Some(ChildEnding::Failed(code)) => {
                    exit = if exit == Exit::DONE { code } else { exit };
                    if *goal.borrow() != Goal::Run {
                        continue;
                    }
                }
                None => return Ok(exit),
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
                deadline = Some(tokio::time::Instant::now() + options.shutdown_timeout + GRACE);
            }
            false => drop(goal.send_replace(Goal::Kill)),
        }
    }
}
