//! Random operations on a scheduler, and on a list that is searched from the front as its model.

use fastrand::Rng;

use super::*;

/// A record: its key, its epoch, and a number that no other has.
type Item = (u8, u64, u64);

/// What a scheduler must do, as plainly as possible and without regard to speed.
#[derive(Default)]
struct Model {
    queued: Vec<Item>,
    in_flight: Vec<ModelRun>,
    postponed: Vec<ModelPostponed>,
    /// Keys that may start, in the order in which they are to start.
    ready: Vec<u8>,
    favoured: Vec<u8>,
}

struct ModelRun {
    lane: LaneId,
    key: u8,
    epoch: u64,
    items: Vec<Item>,
    attempt: u32,
    since: u64,
}

/// A run that is to be tried again. Its items stand at the front of `queued`, and its key is not ready before `due`.
#[derive(Clone)]
struct ModelPostponed {
    key: u8,
    items: Vec<Item>,
    attempt: u32,
    since: u64,
    due: u64,
    woken: bool,
}

impl Model {
    fn offer(&mut self, item: Item) {
        self.queued.push(item);
        self.note_ready(item.0);
    }

    fn note_ready(&mut self, key: u8) {
        let waits = self.queued.iter().any(|item| item.0 == key);
        let busy = self.is_busy(key) || self.postponed.iter().any(|other| other.key == key && !other.woken);
        if waits && !busy && !self.ready.contains(&key) {
            self.ready.push(key);
        }
    }

    fn is_busy(&self, key: u8) -> bool {
        self.in_flight.iter().any(|other| other.key == key)
    }

    /// Puts items of a run before all others of their key again.
    fn postpone(&mut self, run: ModelRun, items: Vec<Item>, due: u64) {
        self.favoured.retain(|favoured| *favoured != run.key);
        self.queued.splice(0..0, items.iter().copied());
        self.postponed.push(ModelPostponed {
            key: run.key,
            items,
            attempt: run.attempt + 1,
            since: run.since,
            due,
            woken: false,
        });
    }

    /// Makes keys ready whose time has come, in the order of their times. No two have the same time in this test.
    fn wake(&mut self, now: u64) {
        self.postponed.sort_by_key(|waits| waits.due);
        let mut woken = Vec::new();
        for waits in self
            .postponed
            .iter_mut()
            .filter(|waits| waits.due <= now && !waits.woken)
        {
            waits.woken = true;
            woken.push(waits.key);
        }
        woken.into_iter().for_each(|key| self.note_ready(key));
    }

    fn oldest(&self) -> Option<u64> {
        let in_flight = self.in_flight.iter().map(|run| run.since);
        in_flight.chain(self.postponed.iter().map(|waits| waits.since)).min()
    }

    /// Ends a run. A key with more than 1 in `limit` of all waiting items goes to the front, as long as a place is left
    /// for keys that are not favoured.
    fn finish(&mut self, key: u8, limit: usize) {
        self.favoured.retain(|favoured| *favoured != key);
        let of_key = self.queued.iter().filter(|item| item.0 == key).count();
        self.note_ready(key);
        if of_key * limit > self.queued.len() && self.favoured.len() < limit - 1 {
            self.favoured.push(key);
            self.ready.rotate_right(1);
        }
    }

    /// The items, try and first take of the run that the scheduler must start now.
    fn take(&mut self, limit: usize, max: usize, now: u64) -> Option<(Vec<Item>, u32, u64)> {
        if self.in_flight.len() == limit || self.ready.is_empty() {
            return None;
        }
        let key = self.ready.remove(0);
        if let Some(at) = self.postponed.iter().position(|waits| waits.key == key) {
            let again = self.postponed.remove(at);
            self.queued.retain(|item| !again.items.contains(item));
            return Some((again.items, again.attempt, again.since));
        }
        let of_key = || self.queued.iter().filter(|item| item.0 == key);
        let epoch = of_key().next().expect("a ready key has a record").1;
        let items: Vec<_> = of_key().take_while(|item| item.1 == epoch).take(max).copied().collect();
        self.queued.retain(|item| !items.contains(item));
        Some((items, 1, now))
    }

    fn drop_epoch(&mut self, epoch: u64, place: impl Fn(u8) -> LaneId) -> Vec<Item> {
        let dropped = self.queued.iter().filter(|item| item.1 == epoch).copied().collect();
        self.queued.retain(|item| item.1 != epoch);
        let left: Vec<u8> = self.queued.iter().map(|item| item.0).collect();
        self.ready.retain(|key| left.contains(key));
        let mut freed = Vec::new();
        for waits in &mut self.postponed {
            waits.items.retain(|item| item.1 != epoch);
            if waits.items.is_empty() {
                freed.push(waits.key);
            }
        }
        self.postponed.retain(|waits| !waits.items.is_empty());
        let busy = |key: &u8| self.in_flight.iter().any(|other| other.key == *key);
        self.favoured.retain(|key| left.contains(key) || busy(key));
        // Keys that no longer wait become ready in the order of their lanes.
        freed.sort_by_key(|key| place(*key));
        freed.into_iter().for_each(|key| self.note_ready(key));
        dropped
    }
}

fn key(key: u8) -> LaneKey {
    LaneKey::key(&[key])
}

fn place(scheduler: &Scheduler<Item>, number: u8) -> LaneId {
    let of_key = |lane: &Lane| lane.key == key(number);
    LaneId(scheduler.lanes.iter().position(of_key).expect("the key has a lane") as u32)
}

fn one_step(rng: &mut Rng, scheduler: &mut Scheduler<Item>, model: &mut Model, step: u64) {
    match rng.usize(..20) {
        0..8 => {
            let item = (rng.usize(..6) as u8, rng.usize(..3) as u64, step);
            scheduler.offer(key(item.0), Epoch(item.1), item, |_| {});
            model.offer(item);
        }
        8..13 => {
            let max = 1 + rng.usize(..3);
            scheduler.wake(step);
            model.wake(step);
            let run = scheduler.take(max, step);
            let expected = model.take(scheduler.limit, max, step);
            let (items, attempt) = (
                run.as_ref().map(|run| run.items.to_vec()),
                run.as_ref().map(|run| run.attempt),
            );
            assert_eq!(items, expected.as_ref().map(|(items, ..)| items.clone()));
            assert_eq!(attempt, expected.as_ref().map(|(_, attempt, _)| *attempt));
            if let (Some(run), Some((items, attempt, since))) = (run, expected) {
                assert!(run.items.iter().all(|item| item.1 == run.epoch.0));
                let (lane, key, epoch) = (run.lane, run.items[0].0, run.epoch.0);
                model.in_flight.push(ModelRun {
                    lane,
                    key,
                    epoch,
                    items,
                    attempt,
                    since,
                });
            }
        }
        13..16 if !model.in_flight.is_empty() => {
            let run = model.in_flight.remove(rng.usize(..model.in_flight.len()));
            scheduler.finish(run.lane);
            model.finish(run.key, scheduler.limit);
        }
        16..19 if !model.in_flight.is_empty() => {
            let run = model.in_flight.remove(rng.usize(..model.in_flight.len()));
            let left = 1 + rng.usize(..run.items.len());
            let items = run.items[..left].to_vec();
            // No two are due at the same time, because the scheduler does not say which of the two comes first.
            let mut due = step + rng.usize(..20) as u64;
            while model.postponed.iter().any(|other| other.due == due) {
                due += 1;
            }
            scheduler.postpone(run.lane, Epoch(run.epoch), items.clone(), due);
            model.postpone(run, items, due);
        }
        19 => {
            let epoch = rng.usize(..3) as u64;
            let mut dropped = Vec::new();
            scheduler.drop_epoch(Epoch(epoch), |item| dropped.push(item));
            let mut expected = model.drop_epoch(epoch, |number| place(scheduler, number));
            dropped.sort_unstable();
            expected.sort_unstable();
            assert_eq!(dropped, expected);
        }
        _ => {}
    }
    assert_eq!(scheduler.queued(), model.queued.len());
    assert_eq!(scheduler.in_flight(), model.in_flight.len());
    let waiting = model.postponed.iter().filter(|waits| !waits.woken);
    assert_eq!(scheduler.waiting(), waiting.clone().count());
    assert_eq!(scheduler.next_due(), waiting.map(|waits| waits.due).min());
    assert_eq!(scheduler.oldest(), model.oldest());
    assert_eq!(
        scheduler.startable(),
        model.ready.len().min(scheduler.limit - model.in_flight.len())
    );
}

#[test]
fn the_scheduler_does_what_a_plain_list_does() {
    for seed in 0..300 {
        let mut rng = Rng::with_seed(seed);
        let mut scheduler = Scheduler::new(1 + rng.usize(..4));
        let mut model = Model::default();
        for step in 0..300 {
            let described = std::panic::AssertUnwindSafe(|| one_step(&mut rng, &mut scheduler, &mut model, step));
            if let Err(panic) = std::panic::catch_unwind(described) {
                eprintln!("seed {seed}, step {step}");
                std::panic::resume_unwind(panic);
            }
        }
        assert_eq!(scheduler.take_violations(), 0);
        let idle = (0..scheduler.lanes.len() as u32).filter(|id| scheduler.lanes[*id as usize].state.is_idle());
        let listed = scheduler.idle.iter().map(|id| id.0).collect::<BTreeSet<u32>>();
        assert!(idle.clone().all(|id| listed.contains(&id)), "idle lanes are found");
        assert!(scheduler.lanes.len() <= 6, "and used again");
    }
}

#[test]
fn a_newer_epoch_waits_for_what_is_in_flight_of_an_older_one() {
    let mut scheduler = Scheduler::new(8);
    scheduler.offer(key(1), Epoch(1), "old", |_| {});
    let old = scheduler.take(1, 0).unwrap();
    scheduler.drop_epoch(Epoch(1), |_| panic!("nothing is queued"));
    scheduler.offer(key(1), Epoch(2), "new", |_| {});
    assert!(scheduler.take(1, 0).is_none());
    scheduler.finish(old.lane);
    assert_eq!(scheduler.take(1, 0).unwrap().items[0], "new");
}

#[test]
fn a_lane_with_more_than_its_share_goes_first_and_the_others_go_on() {
    let mut scheduler = Scheduler::new(2);
    (0..10).for_each(|number| scheduler.offer(key(0), Epoch(1), (0, number), |_| {}));
    (1..4).for_each(|other| scheduler.offer(key(other), Epoch(1), (other, 0), |_| {}));
    let mut order = Vec::new();
    while let (Some(first), second) = (scheduler.take(1, 0), scheduler.take(1, 0)) {
        for run in [Some(first), second].into_iter().flatten() {
            order.push(run.items[0].0);
            scheduler.finish(run.lane);
        }
    }
    assert_eq!(order[..6], [0, 1, 0, 2, 0, 3]);
    assert_eq!(order[6..], [0; 7]);
}

#[test]
fn a_short_lane_is_not_passed_over_for_ever() {
    const HOT: u8 = 4;
    let mut scheduler = Scheduler::new(HOT.into());
    (0..HOT).for_each(|hot| scheduler.offer(key(hot), Epoch(1), hot, |_| {}));
    let mut in_flight: VecDeque<_> = (0..HOT).map(|_| scheduler.take(1, 0).unwrap()).collect();
    scheduler.offer(key(HOT), Epoch(1), HOT, |_| {});
    let passed_over = (0..100).take_while(|_| {
        let run = in_flight.pop_front().unwrap();
        scheduler.offer(key(run.items[0]), Epoch(1), run.items[0], |_| {});
        scheduler.finish(run.lane);
        in_flight.push_back(scheduler.take(1, 0).unwrap());
        in_flight.back().unwrap().items[0] != HOT
    });
    assert!(
        passed_over.count() < HOT.into(),
        "the cold key must get its turn although every hot key always has a next record"
    );
}

#[test]
fn a_run_that_waits_for_its_next_try_leaves_its_place_to_others() {
    let mut scheduler = Scheduler::new(1);
    for item in [(1, "first"), (1, "second"), (2, "other")] {
        scheduler.offer(key(item.0), Epoch(1), item.1, |_| {});
    }
    let run = scheduler.take(1, 0).unwrap();
    assert_eq!((run.items[0], run.attempt), ("first", 1));
    scheduler.postpone(run.lane, run.epoch, run.items.into_vec(), 100);
    assert_eq!(
        (scheduler.in_flight(), scheduler.waiting(), scheduler.queued()),
        (0, 1, 3)
    );
    let other = scheduler.take(1, 1).unwrap();
    assert_eq!(other.items[0], "other");
    scheduler.finish(other.lane);
    scheduler.wake(99);
    assert!(
        scheduler.take(1, 99).is_none(),
        "the next record of the lane waits behind the postponed one"
    );
    scheduler.wake(100);
    let run = scheduler.take(1, 100).unwrap();
    assert_eq!((run.items[0], run.attempt), ("first", 2));
    assert_eq!(scheduler.oldest(), Some(0), "the time between its tries counts");
    scheduler.finish(run.lane);
    assert_eq!(scheduler.take(1, 101).unwrap().items[0], "second");
    assert_eq!(scheduler.take_violations(), 0);
}

#[test]
fn records_behind_a_dropped_postponed_run_may_start_at_once() {
    let mut scheduler = Scheduler::new(1);
    scheduler.offer(key(1), Epoch(1), "old", |_| {});
    let run = scheduler.take(1, 0).unwrap();
    scheduler.offer(key(1), Epoch(2), "new", |_| {});
    scheduler.postpone(run.lane, run.epoch, run.items.into_vec(), u64::MAX);
    let mut dropped = Vec::new();
    scheduler.drop_epoch(Epoch(1), |item| dropped.push(item));
    assert_eq!(dropped, ["old"]);
    let run = scheduler.take(1, 1).unwrap();
    assert_eq!((run.items[0], run.attempt), ("new", 1));
    assert_eq!((scheduler.waiting(), scheduler.next_due()), (0, None));
}

#[test]
fn the_age_of_the_oldest_run_in_flight_is_known() {
    let mut scheduler = Scheduler::new(8);
    (0..3).for_each(|item| scheduler.offer(key(item), Epoch(1), item, |_| {}));
    let first = scheduler.take(1, 5).unwrap();
    scheduler.take(1, 7).unwrap();
    assert_eq!(scheduler.oldest(), Some(5));
    scheduler.finish(first.lane);
    assert_eq!(scheduler.oldest(), Some(7));
}

#[test]
fn the_sentinel_sees_a_record_that_was_overtaken() {
    let mut scheduler = Scheduler::new(8);
    (0..3).for_each(|item| scheduler.offer(key(1), Epoch(1), item, |_| {}));
    let (lane, places) = (&mut scheduler.lanes[0].state, &mut scheduler.places);
    let (first, second) = (places.pop_front(&mut lane.queue), places.pop_front(&mut lane.queue));
    [first, second]
        .into_iter()
        .flatten()
        .for_each(|queued| places.push_front(&mut lane.queue, queued));
    scheduler.take(3, 0).unwrap();
    assert_eq!(scheduler.take_violations(), 1);
}
