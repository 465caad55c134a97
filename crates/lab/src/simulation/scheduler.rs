//! The seeded scheduler: it chooses what happens next.
//!
//! Each history has a temper of its own: some have many crashes, some none; in some every gate is equally likely, in others
//! a few are held up for long. Histories that mix everything find less (swarm testing, Groce 2012), and most defects need
//! only a few things to go in an unlikely order (probabilistic concurrency testing, Burckhardt 2010).
//!
//! # Invariants
//! * The same seed makes the same choices, whatever machine it runs on.

use std::collections::BTreeMap;
use std::time::Duration;

use fastrand::Rng;
use shop::domain::Version;

use super::foreign::Foreign;
use super::gates::{Fault, Point, Side};
use super::log::{Brokers, LogKind};
use super::roles::POLL;
use super::run::{Conditions, Run};
use super::step::Step;
use crate::scenario::{Assignor, Guard, KeyMode, Role, Setup};

/// What kind of mall is simulated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Keys and fence, as the mall ships.
    Fixed,
    /// The fence alone has to keep the order: events have no keys.
    Keyless,
    /// The course's consumer: keys, and no fence.
    Course,
    /// The course's producer and consumer: neither keys nor a fence.
    Naive,
}

/// On which logs malls are simulated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Logs {
    /// On the embedded one.
    Embedded,
    /// On the simulated Kafka.
    Kafka,
    /// On either: the seed says on which.
    Both,
}

/// Chooses the steps of one history.
pub struct Scheduler {
    rng: Rng,
    temper: Temper,
    /// Commands that customers have yet to send.
    commands: u32,
    /// Orders that were placed so far, as far as the scheduler knows.
    placed: i64,
    /// Which gates are held, of those that were looked at.
    held: BTreeMap<(Role, u64), bool>,
    /// Since when time goes by in large steps, so that sessions and leases end.
    patience: u32,
    /// Choices that are left before the history ends.
    choices: u32,
}

/// How likely what is, in thousandths of the choices.
#[derive(Debug, Clone, Copy)]
struct Temper {
    faults: u32,
    kills: u32,
    /// How likely a process is killed when a call of it has taken effect, before it has the answer.
    sudden_kills: u32,
    stops: u32,
    freezes: u32,
    growths: u32,
    removals: u32,
    expiries: u32,
    limits: u32,
    /// How likely somebody else writes a record.
    foreign: u32,
    /// How likely something befalls what is parked, if something is.
    parked: u32,
    /// Only brokers do these.
    rebalances: u32,
    losses: u32,
    repeats: u32,
    cuts: u32,
    /// How likely a gate is held when it is reached, until nothing else is left to do or chance opens it.
    holds: u32,
    /// How likely time passes.
    time: u32,
}

/// The most records that a process gets again.
const MOST_REPEATS: u32 = 3;
/// The most records that an election takes away.
const MOST_CUT: u32 = 4;
/// The most records that retention removes at a time, whoever has yet to read them.
const MOST_EXPIRED: u32 = 8;
/// A version to which no order comes.
const NEVER_WRITTEN: i64 = 50;
/// Fewer bytes than any record has.
const LOW_LIMIT: u32 = 100;
/// The most partitions that a topic grows to.
const MOST_PARTITIONS: u32 = 5;
/// The most delivery instances at a time.
const MOST_INSTANCES: u32 = 3;

impl Mode {
    /// All modes.
    pub const ALL: [Self; 4] = [Self::Fixed, Self::Keyless, Self::Course, Self::Naive];

    /// The word for the mode on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Fixed => "fixed",
            Self::Keyless => "keyless",
            Self::Course => "course",
            Self::Naive => "naive",
        }
    }

    /// Whether no history of this mode may do harm.
    pub fn is_safe(self) -> bool {
        matches!(self, Self::Fixed | Self::Keyless)
    }
}

impl Logs {
    /// All choices.
    pub const ALL: [Self; 3] = [Self::Embedded, Self::Kafka, Self::Both];

    /// The word for it on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Embedded => "embedded",
            Self::Kafka => "kafka",
            Self::Both => "both",
        }
    }
}

/// The conditions of the history with this seed.
pub fn conditions(mode: Mode, logs: Logs, seed: u64) -> Conditions {
    let mut rng = Rng::with_seed(seed ^ 0x5e7_0000);
    let key = match mode {
        Mode::Fixed | Mode::Course => KeyMode::OrderId,
        Mode::Keyless | Mode::Naive => KeyMode::None,
    };
    let guard = if mode.is_safe() { Guard::Version } else { Guard::Off };
    let slow = [0, 0, 20, 200, 2_000, 8_000];
    let mut setup = Setup {
        partitions: rng.u32(1..=3),
        deliveries: rng.u32(1..=2),
        relays: 1 + u32::from(rng.u8(..4) == 0),
        key,
        guard,
        lanes: [1, 2, 64][rng.usize(..3)],
        modify_delay: Duration::from_millis(slow[rng.usize(..slow.len())]),
        session_timeout: Duration::from_secs(3),
        gap_deadline: Duration::from_secs(5),
        ..Setup::default()
    };
    for role in [Role::Order(1), Role::Order(2), Role::Delivery(1), Role::Delivery(2)] {
        if rng.u8(..8) == 0 {
            setup.clocks.insert(role, rng.i64(-20_000..20_000));
        }
    }
    let kafka = rng.bool();
    let log = match logs {
        Logs::Both if !kafka => LogKind::Embedded,
        Logs::Embedded => LogKind::Embedded,
        Logs::Both | Logs::Kafka => LogKind::Kafka(brokers(mode, &mut setup, &mut rng)),
    };
    Conditions { setup, log, seed }
}

/// A producer that isn't idempotent is the course's: Keylane has no other than its own.
fn brokers(mode: Mode, setup: &mut Setup, rng: &mut Rng) -> Brokers {
    if rng.u8(..3) == 0 {
        setup.assignor = Assignor::Range;
    }
    let ages = [0, 2, 2, 10, 300];
    Brokers {
        metadata_age: Duration::from_secs(ages[rng.usize(..ages.len())]),
        poll_records: [1, 2, 500, 500][rng.usize(..4)],
        careless_producer: !mode.is_safe() && rng.bool(),
    }
}

/// Makes the history with this seed. Nothing has been judged yet, and the mall has not come to rest.
pub fn history(conditions: &Conditions, told: bool) -> Run {
    let mut run = Run::begin(conditions);
    if told {
        run = run.told();
    }
    let mut scheduler = Scheduler::new(conditions);
    while let Some(step) = scheduler.next(&run) {
        run.take(step);
    }
    run
}

impl Scheduler {
    fn new(conditions: &Conditions) -> Self {
        let mut rng = Rng::with_seed(conditions.seed);
        let mut some = |chances: &[u32]| chances[rng.usize(..chances.len())];
        let mut temper = Temper {
            faults: some(&[0, 0, 10, 60]),
            kills: some(&[0, 0, 4, 15]),
            sudden_kills: some(&[0, 0, 0, 40]),
            stops: some(&[0, 0, 4]),
            freezes: some(&[0, 0, 5, 15]),
            growths: some(&[0, 0, 0, 4]),
            removals: some(&[0, 0, 0, 3]),
            expiries: some(&[0, 0, 0, 3]),
            limits: some(&[0, 0, 0, 10]),
            foreign: some(&[0, 0, 0, 15]),
            parked: some(&[0, 0, 20, 100]),
            rebalances: some(&[0, 0, 5, 20]),
            losses: some(&[0, 0, 4, 15]),
            repeats: some(&[0, 0, 10, 40]),
            cuts: some(&[0, 0, 15, 60]),
            holds: some(&[0, 0, 50, 200]),
            time: some(&[40, 100, 250]),
        };
        let commands = some(&[3, 5, 8]);
        let choices = some(&[100, 200, 400]);
        // Without a fence any of these does harm, which would tell nothing of the order of events.
        if conditions.setup.guard == Guard::Off {
            (temper.expiries, temper.foreign, temper.parked) = (0, 0, 0);
        }
        Self {
            rng,
            temper,
            commands,
            placed: 0,
            held: BTreeMap::new(),
            patience: 0,
            choices,
        }
    }

    /// The next step; none once the history is long enough.
    fn next(&mut self, run: &Run) -> Option<Step> {
        self.choices = self.choices.checked_sub(1)?;
        let trouble = self.trouble(run);
        if trouble.is_some() {
            return trouble;
        }
        if self.commands > 0
            && self.chance(100)
            && let Some(command) = self.command(run)
        {
            return Some(command);
        }
        let Some((role, point)) = self.gate(&run.mall.waiting()) else {
            return Some(Step::Pass(self.time(run)));
        };
        if point.side == Side::After && self.chance(self.temper.sudden_kills) {
            return Some(Step::Kill(role));
        }
        let may_be_late = run.mall.log.is_kafka() && asks_brokers(point);
        if may_be_late && self.chance(self.temper.faults) {
            return Some(Step::Late(role, point));
        }
        if self.chance(self.temper.faults) {
            return Some(Step::Fail(role, point, self.fault(point)));
        }
        Some(Step::Open(role, point))
    }

    fn chance(&mut self, thousandths: u32) -> bool {
        self.rng.u32(..1000) < thousandths
    }

    /// What befalls a process or the topic, if something does now.
    fn trouble(&mut self, run: &Run) -> Option<Step> {
        let Temper {
            kills,
            sudden_kills,
            stops,
            freezes,
            growths,
            removals,
            expiries,
            limits,
            foreign,
            parked,
            ..
        } = self.temper;
        let all: Vec<(Role, bool)> = run.mall.roles().collect();
        let any = |rng: &mut Rng| (!all.is_empty()).then(|| all[rng.usize(..all.len())].0);
        if self.chance(kills) {
            return any(&mut self.rng).map(Step::Kill);
        }
        if self.chance(stops) {
            return any(&mut self.rng).map(Step::Stop);
        }
        if self.chance(freezes) {
            self.patience = 6;
            return any(&mut self.rng).map(Step::Freeze);
        }
        let frozen = all.iter().find(|(_, frozen)| *frozen).map(|(role, _)| *role);
        if let Some(role) = frozen
            && self.chance(20)
        {
            return Some(Step::Wake(role));
        }
        if kills + sudden_kills + stops > 0 && self.chance(20) {
            let missing = self.missing(run);
            return missing.map(Step::Start);
        }
        if self.chance(growths) {
            return Some(Step::Grow(self.rng.u32(2..=MOST_PARTITIONS)));
        }
        if self.chance(removals) {
            return Some(Step::Remove(self.rng.u32(..3)));
        }
        if self.chance(expiries) {
            return Some(Step::Expire(self.rng.u32(..3), self.rng.u32(1..=MOST_EXPIRED)));
        }
        if self.chance(limits) {
            return Some(Step::Limit(self.rng.bool().then_some(LOW_LIMIT)));
        }
        if self.chance(foreign) {
            let what = self.foreign();
            return Some(Step::Write(what, self.rng.u32(..run.mall.setup().partitions)));
        }
        if self.chance(parked)
            && let Some(step) = self.befalls_parked(run, &all)
        {
            return Some(step);
        }
        if run.mall.log.is_kafka() {
            return self.broker_trouble(&all);
        }
        None
    }

    /// What somebody else writes.
    fn foreign(&mut self) -> Foreign {
        let order = self.rng.i64(1..=self.placed + 1);
        let version = self.rng.i64(1..=4);
        match self.rng.u8(..4) {
            0 => Foreign::Garbage,
            1 => Foreign::Unreadable(order, version),
            2 => Foreign::Forged(order, NEVER_WRITTEN + version),
            _ => Foreign::Copy(order, version),
        }
    }

    /// What befalls something that is parked: an instance dies while it is handled, or a person decides about it. Whoever has the
    /// placing of an order passed over takes the ground from under its other events, which is nobody's to withstand.
    fn befalls_parked(&mut self, run: &Run, all: &[(Role, bool)]) -> Option<Step> {
        let keys = run.mall.parked_keys().ok()?;
        let key = keys.get(self.rng.usize(..keys.len().max(1)))?;
        if key.lowest.lease_until > run.mall.time() {
            let instances = all.iter().map(|(role, _)| *role);
            let instances: Vec<Role> = instances.filter(|role| matches!(role, Role::Delivery(_))).collect();
            let one = instances.get(self.rng.usize(..instances.len().max(1)))?;
            return Some(Step::Kill(*one));
        }
        let next = match key.has_gap() {
            true => key.cursor.next(),
            false => key.lowest.version,
        };
        Some(match self.rng.bool() && next > Version(1) {
            true => Step::Discard(key.order_id.0, next.0),
            false => Step::Retry(key.order_id.0),
        })
    }

    /// What befalls the group or the topic on brokers, if something does now.
    fn broker_trouble(&mut self, all: &[(Role, bool)]) -> Option<Step> {
        let Temper {
            rebalances,
            losses,
            repeats,
            cuts,
            ..
        } = self.temper;
        let members = all.iter().map(|(role, _)| *role);
        let members: Vec<Role> = members.filter(|role| matches!(role, Role::Delivery(_))).collect();
        let any = |rng: &mut Rng| (!members.is_empty()).then(|| members[rng.usize(..members.len())]);
        if self.chance(rebalances) {
            return Some(Step::Rebalance(self.rng.u32(..3)));
        }
        if self.chance(losses) {
            return any(&mut self.rng).map(Step::GiveUp);
        }
        if self.chance(repeats) {
            let records = self.rng.u32(1..=MOST_REPEATS);
            return any(&mut self.rng).map(|role| Step::Repeat(role, records));
        }
        if self.chance(cuts) {
            let partition = self.rng.u32(..3);
            return Some(Step::Cut(partition, self.rng.u32(1..=MOST_CUT)));
        }
        None
    }

    /// A process that could be started.
    fn missing(&mut self, run: &Run) -> Option<Role> {
        let orders = (1..=run.mall.setup().relays).map(Role::Order);
        let missing: Vec<Role> = orders
            .chain((1..=MOST_INSTANCES).map(Role::Delivery))
            .filter(|role| !run.mall.has(*role))
            .collect();
        (!missing.is_empty()).then(|| missing[self.rng.usize(..missing.len())])
    }

    fn command(&mut self, run: &Run) -> Option<Step> {
        let services: Vec<Role> = run
            .mall
            .roles()
            .filter(|(role, frozen)| matches!(role, Role::Order(_)) && !frozen)
            .map(|(role, _)| role)
            .collect();
        let service = *services.get(self.rng.usize(..services.len().max(1)))?;
        self.commands -= 1;
        if self.placed == 0 || self.chance(250) {
            self.placed += 1;
            return Some(Step::Place(service));
        }
        let order = self.rng.i64(1..=self.placed);
        Some(match self.chance(200) {
            true => Step::Cancel(service, order),
            false => Step::Modify(service, order),
        })
    }

    /// How much time passes: mostly little, and at times as much as a session lasts.
    fn time(&mut self, run: &Run) -> u32 {
        if self.patience > 0 && run.mall.roles().any(|(_, frozen)| frozen) {
            self.patience -= 1;
            return 700;
        }
        let times = [1, 5, 5, 20, 20, 50, 100, 300, 1_000];
        times[self.rng.usize(..times.len())]
    }

    /// The gate that is opened next; none if time passes.
    fn gate(&mut self, waiting: &[(Role, u64, Point)]) -> Option<(Role, Point)> {
        let (mut calls, mut turns) = (Vec::new(), Vec::new());
        for (role, id, point) in waiting {
            if point.side == Side::Turn {
                turns.push((*role, *point));
            } else if !self.is_held(*role, *id) {
                calls.push((*role, *point));
            }
        }
        if self.chance(15) {
            // What is held is opened by chance, or at the end.
            let any = waiting.get(self.rng.usize(..waiting.len().max(1)));
            return any.map(|(role, _, point)| (*role, *point));
        }
        let likely_calls = if calls.is_empty() { 0 } else { 850 };
        if self.chance(likely_calls) {
            return Some(calls[self.rng.usize(..calls.len())]);
        }
        let likely_time = if calls.is_empty() { 500 } else { self.temper.time };
        if turns.is_empty() || self.chance(likely_time) {
            return None;
        }
        Some(turns[self.rng.usize(..turns.len())])
    }

    fn is_held(&mut self, role: Role, id: u64) -> bool {
        let (rng, holds) = (&mut self.rng, self.temper.holds);
        let held = self.held.entry((role, id));
        *held.or_insert_with(|| holds > 0 && rng.u32(..1000) < holds)
    }

    fn fault(&mut self, point: Point) -> Fault {
        match (point.side, self.rng.u8(..3)) {
            (Side::After, _) => Fault::Unanswered,
            (_, 0) => Fault::Conflict,
            (Side::Turn, 1) => Fault::Unanswered,
            _ => Fault::Away,
        }
    }
}

/// Whether brokers are asked at this point for what may be done later.
fn asks_brokers(point: Point) -> bool {
    point == POLL || (point.call == "append" && point.side == Side::Before)
}
