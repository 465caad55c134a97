//! A consumer that does each step when the test says so, for interleavings that can't be brought about on a real log.

use std::ops::Range;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use bytes::Bytes;
use keylane_log::{
    Assignment, Consumer, LogError, Offset, Partition, Position, Rebalance, Record, Result, Timestamp, TimestampType,
    TopicPartition,
};

/// The longest wait of these tests; nothing in them takes as long on the slowest machine.
pub const TIMEOUT: Duration = Duration::from_secs(60);

/// The test's side of the script; clones share it.
#[derive(Clone)]
pub struct Script {
    steps: Sender<ScriptStep>,
    seen: Arc<(Mutex<Seen>, Condvar)>,
}

/// What the runner has done so far.
#[derive(Debug, Default, Clone)]
pub struct Seen {
    /// Positions that were committed by themselves.
    pub commits: Vec<Position>,
    /// Positions that were committed with a revoke.
    pub released: Vec<Position>,
    /// How often the runner has answered a revoke by asking for more time.
    pub not_yet: usize,
    pub revokes_answered: usize,
    pub revokes_given_up: usize,
    pub lost: usize,
    pub pauses: Vec<TopicPartition>,
    pub resumes: Vec<TopicPartition>,
    pub polls: usize,
    pub stalled: bool,
    pub left: bool,
}

/// What the consumer does in one poll.
enum ScriptStep {
    Assign(Vec<Assignment>),
    Records(Vec<Record>),
    Revoke(Vec<TopicPartition>, Duration),
    AskBack(Vec<TopicPartition>),
    Lose(Vec<TopicPartition>),
    /// The poll does not return before the sender is dropped.
    Stall(Receiver<()>),
    FailPolls(Vec<LogError>),
    FailCommits(Vec<LogError>),
    RefuseCommits(Vec<TopicPartition>),
}

/// The runner's side of the script.
pub struct ScriptedConsumer {
    steps: Receiver<ScriptStep>,
    seen: Arc<(Mutex<Seen>, Condvar)>,
    held: Vec<TopicPartition>,
    /// Partitions that are asked back once in each poll.
    asked_back: Vec<TopicPartition>,
    poll_errors: Vec<LogError>,
    commit_errors: Vec<LogError>,
    refused: Vec<TopicPartition>,
}

pub fn script() -> (Script, Box<ScriptedConsumer>) {
    let (sender, steps) = channel();
    let seen = Arc::new((Mutex::new(Seen::default()), Condvar::new()));
    let consumer = ScriptedConsumer {
        steps,
        seen: seen.clone(),
        held: Vec::new(),
        asked_back: Vec::new(),
        poll_errors: Vec::new(),
        commit_errors: Vec::new(),
        refused: Vec::new(),
    };
    let script = Script { steps: sender, seen };
    (script, Box::new(consumer))
}

pub fn partition(number: u32) -> TopicPartition {
    TopicPartition::new("orders", Partition(number))
}

fn assignment(number: u32, position: u64, metadata: &str) -> Assignment {
    Assignment {
        partition: partition(number),
        position: Offset(position),
        metadata: metadata.to_owned(),
    }
}

pub fn record(number: u32, offset: u64, key: &str) -> Record {
    Record {
        topic: "orders".into(),
        partition: Partition(number),
        offset: Offset(offset),
        timestamp: Timestamp(0),
        timestamp_type: TimestampType::CreateTime,
        key: Some(Bytes::copy_from_slice(key.as_bytes())),
        value: Some(Bytes::from_static(b"{}")),
        headers: Vec::new(),
    }
}

impl Script {
    pub fn assign(&self, number: u32, position: u64) {
        self.assign_with(number, position, "");
    }

    pub fn assign_with(&self, number: u32, position: u64, metadata: &str) {
        self.step(ScriptStep::Assign(vec![assignment(number, position, metadata)]));
    }

    /// Assigns several partitions at once, each from offset 0.
    pub fn assign_all_with(&self, numbers: Range<u32>, metadata: &str) {
        let assignments = numbers.map(|number| assignment(number, 0, metadata));
        self.step(ScriptStep::Assign(assignments.collect()));
    }

    pub fn records(&self, records: Vec<Record>) {
        self.step(ScriptStep::Records(records));
    }

    /// Asks for the partition until it is given back or `timeout` is over; then the partition is lost.
    pub fn revoke(&self, number: u32, timeout: Duration) {
        self.step(ScriptStep::Revoke(vec![partition(number)], timeout));
    }

    /// Asks for the partition once in this and each later poll, without waiting, until it is given back.
    pub fn ask_back(&self, number: u32) {
        self.step(ScriptStep::AskBack(vec![partition(number)]));
    }

    pub fn lose(&self, number: u32) {
        self.step(ScriptStep::Lose(vec![partition(number)]));
    }

    /// Keeps the polling thread inside its poll until the returned sender is dropped.
    pub fn stall(&self) -> Sender<()> {
        let (resume, stalled) = channel();
        self.step(ScriptStep::Stall(stalled));
        resume
    }

    pub fn fail_polls(&self, errors: Vec<LogError>) {
        self.step(ScriptStep::FailPolls(errors));
    }

    pub fn fail_commits(&self, errors: Vec<LogError>) {
        self.step(ScriptStep::FailCommits(errors));
    }

    pub fn refuse_commits(&self, number: u32) {
        self.step(ScriptStep::RefuseCommits(vec![partition(number)]));
    }

    /// Waits until the runner has done what is `wanted`, and panics with what it did if that does not come.
    pub fn until(&self, what: &str, wanted: impl Fn(&Seen) -> bool) -> Seen {
        let (seen, changed) = &*self.seen;
        let guard = seen.lock().unwrap();
        let (guard, waited) = changed
            .wait_timeout_while(guard, TIMEOUT, |seen| !wanted(seen))
            .unwrap();
        assert!(!waited.timed_out(), "waited in vain until {what}: {guard:?}");
        guard.clone()
    }

    /// Waits until this offset has been committed, and returns the metadata of the commit.
    pub fn until_committed(&self, number: u32, offset: u64) -> String {
        let is_it = |position: &&Position| position.partition == partition(number) && position.offset == Offset(offset);
        let what = format!("{offset} was committed for partition {number}");
        let seen = self.until(&what, |seen| seen.commits.iter().rev().any(|position| is_it(&position)));
        seen.commits.iter().rev().find(is_it).unwrap().metadata.clone()
    }

    pub fn seen(&self) -> Seen {
        self.seen.0.lock().unwrap().clone()
    }

    fn step(&self, step: ScriptStep) {
        self.steps.send(step).expect("the runner has ended");
    }
}

impl ScriptedConsumer {
    fn see(&self, change: impl FnOnce(&mut Seen)) {
        change(&mut self.seen.0.lock().unwrap());
        self.seen.1.notify_all();
    }

    fn revoke(&mut self, partitions: &[TopicPartition], timeout: Duration, rebalance: &mut dyn Rebalance) {
        let deadline = Instant::now() + timeout;
        let mut wait = Duration::ZERO;
        self.held.retain(|held| !partitions.contains(held));
        loop {
            if let Some(positions) = rebalance.revoke(partitions, wait) {
                return self.see(|seen| {
                    seen.revokes_answered += 1;
                    seen.released.extend(positions);
                });
            }
            self.see(|seen| seen.not_yet += 1);
            if Instant::now() >= deadline {
                rebalance.lost(partitions);
                return self.see(|seen| {
                    seen.revokes_given_up += 1;
                    seen.lost += 1;
                });
            }
            wait = deadline - Instant::now().min(deadline);
        }
    }

    fn ask_back(&mut self, rebalance: &mut dyn Rebalance) {
        if self.asked_back.is_empty() {
            return;
        }
        let Some(positions) = rebalance.revoke(&self.asked_back, Duration::ZERO) else {
            return self.see(|seen| seen.not_yet += 1);
        };
        self.held.retain(|held| !self.asked_back.contains(held));
        self.asked_back.clear();
        self.see(|seen| {
            seen.revokes_answered += 1;
            seen.released.extend(positions);
        });
    }

    fn play(&mut self, step: ScriptStep, rebalance: &mut dyn Rebalance) -> Vec<Record> {
        match step {
            ScriptStep::Assign(assignments) => {
                self.held
                    .extend(assignments.iter().map(|assignment| assignment.partition.clone()));
                rebalance.assigned(&assignments);
            }
            ScriptStep::Records(records) => return records,
            ScriptStep::Revoke(partitions, timeout) => self.revoke(&partitions, timeout, rebalance),
            ScriptStep::AskBack(partitions) => {
                self.asked_back.extend(partitions);
                self.ask_back(rebalance);
            }
            ScriptStep::Lose(partitions) => {
                self.held.retain(|held| !partitions.contains(held));
                rebalance.lost(&partitions);
                self.see(|seen| seen.lost += 1);
            }
            ScriptStep::Stall(stalled) => {
                self.see(|seen| seen.stalled = true);
                let _ = stalled.recv_timeout(TIMEOUT);
            }
            ScriptStep::FailPolls(errors) => self.poll_errors = errors,
            ScriptStep::FailCommits(errors) => self.commit_errors = errors,
            ScriptStep::RefuseCommits(partitions) => self.refused = partitions,
        }
        Vec::new()
    }
}

impl Consumer for ScriptedConsumer {
    fn poll(&mut self, timeout: Duration, rebalance: &mut dyn Rebalance) -> Result<Vec<Record>> {
        self.see(|seen| seen.polls += 1);
        if let Some(error) = self.poll_errors.pop() {
            return Err(error);
        }
        self.ask_back(rebalance);
        match self.steps.recv_timeout(timeout) {
            Ok(step) => Ok(self.play(step, rebalance)),
            Err(RecvTimeoutError::Timeout) => Ok(Vec::new()),
            Err(RecvTimeoutError::Disconnected) => {
                std::thread::park_timeout(timeout);
                Ok(Vec::new())
            }
        }
    }

    fn commit(&mut self, positions: &[Position]) -> Result<Vec<TopicPartition>> {
        if let Some(error) = self.commit_errors.pop() {
            return Err(error);
        }
        let refused = |position: &Position| self.refused.contains(&position.partition);
        let landed: Vec<_> = positions
            .iter()
            .filter(|position| !refused(position))
            .cloned()
            .collect();
        self.see(|seen| seen.commits.extend(landed));
        let refused = positions.iter().filter(|position| refused(position));
        Ok(refused.map(|position| position.partition.clone()).collect())
    }

    fn pause(&mut self, partitions: &[TopicPartition]) -> Result<()> {
        self.see(|seen| seen.pauses.extend_from_slice(partitions));
        Ok(())
    }

    fn resume(&mut self, partitions: &[TopicPartition]) -> Result<()> {
        self.see(|seen| seen.resumes.extend_from_slice(partitions));
        Ok(())
    }

    fn leave(&mut self, rebalance: &mut dyn Rebalance) -> Result<()> {
        let held = std::mem::take(&mut self.held);
        if !held.is_empty() {
            self.revoke(&held, TIMEOUT, rebalance);
        }
        self.see(|seen| seen.left = true);
        Ok(())
    }
}
