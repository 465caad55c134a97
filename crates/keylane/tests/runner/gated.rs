//! A handler whose records wait until the test lets them go, and which writes down what it saw.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use keylane::{Attempt, Handler, Outcome};
use keylane_log::Record;
use tokio::sync::Notify;

use crate::scripted::PATIENCE;

/// Where a record stands: `1@17`.
pub fn place(record: &Record) -> String {
    format!("{}@{}", record.partition, record.offset)
}

#[derive(Default)]
pub struct Journal {
    /// In the order of the calls: `1@17`, and `1@17#2` for a second attempt.
    pub started: Vec<String>,
    pub finished: Vec<String>,
    pub epochs: Vec<u64>,
    pub runs: Vec<usize>,
    /// A key that two calls handled at once.
    pub overlaps: Vec<String>,
    running: HashSet<Vec<u8>>,
    held: HashSet<String>,
    panics: HashSet<String>,
    outcomes: HashMap<String, Vec<Outcome>>,
}

/// Clones share everything.
#[derive(Clone, Default)]
pub struct Gated {
    journal: Arc<(Mutex<Journal>, Condvar)>,
    released: Arc<Notify>,
    max_run: usize,
}

impl Gated {
    pub fn with_runs_of(max_run: usize) -> Self {
        Self {
            max_run,
            ..Self::default()
        }
    }

    pub fn panic_at(&self, place: &str) {
        self.journal.0.lock().unwrap().panics.insert(place.to_owned());
    }

    /// From now on the record at this place waits in its handler until it is let go.
    pub fn hold(&self, place: &str) {
        self.journal.0.lock().unwrap().held.insert(place.to_owned());
    }

    pub fn release(&self, place: &str) {
        self.journal.0.lock().unwrap().held.remove(place);
        self.released.notify_waiters();
    }

    /// What the next calls for this record answer, in order; `Done` after them.
    pub fn answer(&self, place: &str, mut outcomes: Vec<Outcome>) {
        outcomes.reverse();
        self.journal
            .0
            .lock()
            .unwrap()
            .outcomes
            .insert(place.to_owned(), outcomes);
    }

    pub fn until(&self, what: &str, wanted: impl Fn(&Journal) -> bool) {
        let (journal, changed) = &*self.journal;
        let guard = journal.lock().unwrap();
        let (guard, waited) = changed
            .wait_timeout_while(guard, PATIENCE, |journal| !wanted(journal))
            .unwrap();
        let last = |places: &[String]| places[places.len().saturating_sub(20)..].join(" ");
        let (started, finished) = (last(&guard.started), last(&guard.finished));
        assert!(
            !waited.timed_out(),
            "waited in vain until {what}: last started {started}, last finished {finished}"
        );
    }

    pub fn until_started(&self, place: &str) {
        self.until(&format!("{place} started"), |journal| {
            journal.started.iter().any(|it| it == place)
        });
    }

    pub fn until_finished(&self, place: &str) {
        self.until(&format!("{place} finished"), |journal| {
            journal.finished.iter().any(|it| it == place)
        });
    }

    pub fn look<T>(&self, look: impl FnOnce(&Journal) -> T) -> T {
        look(&self.journal.0.lock().unwrap())
    }

    fn write<T>(&self, write: impl FnOnce(&mut Journal) -> T) -> T {
        let result = write(&mut self.journal.0.lock().unwrap());
        self.journal.1.notify_all();
        result
    }

    async fn wait_for(&self, place: &str) {
        loop {
            let released = self.released.notified();
            if !self.look(|journal| journal.held.contains(place)) {
                return;
            }
            // A notice between the look and the wait is not missed: the future was made before.
            let _ = tokio::time::timeout(Duration::from_secs(60), released).await;
        }
    }
}

impl Handler for Gated {
    fn max_run(&self) -> usize {
        self.max_run
    }

    async fn handle(&self, records: &[Record], attempt: Attempt) -> Outcome {
        let first = &records[0];
        let key = first.key.clone().unwrap_or_default().to_vec();
        self.write(|journal| {
            for record in records {
                let number = if attempt.number > 1 {
                    format!("#{}", attempt.number)
                } else {
                    String::new()
                };
                journal.started.push(format!("{}{number}", place(record)));
            }
            journal.epochs.push(attempt.epoch.0);
            journal.runs.push(records.len());
            if !journal.running.insert(key.clone()) {
                journal.overlaps.push(place(first));
            }
        });
        self.wait_for(&place(first)).await;
        assert!(
            !self.look(|journal| journal.panics.contains(&place(first))),
            "as the test wants it"
        );
        self.write(|journal| {
            journal.running.remove(&key);
            let outcomes = journal.outcomes.get_mut(&place(first));
            let outcome = outcomes.and_then(Vec::pop).unwrap_or(Outcome::Done);
            if !matches!(outcome, Outcome::Retry(_)) {
                journal.finished.extend(records.iter().map(place));
            }
            outcome
        })
    }
}
