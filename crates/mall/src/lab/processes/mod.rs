//! The worlds of real processes: the roles that ship, on ports of their own, and on a data folder (embedded) or on a Kafka and
//! a MySQL or MariaDB (real).
//!
//! ```text
//!   scenario ── act ─▶ Processes ── HTTP, signals, gates ─▶ order, delivery-1, delivery-2 …
//!                          ▲                                      │
//!                          └──── observations (server-sent) ◀─────┘       log and databases: read and written beside them
//! ```
//!
//! # Invariants
//! * Interleavings are made by gates and by what was observed, never by the clock.
//! * No process outlives its world, and no file does, nor a topic or database, unless the program is killed. A group outlives it
//!   until the sessions of its killed members are over, but never the program.

mod customer;
mod interrupt;
mod listener;
mod place;
mod process;
mod remains;
mod standstill;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::thread::sleep;
use std::time::{Duration, Instant};

use keylane_log::{NewRecord, TopicPartition};
use lab::checker::History;
use lab::person;
use lab::played::{Played, forged};
use lab::scenario::{
    Action, Assignor, Consumer, Deed, Differently, EventName, Gate, Journal, Name, Request, Role, Setup, Wish,
};
use lab::world::{Answer, Progress, Trouble, World};
use observe::{Observation, What};
use rustix::process::Signal;
use shop::domain::{OrderId, Source, Version};
use shop::store::{JournalRow, Store};
use shop::text;
use tokio::runtime::Runtime;

use self::interrupt::Living;
use self::listener::Heard;
pub use self::place::Servers;
use self::place::{Place, Shared, failed, of_store};
use self::process::Process;
pub use self::remains::wait_for_groups;
use crate::clock;
use crate::roles::gates;

/// The pause between two looks at what moves.
const LOOK_PAUSE: Duration = Duration::from_millis(20);
/// The pause between two looks at how far the mall has come.
const STANDING_PAUSE: Duration = Duration::from_millis(150);
/// How many looks in a row must find the mall done.
const LOOKS: u32 = 4;
/// How long any single thing may take that no option sets a time for.
const PATIENCE: Duration = Duration::from_secs(20);
/// For how long a producer on Kafka may go on with a number of partitions that it has asked for.
const COUNT_KEPT: Duration = Duration::from_secs(5);
/// How long an append may take.
const APPEND_TIMEOUT: Duration = Duration::from_secs(10);

/// A mall of real processes.
pub struct Processes {
    /// Before the place, so that they have ended when their files are removed.
    roles: BTreeMap<Role, Process>,
    shared: Option<Shared>,
    runtime: Runtime,
    setup: Setup,
    heard: Heard,
    producer: Played,
    orders: BTreeMap<Name, OrderId>,
    /// The ports of roles that have ended, so that they are found there again.
    ports: BTreeMap<Role, u16>,
    living: Living,
    place: Place,
}

impl Processes {
    /// Starts the roles of `setup`, and waits until every partition has its instance.
    ///
    /// # Errors
    /// Real processes can't be set up so, or don't come to serve.
    pub fn start(setup: &Setup, servers: Option<&Servers>) -> Result<Self, Trouble> {
        refuse(setup, servers.is_some())?;
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build();
        let runtime = runtime.map_err(|error| Trouble::Failed(format!("no runtime: {error}")))?;
        let mut world = Self {
            roles: BTreeMap::new(),
            shared: None,
            runtime,
            setup: setup.clone(),
            heard: Heard::default(),
            producer: Played::new(setup.key),
            orders: BTreeMap::new(),
            ports: BTreeMap::new(),
            living: Living::default(),
            place: Place::new(servers)?,
        };
        interrupt::clear_up(&world.runtime, world.living.clone(), world.place.remains())
            .map_err(|error| Trouble::Failed(format!("no signals: {error}")))?;
        let orders = (1..=setup.relays).map(Role::Order);
        for role in orders.chain((1..=setup.deliveries).map(Role::Delivery)) {
            world.begin(role, &Differently::default())?;
        }
        // The databases of both services are there now, if any instance has been started.
        if setup.deliveries == 0 {
            world.begin(Role::Delivery(1), &Differently::default())?;
            world.end(Role::Delivery(1))?.stop("delivery-1")?;
        }
        world.shared = Some(world.place.open(&world.runtime)?);
        world.wait_for_assignment()?;
        Ok(world)
    }

    fn begin(&mut self, role: Role, with: &Differently) -> Result<(), Trouble> {
        if self.roles.contains_key(&role) {
            return Err(Trouble::Failed(format!("{role} runs already")));
        }
        let port = self.ports.get(&role).copied().unwrap_or(0);
        let order_url = self.order(None).ok().map(|order| format!("http://{}", order.address));
        let command = self.place.command((role, port), &self.setup, with, order_url)?;
        let name = role.to_string();
        let process = Process::start(command, &name, &self.runtime, self.living.clone())?;
        let heard = self.heard.listen(process.address, &name);
        heard.map_err(|error| Trouble::Failed(format!("{name} can't be listened to: {error}")))?;
        self.ports.insert(role, process.address.port());
        self.roles.insert(role, process);
        Ok(())
    }

    /// Takes a process out of those that run.
    fn end(&mut self, role: Role) -> Result<Process, Trouble> {
        self.roles.remove(&role).ok_or_else(|| not_running(role))
    }

    fn process(&self, role: Role) -> Result<&Process, Trouble> {
        self.roles.get(&role).ok_or_else(|| not_running(role))
    }

    /// The order service that is asked: this one, or the first that runs.
    fn order(&self, via: Option<Role>) -> Result<&Process, Trouble> {
        match via {
            Some(role) => self.process(role),
            None => {
                let mut running = self.roles.iter().filter(|(role, _)| matches!(role, Role::Order(_)));
                let first = running.next().map(|(_, process)| process);
                first.ok_or_else(|| Trouble::Failed("no order service runs".to_owned()))
            }
        }
    }

    fn wait_for_assignment(&self) -> Result<(), Trouble> {
        let deadline = Instant::now() + self.setup.session_timeout + PATIENCE;
        let instances = self.setup.deliveries as usize;
        if instances == 0 {
            return Ok(());
        }
        loop {
            let group = self
                .shared()
                .log
                .describe_group(&self.place.group)
                .map_err(|error| failed(&error))?;
            let members = group.map(|group| group.members).unwrap_or_default();
            let owned: usize = members.iter().map(|member| member.partitions.len()).sum();
            let busy = members.iter().filter(|member| !member.partitions.is_empty()).count();
            let partitions = self.setup.partitions as usize;
            if members.len() == instances && owned == partitions && busy == instances.min(partitions) {
                return Ok(());
            }
            if Instant::now() > deadline {
                return Err(Trouble::Failed(
                    "the instances don't share the partitions out".to_owned(),
                ));
            }
            sleep(LOOK_PAUSE);
        }
    }

    fn shared(&self) -> &Shared {
        self.shared.as_ref().expect("it is opened when the world starts")
    }

    fn number(&self, name: &Name) -> Result<OrderId, Trouble> {
        let number = self.orders.get(name).copied();
        number.ok_or_else(|| Trouble::Failed(format!("{name} has no order yet")))
    }

    fn request(&mut self, request: &Request) -> Result<Answer, Trouble> {
        let order = match request.wish {
            Wish::Place(_) => None,
            Wish::Modify(_) | Wish::Cancel => Some(self.number(&request.order)?),
        };
        let address = self.order(request.via)?.address;
        let asked = customer::ask(address, order, &request.wish, request.if_version);
        let answer = self.runtime.block_on(asked)?;
        if let Answer::Placed(order) = &answer {
            self.orders.insert(request.order.clone(), *order);
        }
        Ok(answer)
    }

    /// The row of a journal in which an event stands.
    fn row(&self, event: &EventName) -> Result<JournalRow, Trouble> {
        const MANY: usize = 1000;
        let order = self.number(&event.order)?;
        let source = source(event.of);
        let store = self.shared().store(event.of);
        let found = self.runtime.block_on(async {
            let mut after = 0;
            loop {
                let page = store.journal(source, after, MANY).await?;
                let Some(last) = page.last() else { return Ok(None) };
                after = last.id;
                let is_it = |row: &JournalRow| row.entry.order_id == order && row.entry.version.0 == event.version;
                if let Some(row) = page.into_iter().find(is_it) {
                    return Ok(Some(row));
                }
            }
        });
        let found = found.map_err(|error| of_store(&error))?;
        found.ok_or_else(|| Trouble::Failed(format!("{event} stands in no journal")))
    }

    fn mark(&self, event: &EventName, row: &JournalRow) -> Result<(), Trouble> {
        let store = self.shared().store(event.of);
        let marked = self.runtime.block_on(store.mark_published(source(event.of), &[row.id]));
        marked.map_err(|error| of_store(&error))
    }

    fn append(&self, record: NewRecord) -> Result<(), Trouble> {
        let answers = self
            .shared()
            .log
            .append(&self.place.topic, vec![record], APPEND_TIMEOUT);
        answers
            .into_iter()
            .try_for_each(|answer| answer.map(drop).map_err(|error| failed(&error)))
    }

    fn partitions(&self) -> Result<u32, Trouble> {
        self.shared()
            .log
            .partitions(&self.place.topic)
            .map_err(|error| failed(&error))
    }

    /// The file that closes a gate.
    fn gate(&self, gate: &Gate) -> Result<PathBuf, Trouble> {
        let place = match gate {
            Gate::Work { event, .. } => gates::work(self.number(&event.order)?.0, event.version),
            Gate::BeforeSend { of, .. } => gates::send(source(*of)),
            Gate::BeforeMark { of, .. } => gates::mark(source(*of)),
            Gate::Commit { .. } => gates::COMMIT.to_owned(),
        };
        let name = match gate.within() {
            Some(role) => format!("{place}@{role}"),
            None => place,
        };
        Ok(self.place.gates().join(name))
    }

    fn deed(&mut self, role: Role, deed: &Deed) -> Result<(), Trouble> {
        let name = role.to_string();
        match deed {
            Deed::Start(with) => self.begin(role, with)?,
            Deed::Stop => self.end(role)?.stop(&name)?,
            Deed::Kill => {
                self.end(role)?.kill();
                self.heard.note(&name, What::Killed);
            }
            Deed::Freeze => {
                let process = self.process(role)?;
                process.freeze(self.place.data());
                self.heard.note(&name, What::Frozen);
            }
            Deed::Wake => {
                self.heard.note(&name, What::Woken);
                self.process(role)?.signal(Signal::CONT);
            }
        }
        Ok(())
    }

    fn mark_parked(&self, order: &Name, discarded: Option<i64>) -> Result<Answer, Trouble> {
        let id = self.number(order)?;
        let store: &dyn Store = &**self.shared().store(Journal::Deliveries);
        let now = clock::now();
        self.runtime.block_on(async {
            match discarded {
                Some(version) => person::discard(store, id, Version(version), now).await,
                None => person::retry(store, id, now).await,
            }
            .map_err(|error| of_store(&error))
        })
    }

    /// After how long without any move nothing moves any more.
    fn stillness(&self, parked: bool) -> Duration {
        let gap = if parked {
            self.setup.gap_deadline
        } else {
            Duration::ZERO
        };
        self.setup.session_timeout + self.setup.modify_delay + gap + Duration::from_secs(5)
    }

    fn all_live(&mut self) -> Result<(), Trouble> {
        self.roles
            .iter_mut()
            .try_for_each(|(role, process)| process.look(&role.to_string()))
    }
}

impl Drop for Processes {
    fn drop(&mut self) {
        self.roles.clear();
        self.shared = None;
        self.place.remains().clear();
    }
}

impl World for Processes {
    fn act(&mut self, action: &Action) -> Result<Answer, Trouble> {
        match action {
            Action::Request(request) => return self.request(request),
            Action::Publish { event, by } => {
                let (row, partitions) = (self.row(event)?, self.partitions()?);
                let record = self.producer.record(&row.entry, by, partitions);
                self.append(record)?;
                self.mark(event, &row)?;
            }
            Action::Lose(event) => self.mark(event, &self.row(event)?)?,
            Action::Forge { event, says, by } => {
                let (order, partitions) = (self.number(&event.order)?, self.partitions()?);
                let entry = forged(order, Version(event.version), says, clock::now());
                let record = self.producer.record(&entry, by, partitions);
                self.append(record)?;
            }
            Action::Hold(gate) => std::fs::write(self.gate(gate)?, "").map_err(|error| at_gate(&error))?,
            Action::Release(gate) => std::fs::remove_file(self.gate(gate)?).map_err(|error| at_gate(&error))?,
            Action::Process(role, deed) => self.deed(*role, deed)?,
            Action::Grow(partitions) => {
                let grown = self.shared().log.grow_topic(&self.place.topic, *partitions);
                grown.map_err(|error| failed(&error))?;
                if self.place.is_real() {
                    // Only then does every producer count the new partitions, as the log's port promises.
                    sleep(COUNT_KEPT);
                }
            }
            Action::Seek(spot) => {
                let positions = [(TopicPartition::new(&*self.place.topic, spot.partition), spot.offset)].into();
                let set = self.shared().log.reset_group(&self.place.group, &positions);
                set.map_err(|error| failed(&error))?;
            }
            Action::Truncate(_) => {
                return Err(Trouble::CannotBeShown(text!(
                    "this world can't remove records that nobody has read",
                    "이 실행 환경에서는 아무도 읽지 않은 레코드를 지울 수 없음"
                )));
            }
            Action::Limit(bytes) => self.place.limit(*bytes)?,
            Action::Retry(order) => return self.mark_parked(order, None),
            Action::Discard(event) => return self.mark_parked(&event.order, Some(event.version)),
        }
        Ok(Answer::Done)
    }

    fn advance(&mut self) -> Result<Progress, Trouble> {
        let deadline = Instant::now() + self.stillness(true);
        while Instant::now() < deadline {
            if self.heard.has_settled() {
                return Ok(Progress::Moved);
            }
            self.all_live()?;
            sleep(LOOK_PAUSE);
        }
        Ok(Progress::Still)
    }

    fn settle(&mut self) -> Result<(), Trouble> {
        let (mut last, mut moved, mut looks) = (None, Instant::now(), 0);
        loop {
            self.all_live()?;
            let shared = self.shared.as_mut().expect("it is opened when the world starts");
            let standing = self.runtime.block_on(shared.standing())?;
            looks = if standing.is_done() { looks + 1 } else { 0 };
            let parked = standing.has_parked();
            if last.as_ref() != Some(&standing) {
                (moved, looks) = (Instant::now(), 0);
                last = Some(standing);
            }
            if looks >= LOOKS || moved.elapsed() > self.stillness(parked) {
                // What was seen last is old enough then to be passed on.
                sleep(listener::SETTLED * 2);
                return Ok(());
            }
            sleep(STANDING_PAUSE);
        }
    }

    fn observations(&mut self) -> Vec<Observation> {
        self.heard.take()
    }

    fn history(&mut self) -> Result<History, Trouble> {
        self.place.history()
    }
}

/// Refuses what real processes can't be made to do.
fn refuse(setup: &Setup, real: bool) -> Result<(), Trouble> {
    let why = if setup.consumer != Consumer::Keylane {
        text!(
            "real processes are those that ship, and none of them is a naive consumer",
            "실제 프로세스는 배포되는 것뿐이며, 그중에 순진한 컨슈머는 없음"
        )
    } else if !setup.clocks.is_empty() {
        text!(
            "all processes of a machine have one clock",
            "한 기계의 프로세스는 모두 같은 시계를 씀"
        )
    } else if !real && setup.assignor != Assignor::CooperativeSticky {
        text!("the embedded log has one assignor", "내장 로그의 할당 방식은 하나뿐임")
    } else {
        return Ok(());
    };
    Err(Trouble::CannotBeShown(why))
}

fn not_running(role: Role) -> Trouble {
    Trouble::Failed(format!("{role} does not run"))
}

fn at_gate(error: &std::io::Error) -> Trouble {
    Trouble::Failed(format!("a gate can't be moved: {error}"))
}

fn source(journal: Journal) -> Source {
    match journal {
        Journal::Orders => Source::Orders,
        Journal::Deliveries => Source::Deliveries,
    }
}
