//! Random histories, with faults: the promises of the module hold, and nothing is lost.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use keylane_log::{EventLog, LogError, Offset, Position, TopicPartition};
use lab::simulated_kafka::{Behaviour, Client, Faults, Protocol};

use crate::member::TestMember;
use crate::world::{GROUP, TOPIC, World, keyed, partition, subscription};

/// How many processes there may be at once, each with a clock of its own.
const PROCESSES: usize = 4;
const STEPS: usize = 400;

/// A process: it reads as a member, and appends.
struct Process {
    log: Client,
    number: u64,
    member: TestMember,
    /// What others own by now, while this process has not been told.
    taken: BTreeSet<TopicPartition>,
    paused: BTreeSet<TopicPartition>,
    /// How much of `given`, `revoked` and `lost` has been judged.
    seen: (usize, usize, usize),
    calls: u64,
}

/// What may be committed for a partition.
type Possible = BTreeSet<Option<(Offset, String)>>;

struct Run {
    world: World,
    random: fastrand::Rng,
    quiet: Client,
    processes: Vec<Option<Process>>,
    possible: BTreeMap<TopicPartition, Possible>,
    /// The values that were acknowledged, and those that were handed out.
    acknowledged: BTreeSet<String>,
    handed: BTreeSet<String>,
    faults: Faults,
    partitions: u32,
    born: u64,
    /// How often a position was not the last commit's, a partition went back, and an owner was replaced untold.
    met: (u64, u64, u64),
}

impl Run {
    fn new(seed: u64, protocol: Protocol, faults: Faults) -> Self {
        let world = World::new(
            seed,
            Behaviour {
                protocol,
                faults,
                ..Behaviour::default()
            },
        );
        let quiet = world.client(0);
        answered(|| quiet.create_topic(TOPIC, 3));
        Self {
            random: fastrand::Rng::with_seed(!seed),
            processes: (0..PROCESSES).map(|_| None).collect(),
            possible: BTreeMap::new(),
            acknowledged: BTreeSet::new(),
            handed: BTreeSet::new(),
            faults,
            partitions: 3,
            born: 0,
            met: (0, 0, 0),
            quiet,
            world,
        }
    }

    fn step(&mut self) {
        self.world.pass(Duration::from_millis(self.random.u64(..300)));
        let slot = self.random.usize(..PROCESSES);
        match self.random.u8(..100) {
            0..50 => self.poll(slot),
            50..65 => self.commit(slot),
            65..78 => self.append(slot),
            78..84 => self.pause(slot),
            84..88 => self.toggle_busy(slot),
            88..91 => self.leave(slot),
            // A crash.
            91..92 => self.processes[slot] = None,
            92..93 => self.world.pass(Duration::from_secs(7)),
            93..94 if self.partitions < 6 => {
                self.partitions += 1;
                answered(|| self.quiet.grow_topic(TOPIC, self.partitions).or_else(already));
            }
            _ => self.start(slot),
        }
    }

    fn start(&mut self, slot: usize) {
        if self.processes[slot].is_some() {
            return;
        }
        self.born += 1;
        let log = self.world.client(self.random.u64(..2000));
        let subscription = subscription(&format!("delivery-{slot}"));
        let consumer = answered(|| log.subscribe(&subscription));
        self.processes[slot] = Some(Process {
            member: TestMember {
                consumer,
                observed: Default::default(),
            },
            log,
            number: self.born,
            taken: BTreeSet::new(),
            paused: BTreeSet::new(),
            seen: (0, 0, 0),
            calls: 0,
        });
    }

    fn poll(&mut self, slot: usize) {
        let Some(mut process) = self.processes[slot].take() else {
            return;
        };
        let records = process.member.try_poll();
        self.judge_rebalance(slot, &mut process);
        for record in records.unwrap_or_default() {
            let place = record.topic_partition();
            assert!(!process.paused.contains(&place), "{place} is paused");
            let observed = &mut process.member.observed;
            let begun = *observed
                .owned
                .get(&place)
                .expect("records come from owned partitions alone");
            let next = observed.next[&place];
            let expected = answered(|| self.quiet.read(&place, next, 1));
            if record.offset < next {
                assert!(
                    record.offset >= begun,
                    "{place} goes back behind the beginning of its assignment"
                );
                self.met.1 += 1;
            } else {
                assert_eq!(expected.first(), Some(&record), "{place} passes over no record");
            }
            observed.next.insert(place, record.offset.next());
            self.handed.insert(text(&record.value));
        }
        self.processes[slot] = Some(process);
    }

    /// Looks at the callbacks of a call.
    fn judge_rebalance(&mut self, slot: usize, process: &mut Process) {
        let observed = &mut process.member.observed;
        let (given, revoked, lost) = process.seen;
        process.seen = (observed.given.len(), observed.revoked.len(), observed.lost.len());
        for revoked in &observed.revoked[revoked..] {
            assert!(
                !process.taken.contains(revoked),
                "{revoked} has another owner, and is lost, not revoked"
            );
            process.paused.remove(revoked);
        }
        for returned in observed.returned.drain(..) {
            let possible = self.possible.entry(returned.partition.clone()).or_insert_with(none_yet);
            if self.faults == Faults::default() {
                possible.clear();
            }
            possible.insert(Some(kept(&returned)));
        }
        for lost in &observed.lost[lost..] {
            process.taken.remove(lost);
            process.paused.remove(lost);
        }
        for given in &observed.given[given..] {
            assert!(!process.taken.contains(&given.partition));
            process.paused.remove(&given.partition);
            let commit = (given.position, given.metadata.clone());
            let possible = self.possible.entry(given.partition.clone()).or_insert_with(none_yet);
            let known = match given.metadata.is_empty() {
                true => given.position == Offset(0) && possible.contains(&None),
                false => possible.contains(&Some(commit.clone())),
            };
            assert!(known, "{given:?} is none of {possible:?}");
            self.met.0 += u64::from(possible.len() > 1);
            let now = (!given.metadata.is_empty()).then_some(commit);
            *possible = [now].into();
            for (_, other) in self
                .processes
                .iter_mut()
                .enumerate()
                .filter(|(other, _)| *other != slot)
            {
                if let Some(other) = other
                    .as_mut()
                    .filter(|other| other.member.observed.owned.contains_key(&given.partition))
                {
                    other.taken.insert(given.partition.clone());
                    self.met.2 += 1;
                }
            }
        }
    }

    fn commit(&mut self, slot: usize) {
        let Some(mut process) = self.processes[slot].take() else {
            return;
        };
        let positions = process.member.observed.positions(|_| true);
        match process.member.consumer.commit(&positions) {
            Ok(refused) => {
                for position in positions
                    .iter()
                    .filter(|position| !refused.contains(&position.partition))
                {
                    assert!(
                        !process.taken.contains(&position.partition),
                        "a former owner commits nothing"
                    );
                    self.possible
                        .insert(position.partition.clone(), [Some(kept(position))].into());
                }
            }
            Err(_) => self.may_be_committed(&positions),
        }
        self.processes[slot] = Some(process);
    }

    fn may_be_committed(&mut self, positions: &[Position]) {
        for position in positions {
            let possible = self.possible.entry(position.partition.clone()).or_insert_with(none_yet);
            possible.insert(Some(kept(position)));
        }
    }

    fn append(&mut self, slot: usize) {
        let Some(process) = &mut self.processes[slot] else {
            return;
        };
        process.calls += 1;
        let value = |n: u32| format!("{}/{:06}/{n}", process.number, process.calls);
        let count = self.random.u32(1..6);
        let records = (0..count)
            .map(|n| keyed(&format!("order-{}", n % 3), value(n)))
            .collect();
        for (n, result) in (0..).zip(process.log.append(TOPIC, records, Duration::ZERO)) {
            if let Ok(placed) = result {
                let read = answered(|| self.quiet.read(&partition(placed.partition.0), placed.offset, 1));
                assert_eq!(text(&read[0].value), value(n), "it stands where the answer says");
                self.acknowledged.insert(value(n));
            }
        }
    }

    fn pause(&mut self, slot: usize) {
        let Some(process) = &mut self.processes[slot] else {
            return;
        };
        let owned: Vec<TopicPartition> = process.member.observed.owned.keys().cloned().collect();
        let Some(chosen) = self.random.choice(owned) else {
            return;
        };
        let chosen = [chosen];
        if process.paused.contains(&chosen[0]) {
            if process.member.consumer.resume(&chosen).is_ok() {
                process.paused.remove(&chosen[0]);
            }
        } else if process.member.consumer.pause(&chosen).is_ok() {
            process.paused.extend(chosen);
        }
    }

    fn toggle_busy(&mut self, slot: usize) {
        if let Some(process) = &mut self.processes[slot] {
            process.member.observed.busy ^= true;
        }
    }

    fn leave(&mut self, slot: usize) {
        let Some(mut process) = self.processes[slot].take() else {
            return;
        };
        let _may_be_unanswered = process.member.consumer.leave(&mut process.member.observed);
        assert!(process.member.observed.owned.is_empty());
        self.judge_rebalance(slot, &mut process);
        assert!(matches!(process.member.try_poll(), Err(LogError::Refused(_))));
    }

    /// Without faults, whoever is left reads all there is.
    fn finish(&mut self) {
        self.world.kafka.behave(Behaviour::default());
        self.processes.iter_mut().for_each(|process| *process = None);
        self.world.pass(Duration::from_secs(10));
        self.start(0);
        for _ in 0..200 {
            self.poll(0);
            self.commit(0);
            self.world.pass(Duration::from_millis(100));
        }
        let missing: Vec<&String> = self.acknowledged.difference(&self.handed).collect();
        assert!(missing.is_empty(), "never handed out: {missing:?}");
        let mut behind: BTreeMap<(u32, String), String> = BTreeMap::new();
        let extents = answered(|| self.quiet.extents(TOPIC));
        let mut see = |record: &keylane_log::Record| {
            let value = text(&record.value);
            let process = value.split('/').next().expect("a value names its process").to_owned();
            let before = behind.insert((record.partition.0, process), value.clone());
            assert!(
                before.as_ref().is_none_or(|before| *before < value),
                "{before:?} stands before {value}"
            );
        };
        self.quiet.scan(TOPIC, &extents, &mut see).expect("the scan works");
        let committed = answered(|| self.quiet.committed(GROUP, TOPIC));
        for (extent, committed) in extents.iter().zip(committed) {
            assert!(
                extent.end == Offset(0) || committed.is_some(),
                "it is committed to the end"
            );
        }
    }
}

fn none_yet() -> Possible {
    [None].into()
}

fn kept(position: &Position) -> (Offset, String) {
    (position.offset, position.metadata.clone())
}

fn text(value: &Option<bytes::Bytes>) -> String {
    String::from_utf8(value.as_ref().expect("there is a value").to_vec()).expect("it is text")
}

/// That a topic has grown is what was wanted: the call before was carried out.
fn already(error: LogError) -> Result<(), LogError> {
    match error {
        LogError::Refused(_) => Ok(()),
        other => Err(other),
    }
}

/// The answer of a call that may have to be repeated.
fn answered<T>(call: impl Fn() -> Result<T, LogError>) -> T {
    for _ in 0..1000 {
        match call() {
            Err(LogError::Unavailable(_)) => {}
            answer => return answer.expect("the log does what is asked"),
        }
    }
    panic!("no call is answered");
}

#[test]
fn the_promises_hold_whatever_goes_wrong() {
    let mut met = (0, 0, 0);
    for seed in 0..200 {
        let protocol = if seed % 2 == 0 {
            Protocol::Cooperative
        } else {
            Protocol::Eager
        };
        let faults = if seed % 5 == 0 { Faults::default() } else { Faults::MANY };
        let mut run = Run::new(seed, protocol, faults);
        for _ in 0..STEPS {
            run.step();
        }
        if faults == Faults::default() {
            assert_eq!(run.met.1, 0, "without faults nothing is repeated");
        }
        run.finish();
        met = (met.0 + run.met.0, met.1 + run.met.1, met.2 + run.met.2);
    }
    let (uncertain, repeated, replaced) = met;
    assert!(
        uncertain > 100 && repeated > 100 && replaced > 100,
        "the faults were met: {met:?}"
    );
}

#[test]
fn one_seed_gives_the_same_history_twice() {
    let history = || {
        let mut run = Run::new(7, Protocol::Cooperative, Faults::MANY);
        (0..STEPS).for_each(|_| run.step());
        let extents = answered(|| run.quiet.extents(TOPIC));
        let mut records = Vec::new();
        run.quiet
            .scan(TOPIC, &extents, &mut |record| records.push(record.clone()))
            .ok();
        (records, run.met, run.handed)
    };
    assert_eq!(history(), history());
}
