//! What a service knows about itself: facts that its parts note, and that the probes, the metrics and the log tell.
//!
//! ```text
//!   store, relay, watcher ── bad(fact, why) | good(fact) ──▶ Readiness ─┬─▶ /readyz, /actuator/health: needed facts decide
//!                                                                      ├─▶ gauges
//!                                                                      └─▶ one log line when it begins, one when it ends
//! ```
//!
//! # Invariants
//! * Probes, metrics and log lines are derived from the same state, so that they can't contradict each other.
//! * However many calls fail, a fact is told once when it turns bad, and once, with the number of these calls, when it is
//!   over.
//! * A fact that calls keep answering differently is bad: it is over once no call has failed for a while.
//! * A call that began before an outage was over shows nothing afterwards: it may fail long after the outage in which it
//!   was begun, and would begin another one.

mod watch;

pub use watch::{Watcher, watch};

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use keylane::Outage;
use keylane_log::Timestamp;
use tokio::time::Instant;

use crate::store::StoreError;

/// How long no call may have failed before an outage of the database is over. A server that is at its limit answers the
/// connections it has and refuses new ones, and a line for each change of mind would be a flood.
const CALM: Duration = Duration::from_secs(2);

/// Something about a service that can be good or bad.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fact {
    /// The database lets this service in and answers.
    Database,
    /// The database does what this service writes: it is not read-only, has room, has the tables, grants the rights.
    Writable,
    /// The log answers.
    Log,
    /// No order is blocked because the log refuses one of its events for good.
    Blocked,
    /// No order waits for a person because one of its events can't be handled.
    Parked,
}

impl Fact {
    /// All of them, in the order in which they are told.
    pub const ALL: [Self; 5] = [Self::Database, Self::Writable, Self::Log, Self::Blocked, Self::Parked];

    /// Its name in `checks` of `/readyz`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Database => "database",
            Self::Writable => "writable",
            Self::Log => "log",
            Self::Blocked => "blocked",
            Self::Parked => "parked",
        }
    }

    /// Whether a service can't do its job while this is bad. What is not needed is only told: while the log is away orders
    /// wait in the journal, and a few orders that wait for a person are no reason to take all others away from an instance.
    pub fn needed(self) -> bool {
        match self {
            Self::Database | Self::Writable => true,
            Self::Log | Self::Blocked | Self::Parked => false,
        }
    }

    /// What `checks` calls it while it is bad.
    fn bad_word(self) -> &'static str {
        match self {
            Self::Database | Self::Writable | Self::Log => "DOWN",
            Self::Blocked | Self::Parked => "WARN",
        }
    }

    /// What the log says when it turns bad, and what follows from it.
    fn sentence(self) -> &'static str {
        match self {
            Self::Database => "the database can't be used; not ready until it can",
            Self::Writable => "the database takes no writes; not ready until it does",
            Self::Log => "the log takes no events, which wait in the journal",
            Self::Blocked => "the log refuses events for good; the later events of their orders wait behind them",
            Self::Parked => "orders wait for a person, see mall parked list",
        }
    }

    fn calm(self) -> Duration {
        match self {
            Self::Database | Self::Writable => CALM,
            Self::Log | Self::Blocked | Self::Parked => Duration::ZERO,
        }
    }
}

/// How it stands with a fact.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum State {
    /// Nobody has found out yet.
    #[default]
    Unknown,
    /// As it should be.
    Good,
    /// Not as it should be.
    Bad {
        /// When it was first found so.
        since: Timestamp,
        /// A sentence about what was found last.
        message: String,
        /// How many are concerned, where that can be counted.
        count: Option<u64>,
    },
}

/// A check as probes show it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    /// What is checked.
    pub name: &'static str,
    /// `UP`, `DOWN`, `WARN` or `UNKNOWN`.
    pub word: &'static str,
    /// How it stands with it.
    pub state: State,
}

/// What a service knows about itself; its parts write it, probes and metrics read it.
#[derive(Debug)]
pub struct Readiness {
    clock: fn() -> Timestamp,
    stopping: AtomicBool,
    facts: Mutex<[Known; Fact::ALL.len()]>,
}

/// A call that is under way, and will show how it stands with a fact. What it has shown is noted with it.
#[derive(Debug)]
pub struct Call<'r> {
    readiness: &'r Readiness,
    /// How many outages of each fact were over when it began.
    over: [u32; Fact::ALL.len()],
}

#[derive(Debug)]
struct Known {
    fact: Fact,
    state: State,
    outage: Outage,
    /// How many outages are over.
    over: u32,
    /// When it was last found bad.
    failed: Option<Instant>,
    /// Whether it was found good since then.
    mended: bool,
}

impl Readiness {
    /// Knows nothing yet. `clock` says since when something is bad.
    pub fn new(clock: fn() -> Timestamp) -> Self {
        Self {
            clock,
            stopping: AtomicBool::new(false),
            facts: Mutex::new(Fact::ALL.map(Known::new)),
        }
    }

    /// From now on the service takes no new work: `/readyz` is 503.
    pub fn stop(&self) {
        self.stopping.store(true, Ordering::Relaxed);
    }

    /// Whether it is to stop.
    pub fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Relaxed)
    }

    /// A call begins.
    pub fn begin(&self) -> Call<'_> {
        Call {
            readiness: self,
            over: self.known().each_ref().map(|known| known.over),
        }
    }

    /// How it stands with a fact.
    pub fn state(&self, fact: Fact) -> State {
        self.known()[fact as usize].state.clone()
    }

    /// Whether it can do its job. It is asked often, so that what is over is told soon.
    pub fn is_ready(&self) -> bool {
        let bad = |known: &Known| known.fact.needed() && matches!(known.state, State::Bad { .. });
        !self.is_stopping() && !self.known().iter().any(bad)
    }

    /// Every fact that anybody has noted, and those that are needed.
    pub fn checks(&self) -> Vec<Check> {
        let known = self.known();
        let told = known.iter().filter(|known| match known.fact {
            Fact::Blocked | Fact::Parked => known.state != State::Unknown,
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
    /// The fact was found bad, and why. The first of several calls in a row says since when.
    pub fn bad(&self, fact: Fact, message: impl Into<String>) {
        self.note(fact, |known, clock| known.bad(message.into(), None, clock));
    }

    /// The fact was found as it should be.
    pub fn good(&self, fact: Fact) {
        self.note(fact, |known, _| known.good());
    }

    /// So many are concerned; the fact is good if none is.
    pub fn count(&self, fact: Fact, count: u64, message: impl FnOnce() -> String) {
        self.note(fact, |known, clock| match count {
            0 => known.good(),
            _ => known.bad(message(), Some(count), clock),
        });
    }

    /// What a call to the database has shown of it. That it takes writes is shown by a [ping](crate::store::Store::ping)
    /// alone: of other calls one can succeed beside many that fail, where a disk is nearly full or one right is missing.
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
            state: State::Unknown,
            outage: Outage::new(fact.sentence()),
            over: 0,
            failed: None,
            mended: false,
        }
    }

    fn bad(&mut self, message: String, count: Option<u64>, clock: fn() -> Timestamp) {
        let since = match self.state {
            State::Bad { since, .. } => since,
            State::Unknown | State::Good => clock(),
        };
        self.outage.noted(&message);
        self.failed = Some(Instant::now());
        self.mended = false;
        self.state = State::Bad { since, message, count };
    }

    fn good(&mut self) {
        self.mended = true;
        self.settle();
    }

    /// Good is what was found good and hasn't been bad for a while.
    fn settle(&mut self) {
        let calm = self.failed.is_none_or(|failed| failed.elapsed() >= self.fact.calm());
        if self.mended && calm && self.state != State::Good {
            self.over += u32::from(matches!(self.state, State::Bad { .. }));
            self.state = State::Good;
            self.outage.ended();
        }
    }

    fn check(&self) -> Check {
        let word = match self.state {
            State::Unknown => "UNKNOWN",
            State::Good => "UP",
            State::Bad { .. } => self.fact.bad_word(),
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
        matches!(readiness.state(fact), State::Bad { .. })
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
                assert_eq!(readiness.state(fact), State::Good, "{fact:?}");
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
        assert_eq!(readiness.state(Fact::Parked), State::Good);
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
        let State::Bad { since, message, .. } = readiness.state(Fact::Log) else {
            panic!("it is bad");
        };
        assert_eq!((since, message.as_str()), (Timestamp(1), "second"));
        readiness.begin().good(Fact::Log);
        readiness.begin().bad(Fact::Log, "third");
        assert!(matches!(
            readiness.state(Fact::Log),
            State::Bad {
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
            Fact::ALL.map(|fact| readiness.state(fact) == State::Good)[..2].to_vec()
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
