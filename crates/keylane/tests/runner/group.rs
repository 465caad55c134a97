//! A group of stepped runners on a small log of its own: one seed decides who takes the next step, what the log does and
//! who dies, so that a history can be had again exactly as it was.
//!
//! # Invariants
//! * A record starts only when all records of its key before it have been done.
//! * No key is in flight twice, unless its partition was taken away, or its process has died.
//! * A commit names nothing as done that is not.
//! * In the end every record has been done, and is committed.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use fastrand::Rng;
use keylane::{Attempt, Handler, Options, Outcome, Runner, metadata};
use keylane_log::{Assignment, Consumer, LogError, Offset, Position, Rebalance, Record, Result, TopicPartition};
use tokio::runtime::{Builder, Runtime};
use tokio::time::Instant;

use crate::events::line;
use crate::scripted::{partition, record};
use crate::stepped::MS;

const PARTITIONS: usize = 3;
const RECORDS: u64 = 40;
const KEYS: u64 = 5;
const MEMBERS: usize = 2;
/// How many actions are taken with faults before the group is left in peace.
const ACTIONS: usize = 250;

type Place = (u32, u64);

/// The log, its group, and what the handlers have done.
#[derive(Default)]
struct Hub {
    committed: [(u64, String); PARTITIONS],
    /// The process that holds each partition.
    owner: [Option<usize>; PARTITIONS],
    /// The process that is to have each partition.
    wanted: [usize; PARTITIONS],
    /// How many further calls of each process fail, and whether their commits take effect all the same.
    away: BTreeMap<usize, (u32, bool)>,
    /// By how many records the log goes back at the next poll of a process.
    repeats: BTreeMap<usize, u64>,
    done: BTreeSet<Place>,
    /// Who has a record of each key in flight, and in which partition. Those whose partition was taken away since are
    /// left out.
    running: BTreeMap<String, (usize, u32)>,
    trace: Vec<String>,
}

type Shared = Arc<Mutex<Hub>>;

fn lock(hub: &Shared) -> MutexGuard<'_, Hub> {
    hub.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Keys are shared out so that each has records in one partition only.
fn key(number: u32, offset: u64) -> String {
    format!("{number}-{}", offset * 7 % 11 % KEYS)
}

impl Hub {
    fn start(&mut self, process: usize, record: &Record) {
        let (number, offset) = (record.partition.0, record.offset.0);
        let key = key(number, offset);
        let undone =
            (0..offset).find(|before| self::key(number, *before) == key && !self.done.contains(&(number, *before)));
        assert_eq!(
            undone, None,
            "{number}@{offset} starts before this one of its key is done"
        );
        if self.owner[number as usize] == Some(process) {
            let before = self.running.insert(key.clone(), (process, number));
            assert_eq!(before, None, "{key} is in flight twice");
        }
    }

    fn end(&mut self, process: usize, record: &Record, done: bool) {
        let (number, offset) = (record.partition.0, record.offset.0);
        self.running
            .retain(|key, (who, _)| *key != self::key(number, offset) || *who != process);
        if done {
            self.done.insert((number, offset));
        }
    }

    /// Takes a partition away from its owner.
    fn evict(&mut self, number: usize) {
        self.owner[number] = None;
        self.running.retain(|_, (_, partition)| *partition as usize != number);
    }

    fn commit(&mut self, position: &Position) {
        let number = position.partition.partition.0;
        let ranges = metadata::decode(position.offset, Some(Offset(RECORDS)), &position.metadata).unwrap();
        for offset in (0..position.offset.0).chain(ranges.into_iter().flatten()) {
            assert!(
                self.done.contains(&(number, offset)),
                "{position:?} passes {offset}, which is not done"
            );
        }
        self.committed[number as usize] = (position.offset.0, position.metadata.clone());
    }

    /// Whether a call of this process fails, and whether it takes effect all the same.
    fn fails(&mut self, process: usize) -> Option<bool> {
        let (calls, effect) = self.away.get_mut(&process)?;
        *calls = calls.checked_sub(1)?;
        Some(*effect)
    }
}

/// One process's membership of the group.
struct Member {
    hub: Shared,
    process: usize,
    /// The next offset to be handed out of each partition that is held.
    next: BTreeMap<usize, u64>,
    paused: BTreeSet<usize>,
}

fn partitions(numbers: &[usize]) -> Vec<TopicPartition> {
    numbers.iter().map(|number| partition(*number as u32)).collect()
}

impl Member {
    fn held(&self, which: impl Fn(&Hub, usize) -> bool) -> Vec<usize> {
        let hub = lock(&self.hub);
        self.next
            .keys()
            .copied()
            .filter(|number| which(&hub, *number))
            .collect()
    }

    fn give_back(&mut self, numbers: &[usize], rebalance: &mut dyn Rebalance) {
        let Some(positions) = rebalance.revoke(&partitions(numbers), Duration::ZERO) else {
            return;
        };
        let mut hub = lock(&self.hub);
        positions.iter().for_each(|position| hub.commit(position));
        for number in numbers {
            hub.owner[*number] = None;
            self.next.remove(number);
        }
    }

    fn claim(&mut self, rebalance: &mut dyn Rebalance) {
        let mut claimed = Vec::new();
        for number in 0..PARTITIONS {
            let mut hub = lock(&self.hub);
            if hub.owner[number].is_none() && hub.wanted[number] == self.process {
                hub.owner[number] = Some(self.process);
                let (position, metadata) = hub.committed[number].clone();
                self.next.insert(number, position);
                self.paused.remove(&number);
                claimed.push(Assignment {
                    partition: partition(number as u32),
                    position: Offset(position),
                    metadata,
                });
            }
        }
        if !claimed.is_empty() {
            rebalance.assigned(&claimed);
        }
    }

    fn fetch(&mut self) -> Vec<Record> {
        let mut hub = lock(&self.hub);
        let back = hub.repeats.remove(&self.process).unwrap_or(0);
        let mut records = Vec::new();
        for (number, next) in &mut self.next {
            if self.paused.contains(number) {
                continue;
            }
            let floor = hub.committed[*number].0;
            let from = next.saturating_sub(back).max(floor);
            *next = (from + 4).min(RECORDS);
            records.extend((from..*next).map(|offset| record(*number as u32, offset, &key(*number as u32, offset))));
        }
        records
    }
}

impl Consumer for Member {
    fn poll(&mut self, _: Duration, rebalance: &mut dyn Rebalance) -> Result<Vec<Record>> {
        let process = self.process;
        let lost = self.held(|hub, number| hub.owner[number] != Some(process));
        if !lost.is_empty() {
            lost.iter().for_each(|number| _ = self.next.remove(number));
            rebalance.lost(&partitions(&lost));
        }
        let surplus = self.held(|hub, number| hub.wanted[number] != process);
        if !surplus.is_empty() {
            self.give_back(&surplus, rebalance);
        }
        if lock(&self.hub).fails(process).is_some() {
            return Err(LogError::Unavailable("away".to_owned()));
        }
        self.claim(rebalance);
        Ok(self.fetch())
    }

    fn commit(&mut self, positions: &[Position]) -> Result<Vec<TopicPartition>> {
        let mut hub = lock(&self.hub);
        let fate = hub.fails(self.process);
        let refused =
            |hub: &Hub, position: &Position| hub.owner[position.partition.partition.0 as usize] != Some(self.process);
        for position in positions {
            if fate != Some(false) && !refused(&hub, position) {
                hub.commit(position);
            }
        }
        if fate.is_some() {
            return Err(LogError::Unavailable("away".to_owned()));
        }
        let refused = positions.iter().filter(|position| refused(&hub, position));
        Ok(refused.map(|position| position.partition.clone()).collect())
    }

    fn pause(&mut self, partitions: &[TopicPartition]) -> Result<()> {
        self.paused
            .extend(partitions.iter().map(|partition| partition.partition.0 as usize));
        Ok(())
    }

    fn resume(&mut self, partitions: &[TopicPartition]) -> Result<()> {
        let resumed = partitions.iter().map(|partition| partition.partition.0 as usize);
        resumed.for_each(|number| _ = self.paused.remove(&number));
        Ok(())
    }

    fn leave(&mut self, rebalance: &mut dyn Rebalance) -> Result<()> {
        let process = self.process;
        let held = self.held(|hub, number| hub.owner[number] == Some(process));
        if !held.is_empty() {
            self.give_back(&held, rebalance);
        }
        Ok(())
    }
}

/// Handles records slowly, and sometimes only at the second try.
struct Slow {
    hub: Shared,
    process: usize,
}

impl Handler for Slow {
    async fn handle(&self, records: &[Record], attempt: Attempt) -> Outcome {
        let record = &records[0];
        lock(&self.hub).start(self.process, record);
        let whim = record.offset.0 * 5 + u64::from(record.partition.0) + u64::from(attempt.number);
        match whim % 3 {
            0 => {}
            1 => tokio::task::yield_now().await,
            _ => tokio::time::sleep(whim as u32 % 13 * MS).await,
        }
        let again = whim.is_multiple_of(7) && attempt.number < 3;
        lock(&self.hub).end(self.process, record, !again);
        if again {
            Outcome::Retry(whim as u32 % 9 * MS)
        } else {
            Outcome::Done
        }
    }
}

struct Process {
    number: usize,
    runner: Runner<Slow>,
    runtime: Runtime,
}

impl Process {
    fn start(number: usize, hub: &Shared) -> Self {
        let runtime = Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .unwrap();
        let member = Member {
            hub: hub.clone(),
            process: number,
            next: BTreeMap::new(),
            paused: BTreeSet::new(),
        };
        let handler = Slow {
            hub: hub.clone(),
            process: number,
        };
        let traced = hub.clone();
        let options = Options {
            ends_of: Some(Arc::new(|_| Ok(vec![Offset(RECORDS); PARTITIONS]))),
            listener: Some(Arc::new(move |event| {
                let text = format!("{number}: {}", line(event));
                // The log itself may be in the middle of a call.
                traced
                    .try_lock()
                    .expect("no call of the log tells events")
                    .trace
                    .push(text);
            })),
            buffer_bytes: 6_000,
            ..Options::lanes(3)
        };
        let now = runtime.block_on(async { Instant::now() });
        let runner = Runner::new(Box::new(member), handler, options, runtime.handle().clone(), now);
        Self {
            number,
            runner,
            runtime,
        }
    }

    fn step(&mut self) {
        let runner = &mut self.runner;
        let stepped = self
            .runtime
            .block_on(async { runner.step(Instant::now(), Duration::ZERO) });
        stepped.unwrap();
    }

    /// Lets time pass, in which the workers go on.
    fn pass(&self, time: Duration) {
        self.runtime.block_on(async { tokio::time::sleep(time).await });
    }

    /// Closes the runner in steps.
    fn close(mut self) {
        let Self { runner, runtime, .. } = &mut self;
        runtime.block_on(async {
            runner.begin_close(Instant::now());
            while runner.close_step(Instant::now(), Duration::ZERO).is_none() {
                tokio::time::sleep(MS).await;
            }
        });
    }
}

/// The group, and the seeded source of all decisions.
struct Group {
    hub: Shared,
    processes: Vec<Process>,
    rng: Rng,
    started: usize,
}

impl Group {
    fn new(seed: u64) -> Self {
        let hub = Shared::default();
        let processes = (0..MEMBERS).map(|number| Process::start(number, &hub)).collect();
        Self {
            hub,
            processes,
            rng: Rng::with_seed(seed),
            started: MEMBERS,
        }
    }

    fn act(&mut self) {
        let at = self.rng.usize(..MEMBERS);
        let number = self.rng.usize(..PARTITIONS);
        let process = self.processes[at].number;
        match self.rng.usize(..40) {
            0..18 => self.processes[at].step(),
            18..30 => self.processes[at].pass(self.rng.u32(1..40) * MS),
            30..33 => lock(&self.hub).wanted[number] = process,
            33 => lock(&self.hub).evict(number),
            34 => {
                _ = lock(&self.hub)
                    .away
                    .insert(process, (self.rng.u32(1..4), self.rng.bool()))
            }
            35..38 => _ = lock(&self.hub).repeats.insert(process, self.rng.u64(1..6)),
            38 => {
                let new = self.replace(at);
                drop(std::mem::replace(&mut self.processes[at], new));
                let mut hub = lock(&self.hub);
                hub.running.retain(|_, (who, _)| *who != process);
                (0..PARTITIONS).for_each(|number| hub.free_of(process, number));
            }
            _ => {
                let new = self.replace(at);
                std::mem::replace(&mut self.processes[at], new).close();
            }
        }
    }

    /// A new process that takes over what the one at this place was to have.
    fn replace(&mut self, at: usize) -> Process {
        let (old, new) = (self.processes[at].number, self.started);
        self.started += 1;
        lock(&self.hub)
            .wanted
            .iter_mut()
            .filter(|wanted| **wanted == old)
            .for_each(|wanted| *wanted = new);
        Process::start(new, &self.hub)
    }

    fn is_over(&self) -> bool {
        let hub = lock(&self.hub);
        hub.committed.iter().all(|(offset, _)| *offset == RECORDS)
    }

    /// Plays a whole history, and returns what the listeners heard.
    fn play(mut self) -> Vec<String> {
        (0..ACTIONS).for_each(|_| self.act());
        lock(&self.hub).away.clear();
        for _ in 0..2_000 {
            if self.is_over() {
                assert_eq!(lock(&self.hub).done.len(), PARTITIONS * RECORDS as usize);
                return std::mem::take(&mut lock(&self.hub).trace);
            }
            for process in &mut self.processes {
                process.step();
                process.pass(10 * MS);
            }
        }
        panic!("it does not end: {:?}", lock(&self.hub).committed);
    }
}

impl Hub {
    fn free_of(&mut self, process: usize, number: usize) {
        if self.owner[number] == Some(process) {
            self.owner[number] = None;
        }
    }
}

#[test]
fn no_history_of_a_group_loses_or_overtakes_a_record() {
    let histories: Vec<_> = (0..200).map(|seed| Group::new(seed).play()).collect();
    for word in [
        "given back",
        "lost",
        "rewound",
        "skipped",
        "try 2",
        "committed",
        "refused",
    ] {
        let told = |history: &Vec<String>| history.iter().any(|line| line.contains(word));
        let all = histories.iter().filter(|history| told(history)).count();
        assert!(all > 5, "only {all} histories have {word:?}");
    }
}

#[test]
fn the_same_seed_has_the_same_history() {
    for seed in 0..20 {
        assert_eq!(Group::new(seed).play(), Group::new(seed).play(), "seed {seed}");
    }
}

#[cfg(feature = "planted")]
#[test]
fn each_planted_defect_spoils_a_history() {
    use planted::{Bug, plant};

    for bug in [
        Bug::HighestOffsetCommit,
        Bug::NoDrain,
        Bug::EpochNotChecked,
        Bug::RewindDropsQueue,
    ] {
        let spoilt = |seed: &u64| {
            let _planted = plant(bug);
            std::panic::catch_unwind(|| Group::new(*seed).play()).is_err()
        };
        let first = (0..200).find(spoilt);
        println!("{bug}: {first:?}");
        assert!(first.is_some(), "{bug} is not found");
    }
}
