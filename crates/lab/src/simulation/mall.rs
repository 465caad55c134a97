//! A simulated mall: its processes, its databases and its log.
//!
//! # Invariants
//! * All processes that run are equally far in time; one that is frozen catches up when it is woken.
//! * Which process runs, and how far, is decided by the caller alone.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use keylane_log::{Offset, Timestamp};
use observe::{Observation, Observer, Reader};
use shop::LogCalls;
use shop::delivery::{OrderJournal, journal_answer};
use shop::domain::{OrderOutcome, OrderRequest, Source};
use shop::store::StoreError;
use stores::sqlite::{Database, SqliteStore};
use tokio_util::sync::CancellationToken;

use super::gated::Gated;
use super::gates::{Gates, Grant, Point, Side};
use super::holds::Holds;
use super::log::{Log, MORNING, Opened};
use super::process::Process;
use super::published::Published;
use super::removed::Removed;
use super::roles::{self, GROUP, Ground, Orders, TOPIC};
use super::shuffle::Shuffle;
use super::spare;
use super::tally::Tally;
use super::watch::Watch;
use crate::scenario::{Role, Setup};

/// How a customer's command was answered.
pub type Answer = Result<OrderOutcome, StoreError>;

/// A simulated mall.
pub struct Mall {
    setup: Setup,
    orders: Arc<Mutex<Database>>,
    pub(super) deliveries: Arc<Mutex<Database>>,
    /// The log on which it stands.
    pub log: Log,
    /// What is counted of it.
    pub tally: Tally,
    pub(super) watch: Watch,
    pub(super) published: Published,
    running: BTreeMap<Role, Running>,
    /// How much time has passed.
    now: Duration,
    /// How many processes were started.
    starts: u32,
    /// Whether an order service runs that can be asked for its journal.
    serves: Arc<AtomicBool>,
    violations: Vec<String>,
    pub(super) removed: Removed,
    /// What a scenario holds.
    pub holds: Holds,
    /// In which sequence things go on that may go on in any.
    pub(super) shuffle: Shuffle,
    /// What was observed and not yet asked for; none if nobody observes.
    observed: Option<Vec<Observation>>,
}

struct Running {
    observations: Reader,
    process: Process,
    gates: Gates,
    stop: CancellationToken,
    log: Opened,
    /// Where commands are sent to, in an order service.
    orders: Option<Orders>,
    instance: Arc<str>,
    /// Since when it has been frozen.
    frozen: Option<Duration>,
}

impl Mall {
    /// A mall with all processes of its setup, none of which has done anything yet.
    pub fn new(setup: &Setup, log: Log) -> Self {
        Self::made(setup, log, None)
    }

    /// The same, of which somebody observes what happens.
    pub fn observed(setup: &Setup, log: Log) -> Self {
        Self::made(setup, log, Some(Vec::new()))
    }

    fn made(setup: &Setup, log: Log, observed: Option<Vec<Observation>>) -> Self {
        let mut mall = Self {
            setup: setup.clone(),
            orders: Arc::new(Mutex::new(spare::database(Source::Orders))),
            deliveries: Arc::new(Mutex::new(spare::database(Source::Deliveries))),
            log,
            watch: Watch::default(),
            tally: Tally::default(),
            published: Published::default(),
            running: BTreeMap::new(),
            now: Duration::ZERO,
            starts: 0,
            serves: Arc::default(),
            violations: Vec::new(),
            removed: Removed::default(),
            holds: Holds::default(),
            shuffle: Shuffle::default(),
            observed,
        };
        (1..=setup.relays).for_each(|number| mall.start(Role::Order(number)));
        (1..=setup.deliveries).for_each(|number| mall.start(Role::Delivery(number)));
        mall
    }

    /// Ends the mall, and leaves what it has used to the next one.
    pub fn close(self) {
        // Each process holds what it uses.
        drop(self.running);
        spare::keep_database(Source::Orders, self.orders);
        spare::keep_database(Source::Deliveries, self.deliveries);
        self.log.keep();
    }

    /// How the mall was set up.
    pub fn setup(&self) -> &Setup {
        &self.setup
    }

    /// The order service's database.
    pub fn orders(&self) -> MutexGuard<'_, Database> {
        lock(&self.orders)
    }

    /// The delivery service's database.
    pub fn deliveries(&self) -> MutexGuard<'_, Database> {
        lock(&self.deliveries)
    }

    /// How much time has passed since the beginning.
    pub fn now(&self) -> Duration {
        self.now
    }

    /// The time of day, by a clock that is right.
    pub fn time(&self) -> Timestamp {
        Timestamp(MORNING.0 + self.now.as_millis() as i64)
    }

    /// What was seen of it that must not be.
    pub fn violations(&self) -> Vec<String> {
        let mut violations = self.watch.violations();
        violations.extend(self.published.violations().iter().cloned());
        violations.extend(self.violations.iter().cloned());
        violations
    }

    /// How often a partition was assigned to another instance than before.
    pub fn moves(&self) -> u64 {
        self.watch.moves()
    }

    /// The processes, and whether each is frozen.
    pub fn roles(&self) -> impl Iterator<Item = (Role, bool)> + '_ {
        self.running
            .iter()
            .map(|(role, running)| (*role, running.frozen.is_some()))
    }

    /// Whether this process runs or is frozen.
    pub fn has(&self, role: Role) -> bool {
        self.running.contains_key(&role)
    }

    /// Shows `look` the gates at which processes wait that are not frozen, by process and then in the order in which they were
    /// reached, until it returns something.
    pub fn find_waiting<T>(&self, mut look: impl FnMut(Role, u64, Point) -> Option<T>) -> Option<T> {
        let mut running = self.running.iter().filter(|(_, running)| running.frozen.is_none());
        running.find_map(|(role, running)| running.gates.find(|id, point| look(*role, id, point)))
    }

    /// All of these gates.
    pub fn waiting(&self) -> Vec<(Role, u64, Point)> {
        let mut waiting = Vec::new();
        self.find_waiting(|role, id, point| {
            waiting.push((role, id, point));
            None::<()>
        });
        waiting
    }

    /// Opens the gate at which a process has waited longest at this point, and runs the process. Returns whether there is one.
    pub fn open(&mut self, role: Role, point: Point, grant: Grant) -> bool {
        let Some(running) = self.running.get_mut(&role).filter(|running| running.frozen.is_none()) else {
            return false;
        };
        let Some(id) = running.gates.find(|id, at| (at == point).then_some(id)) else {
            return false;
        };
        running.gates.open(id, grant);
        running.process.run();
        let (source, database) = match role {
            Role::Order(_) => (Source::Orders, &self.orders),
            Role::Delivery(_) => (Source::Deliveries, &self.deliveries),
        };
        self.tally.opened(point, source, &mut lock(database));
        // On brokers records may arrive at any time.
        if point.call == "append" || self.log.is_kafka() {
            self.published.look(&self.log);
        }
        self.reap(role);
        true
    }

    /// The same, and the brokers don't answer in time what the process asks them for meanwhile. Returns whether there is such
    /// a gate, and brokers.
    pub fn open_late(&mut self, role: Role, point: Point) -> bool {
        let opened = self.log.answer_late(true) && self.open(role, point, Grant::Go);
        self.log.answer_late(false);
        opened
    }

    /// Lets time pass for all processes that are not frozen, rounded up to whole milliseconds: timers know no others.
    pub fn pass(&mut self, time: Duration) {
        let time = Duration::from_millis(time.as_nanos().div_ceil(1_000_000) as u64);
        self.now += time;
        self.log.note_time(self.now);
        let roles: Vec<Role> = self.running.keys().copied().collect();
        for role in roles {
            if let Some(running) = self.running.get_mut(&role).filter(|running| running.frozen.is_none()) {
                running.process.pass_time(time);
                self.reap(role);
            }
        }
    }

    /// What was observed since the last call, by time: by a clock that is right, also of a process whose clock isn't.
    pub fn observations(&mut self) -> Vec<Observation> {
        self.collect_all();
        let mut observed = self.observed.as_mut().map(std::mem::take).unwrap_or_default();
        observed.sort_by_key(|observation| observation.at);
        observed
    }

    /// Adds something that somebody outside of all processes has observed.
    pub fn note(&mut self, who: &str, what: observe::What) {
        self.collect_all();
        let at = self.time().0;
        if let Some(observed) = &mut self.observed {
            let (seq, who) = (0, who.into());
            observed.push(Observation { seq, at, who, what });
        }
    }

    fn collect_all(&mut self) {
        let roles: Vec<Role> = self.running.keys().copied().collect();
        roles.into_iter().for_each(|role| self.collect(role));
    }

    fn collect(&mut self, role: Role) {
        let ahead = self.millis_ahead(role);
        if let (Some(running), Some(observed)) = (self.running.get_mut(&role), &mut self.observed) {
            let seen = running.observations.read(usize::MAX).observations;
            observed.extend(seen.into_iter().map(|seen| Observation {
                at: seen.at - ahead,
                ..seen
            }));
        }
    }

    fn millis_ahead(&self, role: Role) -> i64 {
        self.setup.clocks.get(&role).copied().unwrap_or(0)
    }

    /// Starts a process that doesn't run.
    pub fn start(&mut self, role: Role) {
        let setup = self.setup.clone();
        self.start_with(role, &setup);
    }

    /// Starts a process that doesn't run, with a setup of its own.
    pub fn start_with(&mut self, role: Role, setup: &Setup) {
        if self.has(role) {
            return;
        }
        self.starts += 1;
        let instance: Arc<str> = format!("{role}/{}", self.starts).into();
        let mut process = Process::new(Timestamp(self.time().0 + self.millis_ahead(role)));
        let gates = Gates::default();
        let log = self.log.process();
        let database = match role {
            Role::Order(_) => &self.orders,
            Role::Delivery(_) => &self.deliveries,
        };
        let gated = Arc::new(Gated(gates.clone()));
        let ground = Ground {
            store: Arc::new(SqliteStore::inline(database.clone(), gated.clone())),
            log: LogCalls::made_by(gated, log.log.clone()),
            gates: gates.clone(),
            stop: CancellationToken::new(),
            role,
            holds: self.holds.clone(),
            observer: match self.observed {
                Some(_) => Observer::new(role.to_string(), self.starts.into()),
                None => Observer::none(),
            },
            metrics: self.tally.deliveries.clone(),
        };
        let orders = match role {
            Role::Order(_) => Some(roles::start_order(&mut process, &ground, setup, &instance)),
            Role::Delivery(_) => {
                let journal = self.journal(gates.clone());
                let names = (role.to_string(), instance.clone());
                let started = roles::start_delivery(&mut process, &ground, setup, names, journal, &self.watch);
                started.expect("the topic is there");
                None
            }
        };
        process.run();
        let running = Running {
            observations: ground.observer.after(0),
            process,
            gates,
            stop: ground.stop,
            log,
            orders,
            instance,
            frozen: None,
        };
        self.running.insert(role, running);
        self.note_who_serves();
    }

    /// Asks the order service for its journal, as a process with these gates does over HTTP.
    fn journal(&self, gates: Gates) -> OrderJournal {
        let (database, serves) = (self.orders.clone(), self.serves.clone());
        Arc::new(move |order| {
            let (database, serves, gates) = (database.clone(), serves.clone(), gates.clone());
            Box::pin(async move {
                let point = Point {
                    call: "ask",
                    side: Side::Before,
                };
                let answered = gates.pass(point).await == Grant::Go && serves.load(Ordering::Relaxed);
                let events = answered.then(|| lock(&database).order_events(order));
                match events {
                    None => Err("no answer".to_owned()),
                    Some(Err(error)) => Err(error.to_string()),
                    Some(Ok(events)) if events.is_empty() => Ok(None),
                    Some(Ok(events)) => Ok(Some(Bytes::from(journal_answer(&events)))),
                }
            })
        })
    }

    /// Sends a command to an order service. Returns where the answer will stand, and nothing if the process doesn't take it.
    pub fn send(&mut self, role: Role, request: OrderRequest) -> Option<Arc<Mutex<Option<Answer>>>> {
        let running = self.running.get_mut(&role).filter(|running| running.frozen.is_none())?;
        let orders = running.orders.clone()?;
        let answer = Arc::new(Mutex::new(None));
        let place = answer.clone();
        running.process.spawn_aside(async move {
            let answered = orders.submit(request).await;
            *place.lock().unwrap_or_else(PoisonError::into_inner) = Some(answered);
        });
        running.process.run();
        Some(answer)
    }

    /// A process is gone at once, and only its silence shows it.
    pub fn kill(&mut self, role: Role) {
        self.collect(role);
        if let Some(running) = self.running.remove(&role) {
            self.watch.crashed(&running.instance);
            self.tally.killed(&running.gates);
            self.note_who_serves();
        }
    }

    /// Asks a process to end in good order, which takes its time.
    pub fn stop(&mut self, role: Role) {
        if let Some(running) = self.running.get_mut(&role).filter(|running| running.frozen.is_none()) {
            running.stop.cancel();
            running.process.run();
            self.reap(role);
        }
    }

    /// A process stands still.
    pub fn freeze(&mut self, role: Role) {
        if let Some(running) = self.running.get_mut(&role) {
            running.frozen.get_or_insert(self.now);
            self.note_who_serves();
        }
    }

    /// A frozen process goes on, and finds that time has passed.
    pub fn wake(&mut self, role: Role) {
        let now = self.now;
        if let Some(running) = self.running.get_mut(&role)
            && let Some(since) = running.frozen.take()
        {
            running.process.jump(now - since);
            self.reap(role);
            self.note_who_serves();
        }
    }

    /// The topic has more partitions from now on.
    pub fn grow(&mut self, partitions: u32) {
        // It may have as many already.
        let _ = self.log.outside().grow_topic(TOPIC, partitions);
    }

    /// Whether a process that was asked to end still runs.
    pub fn is_stopping(&self) -> bool {
        self.running.values().any(|running| running.stop.is_cancelled())
    }

    /// The positions that the group has committed, by partition.
    pub fn committed(&self) -> Vec<Option<Offset>> {
        let committed = self.log.outside().committed(GROUP, TOPIC);
        committed.expect("the topic is there")
    }

    /// Takes a process away that has ended.
    fn reap(&mut self, role: Role) {
        self.collect(role);
        let Some(running) = self.running.get(&role) else { return };
        if running.stop.is_cancelled() {
            if running.process.has_ended() {
                running.log.end();
                self.running.remove(&role);
            }
        } else if running.process.has_lost_a_task() {
            self.violations.push(format!("{role} has ended by itself"));
            self.running.remove(&role);
        }
        self.note_who_serves();
    }

    fn note_who_serves(&self) {
        let serves = |(role, running): (&Role, &Running)| matches!(role, Role::Order(_)) && running.frozen.is_none();
        self.serves.store(self.running.iter().any(serves), Ordering::Relaxed);
    }
}

fn lock(database: &Mutex<Database>) -> MutexGuard<'_, Database> {
    database.lock().unwrap_or_else(PoisonError::into_inner)
}
