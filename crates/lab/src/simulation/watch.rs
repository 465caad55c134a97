//! Watches what no checker can see afterwards: who handles what at the same time, and which positions are committed.
//!
//! ```text
//!   log ── Watched<Consumer> ── runner ── Watched<Handler> ── fence
//!               │ handed out, committed        │ begun, done
//!               └────────────▶ Watch ◀─────────┘
//! ```
//!
//! # Invariants that are watched
//! * An instance never handles two records of one key at the same time.
//! * Under one assignment, the records of a key and a partition begin in the order of the log. A record that comes again
//!   may begin again.
//! * No position is committed behind a record that was handed out and isn't done.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use keylane::{Attempt, Handler, Outcome};
use keylane_log::{
    Assignment, Consumer, LogError, Offset, Partition, Position, Rebalance, Record, Result, TopicPartition,
};

/// What is known of all instances of a mall. Copies share it.
#[derive(Debug, Clone, Default)]
pub struct Watch(Arc<Mutex<Seen>>);

/// The records of a key that an instance reads of a partition under one assignment: the instance, the assignment, the
/// partition and the key.
type Lane = (Arc<str>, u64, Partition, Option<Bytes>);

#[derive(Debug, Default)]
struct Seen {
    /// The keys that are being handled, by instance.
    running: BTreeSet<(Arc<str>, Option<Bytes>)>,
    /// The offsets that were begun, by instance, assignment, partition and key.
    begun: BTreeMap<Lane, BTreeSet<Offset>>,
    handed_out: BTreeMap<Partition, BTreeSet<Offset>>,
    done: BTreeMap<Partition, BTreeSet<Offset>>,
    /// Who was assigned each partition last.
    owners: BTreeMap<Partition, Arc<str>>,
    moves: u64,
    violations: Vec<String>,
}

impl Watch {
    /// How often a partition was assigned to another instance than before.
    pub fn moves(&self) -> u64 {
        self.lock().moves
    }

    /// What was violated so far.
    pub fn violations(&self) -> Vec<String> {
        self.lock().violations.clone()
    }

    /// Forgets what the process of this name was doing, because it has crashed.
    pub fn crashed(&self, instance: &str) {
        self.lock().running.retain(|(who, _)| &**who != instance);
    }

    fn lock(&self) -> MutexGuard<'_, Seen> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn handed_out(&self, records: &[Record]) {
        let mut seen = self.lock();
        for record in records {
            seen.handed_out
                .entry(record.partition)
                .or_default()
                .insert(record.offset);
        }
    }

    fn assigned(&self, instance: &Arc<str>, assignments: &[Assignment]) {
        let mut seen = self.lock();
        for assignment in assignments {
            let before = seen.owners.insert(assignment.partition.partition, instance.clone());
            seen.moves += u64::from(before.is_some_and(|before| before != *instance));
        }
    }

    fn committed(&self, instance: &str, positions: &[Position], refused: &[TopicPartition]) {
        let mut seen = self.lock();
        for position in positions {
            let partition = position.partition.partition;
            if refused.contains(&position.partition) {
                continue;
            }
            let done = seen.done.get(&partition);
            let is_done = |offset: &Offset| done.is_some_and(|done| done.contains(offset));
            let handed_out = seen.handed_out.get(&partition);
            let mut below = handed_out.iter().flat_map(|offsets| offsets.range(..position.offset));
            if let Some(hole) = below.find(|offset| !is_done(offset)) {
                let what = format!(
                    "{instance} committed P{partition}@{}, though @{hole} isn't done",
                    position.offset
                );
                seen.violations.push(what);
            }
        }
    }
}

/// Something that is watched on its way between the log and the fence.
pub struct Watched<T> {
    inner: T,
    instance: Arc<str>,
    watch: Watch,
}

impl<T> Watched<T> {
    /// Has `watch` see what `inner` does for this instance.
    pub fn new(inner: T, instance: Arc<str>, watch: Watch) -> Self {
        Self { inner, instance, watch }
    }

    fn begin(&self, key: &Option<Bytes>, records: &[Record], attempt: Attempt) {
        let mut seen = self.watch.lock();
        let first = &records[0];
        let at = format!("{}-{}@{}", first.topic, first.partition, first.offset);
        if !seen.running.insert((self.instance.clone(), key.clone())) {
            let what = format!("{} handles two records of one key at once at {at}", self.instance);
            seen.violations.push(what);
        }
        let lane = (self.instance.clone(), attempt.epoch.0, first.partition, key.clone());
        let begun = seen.begun.entry(lane).or_default();
        let passed = begun.last().is_some_and(|last| *last > first.offset) && !begun.contains(&first.offset);
        begun.extend(records.iter().map(|record| record.offset));
        if passed {
            let what = format!("{} begins {at} after a later record of its key", self.instance);
            seen.violations.push(what);
        }
    }

    fn end(&self, key: Option<Bytes>, records: &[Record], outcome: &Outcome) {
        let mut seen = self.watch.lock();
        seen.running.remove(&(self.instance.clone(), key));
        if matches!(outcome, Outcome::Done | Outcome::Park(_)) {
            for record in records {
                seen.done.entry(record.partition).or_default().insert(record.offset);
            }
        }
    }
}

impl<H: Handler> Handler for Watched<H> {
    fn key(&self, record: &Record) -> Option<Bytes> {
        self.inner.key(record)
    }

    fn max_run(&self) -> usize {
        self.inner.max_run()
    }

    async fn handle(&self, records: &[Record], attempt: Attempt) -> Outcome {
        let key = self.inner.key(&records[0]);
        self.begin(&key, records, attempt);
        let outcome = self.inner.handle(records, attempt).await;
        self.end(key, records, &outcome);
        outcome
    }
}

impl Consumer for Watched<Box<dyn Consumer>> {
    fn poll(&mut self, timeout: Duration, rebalance: &mut dyn Rebalance) -> Result<Vec<Record>> {
        let mut rebalance = WatchedRebalance {
            inner: rebalance,
            instance: &self.instance,
            watch: &self.watch,
        };
        let records = self.inner.poll(timeout, &mut rebalance)?;
        self.watch.handed_out(&records);
        Ok(records)
    }

    fn commit(&mut self, positions: &[Position]) -> Result<Vec<TopicPartition>> {
        let answer = self.inner.commit(positions);
        // A commit without an answer may have been made.
        match &answer {
            Ok(refused) => self.watch.committed(&self.instance, positions, refused),
            Err(LogError::Unavailable(_)) => self.watch.committed(&self.instance, positions, &[]),
            Err(LogError::Refused(_) | LogError::Broken(_)) => {}
        }
        answer
    }

    fn pause(&mut self, partitions: &[TopicPartition]) -> Result<()> {
        self.inner.pause(partitions)
    }

    fn resume(&mut self, partitions: &[TopicPartition]) -> Result<()> {
        self.inner.resume(partitions)
    }

    fn leave(&mut self, rebalance: &mut dyn Rebalance) -> Result<()> {
        let mut rebalance = WatchedRebalance {
            inner: rebalance,
            instance: &self.instance,
            watch: &self.watch,
        };
        self.inner.leave(&mut rebalance)
    }
}

struct WatchedRebalance<'a> {
    inner: &'a mut dyn Rebalance,
    instance: &'a Arc<str>,
    watch: &'a Watch,
}

impl Rebalance for WatchedRebalance<'_> {
    fn assigned(&mut self, assignments: &[Assignment]) {
        self.watch.assigned(self.instance, assignments);
        self.inner.assigned(assignments);
    }

    fn revoke(&mut self, partitions: &[TopicPartition], patience: Duration) -> Option<Vec<Position>> {
        let positions = self.inner.revoke(partitions, patience)?;
        self.watch.committed(self.instance, &positions, &[]);
        Some(positions)
    }

    fn lost(&mut self, partitions: &[TopicPartition]) {
        self.inner.lost(partitions);
    }
}
