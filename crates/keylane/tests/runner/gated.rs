//! A handler that holds records until the test releases them, and that writes down what it saw.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use keylane::{Attempt, Handler, Outcome};
use keylane_log::Record;
use tokio::sync::Notify;

use crate::scripted::TIMEOUT;

/// Names the place of a record by partition and offset: `1@17`.
pub fn place(record: &Record) -> String {
    format!("{}@{}", record.partition, record.offset)
}

/// What the handler saw, and what the test wants it to do.
#[derive(Default)]
pub struct Journal {
    /// The places of records in the order of the calls: `1@17`, and `1@17#2` for a second attempt.
    pub started: Vec<String>,
    /// The places of records that are done or parked.
    pub finished: Vec<String>,
    /// The epoch of each call.
    pub epochs: Vec<u64>,
    /// How many records each call got.
    pub runs: Vec<usize>,
    /// The first record's place of each call that began while another call had the same key.
    pub overlaps: Vec<String>,
    running: HashSet<Vec<u8>>,
    held: HashSet<String>,
    panics: HashSet<String>,
    outcomes: HashMap<String, Vec<Outcome>>,
}

/// The handler. Its clones share one journal.
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

    /// From now on the handler panics at the record with this place.
    pub fn panic_at(&self, place: &str) {
        self.journal.0.lock().unwrap().panics.insert(place.to_owned());
    }

    /// From now on the record at this place waits in the handler until it is released.
    pub fn hold(&self, place: &str) {
        self.journal.0.lock().unwrap().held.insert(place.to_owned());
    }

    pub fn release(&self, place: &str) {
        self.journal.0.lock().unwrap().held.remove(place);
        self.released.notify_waiters();
    }

    /// Sets the outcomes of the next calls for this record, in order. Calls after them end with `Done`.
    pub fn set_outcomes(&self, place: &str, mut outcomes: Vec<Outcome>) {
        outcomes.reverse();
        self.journal
            .0
            .lock()
            .unwrap()
            .outcomes
            .insert(place.to_owned(), outcomes);
    }

    /// Waits until the journal is as `wanted`, and panics with the last records if that does not come.
    pub fn until(&self, what: &str, wanted: impl Fn(&Journal) -> bool) {
        let (journal, changed) = &*self.journal;
        let guard = journal.lock().unwrap();
        let (guard, waited) = changed
            .wait_timeout_while(guard, TIMEOUT, |journal| !wanted(journal))
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
            // A release between the look and the wait is not missed, because the future was made before the look.
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
            "the test wants a panic here"
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
