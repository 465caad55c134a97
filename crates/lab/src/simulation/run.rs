//! One simulated history from its beginning to its judgement.

use std::collections::BTreeSet;
use std::time::Duration;

use fastrand::Rng;
use keylane_log::{Partition, TopicPartition};
use shop::domain::{Change, Condition, OrderCommand, OrderFields, OrderId, OrderPatch, OrderRequest};

use super::gates::Grant;
use super::log::{Log, LogKind};
use super::mall::Mall;
use super::roles::TOPIC;
use super::step::Step;
use super::tally::Tally;
use crate::checker::{self, Severity};
use crate::scenario::{Role, Setup};

/// What a simulated mall is, and the seed of what it draws by itself, such as pauses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conditions {
    /// How the mall is set up.
    pub setup: Setup,
    /// Which log it stands on.
    pub log: LogKind,
    /// The seed.
    pub seed: u64,
}

/// A history that is being made.
pub struct Run {
    /// The mall in which it happens.
    pub(super) mall: Mall,
    steps: Vec<Step>,
    counts: Counts,
    /// How many changes were asked for, so that each asks for another quantity.
    changes: i32,
    trace: Trace,
}

/// How a history ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ending {
    /// The names of what did harm, or must not be, such as `divergence`; `stuck` if the mall did not come to rest.
    pub harm: BTreeSet<String>,
    /// The names of the hazards.
    pub hazards: BTreeSet<String>,
    /// The same in sentences.
    pub says: Vec<String>,
    /// What happened, counted.
    pub counts: Counts,
    /// A hash of everything that happened.
    pub hash: u64,
}

impl Ending {
    /// The harm that says most: that something stays wrong, if it does. None if no harm was done.
    pub fn worst(&self) -> Option<&str> {
        let divergence = self.harm.iter().find(|name| *name == "divergence");
        divergence.or(self.harm.first()).map(String::as_str)
    }
}

/// What happened in one or several histories, counted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Histories.
    pub histories: u64,
    /// Steps that did something.
    pub steps: u64,
    /// Commands of customers.
    pub commands: u64,
    /// Calls that failed.
    pub faults: u64,
    /// Processes that were killed.
    pub kills: u64,
    /// Processes that were stopped in good order.
    pub stops: u64,
    /// Processes that were started after the beginning.
    pub starts: u64,
    /// Processes that were frozen.
    pub freezes: u64,
    /// Times at which the topic grew.
    pub growths: u64,
    /// Times at which records were removed.
    pub removals: u64,
    /// Times at which the topic began to refuse records.
    pub limits: u64,
    /// Partitions that moved from one instance to another.
    pub moves: u64,
    /// Times at which a relay's lease went to another process than the one that had it last.
    pub takeovers: u64,
    /// Kills of processes that had asked for a write which was not made.
    pub unmade: u64,
    /// Kills of processes of which a write was made, and which didn't have the answer.
    pub unanswered: u64,
    /// Events that delivery instances parked until their turn.
    pub parked: u64,
    /// Events that delivery instances found to be applied already.
    pub duplicates: u64,
    /// Histories on the simulated Kafka, where alone the rest can happen.
    pub kafka: u64,
    /// Calls that brokers did not answer in time, so that nobody knew whether they took effect.
    pub late: u64,
    /// Rebalances without a reason.
    pub rebalances: u64,
    /// Processes that the group has given up, although they live.
    pub losses: u64,
    /// Times at which a process got records again.
    pub repeats: u64,
    /// Unclean elections that took records away.
    pub cuts: u64,
}

/// A hash of what happens, and the lines of it if somebody wants to read them.
#[derive(Debug, Default)]
struct Trace {
    hash: u64,
    lines: Option<Vec<String>>,
}

impl Run {
    /// Begins a history.
    pub fn begin(conditions: &Conditions) -> Self {
        Self::in_mall(conditions, Mall::new)
    }

    /// Begins a history, of which somebody observes what happens. It goes on like one that nobody observes.
    pub(super) fn observed(conditions: &Conditions) -> Self {
        Self::in_mall(conditions, Mall::observed)
    }

    fn in_mall(conditions: &Conditions, made: fn(&Setup, Log) -> Mall) -> Self {
        fastrand::seed(conditions.seed);
        let log = Log::new(conditions.log, &conditions.setup, Rng::with_seed(conditions.seed));
        Self {
            mall: made(&conditions.setup, log),
            steps: Vec::new(),
            counts: Counts {
                histories: 1,
                kafka: u64::from(conditions.log != LogKind::Embedded),
                ..Counts::default()
            },
            changes: 0,
            trace: Trace::default(),
        }
    }

    /// Keeps a line of each step.
    #[must_use]
    pub fn told(mut self) -> Self {
        self.trace.lines = Some(Vec::new());
        self
    }

    /// The steps so far.
    pub fn steps(&self) -> &[Step] {
        &self.steps
    }

    /// The lines of the steps so far.
    pub fn lines(&self) -> &[String] {
        self.trace.lines.as_deref().unwrap_or_default()
    }

    /// Takes a step. Returns whether it changed anything.
    pub fn take(&mut self, step: Step) -> bool {
        let done = self.apply(step);
        if done {
            self.steps.push(step);
            self.counts.steps += 1;
            let waiting = self.mall.waiting().len();
            self.trace
                .add(&format_args!("{:>8} {step} | {waiting}", self.mall.now().as_millis()));
        }
        done
    }

    fn apply(&mut self, step: Step) -> bool {
        let (mall, counts) = (&mut self.mall, &mut self.counts);
        match step {
            Step::Open(role, point) => return mall.open(role, point, Grant::Go),
            Step::Fail(role, point, fault) => {
                let failed = mall.open(role, point, Grant::Fail(fault));
                counts.faults += u64::from(failed);
                return failed;
            }
            Step::Pass(time) => mall.pass(Duration::from_millis(time.into())),
            // What doesn't come to rest here is told at the end.
            Step::Flow => {
                let _ = mall.flow();
            }
            Step::Place(role) => return self.command(role, OrderCommand::Place(fields())),
            Step::Modify(role, order) => {
                self.changes += 1;
                let patch = OrderPatch {
                    qty: Some(Some(10 + self.changes)),
                    ..OrderPatch::default()
                };
                return self.command(role, OrderCommand::Change(OrderId(order), Change::Merge(patch)));
            }
            Step::Cancel(role, order) => return self.command(role, OrderCommand::Cancel(OrderId(order))),
            Step::Kill(role) if mall.has(role) => {
                mall.kill(role);
                counts.kills += 1;
            }
            Step::Stop(role) if mall.has(role) => {
                mall.stop(role);
                counts.stops += 1;
            }
            Step::Start(role) if !mall.has(role) => {
                mall.start(role);
                counts.starts += 1;
            }
            Step::Freeze(role) if mall.roles().any(|found| found == (role, false)) => {
                mall.freeze(role);
                counts.freezes += 1;
            }
            Step::Wake(role) if mall.roles().any(|found| found == (role, true)) => mall.wake(role),
            Step::Grow(partitions) => {
                mall.grow(partitions);
                counts.growths += 1;
            }
            Step::Remove(partition) => {
                mall.remove(partition);
                counts.removals += 1;
            }
            Step::Limit(bytes) => {
                mall.log.limit(bytes);
                counts.limits += u64::from(bytes.is_some());
            }
            Step::Kill(_) | Step::Stop(_) | Step::Start(_) | Step::Freeze(_) | Step::Wake(_) => return false,
            Step::Late(..) | Step::Rebalance(_) | Step::GiveUp(_) | Step::Repeat(..) | Step::Cut(..) => {
                return self.apply_to_brokers(step);
            }
        }
        true
    }

    /// Takes a step that only brokers know.
    fn apply_to_brokers(&mut self, step: Step) -> bool {
        let (mall, counts) = (&mut self.mall, &mut self.counts);
        let (done, count) = match step {
            Step::Late(role, point) => (mall.open_late(role, point), &mut counts.late),
            Step::Rebalance(partition) => {
                let partition = TopicPartition::new(TOPIC, Partition(partition));
                (mall.log.withdraw(&partition), &mut counts.rebalances)
            }
            Step::GiveUp(role) => (mall.log.give_up(role), &mut counts.losses),
            Step::Repeat(role, records) => (mall.log.repeat(role, records.into()), &mut counts.repeats),
            Step::Cut(partition, records) => (mall.cut(partition, records), &mut counts.cuts),
            _ => return false,
        };
        *count += u64::from(done);
        done
    }

    fn command(&mut self, role: Role, command: OrderCommand) -> bool {
        let request = OrderRequest {
            command,
            condition: Condition::default(),
            traceparent: None,
        };
        let sent = self.mall.send(role, request).is_some();
        self.counts.commands += u64::from(sent);
        sent
    }

    /// Lets the mall come to rest, and judges its history.
    pub fn end(mut self) -> (Ending, Vec<Step>, Vec<String>) {
        let mut says = Vec::new();
        let (mut harm, mut hazards) = (BTreeSet::new(), BTreeSet::new());
        if let Err(why) = self.mall.settle() {
            harm.insert("stuck".to_owned());
            says.push(format!("the mall doesn't come to rest: {why}"));
        }
        for violation in self.mall.violations() {
            harm.insert("violation".to_owned());
            says.push(violation);
        }
        match self.mall.history() {
            Err(why) => {
                harm.insert("unreadable".to_owned());
                says.push(why);
            }
            Ok(history) => {
                self.trace.add(&format_args!("{history:?}"));
                for verdict in checker::check(&history).verdicts {
                    let names = match verdict.severity {
                        Severity::Harm => &mut harm,
                        Severity::Hazard => &mut hazards,
                    };
                    names.insert(verdict.anomaly.name().to_owned());
                    says.push(format!(
                        "order {}: {}: {}",
                        verdict.order,
                        verdict.anomaly.name(),
                        verdict.says.english
                    ));
                }
            }
        }
        self.trace.add(&format_args!("{says:?}"));
        self.counts.moves = self.mall.moves();
        self.counts.add_tally(&self.mall.tally);
        self.mall.close();
        let ending = Ending {
            harm,
            hazards,
            says,
            counts: self.counts,
            hash: self.trace.hash,
        };
        (ending, self.steps, self.trace.lines.unwrap_or_default())
    }
}

/// Takes these steps, and judges what came of them.
pub fn replay(conditions: &Conditions, steps: &[Step]) -> Ending {
    let mut run = Run::begin(conditions);
    for step in steps {
        run.take(*step);
    }
    run.end().0
}

fn fields() -> OrderFields {
    OrderFields {
        product_id: Some("100".to_owned()),
        product_name: Some("RADIO".to_owned()),
        qty: Some(3),
        customer_id: Some(2000),
        address: Some("PUSAN".to_owned()),
    }
}

impl Trace {
    fn add(&mut self, line: &std::fmt::Arguments<'_>) {
        struct Fnv<'a>(&'a mut u64);
        impl std::fmt::Write for Fnv<'_> {
            fn write_str(&mut self, text: &str) -> std::fmt::Result {
                for byte in text.bytes() {
                    *self.0 = (*self.0 ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
                }
                Ok(())
            }
        }
        std::fmt::Write::write_fmt(&mut Fnv(&mut self.hash), *line).expect("a hash takes everything");
        if let Some(lines) = &mut self.lines {
            lines.push(line.to_string());
        }
    }
}

impl Counts {
    fn add_tally(&mut self, tally: &Tally) {
        self.takeovers += tally.takeovers;
        self.unmade += tally.unmade;
        self.unanswered += tally.unanswered;
        self.parked += tally.deliveries.parked.get();
        self.duplicates += tally.deliveries.duplicates.get() + tally.deliveries.stale_refused.get();
    }

    /// Each count with its name.
    pub fn named(&self) -> [(&'static str, u64); 23] {
        [
            ("histories", self.histories),
            ("steps", self.steps),
            ("commands", self.commands),
            ("faults", self.faults),
            ("kills", self.kills),
            ("stops", self.stops),
            ("starts", self.starts),
            ("freezes", self.freezes),
            ("growths", self.growths),
            ("removals", self.removals),
            ("limits", self.limits),
            ("moves", self.moves),
            ("takeovers", self.takeovers),
            ("unmade", self.unmade),
            ("unanswered", self.unanswered),
            ("parked", self.parked),
            ("duplicates", self.duplicates),
            ("kafka", self.kafka),
            ("late", self.late),
            ("rebalances", self.rebalances),
            ("losses", self.losses),
            ("repeats", self.repeats),
            ("cuts", self.cuts),
        ]
    }
}

impl std::ops::AddAssign for Counts {
    fn add_assign(&mut self, other: Self) {
        self.histories += other.histories;
        self.steps += other.steps;
        self.commands += other.commands;
        self.faults += other.faults;
        self.kills += other.kills;
        self.stops += other.stops;
        self.starts += other.starts;
        self.freezes += other.freezes;
        self.growths += other.growths;
        self.removals += other.removals;
        self.moves += other.moves;
        self.takeovers += other.takeovers;
        self.unmade += other.unmade;
        self.unanswered += other.unanswered;
        self.parked += other.parked;
        self.duplicates += other.duplicates;
        self.kafka += other.kafka;
        self.late += other.late;
        self.rebalances += other.rebalances;
        self.losses += other.losses;
        self.repeats += other.repeats;
        self.cuts += other.cuts;
        self.limits += other.limits;
    }
}
