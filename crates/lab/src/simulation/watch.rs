//! Watches what no checker can see afterwards: who handles what at the same time, and which positions are committed.
//!
//! ```text
//!   log ── Watched<Consumer> ── runner ── Watched<Handler> ── fence
//!               │ handed out, committed        │ begun, done
//!               └────────────▶ Watch ◀─────────┘
//! ```
//!
//! # Invariants that are watched
//! * An instance never handles two records of one key at the same time. Those of a partition that have no key share one lane.
//! * Under one assignment, the records of a key and a partition begin in the order of the log. A record that comes again
//!   may begin again, also where an earlier owner has handled it.
//! * No position is committed behind a record that was handed out and isn't done.
//! * Nothing of a partition is at work in an instance that has given it back.
//! * No position is committed, or given back, by an instance that does not hold the partition, as far as it was told.

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

/// What an instance handles one record after the other: a key, or the records without one of a partition.
type AtWork = (Arc<str>, std::result::Result<Bytes, Partition>);

#[derive(Debug, Default)]
struct Seen {
    /// What is being handled, each with its partition; none if that was lost since.
    running: BTreeMap<AtWork, Option<Partition>>,
    /// The offsets that were begun, by instance, assignment, partition and key.
    begun: BTreeMap<Lane, BTreeSet<Offset>>,
    handed_out: BTreeMap<Partition, BTreeSet<Offset>>,
    done: BTreeMap<Partition, BTreeSet<Offset>>,
    /// The partitions of each instance, as far as it was told.
    held: BTreeSet<(Arc<str>, Partition)>,
    /// Who was assigned each partition last.
    owners: BTreeMap<Partition, Arc<str>>,
    /// The partitions whose end was cut off at least once.
    cut: BTreeSet<Partition>,
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
        let mut seen = self.lock();
        seen.running.retain(|(who, _), _| &**who != instance);
        seen.held.retain(|(who, _)| &**who != instance);
    }

    /// Whether this record has been handled.
    pub fn is_handled(&self, record: &Record) -> bool {
        let seen = self.lock();
        let done = seen.done.get(&record.partition);
        done.is_some_and(|done| done.contains(&record.offset))
    }

    /// The last of these records of a partition, up to so many, as far as all of them have been handled.
    pub fn handled_at_the_end<'a>(&self, records: &'a [Record], most: usize) -> &'a [Record] {
        let seen = self.lock();
        let is_done = |record: &&Record| {
            let done = seen.done.get(&record.partition);
            done.is_some_and(|done| done.contains(&record.offset))
        };
        let handled = records.iter().rev().take(most).take_while(is_done).count();
        &records[records.len() - handled..]
    }

    /// Notes that the records of a partition before `start` are gone. Who was handed one out and can't finish it finds it no more.
    pub fn removed(&self, partition: Partition, start: Offset) {
        if let Some(handed_out) = self.lock().handed_out.get_mut(&partition) {
            handed_out.retain(|offset| *offset >= start);
        }
    }

    /// Notes that the records of a partition from `end` on are gone, and others come in their places.
    pub fn cut(&self, partition: Partition, end: Offset) {
        let mut seen = self.lock();
        let seen = &mut *seen;
        let offsets = [&mut seen.handed_out, &mut seen.done].map(|offsets| offsets.get_mut(&partition));
        let begun = seen.begun.iter_mut().filter(|((_, _, of, _), _)| *of == partition);
        for offsets in offsets.into_iter().flatten().chain(begun.map(|(_, begun)| begun)) {
            offsets.retain(|offset| *offset < end);
        }
        seen.cut.insert(partition);
    }

    /// The first of these records that stands in a partition which was cut, and isn't handled.
    pub fn unhandled<'a>(&self, records: &'a [Record]) -> Option<&'a Record> {
        let seen = self.lock();
        records.iter().find(|record| {
            let done = seen.done.get(&record.partition);
            seen.cut.contains(&record.partition) && done.is_none_or(|done| !done.contains(&record.offset))
        })
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
            let partition = assignment.partition.partition;
            seen.held.insert((instance.clone(), partition));
            let before = seen.owners.insert(partition, instance.clone());
            seen.moves += u64::from(before.is_some_and(|before| before != *instance));
        }
    }

    /// Notes that an instance no longer holds these partitions.
    fn released(&self, instance: &Arc<str>, partitions: &[TopicPartition]) {
        let mut seen = self.lock();
        for partition in partitions {
            seen.held.remove(&(instance.clone(), partition.partition));
        }
    }

    /// Notes that an instance has lost these partitions. What it has at work of them ends by itself.
    fn lost(&self, instance: &Arc<str>, partitions: &[TopicPartition]) {
        let mut seen = self.lock();
        let of_instance = seen.running.iter_mut().filter(|((who, _), _)| who == instance);
        for (_, of) in of_instance {
            *of = of.filter(|of| partitions.iter().all(|lost| lost.partition != *of));
        }
    }

    /// Notes that an instance gives these partitions back while it takes part in the group.
    fn given_back(&self, instance: &Arc<str>, partitions: &[TopicPartition]) {
        let mut seen = self.lock();
        let at_work: Vec<Partition> = seen
            .running
            .iter()
            .filter(|((who, _), _)| who == instance)
            .filter_map(|(_, partition)| *partition)
            .collect();
        for partition in partitions.iter().filter(|given| at_work.contains(&given.partition)) {
            let what = format!("{instance} gives {partition} back while it is at work on a record of it");
            seen.violations.push(what);
        }
    }

    fn committed(&self, instance: &str, positions: &[Position], refused: &[TopicPartition]) {
        let mut seen = self.lock();
        for position in positions {
            let partition = position.partition.partition;
            if refused.contains(&position.partition) {
                continue;
            }
            if !seen.held.contains(&(instance.into(), partition)) {
                let what = format!(
                    "{instance} committed P{partition}@{}, which it does not hold",
                    position.offset
                );
                seen.violations.push(what);
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

    fn at_work(&self, key: &Option<Bytes>, record: &Record) -> AtWork {
        (self.instance.clone(), key.clone().ok_or(record.partition))
    }

    fn begin(&self, key: &Option<Bytes>, records: &[Record], attempt: Attempt) {
        let mut seen = self.watch.lock();
        let first = &records[0];
        let at = format!("{}-{}@{}", first.topic, first.partition, first.offset);
        if seen
            .running
            .insert(self.at_work(key, first), Some(first.partition))
            .is_some()
        {
            let what = format!("{} handles two records of one key at once at {at}", self.instance);
            seen.violations.push(what);
        }
        let lane = (self.instance.clone(), attempt.epoch.0, first.partition, key.clone());
        let done = seen.done.get(&first.partition);
        let is_done = done.is_some_and(|done| done.contains(&first.offset));
        let begun = seen.begun.entry(lane).or_default();
        let passed =
            begun.last().is_some_and(|last| *last > first.offset) && !begun.contains(&first.offset) && !is_done;
        begun.extend(records.iter().map(|record| record.offset));
        if passed {
            let what = format!("{} begins {at} after a later record of its key", self.instance);
            seen.violations.push(what);
        }
    }

    fn end(&self, key: Option<Bytes>, records: &[Record], attempt: Attempt, outcome: &Outcome) {
        let mut seen = self.watch.lock();
        seen.running.remove(&self.at_work(&key, &records[0]));
        let lane = (self.instance.clone(), attempt.epoch.0, records[0].partition, key);
        let begun = seen.begun.get(&lane).cloned().unwrap_or_default();
        if matches!(outcome, Outcome::Done | Outcome::Park(_)) {
            // Where the log was cut off meanwhile, other records stand now.
            for record in records.iter().filter(|record| begun.contains(&record.offset)) {
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
        self.end(key, records, attempt, &outcome);
        outcome
    }
}

impl Consumer for Watched<Box<dyn Consumer>> {
    fn poll(&mut self, timeout: Duration, rebalance: &mut dyn Rebalance) -> Result<Vec<Record>> {
        let mut rebalance = WatchedRebalance {
            inner: rebalance,
            instance: &self.instance,
            watch: &self.watch,
            leaves: false,
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
            leaves: true,
        };
        self.inner.leave(&mut rebalance)
    }
}

struct WatchedRebalance<'a> {
    inner: &'a mut dyn Rebalance,
    instance: &'a Arc<str>,
    watch: &'a Watch,
    /// Whether the instance leaves its group. When its time is over it does so with records at work.
    leaves: bool,
}

impl Rebalance for WatchedRebalance<'_> {
    fn assigned(&mut self, assignments: &[Assignment]) {
        self.watch.assigned(self.instance, assignments);
        self.inner.assigned(assignments);
    }

    fn revoke(&mut self, partitions: &[TopicPartition], patience: Duration) -> Option<Vec<Position>> {
        let positions = self.inner.revoke(partitions, patience)?;
        if !self.leaves {
            self.watch.given_back(self.instance, partitions);
        }
        self.watch.committed(self.instance, &positions, &[]);
        self.watch.released(self.instance, partitions);
        Some(positions)
    }

    fn lost(&mut self, partitions: &[TopicPartition]) {
        self.watch.lost(self.instance, partitions);
        self.watch.released(self.instance, partitions);
        self.inner.lost(partitions);
    }
}
