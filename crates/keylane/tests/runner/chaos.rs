//! Random grants, revokes and losses under load. No key is handled twice at once, its records come in order, and no
//! commit passes a record that is not done.

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

/// What the handler has seen.
#[derive(Default)]
struct Witness {
    /// Keys that are being handled.
    running: HashSet<String>,
    /// The offset of the last record by key, partition and epoch.
    last: HashMap<(String, u32, u64), u64>,
    /// Records that were done, by partition and offset.
    done: HashSet<(u32, u64)>,
    /// Sentences about everything that must not happen.
    faults: Vec<String>,
}

#[derive(Clone, Default)]
struct Watched(Arc<Mutex<Witness>>);

/// The key of a record, which is a number; records with key `k` stand in partition `k % PARTITIONS`.
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
                witness.faults.push(format!("{key} is handled twice at once"));
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

/// What a broker would know of its partitions and their group.
struct Broker {
    /// The committed offset and metadata of each partition.
    committed: [(u64, String); PARTITIONS],
    /// The offset that is handed out next of each partition; `None` for one that is not assigned.
    handed_out: [Option<u64>; PARTITIONS],
    /// How many commits, and how many positions released with a revoke, have been checked.
    checked: (usize, usize),
    /// Records that have not been done yet, by partition and offset.
    left_to_do: HashSet<(u32, u64)>,
}

impl Broker {
    /// Takes over the commits made since the last call, and checks that what they name as done is done.
    fn note_commits(&mut self, bench: &Bench<Watched>) {
        let seen = bench.script.seen();
        let positions = seen.commits[self.checked.0..]
            .iter()
            .chain(&seen.released[self.checked.1..]);
        let done = bench.handler.0.lock().unwrap().done.clone();
        for position in positions {
            let number = position.partition.partition.0;
            let claimed = metadata::decode(position.offset, Some(Offset(LOG_END)), &position.metadata).unwrap();
            let claimed = (0..position.offset.0).chain(claimed.into_iter().flatten());
            for offset in claimed {
                assert!(
                    done.contains(&(number, offset)),
                    "{position:?} passes {offset}, which is not done"
                );
            }
            self.committed[number as usize] = (position.offset.0, position.metadata.clone());
        }
        self.checked = (seen.commits.len(), seen.released.len());
        self.left_to_do.retain(|place| !done.contains(place));
    }

    fn one_step(&mut self, rng: &mut fastrand::Rng, bench: &Bench<Watched>) {
        let number = rng.usize(..PARTITIONS);
        let partition = number as u32;
        match (rng.usize(..12), self.handed_out[number]) {
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
                    .revoke(partition, Duration::from_millis(rng.usize(..3) as u64 * 20));
                let answers = |seen: &scripted::Seen| seen.revokes_answered + seen.revokes_given_up;
                bench.script.until("the revoke ends", |seen| answers(seen) > answered);
                self.handed_out[number] = None;
            }
            (1, Some(_)) => {
                let lost = bench.script.seen().lost;
                bench.script.lose(partition);
                bench.script.until("the partition is lost", |seen| seen.lost > lost);
                self.handed_out[number] = None;
            }
            (_, Some(from)) => {
                let to = (from + 1 + rng.usize(..40) as u64).min(LOG_END);
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
        let mut rng = fastrand::Rng::with_seed(seed);
        let all = (0..PARTITIONS as u32).flat_map(|number| (0..LOG_END).map(move |offset| (number, offset)));
        let mut broker = Broker {
            committed: Default::default(),
            handed_out: [None; PARTITIONS],
            checked: (0, 0),
            left_to_do: all.collect(),
        };
        let mut steps = 0;
        while !broker.left_to_do.is_empty() {
            broker.one_step(&mut rng, &bench);
            steps += 1;
            assert!(
                steps < 200_000,
                "seed {seed} does not end: {:?} records are left",
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
