use bytes::Bytes;
use fastrand::Rng;
use keylane_log::{Partition, Timestamp, TimestampType};

use super::*;

fn partition(number: u32) -> TopicPartition {
    TopicPartition::new("orders", Partition(number))
}

fn record(number: u32, offset: u64) -> Record {
    Record {
        topic: "orders".into(),
        partition: Partition(number),
        offset: Offset(offset),
        timestamp: Timestamp(0),
        timestamp_type: TimestampType::CreateTime,
        key: None,
        value: Some(Bytes::from(vec![0; 1000])),
        headers: Vec::new(),
    }
}

fn assigned(engine: &mut Engine, number: u32, position: u64) {
    let partition = partition(number);
    let position = Offset(position);
    engine.assign(&Assignment {
        partition,
        position,
        metadata: String::new(),
    });
}

fn offer(engine: &mut Engine, key: &'static str, record: Record) {
    engine.offer([(LaneKey::key(key.as_bytes()), record)], |_| {});
}

fn take(engine: &mut Engine) -> Option<Run<Record>> {
    let mut taken = None;
    engine.take(1, 1, 0, |run| taken = Some(run));
    taken
}

fn offsets(positions: Vec<Position>) -> Vec<u64> {
    positions.into_iter().map(|position| position.offset.0).collect()
}

#[test]
fn only_what_is_done_from_the_front_is_committed() {
    let mut engine = Engine::new(8, 1 << 20);
    assigned(&mut engine, 0, 5);
    (5..8).for_each(|offset| offer(&mut engine, ["a", "b", "c"][offset as usize - 5], record(0, offset)));
    let [first, second, third] = [(); 3].map(|()| take(&mut engine).unwrap());
    engine.finish(&third, true);
    engine.finish(&second, false);
    assert_eq!(
        engine.positions(),
        [Position {
            partition: partition(0),
            offset: Offset(5),
            metadata: crate::metadata::encode(Offset(5), [7..8]),
        }]
    );
    engine.finish(&first, true);
    assert_eq!(offsets(engine.positions()), [6]);
}

#[test]
fn a_record_that_may_wait_for_long_keeps_nothing_else_in_memory() {
    let page = Bytes::from(vec![0; 1000]);
    let of_page = |offset| Record {
        value: Some(page.slice(..10)),
        ..record(0, offset)
    };
    let mut engine = Engine::new(8, 1 << 20);
    assigned(&mut engine, 0, 0);
    (0..3).for_each(|offset| offer(&mut engine, "busy", of_page(offset)));
    assert!(!page.is_unique(), "the record that starts next is not copied");
    let first = take(&mut engine).unwrap();
    engine.postpone(first, 7);
    assert!(
        page.is_unique(),
        "neither a record that waits for its next try nor one behind it needs the page"
    );
    engine.take(1, 3, 7, |run| {
        assert_eq!(run.items[0].value.as_deref(), Some(&[0; 10][..]))
    });
}

#[test]
fn a_commit_that_did_not_land_is_asked_for_again_and_one_that_did_is_not() {
    let mut engine = Engine::new(8, 1 << 20);
    assigned(&mut engine, 0, 0);
    offer(&mut engine, "a", record(0, 0));
    let run = take(&mut engine).unwrap();
    engine.finish(&run, true);
    let positions = engine.positions();
    assert!(!engine.is_dirty());
    engine.not_committed(&positions);
    let positions = engine.positions();
    assert_eq!(offsets(positions.clone()), [1]);
    engine.committed(positions, &[]);
    assert_eq!(
        engine.release(&partition(0)),
        None,
        "nothing has changed since the commit"
    );
}

#[test]
fn a_refused_commit_is_not_repeated_but_not_taken_for_landed_either() {
    let mut engine = Engine::new(8, 1 << 20);
    assigned(&mut engine, 0, 0);
    (0..2).for_each(|offset| offer(&mut engine, "a", record(0, offset)));
    let run = take(&mut engine).unwrap();
    engine.finish(&run, true);
    let positions = engine.positions();
    engine.committed(positions, &[partition(0)]);
    assert!(!engine.is_dirty());
    let run = take(&mut engine).unwrap();
    engine.finish(&run, false);
    assert_eq!(
        engine.release(&partition(0)).map(|position| position.offset),
        Some(Offset(1)),
        "the refused commit never landed"
    );
}

#[test]
fn a_run_of_a_lost_grant_is_never_committed_and_its_successor_waits() {
    let mut engine = Engine::new(8, 1 << 20);
    assigned(&mut engine, 0, 0);
    offer(&mut engine, "a", record(0, 0));
    offer(&mut engine, "a", record(0, 1));
    let old = take(&mut engine).unwrap();
    engine.lose(&partition(0));
    assigned(&mut engine, 0, 0);
    offer(&mut engine, "a", record(0, 0));
    assert!(take(&mut engine).is_none(), "the key is still in flight");
    assert_eq!(engine.finish(&old, true), Finish::Late);
    assert_eq!(engine.positions(), []);
    let new = take(&mut engine).unwrap();
    assert!(new.epoch > old.epoch);
    engine.finish(&new, true);
    assert_eq!(offsets(engine.positions()), [1]);
}

#[test]
fn a_drain_drops_what_is_queued_and_waits_for_what_is_in_flight() {
    let mut engine = Engine::new(8, 1 << 20);
    assigned(&mut engine, 0, 0);
    (0..3).for_each(|offset| offer(&mut engine, "a", record(0, offset)));
    let run = take(&mut engine).unwrap();
    assert!(!engine.drain(&partition(0)));
    offer(&mut engine, "b", record(0, 3));
    assert_eq!(engine.scheduler().queued(), 0);
    assert_eq!(engine.finish(&run, true), Finish::Drained);
    assert!(engine.drain(&partition(0)));
    assert_eq!(
        engine.release(&partition(0)).map(|position| position.offset),
        Some(Offset(1))
    );
    assert_eq!(engine.buffered_bytes(), 0);
}

#[test]
fn a_drain_does_not_wait_for_what_waits_for_its_next_try() {
    let mut engine = Engine::new(8, 1 << 20);
    assigned(&mut engine, 0, 0);
    (0..3).for_each(|offset| offer(&mut engine, ["a", "a", "b"][offset as usize], record(0, offset)));
    let run = take(&mut engine).unwrap();
    let buffered = engine.buffered_bytes();
    assert_eq!(engine.postpone(run, 1000), Finish::Noted);
    assert_eq!(engine.buffered_bytes(), buffered, "a waiting record is still counted");
    assert_eq!(offsets(engine.positions()), [0; 0]);
    let other = take(&mut engine).unwrap();
    assert_eq!(other.items[0].offset, Offset(2));
    engine.finish(&other, true);
    assert_eq!(offsets(engine.positions()), [0]);
    assert!(engine.drain(&partition(0)));
    assert_eq!((engine.buffered_bytes(), engine.scheduler().next_due()), (0, None));
    let left = engine.release(&partition(0)).map(|position| position.offset);
    assert_eq!(
        left,
        Some(Offset(0)),
        "the next owner begins with the record that waited"
    );
}

#[test]
fn a_try_that_ends_in_a_drain_or_a_loss_is_not_postponed() {
    let mut engine = Engine::new(8, 1 << 20);
    assigned(&mut engine, 0, 0);
    offer(&mut engine, "a", record(0, 0));
    let run = take(&mut engine).unwrap();
    assert!(!engine.drain(&partition(0)));
    assert_eq!(engine.postpone(run, 1000), Finish::Drained);
    engine.release(&partition(0));
    assigned(&mut engine, 0, 0);
    offer(&mut engine, "a", record(0, 0));
    let run = take(&mut engine).unwrap();
    engine.lose(&partition(0));
    assert_eq!(engine.postpone(run, 1000), Finish::Late);
    assert!(engine.is_idle());
}

#[test]
fn postponed_records_are_dropped_from_a_repetition_on_and_kept_before_it() {
    let mut engine = Engine::new(8, 1 << 20);
    assigned(&mut engine, 0, 0);
    (0..4).for_each(|offset| offer(&mut engine, "a", record(0, offset)));
    let mut runs = Vec::new();
    engine.take(1, 3, 0, |run| runs.push(run));
    let run = runs.pop().unwrap();
    assert_eq!(run.items.len(), 3);
    engine.postpone(run, 50);
    offer(&mut engine, "a", record(0, 2));
    let mut again = Vec::new();
    engine.take(1, 3, 49, |run| again.push(run));
    assert!(again.is_empty());
    engine.take(1, 3, 50, |run| again.push(run));
    let run = again.pop().unwrap();
    let places: Vec<_> = run.items.iter().map(|record| record.offset.0).collect();
    assert_eq!((places, run.attempt), (vec![0, 1], 2));
    // The log goes back once more, while this run is in flight.
    offer(&mut engine, "a", record(0, 1));
    engine.postpone(run, 60);
    engine.take(1, 3, 60, |run| again.push(run));
    let run = again.pop().unwrap();
    assert_eq!((run.items.len(), run.items[0].offset, run.attempt), (1, Offset(0), 3));
    engine.finish(&run, true);
    engine.take(1, 3, 60, |run| again.push(run));
    assert_eq!(again[0].items[0].offset, Offset(1));
    engine.finish(&again[0], true);
    assert_eq!(offsets(engine.positions()), [2]);
    assert_eq!((engine.buffered_bytes(), engine.take_violations()), (0, 0));
}

#[test]
fn a_truncated_log_is_read_from_where_it_was_cut() {
    let mut engine = Engine::new(8, 1 << 20);
    assigned(&mut engine, 0, 500);
    offer(&mut engine, "a", record(0, 500));
    let old = take(&mut engine).unwrap();
    offer(&mut engine, "a", record(0, 0));
    assert_eq!(engine.rewound(), [partition(0)]);
    engine.finish(&old, true);
    let run = take(&mut engine).unwrap();
    assert_eq!(run.items[0].offset, Offset(0));
    engine.finish(&run, true);
    assert_eq!(offsets(engine.positions()), [1]);
}

#[test]
fn records_before_a_repetition_are_still_handled() {
    let mut engine = Engine::new(8, 1 << 20);
    assigned(&mut engine, 0, 0);
    for (offset, key) in ["a", "b", "a", "c", "c"].into_iter().enumerate() {
        offer(&mut engine, key, record(0, offset as u64));
    }
    let begun = [(); 3].map(|()| take(&mut engine).unwrap());
    assert_eq!(begun.each_ref().map(|run| run.items[0].offset.0), [0, 1, 3]);
    for offset in [3, 4] {
        offer(&mut engine, "c", record(0, offset));
    }
    assert_eq!(engine.rewound(), [partition(0)]);
    begun
        .iter()
        .for_each(|run| assert_eq!(engine.finish(run, true), Finish::Noted));
    assert_eq!(
        offsets(engine.positions()),
        [2],
        "the run of 3 began before the log repeated 3"
    );
    let mut again = Vec::new();
    while let Some(run) = take(&mut engine) {
        engine.finish(&run, true);
        again.push(run.items[0].offset.0);
    }
    again.sort_unstable();
    assert_eq!(again, [2, 3, 4]);
    assert_eq!(offsets(engine.positions()), [5]);
    assert_eq!(engine.buffered_bytes(), 0);
}

/// The log is truncated and written anew, so that another record, of another key, stands at an offset that is in
/// flight.
#[test]
fn a_run_from_before_a_truncation_completes_no_record_of_now() {
    let mut engine = Engine::new(8, 1 << 20);
    assigned(&mut engine, 0, 3);
    offer(&mut engine, "a", record(0, 3));
    let old = take(&mut engine).unwrap();
    offer(&mut engine, "b", record(0, 3));
    let new = take(&mut engine).unwrap();
    engine.finish(&new, false);
    engine.finish(&old, true);
    assert_eq!(
        engine.drain(&partition(0)).then(|| engine.release(&partition(0))),
        Some(None),
        "3 is not done"
    );

    assigned(&mut engine, 0, 3);
    offer(&mut engine, "a", record(0, 3));
    take(&mut engine).unwrap();
    offer(&mut engine, "b", record(0, 3));
    let new = take(&mut engine).unwrap();
    engine.finish(&new, true);
    assert_eq!(
        offsets(engine.positions()),
        [4],
        "the record that stands there now is done, whatever becomes of the old run"
    );
}

#[test]
fn a_commit_of_unknown_fate_is_repeated_though_the_log_went_back_to_the_one_before() {
    let mut engine = Engine::new(8, 1 << 20);
    assigned(&mut engine, 0, 3);
    offer(&mut engine, "a", record(0, 3));
    let run = take(&mut engine).unwrap();
    engine.finish(&run, true);
    let unknown = engine.positions();
    engine.not_committed(&unknown);
    offer(&mut engine, "b", record(0, 3));
    assert_eq!(offsets(engine.positions()), [3]);
}

/// Through runs of several records that end in any order, repetitions, revokes and restarts, no record is lost,
/// committed before it is done, or stuck.
#[test]
fn a_log_that_repeats_itself_costs_repetitions_only() {
    for seed in 0..500 {
        let mut rng = Rng::with_seed(seed);
        let mut life = Life::new(&mut rng);
        let mut steps = 0;
        while life.position < LENGTH {
            life.step(&mut rng, steps < 2_000);
            steps += 1;
            assert!(steps < 100_000, "seed {seed} is stuck at {}", life.position);
            let done = (0..life.position as usize).all(|offset| life.done[offset]);
            assert!(
                done,
                "seed {seed}: {} was committed before all records below it were done",
                life.position
            );
        }
        assert_eq!(life.engine.take_violations(), 0);
    }
}

/// How many records the log has.
const LENGTH: u64 = 60;

/// An engine with one partition, and what a log and a handler know about its records.
struct Life {
    engine: Engine,
    now: u64,
    /// The key of each record.
    keys: Vec<&'static str>,
    /// Whether each record has been done at least once.
    done: Vec<bool>,
    in_flight: Vec<Run<Record>>,
    /// The offset that the log hands out next.
    next: u64,
    /// The committed offset.
    position: u64,
}

impl Life {
    fn new(rng: &mut Rng) -> Self {
        let mut engine = Engine::new(1 + rng.usize(..5), 1 << 20);
        assigned(&mut engine, 0, 0);
        Self {
            engine,
            now: 0,
            keys: (0..LENGTH).map(|_| ["a", "b", "c", "d"][rng.usize(..4)]).collect(),
            done: vec![false; LENGTH as usize],
            in_flight: Vec::new(),
            next: 0,
            position: 0,
        }
    }

    fn step(&mut self, rng: &mut Rng, repeating: bool) {
        self.now += 1;
        match rng.usize(..40) {
            0..12 if self.next < LENGTH => {
                offer(&mut self.engine, self.keys[self.next as usize], record(0, self.next));
                self.next += 1;
            }
            12..24 => {
                let taken = |run| self.in_flight.push(run);
                self.engine
                    .take(1 + rng.usize(..2), 1 + rng.usize(..3), self.now, taken);
            }
            24..29 if !self.in_flight.is_empty() && repeating => {
                let run = self.in_flight.remove(rng.usize(..self.in_flight.len()));
                self.engine.postpone(run, self.now + rng.usize(..30) as u64);
            }
            24..36 if !self.in_flight.is_empty() => {
                let run = self.in_flight.remove(rng.usize(..self.in_flight.len()));
                self.end(&run, true);
            }
            36 if self.next > 0 && repeating => self.next -= 1 + rng.usize(..self.next.min(6) as usize) as u64,
            37 => self.move_on(rng),
            38 => {
                let positions = self.engine.positions();
                self.position = positions.first().map_or(self.position, |position| position.offset.0);
                self.engine.committed(positions, &[]);
            }
            _ => {}
        }
    }

    fn end(&mut self, run: &Run<Record>, done: bool) {
        for record in run.items.iter().filter(|_| done) {
            self.done[record.offset.0 as usize] = true;
        }
        self.engine.finish(run, done);
    }

    /// Gives the partition back and assigns it again from the released position.
    fn move_on(&mut self, rng: &mut Rng) {
        self.engine.drain(&partition(0));
        while let Some(run) = self.in_flight.pop() {
            self.end(&run, rng.usize(..2) == 0);
        }
        assert!(self.engine.drain(&partition(0)));
        let released = self.engine.release(&partition(0));
        assert_eq!(self.engine.buffered_bytes(), 0);
        if let Some(Position { offset, metadata, .. }) = released {
            self.position = offset.0;
            assigned(&mut self.engine, 0, self.position);
            let inherited = crate::metadata::decode(offset, Some(Offset(LENGTH)), &metadata).unwrap();
            assert!(
                inherited
                    .iter()
                    .all(|range| range.clone().all(|offset| self.done[offset as usize]))
            );
            self.engine.inherit(self.engine.current[&partition(0)], inherited);
        } else {
            assigned(&mut self.engine, 0, self.position);
        }
        self.next = self.position;
    }
}

#[test]
fn the_fullest_partition_pauses_and_others_keep_their_share() {
    let mut engine = Engine::new(8, 200_000);
    assigned(&mut engine, 0, 0);
    assigned(&mut engine, 1, 0);
    let mut offset = 0;
    while engine.flow() == Flow::default() {
        offer(&mut engine, "a", record(0, offset));
        offset += 1;
    }
    assert_eq!(engine.flow().pause, [partition(0)]);
    assert!(
        (140_000..160_000).contains(&engine.buffered_bytes()),
        "{}",
        engine.buffered_bytes()
    );
    engine.set_paused(&[partition(0)], true);
    (0..30).for_each(|offset| offer(&mut engine, "b", record(1, offset)));
    assert_eq!(
        engine.flow(),
        Flow::default(),
        "a partition within its share is not paused"
    );
    (30..60).for_each(|offset| offer(&mut engine, "b", record(1, offset)));
    assert_eq!(engine.flow().pause, [partition(1)]);
    let mut resumed = false;
    while let Some(run) = take(&mut engine) {
        engine.finish(&run, true);
        let resume = engine.flow().resume;
        engine.set_paused(&resume, false);
        resumed |= resume.contains(&partition(0));
    }
    assert!(resumed && engine.paused() == 0);
}

#[test]
fn a_partition_that_has_emptied_resumes_beside_one_that_is_stuck() {
    let mut engine = Engine::new(8, 200_000);
    assigned(&mut engine, 0, 0);
    assigned(&mut engine, 1, 0);
    (0..300).for_each(|offset| offer(&mut engine, "a", record(0, offset)));
    let stuck = take(&mut engine).unwrap();
    assert_eq!(stuck.items[0].partition, Partition(0));
    (0..60).for_each(|offset| offer(&mut engine, "b", record(1, offset)));
    engine.set_paused(&[partition(0), partition(1)], true);
    assert_eq!(engine.flow(), Flow::default());
    while let Some(run) = take(&mut engine) {
        engine.finish(&run, true);
    }
    assert_eq!(engine.flow().resume, [partition(1)]);
}
