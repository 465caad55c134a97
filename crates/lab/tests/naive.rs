//! Naive consumers: each shows its habit, and nothing else.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use keylane::{Attempt, Event, Handler, Listener, Outcome};
use keylane_log::embedded::{Clocks, InMemoryLog};
use keylane_log::{EventLog, NewRecord, Offset, Partition, Record, Subscription, Timestamp};
use lab::naive::{Habit, Naive};
use tokio::task::yield_now;

const TOPIC: &str = "orders";

/// Handles records whose names are not held.
#[derive(Clone, Default)]
struct Shop(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    held: BTreeSet<&'static str>,
    handled: Vec<String>,
}

impl Shop {
    fn hold(&self, name: &'static str) {
        self.0.lock().unwrap().held.insert(name);
    }

    fn release(&self, name: &str) {
        self.0.lock().unwrap().held.remove(name);
    }

    fn handled(&self) -> Vec<String> {
        self.0.lock().unwrap().handled.clone()
    }
}

impl Handler for Shop {
    async fn handle(&self, records: &[Record], attempt: Attempt) -> Outcome {
        let name = String::from_utf8(records[0].value.clone().unwrap().to_vec()).unwrap();
        if name == "late" && attempt.number == 1 {
            return Outcome::Retry(Duration::from_secs(1));
        }
        while self.0.lock().unwrap().held.contains(name.as_str()) {
            yield_now().await;
        }
        self.0.lock().unwrap().handled.push(name);
        Outcome::Done
    }
}

struct World {
    log: Arc<InMemoryLog>,
    shop: Shop,
    millis: Arc<AtomicI64>,
}

type Member = Naive<Shop>;

impl World {
    fn new(partitions: u32) -> Self {
        let millis = Arc::new(AtomicI64::new(0));
        let log = Arc::new(InMemoryLog::new(clocks(&millis)).unwrap());
        log.create_topic(TOPIC, partitions).unwrap();
        Self {
            log,
            shop: Shop::default(),
            millis,
        }
    }

    fn append(&self, partition: u32, name: &'static str, time: i64) {
        let record = NewRecord {
            partition: Some(Partition(partition)),
            timestamp: Timestamp(time),
            key: Some("7".into()),
            value: Some(name.into()),
            headers: Vec::new(),
        };
        let placed = self.log.append(TOPIC, vec![record], Duration::ZERO);
        assert!(placed.iter().all(Result::is_ok), "{placed:?}");
    }

    fn join(&self, name: &str, habit: Habit, listener: Option<Listener>) -> (Arc<InMemoryLog>, Member) {
        let process = Arc::new(self.log.process(clocks(&self.millis)));
        let subscription = Subscription {
            group: "delivery".into(),
            topics: vec![TOPIC.into()],
            member: name.into(),
            note: String::new(),
            session_timeout: Duration::from_secs(6),
            drain_timeout: Duration::from_secs(5),
        };
        let consumer = process.subscribe(&subscription).unwrap();
        let log = (process.clone() as Arc<dyn EventLog>, "delivery");
        let member = Naive::new(consumer, self.shop.clone(), habit, log, listener);
        (process, member)
    }

    fn committed(&self, partition: usize) -> Option<u64> {
        self.log.committed("delivery", TOPIC).unwrap()[partition].map(|offset| offset.0)
    }

    /// Lets the members take turns for half a second.
    async fn run(&self, members: &mut [&mut Member]) {
        for _ in 0..10 {
            for member in &mut *members {
                member.step().unwrap();
                for _ in 0..5 {
                    yield_now().await;
                }
            }
            self.millis.fetch_add(50, Ordering::Relaxed);
        }
    }
}

fn clocks(millis: &Arc<AtomicI64>) -> Clocks {
    let (wall, monotonic) = (millis.clone(), millis.clone());
    Clocks {
        wall: Arc::new(move || Timestamp(wall.load(Ordering::Relaxed))),
        monotonic: Arc::new(move || Duration::from_millis(monotonic.load(Ordering::Relaxed) as u64)),
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_committed_first_is_lost_with_the_process() {
    let world = World::new(1);
    let (process, mut one) = world.join("one", Habit::CommitFirst, None);
    world.shop.hold("slow");
    world.append(0, "slow", 0);
    world.run(&mut [&mut one]).await;
    assert_eq!((world.committed(0), world.shop.handled().len()), (Some(1), 0));
    drop(one);
    process.end();
    world.append(0, "next", 0);
    let (_, mut two) = world.join("one", Habit::CommitFirst, None);
    world.run(&mut [&mut two]).await;
    assert_eq!(world.shop.handled(), ["next"]);
}

#[tokio::test(start_paused = true)]
async fn tasks_overtake_each_other_and_the_highest_offset_is_committed() {
    let world = World::new(1);
    let (_, mut one) = world.join("one", Habit::TaskPerRecord, None);
    world.shop.hold("slow");
    for name in ["first", "slow", "quick"] {
        world.append(0, name, 0);
    }
    world.run(&mut [&mut one]).await;
    assert_eq!(world.shop.handled(), ["first", "quick"]);
    assert_eq!(world.committed(0), Some(3), "over the record that is in work");
    world.shop.release("slow");
    world.run(&mut [&mut one]).await;
    assert_eq!(world.shop.handled(), ["first", "quick", "slow"]);
}

#[tokio::test(start_paused = true)]
async fn a_partition_without_a_commit_is_read_from_its_end() {
    let world = World::new(1);
    let (_, mut one) = world.join("one", Habit::LatestReset, None);
    world.run(&mut [&mut one]).await;
    world.log.grow_topic(TOPIC, 2).unwrap();
    world.append(1, "unseen", 0);
    world.run(&mut [&mut one]).await;
    world.append(1, "seen", 0);
    world.run(&mut [&mut one]).await;
    assert_eq!(
        (world.shop.handled(), world.committed(1)),
        (vec!["seen".to_owned()], Some(2))
    );
    one.close_step().unwrap();
    world.append(1, "meanwhile", 0);
    let (_, mut two) = world.join("two", Habit::LatestReset, None);
    world.run(&mut [&mut two]).await;
    assert_eq!(world.shop.handled(), ["seen", "meanwhile"], "what was committed counts");
}

/// Runs the same with and without the habit: a partition moves while a record of it is in work and another waits.
async fn moved(habit: Habit) -> (World, Vec<String>) {
    let world = World::new(2);
    let told: Arc<Mutex<Vec<String>>> = Arc::default();
    let noted = told.clone();
    let listener: Listener = Arc::new(move |event| {
        let what = match event {
            Event::Assigned { partition, .. } => format!("got {partition}"),
            Event::GivenBack { partition, .. } => format!("gave {partition}"),
            Event::Started { records, .. } => format!("began @{}", records[0].offset),
            Event::Ended { records, .. } => format!("ended @{}", records[0].offset),
            _ => return,
        };
        noted.lock().unwrap().push(what);
    });
    let (_, mut one) = world.join("one", habit, Some(listener));
    world.shop.hold("slow");
    for name in ["slow", "waits"] {
        world.append(1, name, 0);
    }
    world.run(&mut [&mut one]).await;
    let (_, mut two) = world.join("two", habit, None);
    // The other member is not held up: only the first has a process that stands still.
    world.run(&mut [&mut two, &mut one]).await;
    world.shop.release("slow");
    world.run(&mut [&mut two, &mut one]).await;
    let told = told.lock().unwrap().clone();
    (world, told)
}

#[tokio::test(start_paused = true)]
async fn work_and_memory_outlive_the_assignment_without_a_drain() {
    let (world, told) = moved(Habit::NoDrain).await;
    assert_eq!(
        told,
        [
            "got orders-0",
            "got orders-1",
            "began @0",
            "gave orders-1",
            "ended @0",
            "began @1",
            "ended @1"
        ]
    );
    assert_eq!(world.shop.handled().len(), 4, "both members have handled both records");
    let (world, told) = moved(Habit::NewestTimestamp).await;
    assert_eq!(
        told.last().map(String::as_str),
        Some("gave orders-1"),
        "other habits drain"
    );
    assert_eq!((world.shop.handled().len(), world.committed(1)), (2, Some(2)));
}

#[tokio::test(start_paused = true)]
async fn the_newest_timestamp_wins() {
    let world = World::new(1);
    let (_, mut one) = world.join("one", Habit::NewestTimestamp, None);
    for (name, time) in [("v1", 10), ("v2 by a clock that is behind", 5), ("v3", 10)] {
        world.append(0, name, time);
    }
    world.run(&mut [&mut one]).await;
    assert_eq!(
        (world.shop.handled(), world.committed(0)),
        (vec!["v1".to_owned(), "v3".to_owned()], Some(3))
    );
}

#[tokio::test(start_paused = true)]
async fn a_record_is_tried_again_and_leaving_waits_for_it() {
    let world = World::new(1);
    let (_, mut one) = world.join("one", Habit::NewestTimestamp, None);
    world.append(0, "late", 0);
    world.run(&mut [&mut one]).await;
    assert_eq!(one.close_step(), Ok(false));
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!((one.close_step(), world.committed(0)), (Ok(true), Some(1)));
    assert_eq!(world.log.members("delivery").unwrap(), []);
    assert_eq!(world.log.extents(TOPIC).unwrap()[0].end, Offset(1));
}
