//! One simulated history from its beginning to its judgement.

use std::collections::BTreeSet;
use std::time::Duration;

use fastrand::Rng;
use keylane_log::{Partition, TopicPartition};
use shop::domain::{Change, Condition, OrderCommand, OrderFields, OrderId, OrderPatch, OrderRequest, Version};
use shop::store::StoreError;

pub use super::counts::Counts;
use super::gates::Grant;
use super::judged::{EventId, Judged, judged};
use super::log::{Log, LogKind};
use super::mall::Mall;
use super::roles::TOPIC;
use super::step::Step;
use crate::checker::{self, Anomaly, Severity, Verdict};
use crate::scenario::{Role, Setup};
use crate::world::Answer;

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
            Step::Kill(_) | Step::Stop(_) | Step::Start(_) | Step::Freeze(_) | Step::Wake(_) => return false,
            Step::Grow(_)
            | Step::Remove(_)
            | Step::Expire(..)
            | Step::Limit(_)
            | Step::Write(..)
            | Step::Retry(_)
            | Step::Discard(..) => return self.apply_to_topic(step),
            Step::Late(..) | Step::Rebalance(_) | Step::GiveUp(_) | Step::Repeat(..) | Step::Cut(..) => {
                return self.apply_to_brokers(step);
            }
        }
        true
    }

    /// Takes a step that somebody takes who is no process of the mall.
    fn apply_to_topic(&mut self, step: Step) -> bool {
        let (mall, counts) = (&mut self.mall, &mut self.counts);
        match step {
            Step::Grow(partitions) => {
                mall.grow(partitions);
                counts.growths += 1;
            }
            Step::Remove(partition) => {
                mall.remove(partition);
                counts.removals += 1;
            }
            Step::Expire(partition, records) => {
                let expired = mall.expire(partition, records);
                counts.expiries += u64::from(expired);
                return expired;
            }
            Step::Write(what, partition) => {
                let written = mall.write_foreign(what, partition);
                counts.foreign += u64::from(written);
                return written;
            }
            Step::Retry(order) => return self.decided(|mall| mall.retry(OrderId(order))),
            Step::Discard(order, version) => {
                return self.decided(|mall| mall.discard(OrderId(order), Version(version)));
            }
            Step::Limit(bytes) => {
                mall.log.limit(bytes);
                counts.limits += u64::from(bytes.is_some());
            }
            _ => return false,
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

    fn decided(&mut self, decide: impl FnOnce(&Mall) -> Result<Answer, StoreError>) -> bool {
        let marked = decide(&self.mall) == Ok(Answer::Done);
        self.counts.marks += u64::from(marked);
        marked
    }

    fn command(&mut self, role: Role, command: OrderCommand) -> bool {
        // Without a trace it would count as an event of an older system. What isn't sent must not draw anything.
        let number = self.counts.commands + 1;
        let request = OrderRequest {
            command,
            condition: Condition::default(),
            traceparent: Some(format!("00-{number:032x}-{number:016x}-01")),
        };
        let sent = self.mall.send(role, request).is_some();
        self.counts.commands += u64::from(sent);
        sent
    }

    /// Has the checker name what was removed before it was read, from what is still there to be read.
    fn tell_lost(
        &self,
        lost: &BTreeSet<EventId>,
        hazards: &mut BTreeSet<String>,
        says: &mut Vec<String>,
    ) -> Result<(), String> {
        if lost.is_empty() {
            return Ok(());
        }
        let verdicts = checker::check(&self.mall.standing()?).verdicts;
        for (order, version) in lost {
            let of_event = |verdict: &&Verdict| {
                let facts = verdict.facts.iter();
                verdict.anomaly == Anomaly::LostEvent
                    && verdict.order == *order
                    && facts.into_iter().any(|fact| fact.version == Some(*version))
            };
            let told = verdicts.iter().find(of_event);
            let told = told.ok_or_else(|| format!("order {order} v{version} was removed unread, and nothing tells"))?;
            hazards.insert(told.anomaly.name().to_owned());
            says.push(sentence(told));
        }
        Ok(())
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
                let Judged { history, lost } = judged(history, self.mall.removed.unread_events());
                for verdict in checker::check(&history).verdicts {
                    let names = match verdict.severity {
                        Severity::Harm => &mut harm,
                        Severity::Hazard => &mut hazards,
                    };
                    names.insert(verdict.anomaly.name().to_owned());
                    says.push(sentence(&verdict));
                }
                self.counts.lost += lost.len() as u64;
                if let Err(why) = self.tell_lost(&lost, &mut hazards, &mut says) {
                    harm.insert("untold".to_owned());
                    says.push(why);
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

fn sentence(verdict: &Verdict) -> String {
    let Verdict {
        order, anomaly, says, ..
    } = verdict;
    format!("order {order}: {anomaly}: {}", says.english)
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
