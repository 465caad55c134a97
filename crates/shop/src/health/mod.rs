//! The facts that a service knows about itself: its parts note them, and the probes, the gauges and the log lines show them.
//!
//! ```text
//!   store, relay, watcher ── bad(fact, why) | good(fact) ──▶ Readiness ─┬─▶ /readyz, /actuator/health: needed facts decide
//!                                                                      ├─▶ gauges
//!                                                                      └─▶ one log line when it begins, one when it ends
//! ```
//!
//! # Invariants
//! * Probes, gauges and log lines are derived from the same state, so they can't contradict each other.
//! * However many calls fail, one line says that a fact has turned bad, and one line, with the number of failed calls, says
//!   that it is good again.
//! * A fact about the database on which calls disagree is bad: it is good again once no call has failed for two seconds.
//! * A call that began before an outage was over is ignored afterwards: it may fail long after the outage in which it
//!   began, and would begin another one.

mod watch;

pub use watch::{Watcher, watch};

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use keylane::Outage;
use keylane_log::Timestamp;
use tokio::time::Instant;

use crate::store::StoreError;

/// How long no call may have failed before an outage of the database is over. A server at its limit of connections answers
/// the open ones and refuses new ones, and a line for each change would be a flood.
const CALM: Duration = Duration::from_secs(2);

/// A fact about a service, which is good or bad. Each variant says what holds while it is good.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fact {
    /// The database accepts this service's account and answers.
    Database,
    /// The database takes this service's writes: it is not read-only, has room, has the tables, and grants the rights.
    Writable,
    /// The log answers.
    Log,
    /// No order is blocked because the log refuses one of its events for good.
    Blocked,
    /// No order waits for a person because one of its events can't be handled.
    Parked,
}

impl Fact {
    /// All facts, in the order in which probes show them.
    pub const ALL: [Self; 5] = [Self::Database, Self::Writable, Self::Log, Self::Blocked, Self::Parked];

    /// The fact's name in `checks` of `/readyz`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Database => "database",
            Self::Writable => "writable",
            Self::Log => "log",
            Self::Blocked => "blocked",
            Self::Parked => "parked",
        }
    }

    /// Whether a service can't do its job while this fact is bad. A fact that is not needed leaves the service ready: while
    /// the log is away, orders wait in the journal, and a few orders that wait for a person are no reason to take an
    /// instance out of service for all others.
    pub fn needed(self) -> bool {
        match self {
            Self::Database | Self::Writable => true,
            Self::Log | Self::Blocked | Self::Parked => false,
        }
    }

    /// The status in `checks` while this fact is bad.
    fn bad_word(self) -> &'static str {
        match self {
            Self::Database | Self::Writable | Self::Log => "DOWN",
            Self::Blocked | Self::Parked => "WARN",
        }
    }

    /// The log line when this fact turns bad: what is wrong and what follows from it.
    fn sentence(self) -> &'static str {
        match self {
            Self::Database => "the database can't be used; not ready until it can",
            Self::Writable => "the database takes no writes; not ready until it does",
            Self::Log => "the log takes no events, which wait in the journal",
            Self::Blocked => "the log refuses events for good; the later events of their orders wait behind them",
            Self::Parked => "orders wait for a person, see mall parked list",
        }
    }

    /// How long no call may have failed before this fact is good again.
    fn calm(self) -> Duration {
        match self {
            Self::Database | Self::Writable => CALM,
            Self::Log | Self::Blocked | Self::Parked => Duration::ZERO,
        }
    }
}

/// What is known about a fact.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum FactState {
    /// No call has shown anything about the fact yet.
    #[default]
    Unknown,
    /// The fact is good.
    Good,
    /// The fact is bad.
    Bad {
        /// When a call first found it bad.
        since: Timestamp,
        /// A sentence about what the last such call found.
        message: String,
        /// How many orders are concerned, for the facts that count orders.
        count: Option<u64>,
    },
}

/// A fact as probes show it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    /// The fact's name.
    pub name: &'static str,
    /// The fact's status: `UP`, `DOWN`, `WARN` or `UNKNOWN`.
    pub word: &'static str,
    /// What is known about the fact.
    pub state: FactState,
}

/// The facts that a service knows about itself; its parts note them, probes and metrics read them.
#[derive(Debug)]
pub struct Readiness {
    clock: fn() -> Timestamp,
    stopping: AtomicBool,
    facts: Mutex<[Known; Fact::ALL.len()]>,
}

/// A call to the database or the log that is under way. What it shows about facts is noted through this value.
#[derive(Debug)]
pub struct Call<'r> {
    readiness: &'r Readiness,
    /// How many outages of each fact were over when the call began.
    over: [u32; Fact::ALL.len()],
}

#[derive(Debug)]
struct Known {
    fact: Fact,
    state: FactState,
    outage: Outage,
    /// How many outages of this fact are over.
    over: u32,
    /// When a call last found the fact bad.
    failed: Option<Instant>,
    /// Whether a call has found the fact good since then.
    mended: bool,
}

impl Readiness {
    /// All facts are unknown at first. `clock` is the wall clock, which says since when a fact is bad.
    pub fn new(clock: fn() -> Timestamp) -> Self {
        Self {
            clock,
            stopping: AtomicBool::new(false),
            facts: Mutex::new(Fact::ALL.map(Known::new)),
        }
    }

    /// Notes that the service takes no new work from now on, so `/readyz` is 503.
    pub fn stop(&self) {
        self.stopping.store(true, Ordering::Relaxed);
    }

    /// Whether [`stop`](Self::stop) was called.
    pub fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Relaxed)
    }

    /// Notes that a call begins; what it shows is noted through the result.
    pub fn begin(&self) -> Call<'_> {
        Call {
            readiness: self,
            over: self.known().each_ref().map(|known| known.over),
        }
    }

    /// What is known about a fact.
    pub fn state(&self, fact: Fact) -> FactState {
        self.known()[fact as usize].state.clone()
    }

    /// Whether the service takes work: it is not stopping, and no needed fact is bad. Probes ask this often, so an outage
    /// that is over is soon logged as such.
    pub fn is_ready(&self) -> bool {
        let bad = |known: &Known| known.fact.needed() && matches!(known.state, FactState::Bad { .. });
        !self.is_stopping() && !self.known().iter().any(bad)
    }

    /// The facts to show in `/readyz`: those about database and log always, the others once they are known.
    pub fn checks(&self) -> Vec<Check> {
        let known = self.known();
        let told = known.iter().filter(|known| match known.fact {
            Fact::Blocked | Fact::Parked => known.state != FactState::Unknown,
            Fact::Database | Fact::Writable | Fact::Log => true,
        });
        told.map(Known::check).collect()
    }

    fn known(&self) -> MutexGuard<'_, [Known; Fact::ALL.len()]> {
        let mut facts = self.facts.lock().expect("nothing panics while it holds this");
        facts.iter_mut().for_each(Known::settle);
        facts
    }
}

impl Call<'_> {
    /// Notes that the call found the fact bad, and why.
    pub fn bad(&self, fact: Fact, message: impl Into<String>) {
        self.note(fact, |known, clock| known.bad(message.into(), None, clock));
    }

    /// Notes that the call found the fact good.
    pub fn good(&self, fact: Fact) {
        self.note(fact, |known, _| known.good());
    }

    /// Notes how many orders the fact concerns; it is good if that is none.
    pub fn count(&self, fact: Fact, count: u64, message: impl FnOnce() -> String) {
        self.note(fact, |known, clock| match count {
            0 => known.good(),
            _ => known.bad(message(), Some(count), clock),
        });
    }

    /// Notes what the result of a call shows about the database. Only a [ping](crate::store::Store::ping) shows that it takes
    /// writes: where a disk is nearly full or one right is missing, some calls succeed while many others fail.
    pub fn database<T>(&self, pinged: bool, result: &Result<T, StoreError>) {
        let error = match result {
            Ok(_) => {
                self.good(Fact::Database);
                if pinged {
                    self.good(Fact::Writable);
                }
                return;
            }
            Err(error) => error,
        };
        match error {
            StoreError::Unavailable(cause) | StoreError::Unknown(cause) => self.bad(Fact::Database, cause),
            StoreError::Unwritable(cause) | StoreError::Broken(cause) => {
                self.good(Fact::Database);
                self.bad(Fact::Writable, cause);
            }
            StoreError::Conflict(_) | StoreError::Rejected(_) | StoreError::Unreadable(_) => self.good(Fact::Database),
        }
    }

    fn note(&self, fact: Fact, note: impl FnOnce(&mut Known, fn() -> Timestamp)) {
        let known = &mut self.readiness.known()[fact as usize];
        if known.over == self.over[fact as usize] {
            note(known, self.readiness.clock);
        }
    }
}

impl Known {
    fn new(fact: Fact) -> Self {
        Self {
            fact,
            state: FactState::Unknown,
            outage: Outage::new(fact.sentence()),
            over: 0,
            failed: None,
            mended: false,
        }
    }

    fn bad(&mut self, message: String, count: Option<u64>, clock: fn() -> Timestamp) {
        let since = match self.state {
            FactState::Bad { since, .. } => since,
            FactState::Unknown | FactState::Good => clock(),
        };
        self.outage.noted(&message);
        self.failed = Some(Instant::now());
        self.mended = false;
        self.state = FactState::Bad { since, message, count };
    }

    fn good(&mut self) {
        self.mended = true;
        self.settle();
    }

    /// Turns the fact good if a call has found it good, and none has found it bad for a while.
    fn settle(&mut self) {
        let calm = self.failed.is_none_or(|failed| failed.elapsed() >= self.fact.calm());
        if self.mended && calm && self.state != FactState::Good {
            self.over += u32::from(matches!(self.state, FactState::Bad { .. }));
            self.state = FactState::Good;
            self.outage.ended();
        }
    }

    fn check(&self) -> Check {
        let word = match self.state {
            FactState::Unknown => "UNKNOWN",
            FactState::Good => "UP",
            FactState::Bad { .. } => self.fact.bad_word(),
        };
        Check {
            name: self.fact.name(),
            word,
            state: self.state.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn readiness() -> Readiness {
        Readiness::new(|| Timestamp(7))
    }

    fn is_bad(readiness: &Readiness, fact: Fact) -> bool {
        matches!(readiness.state(fact), FactState::Bad { .. })
    }

    #[tokio::test(start_paused = true)]
    async fn an_outage_is_over_once_nothing_has_failed_for_a_while() {
        let readiness = readiness();
        readiness.begin().good(Fact::Database);
        assert!(readiness.is_ready());
        readiness.begin().bad(Fact::Database, "refused");
        assert!(!readiness.is_ready());
        readiness.begin().good(Fact::Database);
        assert!(
            !readiness.is_ready(),
            "a call got through, as they do with a server at its limit"
        );
        tokio::time::advance(CALM / 2).await;
        readiness.begin().bad(Fact::Database, "refused again");
        tokio::time::advance(CALM).await;
        assert!(!readiness.is_ready(), "nothing has been good since");
        readiness.begin().good(Fact::Database);
        assert!(readiness.is_ready());
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_found_good_once_is_good_when_the_calm_has_passed() {
        let readiness = readiness();
        readiness.begin().bad(Fact::Writable, "read-only");
        readiness.begin().good(Fact::Writable);
        assert!(!readiness.is_ready());
        tokio::time::advance(CALM).await;
        assert!(readiness.is_ready(), "without another call");
    }

    #[tokio::test(start_paused = true)]
    async fn a_call_that_began_before_an_outage_was_over_shows_nothing_afterwards() {
        for fact in Fact::ALL {
            let readiness = readiness();
            let before = readiness.begin();
            before.bad(fact, "away");
            let meanwhile = readiness.begin();
            readiness.begin().good(fact);
            tokio::time::advance(fact.calm()).await;
            for late in [&before, &meanwhile] {
                late.bad(fact, "no answer in time");
                late.count(fact, 2, String::new);
                assert_eq!(readiness.state(fact), FactState::Good, "{fact:?}");
            }
            readiness.begin().bad(fact, "away again");
            assert!(is_bad(&readiness, fact), "{fact:?}");
            meanwhile.good(fact);
            tokio::time::advance(fact.calm()).await;
            assert!(is_bad(&readiness, fact), "{fact:?} was good in another outage");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_call_that_fails_in_the_outage_in_which_it_began_prolongs_it() {
        let readiness = readiness();
        let (first, second) = (readiness.begin(), readiness.begin());
        first.bad(Fact::Database, "away");
        readiness.begin().good(Fact::Database);
        tokio::time::advance(CALM / 2).await;
        second.bad(Fact::Database, "no answer in time");
        readiness.begin().good(Fact::Database);
        tokio::time::advance(CALM / 2).await;
        assert!(is_bad(&readiness, Fact::Database));
    }

    #[tokio::test]
    async fn the_end_of_one_outage_is_not_that_of_another_fact() {
        let readiness = readiness();
        let call = readiness.begin();
        readiness.begin().bad(Fact::Log, "no broker");
        readiness.begin().good(Fact::Log);
        call.bad(Fact::Database, "away");
        assert!(is_bad(&readiness, Fact::Database));
    }

    #[test]
    fn what_is_only_told_leaves_the_service_ready() {
        let readiness = readiness();
        readiness.begin().bad(Fact::Log, "no broker");
        readiness.begin().count(Fact::Blocked, 2, || "2 orders".into());
        readiness.begin().count(Fact::Parked, 3, || "3 orders".into());
        assert!(readiness.is_ready());
        let words: Vec<_> = readiness
            .checks()
            .iter()
            .map(|check| (check.name, check.word))
            .collect();
        let expected = [
            ("database", "UNKNOWN"),
            ("writable", "UNKNOWN"),
            ("log", "DOWN"),
            ("blocked", "WARN"),
            ("parked", "WARN"),
        ];
        assert_eq!(words, expected);
        readiness.begin().count(Fact::Parked, 0, String::new);
        assert_eq!(readiness.state(Fact::Parked), FactState::Good);
        readiness.stop();
        assert!(!readiness.is_ready());
    }

    #[test]
    fn a_fact_is_bad_since_it_was_first_found_so() {
        static NOW: std::sync::atomic::AtomicI64 = std::sync::atomic::AtomicI64::new(1);
        let readiness = Readiness::new(|| Timestamp(NOW.fetch_add(1, Ordering::Relaxed)));
        for message in ["first", "second"] {
            readiness.begin().bad(Fact::Log, message);
        }
        let FactState::Bad { since, message, .. } = readiness.state(Fact::Log) else {
            panic!("it is bad");
        };
        assert_eq!((since, message.as_str()), (Timestamp(1), "second"));
        readiness.begin().good(Fact::Log);
        readiness.begin().bad(Fact::Log, "third");
        assert!(matches!(
            readiness.state(Fact::Log),
            FactState::Bad {
                since: Timestamp(2),
                ..
            }
        ));
    }

    #[test]
    fn what_a_call_to_the_database_shows() {
        let after = |pinged, result: Result<(), StoreError>| {
            let readiness = readiness();
            readiness.begin().database(pinged, &result);
            Fact::ALL.map(|fact| readiness.state(fact) == FactState::Good)[..2].to_vec()
        };
        let text = String::new;
        assert_eq!(after(true, Ok(())), [true, true]);
        assert_eq!(
            after(false, Ok(())),
            [true, false],
            "another call shows nothing of writing"
        );
        assert_eq!(after(true, Err(StoreError::Unavailable(text()))), [false, false]);
        assert_eq!(after(true, Err(StoreError::Unknown(text()))), [false, false]);
        assert_eq!(after(true, Err(StoreError::Unwritable(text()))), [true, false]);
        assert_eq!(after(true, Err(StoreError::Conflict(text()))), [true, false]);
        let readiness = readiness();
        readiness
            .begin()
            .database(true, &Err::<(), _>(StoreError::Unwritable("read-only".into())));
        readiness.begin().database(false, &Ok(()));
        assert!(is_bad(&readiness, Fact::Writable), "another call has not mended it");
    }
}
