//! Random grants, revokes and losses under load: one key is never handled twice at once, its records come in order, and
//! no commit passes a record that isn't done.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::bench::{Bench, bench_with};
use crate::scripted::{self, record};
use keylane::{Attempt, Handler, Options, Outcome, metadata};
use keylane_log::{Offset, Record};

const PARTITIONS: usize = 3;
const LOG_END: u64 = 400;
const KEYS: usize = 7;

/// Repeats for a seed, as far as the test's side goes.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % bound
    }
}

#[derive(Default)]
struct Witness {
    running: HashSet<String>,
    /// The last offset of a key in a partition in an epoch.
    last: HashMap<(String, u32, u64), u64>,
    done: HashSet<(u32, u64)>,
    faults: Vec<String>,
}

#[derive(Clone, Default)]
struct Watched(Arc<Mutex<Witness>>);

/// Key `k` lives in partition `k % PARTITIONS`.
fn key(record: &Record) -> String {
    String::from_utf8(record.key.clone().unwrap().to_vec()).unwrap()
}

impl Handler for Watched {
    fn max_run(&self) -> usize {
        3
    }

    async fn handle(&self, records: &[Record], attempt: Attempt) -> Outcome {
        let key = key(&records[0]);
        {
            let mut witness = self.0.lock().unwrap();
            if !witness.running.insert(key.clone()) {
                witness.faults.push(format!("{key} twice at once"));
            }
            for record in records.iter().filter(|_| attempt.number == 1) {
                let place = (key.clone(), record.partition.0, attempt.epoch.0);
                if witness
                    .last
                    .insert(place, record.offset.0)
                    .is_some_and(|last| last >= record.offset.0)
                {
                    witness.faults.push(format!("{key} went back to {}", record.offset));
                }
            }
        }
        let whim = records[0].offset.0 + u64::from(attempt.number);
        for _ in 0..whim % 4 {
            tokio::task::yield_now().await;
        }
        if whim.is_multiple_of(11) {
            tokio::time::sleep(Duration::from_millis(whim % 5)).await;
        }
        let mut witness = self.0.lock().unwrap();
        witness.running.remove(&key);
        if whim % 17 == 3 && attempt.number < 4 {
            return Outcome::Retry(Duration::from_micros(300 * (whim % 6)));
        }
        witness
            .done
            .extend(records.iter().map(|record| (record.partition.0, record.offset.0)));
        Outcome::Done
    }
}

/// What a broker would know.
struct Broker {
    /// Position and metadata committed, and what was handed out, per partition held.
    committed: [(u64, String); PARTITIONS],
    handed_out: [Option<u64>; PARTITIONS],
    seen: (usize, usize),
    left_to_do: HashSet<(u32, u64)>,
}

impl Broker {
    /// Takes in what was committed since, and checks that it is true.
    fn note_commits(&mut self, bench: &Bench<Watched>) {
        let seen = bench.script.seen();
        let positions = seen.commits[self.seen.0..].iter().chain(&seen.released[self.seen.1..]);
        let done = bench.handler.0.lock().unwrap().done.clone();
        for position in positions {
            let number = position.partition.partition.0;
            let claimed = metadata::decode(position.offset, Some(Offset(LOG_END)), &position.metadata).unwrap();
            let claimed = (0..position.offset.0).chain(claimed.into_iter().flatten());
            for offset in claimed {
                assert!(
                    done.contains(&(number, offset)),
                    "{position:?} passes {offset}, which isn't done"
                );
            }
            self.committed[number as usize] = (position.offset.0, position.metadata.clone());
        }
        self.seen = (seen.commits.len(), seen.released.len());
        self.left_to_do.retain(|place| !done.contains(place));
    }

    fn one_step(&mut self, dice: &mut Dice, bench: &Bench<Watched>) {
        let number = dice.below(PARTITIONS);
        let partition = number as u32;
        match (dice.below(12), self.handed_out[number]) {
            (_, None) => {
                let (position, metadata) = self.committed[number].clone();
                bench.script.assign_with(partition, position, &metadata);
                self.handed_out[number] = Some(position);
            }
            (0, Some(_)) => {
                let answered = bench.script.seen();
                let answered = answered.revokes_answered + answered.revokes_given_up;
                bench
                    .script
                    .revoke(partition, Duration::from_millis(dice.below(3) as u64 * 20));
                let answers = |seen: &scripted::Seen| seen.revokes_answered + seen.revokes_given_up;
                bench.script.until("the revoke ends", |seen| answers(seen) > answered);
                self.handed_out[number] = None;
            }
            (1, Some(_)) => {
                let lost = bench.script.seen().lost;
                bench.script.lose(partition);
                bench.script.until("it is lost", |seen| seen.lost > lost);
                self.handed_out[number] = None;
            }
            (_, Some(from)) => {
                let to = (from + 1 + dice.below(40) as u64).min(LOG_END);
                let key = |offset: u64| format!("{}", number + PARTITIONS * (offset as usize * 7 % 11 % KEYS));
                bench.script.records(
                    (from..to)
                        .map(|offset| record(partition, offset, &key(offset)))
                        .collect(),
                );
                self.handed_out[number] = Some(to);
            }
        }
        self.note_commits(bench);
    }
}

#[test]
fn through_random_rebalances_nothing_is_lost_or_overtaken() {
    for seed in 1..=6 {
        let ends_of: keylane::EndsOf = Arc::new(|_: &str| Ok(vec![Offset(LOG_END); PARTITIONS]));
        let commit_every = Duration::from_millis(2);
        let options = Options {
            ends_of: Some(ends_of),
            commit_every,
            ..Options::lanes(4)
        };
        let bench = bench_with(options, Watched::default());
        let mut dice = Dice(seed);
        let all = (0..PARTITIONS as u32).flat_map(|number| (0..LOG_END).map(move |offset| (number, offset)));
        let mut broker = Broker {
            committed: Default::default(),
            handed_out: [None; PARTITIONS],
            seen: (0, 0),
            left_to_do: all.collect(),
        };
        let mut steps = 0;
        while !broker.left_to_do.is_empty() {
            broker.one_step(&mut dice, &bench);
            steps += 1;
            assert!(
                steps < 200_000,
                "seed {seed} doesn't end: {:?} left",
                broker.left_to_do.len()
            );
        }
        assert_eq!(
            bench.handler.0.lock().unwrap().faults,
            Vec::<String>::new(),
            "seed {seed}"
        );
        assert_eq!(bench.metrics.order_violations.get(), 0);
        bench.stop().unwrap();
    }
}
