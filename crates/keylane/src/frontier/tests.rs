//! Random deliveries, completions, restarts and repetitions of the log, on a frontier and on a plain map as its model.

use std::collections::BTreeMap;

use fastrand::Rng;

use super::*;

/// A log and which of its records are done, as plainly as possible.
struct Model {
    /// The offsets of all records.
    log: Vec<u64>,
    /// Whether each record is done that was ever delivered.
    done: BTreeMap<u64, bool>,
    /// The index in `log` of the next record to be delivered.
    next: usize,
    /// The offset behind the last delivered record.
    end: u64,
}

impl Model {
    fn position(&self) -> u64 {
        let open = self.done.iter().find(|(offset, done)| !**done && **offset < self.end);
        open.map_or(self.end, |(offset, _)| *offset)
    }

    fn delivered_open(&self) -> Vec<u64> {
        let delivered = self.done.range(..self.end);
        delivered
            .filter(|(_, done)| !**done)
            .map(|(offset, _)| *offset)
            .collect()
    }
}

/// A new frontier that begins where `frontier` stands, as the partition's next owner makes it.
fn restart(frontier: &Frontier, log_end: u64) -> Frontier {
    let done = metadata::decode(frontier.position(), Some(Offset(log_end)), &frontier.metadata()).unwrap();
    let mut restarted = Frontier::new(frontier.position());
    restarted.inherit(done);
    restarted
}

fn one_step(rng: &mut Rng, frontier: &mut Frontier, model: &mut Model) {
    match rng.usize(..31) {
        0..15 if model.next < model.log.len() => {
            let offset = model.log[model.next];
            let done = *model.done.entry(offset).or_insert(false);
            let expected = if done { Delivery::AlreadyDone } else { Delivery::Open };
            assert_eq!(frontier.deliver(Offset(offset)), expected, "offset {offset}");
            model.next += 1;
            model.end = offset + 1;
        }
        15..29 => {
            let open = model.delivered_open();
            if !open.is_empty() {
                let offset = open[rng.usize(..open.len())];
                frontier.complete(Offset(offset));
                model.done.insert(offset, true);
            }
        }
        29 => {
            let log_end = model.log.last().unwrap() + 1;
            *frontier = restart(frontier, log_end);
            model.end = frontier.position().0;
            model.next = model.log.partition_point(|offset| *offset < model.end);
        }
        30 if model.next > 0 => {
            model.next = rng.usize(..model.next);
            model.end = model.log[model.next];
            model.done.split_off(&model.end);
            frontier.rewind(Offset(model.end));
        }
        _ => {}
    }
    assert_eq!(frontier.position().0, model.position());
    assert_eq!(frontier.open, model.delivered_open().len());
}

#[test]
fn the_frontier_does_what_a_plain_map_does_through_restarts_too() {
    for seed in 0..300 {
        let mut rng = Rng::with_seed(seed);
        let mut offset = rng.usize(..5) as u64;
        let mut log = Vec::new();
        for _ in 0..200 {
            log.push(offset);
            offset += 1 + if rng.usize(..5) == 0 { rng.usize(..90) as u64 } else { 0 };
        }
        let mut frontier = Frontier::new(Offset(0));
        let mut model = Model {
            log,
            done: BTreeMap::new(),
            next: 0,
            end: 0,
        };
        for step in 0..600 {
            let described = std::panic::AssertUnwindSafe(|| one_step(&mut rng, &mut frontier, &mut model));
            if let Err(panic) = std::panic::catch_unwind(described) {
                eprintln!("seed {seed}, step {step}");
                std::panic::resume_unwind(panic);
            }
        }
    }
}

#[test]
fn the_position_stays_at_what_is_open_and_jumps_over_what_does_not_exist() {
    let mut frontier = Frontier::new(Offset(10));
    assert_eq!(frontier.position(), Offset(10));
    for offset in [10, 11, 20] {
        frontier.deliver(Offset(offset));
    }
    frontier.complete(Offset(11));
    frontier.complete(Offset(20));
    assert_eq!(frontier.position(), Offset(10));
    frontier.complete(Offset(10));
    assert_eq!(frontier.position(), Offset(21));
    assert_eq!(frontier.metadata(), "");
}

#[test]
fn a_record_before_the_position_tells_of_a_truncated_log() {
    let mut frontier = Frontier::new(Offset(10));
    assert_eq!(frontier.deliver(Offset(4)), Delivery::Rewound);
}

#[test]
fn nothing_is_repeated_behind_one_open_record() {
    let mut frontier = Frontier::new(Offset(0));
    (0..200_000).for_each(|offset| assert_eq!(frontier.deliver(Offset(offset)), Delivery::Open));
    (0..200_000)
        .filter(|offset| *offset != 100)
        .for_each(|offset| frontier.complete(Offset(offset)));
    assert!(
        frontier.delivered.len() <= 66,
        "only open records take memory: {}",
        frontier.delivered.len()
    );
    let mut frontier = restart(&frontier, 200_000);
    let open = (100..200_000)
        .filter(|offset| frontier.deliver(Offset(*offset)) == Delivery::Open)
        .count();
    assert_eq!((frontier.position(), open), (Offset(100), 1));
    frontier.complete(Offset(100));
    assert_eq!(frontier.position(), Offset(200_000));
}
