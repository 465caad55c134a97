//! The simulated mall as a world of scenarios: nothing happens by chance, every gate opens that nobody holds, and time passes
//! where nothing else is left to do.

use std::collections::BTreeMap;
use std::sync::PoisonError;
use std::time::Duration;

use fastrand::Rng;
use keylane_log::{NewRecord, TopicPartition};
use observe::{Event, Observation, Place, What as Seen};
use shop::domain::{
    Change, Condition, JournalEntry, OrderCommand, OrderId, OrderOutcome, OrderPatch, OrderRequest, Source, Version,
    Versions,
};
use shop::store::{JournalRow, StoreError};
use shop::{text, trace};

use super::holds::{Held, What};
use super::log::{Log, LogKind};
use super::mall::{self, Mall};
use super::roles::{GROUP, TOPIC};
use super::shuffle::Shuffle;
use crate::checker::History;
use crate::played::{self, Played};
use crate::scenario::{
    Action, Assignor, Deed, Differently, EventName, Fields, Gate, Journal, Name, Producer, Request, Role, Setup, Spot,
    Wish,
};
use crate::world::{Answer, Progress, Trouble, World};

/// The steps in which time passes while something is waited for: small ones, in which what has begun goes on, and then larger
/// ones, in which sessions and leases end.
const LARGEST_STEP: Duration = Duration::from_secs(1);
/// How long a world waits by default for something to be observed.
const PATIENCE: Duration = Duration::from_secs(300);
/// How long nothing is observed of a mall that has come to rest, besides the slow work's time.
const QUIET: Duration = Duration::from_secs(1);
/// The steps in which time passes while nothing is waited for.
const LOOK: Duration = Duration::from_millis(100);
/// Who is said to have done what no process of the mall does.
const SOMEBODY: &str = "somebody";
/// Where brokers have a choice, such as between two partitions for a record without a key, they make the same one each time.
const SEED: u64 = 1;
/// More rows than a scenario writes.
const ALL: usize = 100_000;

/// A simulated mall in which a scenario happens.
pub struct SimulatedWorld {
    mall: Mall,
    orders: BTreeMap<Name, OrderId>,
    played: Played,
    /// What was observed and not yet asked for.
    seen: Vec<Observation>,
    /// After so much time in which nothing was observed, nothing moves any more.
    patience: Duration,
}

impl SimulatedWorld {
    /// A mall that is set up so, whose processes serve.
    ///
    /// # Errors
    /// This world can't show that.
    pub fn new(setup: &Setup, log: LogKind) -> Result<Self, Trouble> {
        Self::made(setup, log, Shuffle::default(), PATIENCE)
    }

    /// The same on the embedded log, where things go on in a sequence that may be a seed's choice, and what isn't observed for
    /// so long never comes.
    pub(super) fn on_trial(setup: &Setup, shuffle: Shuffle, patience: Duration) -> Result<Self, Trouble> {
        Self::made(setup, LogKind::Embedded, shuffle, patience)
    }

    fn made(setup: &Setup, log: LogKind, shuffle: Shuffle, patience: Duration) -> Result<Self, Trouble> {
        check(setup, log)?;
        let log = Log::new(log, setup, Rng::with_seed(SEED));
        let mut world = Self {
            mall: Mall::observed(setup, log),
            orders: BTreeMap::new(),
            played: Played::new(setup.key),
            seen: Vec::new(),
            patience,
        };
        world.mall.shuffle = shuffle;
        let wanted = if setup.deliveries > 0 {
            setup.partitions as usize
        } else {
            0
        };
        world.until("the partitions were not assigned", |world| {
            let assigned = world.seen.iter().map(|seen| match &seen.what {
                Seen::Assigned { partitions } => partitions.len(),
                _ => 0,
            });
            (assigned.sum::<usize>() >= wanted).then_some(())
        })?;
        Ok(world)
    }

    /// Lets the mall run until there is an answer.
    fn until<T>(&mut self, otherwise: &str, mut answer: impl FnMut(&mut Self) -> Option<T>) -> Result<T, Trouble> {
        let (began, mut step) = (self.mall.now(), Duration::from_millis(5));
        loop {
            self.mall.round().map_err(Trouble::Failed)?;
            self.look();
            if let Some(answer) = answer(self) {
                return Ok(answer);
            }
            if self.mall.now() - began > self.patience {
                return Err(Trouble::Failed(otherwise.to_owned()));
            }
            self.mall.pass(step);
            step = (step * 3 / 2).min(LARGEST_STEP);
        }
    }

    fn look(&mut self) {
        let new = self.mall.observations();
        self.seen.extend(new);
    }

    fn order(&self, name: &Name) -> OrderId {
        self.orders[name]
    }

    fn request(&mut self, request: &Request) -> Result<Answer, Trouble> {
        let order = self.orders.get(&request.order).copied().unwrap_or(OrderId(0));
        let command = match &request.wish {
            Wish::Place(fields) => OrderCommand::Place(played::placed(fields)),
            Wish::Modify(fields) => OrderCommand::Change(order, Change::Merge(patch(fields))),
            Wish::Cancel => OrderCommand::Cancel(order),
        };
        let one_of = request
            .if_version
            .map(|version| Versions::These(vec![Version(version)]));
        let sent = OrderRequest {
            command,
            condition: Condition {
                one_of,
                ..Condition::default()
            },
            traceparent: Some(trace::following(None)),
        };
        let role = request.via.or_else(|| self.first_service());
        let role = role.ok_or_else(|| Trouble::Failed("no order service runs".to_owned()))?;
        let answer = self.mall.send(role, sent);
        let answer = answer.ok_or_else(|| Trouble::Failed(format!("{role} doesn't answer")))?;
        let answered = self.until("the request was not answered", |_| {
            answer.lock().unwrap_or_else(PoisonError::into_inner).take()
        })?;
        self.answered(&request.order, answered)
    }

    fn answered(&mut self, name: &Name, answer: mall::Answer) -> Result<Answer, Trouble> {
        Ok(match answer.map_err(|error| Trouble::Failed(error.to_string()))? {
            OrderOutcome::Placed(order) => {
                self.orders.insert(name.clone(), order.id);
                Answer::Placed(order.id)
            }
            OrderOutcome::Changed(_) | OrderOutcome::Unchanged(_) | OrderOutcome::Cancelled(_) => Answer::Done,
            OrderOutcome::Otherwise(version) => Answer::Refused(format!("412: the item is of version {version} now")),
            OrderOutcome::Missing => Answer::Refused("404: there is no such order".to_owned()),
            OrderOutcome::Invalid(why) => Answer::Refused(format!("400: {why:?}")),
        })
    }

    fn first_service(&self) -> Option<Role> {
        let mut roles = self.mall.roles();
        roles
            .find(|(role, frozen)| matches!(role, Role::Order(_)) && !frozen)
            .map(|(role, _)| role)
    }

    /// The journal's row of an event.
    fn row(&mut self, event: &EventName) -> Result<JournalRow, Trouble> {
        let order = self.order(&event.order);
        let rows = match event.of {
            Journal::Orders => self.mall.orders().journal(Source::Orders, 0, ALL),
            Journal::Deliveries => self.mall.deliveries().journal(Source::Deliveries, 0, ALL),
        };
        let rows = rows.map_err(|error| Trouble::Failed(error.to_string()))?;
        let is = |row: &JournalRow| row.entry.order_id == order && row.entry.version == Version(event.version);
        rows.into_iter()
            .find(is)
            .ok_or_else(|| Trouble::Failed(format!("{event} stands in no journal")))
    }

    fn mark(&mut self, event: &EventName, row: &JournalRow) -> Result<(), Trouble> {
        let marked = match event.of {
            Journal::Orders => self.mall.orders().mark_published(Source::Orders, &[row.id]),
            Journal::Deliveries => self.mall.deliveries().mark_published(Source::Deliveries, &[row.id]),
        };
        marked.map_err(|error| Trouble::Failed(error.to_string()))
    }

    fn write(&mut self, event: &EventName, entry: &JournalEntry, by: &Producer) -> Result<(), Trouble> {
        let failed = |error: keylane_log::LogError| Trouble::Failed(error.to_string());
        let partitions = self.mall.log.outside().partitions(TOPIC).map_err(failed)?;
        let record: NewRecord = self.played.record(entry, by, partitions);
        let key = record.key.as_ref().map(|key| String::from_utf8_lossy(key).into_owned());
        for placed in self.mall.log.outside().append(TOPIC, vec![record], Duration::ZERO) {
            let placed = placed.map_err(failed)?;
            let place = Place {
                partition: placed.partition.0,
                offset: placed.offset.0,
            };
            let event = Event {
                order: entry.order_id.0,
                delivery: None,
                version: Some(event.version),
                name: Some(entry.event_type.name().into()),
            };
            self.mall.note(
                SOMEBODY,
                Seen::Published {
                    event,
                    place,
                    key: key.clone(),
                },
            );
        }
        Ok(())
    }

    fn held(&self, gate: &Gate) -> Held {
        let what = match gate {
            Gate::Work { event, .. } => What::Work(self.order(&event.order), Version(event.version)),
            Gate::BeforeSend { of, .. } => What::Send(*of),
            Gate::BeforeMark { of, .. } => What::Mark(*of),
            Gate::Commit { .. } => What::Commit,
        };
        let within = gate.within();
        Held { what, within }
    }

    fn process(&mut self, role: Role, deed: &Deed) -> Result<(), Trouble> {
        let who = role.to_string();
        match deed {
            Deed::Freeze => {
                self.mall.freeze(role);
                self.mall.note(&who, Seen::Frozen);
            }
            Deed::Wake => {
                self.mall.note(&who, Seen::Woken);
                self.mall.wake(role);
            }
            Deed::Kill => {
                self.mall.kill(role);
                self.mall.note(&who, Seen::Killed);
            }
            Deed::Stop => {
                self.mall.stop(role);
                self.until("the process goes on", |world| (!world.mall.has(role)).then_some(()))?;
                self.mall.note(&who, Seen::Stopped);
            }
            Deed::Start(with) => {
                let setup = different(self.mall.setup(), with);
                self.mall.start_with(role, &setup);
                self.mall.note(&who, Seen::Started { instance: None });
            }
        }
        Ok(())
    }

    /// Lets the time pass after which every client counts the new partitions, as the log's port promises.
    fn let_everybody_know(&mut self) -> Result<(), Trouble> {
        let known = self.mall.now() + self.mall.log.count_kept();
        while self.mall.now() < known {
            self.mall.round().map_err(Trouble::Failed)?;
            self.mall.pass(LOOK);
        }
        Ok(())
    }

    /// Sets the group's position, once its last member is gone for the group too.
    fn seek(&mut self, spot: &Spot) -> Result<(), Trouble> {
        let positions = BTreeMap::from([(TopicPartition::new(TOPIC, spot.partition), spot.offset)]);
        self.until("the group still has members", |world| {
            world.mall.log.outside().reset_group(GROUP, &positions).ok()
        })
    }
}

impl World for SimulatedWorld {
    fn act(&mut self, action: &Action) -> Result<Answer, Trouble> {
        match action {
            Action::Request(request) => return self.request(request),
            Action::Publish { event, by } => {
                let row = self.row(event)?;
                self.write(event, &row.entry, by)?;
                self.mark(event, &row)?;
            }
            Action::Lose(event) => {
                let row = self.row(event)?;
                self.mark(event, &row)?;
            }
            Action::Forge { event, says, by } => {
                let at = self.mall.time();
                let entry = played::forged(self.order(&event.order), Version(event.version), says, at);
                self.write(event, &entry, by)?;
            }
            Action::Hold(gate) => self.mall.holds.hold(self.held(gate)),
            Action::Release(gate) => self.mall.holds.release(&self.held(gate)),
            Action::Process(role, deed) => self.process(*role, deed)?,
            Action::Grow(partitions) => {
                self.mall.grow(*partitions);
                self.let_everybody_know()?;
                let (topic, partitions) = (TOPIC.to_owned(), *partitions);
                self.mall.note(TOPIC, Seen::Grown { topic, partitions });
            }
            Action::Truncate(spot) => {
                let partition = TopicPartition::new(TOPIC, spot.partition);
                let removed = self.mall.log.delete_before(&partition, spot.offset);
                removed.map_err(|error| Trouble::Failed(error.to_string()))?;
            }
            Action::Seek(spot) => self.seek(spot)?,
            Action::Limit(bytes) => self.mall.log.limit(*bytes),
            Action::Retry(order) => return decided(self.mall.retry(self.order(order))),
            Action::Discard(event) => {
                let (order, version) = (self.order(&event.order), Version(event.version));
                return decided(self.mall.discard(order, version));
            }
        }
        self.look();
        Ok(Answer::Done)
    }

    fn advance(&mut self) -> Result<Progress, Trouble> {
        match self.until("", |world| (!world.seen.is_empty()).then_some(())) {
            Ok(()) => Ok(Progress::Moved),
            Err(Trouble::Failed(why)) if why.is_empty() => Ok(Progress::Still),
            Err(trouble) => Err(trouble),
        }
    }

    /// A naive consumer may have committed what it is still at work on, so rest is also that nothing is observed for longer
    /// than the slow work takes.
    fn settle(&mut self) -> Result<(), Trouble> {
        loop {
            let flowed = self.mall.flow().map_err(Trouble::Failed);
            self.look();
            flowed?;
            let (before, quiet) = (self.seen.len(), self.mall.setup().modify_delay + QUIET);
            let until = self.mall.now() + quiet;
            while self.mall.now() < until {
                self.mall.round().map_err(Trouble::Failed)?;
                self.mall.pass(quiet / 10);
            }
            self.look();
            if self.seen.len() == before {
                return Ok(());
            }
        }
    }

    fn observations(&mut self) -> Vec<Observation> {
        self.look();
        std::mem::take(&mut self.seen)
    }

    fn history(&mut self) -> Result<History, Trouble> {
        self.mall.history().map_err(Trouble::Failed)
    }
}

/// Whether the group of this log shares its partitions as it is asked to.
fn check(setup: &Setup, log: LogKind) -> Result<(), Trouble> {
    let assignor = setup.assignor;
    match (log, assignor) {
        (_, Assignor::CooperativeSticky) | (LogKind::Kafka(_), Assignor::Range) => Ok(()),
        _ => Err(Trouble::CannotBeShown(text!(
            "on the {log} log, this world can't share partitions as {assignor} does",
            "{log} 로그에서 이 실행 환경은 {assignor} 방식으로 파티션을 나누지 못함"
        ))),
    }
}

/// How a person's decision was answered.
fn decided(answer: Result<Answer, StoreError>) -> Result<Answer, Trouble> {
    answer.map_err(|error| Trouble::Failed(error.to_string()))
}

fn patch(fields: &Fields) -> OrderPatch {
    OrderPatch {
        product_id: None,
        product_name: fields.product.clone().map(Some),
        qty: fields.qty.map(Some),
        customer_id: fields.customer.map(Some),
        address: fields.address.clone().map(Some),
    }
}

fn different(setup: &Setup, with: &Differently) -> Setup {
    let setup = setup.clone();
    Setup {
        key: with.key.unwrap_or(setup.key),
        guard: with.guard.unwrap_or(setup.guard),
        lanes: with.lanes.unwrap_or(setup.lanes),
        modify_delay: with.modify_delay.unwrap_or(setup.modify_delay),
        ..setup
    }
}
