//! The runner that ships, on a Kafka that misbehaves: no record starts before the one before it of its key was done, and
//! each is done at least once.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use keylane::{Attempt, Handler, LogError, Options, Outcome, Runner};
use keylane_log::{EventLog, Offset, Record};
use lab::simulated_kafka::{Behaviour, Client, Faults, Protocol};
use tokio::runtime::{Builder, Runtime};
use tokio::time::{Instant, sleep};

use crate::world::{GROUP, TOPIC, World, keyed, subscription};

const INSTANCES: usize = 3;
const KEYS: usize = 6;
const STEPS: u32 = 1500;

/// What was done, by key and number, and what started too early.
#[derive(Default)]
struct Journal {
    done: BTreeSet<(String, u64)>,
    early: Vec<(String, u64)>,
}

/// Takes its time, and sometimes several tries.
struct Work {
    journal: Arc<Mutex<Journal>>,
    random: Mutex<fastrand::Rng>,
}

impl Handler for Work {
    async fn handle(&self, records: &[Record], _attempt: Attempt) -> Outcome {
        let (key, number) = named(&records[0]);
        let (pause, again) = {
            let mut random = self.random.lock().expect("no panic");
            (random.u64(..400), random.u8(..20) == 0)
        };
        {
            let mut journal = self.journal.lock().expect("no panic");
            if number > 0 && !journal.done.contains(&(key.clone(), number - 1)) {
                journal.early.push((key.clone(), number));
            }
        }
        sleep(Duration::from_millis(pause)).await;
        if again {
            return Outcome::Retry(Duration::from_millis(50));
        }
        self.journal.lock().expect("no panic").done.insert((key, number));
        Outcome::Done
    }
}

fn named(record: &Record) -> (String, u64) {
    let text = |bytes: &Option<bytes::Bytes>| {
        String::from_utf8(bytes.as_ref().expect("it is there").to_vec()).expect("it is text")
    };
    (text(&record.key), text(&record.value).parse().expect("a number"))
}

/// A process with a runner, in a time of its own.
struct Instance {
    runner: Runner<Work>,
    runtime: Runtime,
    frozen_steps: u32,
}

struct Run {
    world: World,
    random: fastrand::Rng,
    producer: Client,
    journal: Arc<Mutex<Journal>>,
    instances: Vec<Option<Instance>>,
    /// The next number of each key.
    next: [u64; KEYS],
}

impl Run {
    fn new(seed: u64, behaviour: Behaviour) -> Self {
        let world = World::new(seed, Behaviour::default());
        let producer = world.client(0);
        producer.create_topic(TOPIC, 3).expect("a topic");
        world.kafka.behave(behaviour);
        Self {
            random: fastrand::Rng::with_seed(!seed),
            producer,
            journal: Arc::default(),
            instances: (0..INSTANCES).map(|_| None).collect(),
            next: [0; KEYS],
            world,
        }
    }

    fn step(&mut self) {
        let chosen = self.random.usize(..INSTANCES);
        match self.random.u16(..1000) {
            0..700 => self.work(chosen),
            700..900 => {
                let millis = self.random.u64(..100);
                self.pass(millis);
            }
            900..985 => self.produce(),
            // A crash.
            985..988 => self.instances[chosen] = None,
            988..991 => {
                if let Some(instance) = &mut self.instances[chosen] {
                    instance.frozen_steps = self.random.u32(..300);
                }
            }
            991..993 => self.pass(7000),
            _ => self.start(chosen),
        }
    }

    fn start(&mut self, slot: usize) {
        if self.instances[slot].is_some() {
            return;
        }
        let log = Arc::new(self.world.client(self.random.u64(..1000)));
        let Ok(consumer) = log.subscribe(&subscription(&format!("delivery-{slot}"))) else {
            return;
        };
        let runtime = Builder::new_current_thread().enable_time().start_paused(true).build();
        let runtime = runtime.expect("a runtime");
        let handler = Work {
            journal: self.journal.clone(),
            random: Mutex::new(self.random.fork()),
        };
        // So little memory makes partitions pause.
        let options = Options {
            buffer_bytes: 2000,
            ..Options::lanes(3).with_log(log)
        };
        let now = runtime.block_on(async { Instant::now() });
        let runner = Runner::new(consumer, handler, options, runtime.handle().clone(), now);
        self.instances[slot] = Some(Instance {
            runner,
            runtime,
            frozen_steps: 0,
        });
    }

    fn work(&mut self, slot: usize) {
        let Some(instance) = &mut self.instances[slot] else {
            return;
        };
        if instance.frozen_steps > 0 {
            instance.frozen_steps -= 1;
            return;
        }
        let Instance { runner, runtime, .. } = instance;
        let step = runtime.block_on(async { runner.step(Instant::now(), Duration::ZERO) });
        step.expect("the runner goes on whatever the log does");
    }

    fn pass(&mut self, millis: u64) {
        let time = Duration::from_millis(millis);
        self.world.pass(time);
        for instance in self
            .instances
            .iter()
            .flatten()
            .filter(|instance| instance.frozen_steps == 0)
        {
            instance.runtime.block_on(async { sleep(time).await });
        }
    }

    /// Sends the next record of a key, as often as it takes.
    fn produce(&mut self) {
        let key = self.random.usize(..KEYS);
        let record = keyed(&format!("order-{key}"), self.next[key].to_string());
        match self.producer.append(TOPIC, vec![record], Duration::ZERO).remove(0) {
            Ok(_) => self.next[key] += 1,
            Err(LogError::Unavailable(_)) => {}
            Err(error) => panic!("{error}"),
        }
    }

    /// Without faults, and with one instance that is new, everything is done and committed.
    fn finish(&mut self) {
        self.world.kafka.behave(Behaviour::default());
        self.instances.iter_mut().for_each(|instance| *instance = None);
        self.pass(10_000);
        self.start(0);
        let ends = self.producer.extents(TOPIC).expect("extents");
        let ends: Vec<Option<Offset>> = ends.iter().map(|extent| Some(extent.end)).collect();
        for _ in 0..20_000 {
            let committed = self.producer.committed(GROUP, TOPIC).expect("offsets");
            if committed
                .iter()
                .zip(&ends)
                .all(|(committed, end)| committed >= end || *end == Some(Offset(0)))
            {
                return;
            }
            self.work(0);
            self.pass(20);
        }
        panic!("it is never done");
    }
}

#[test]
fn nothing_is_lost_or_out_of_order() {
    for seed in 0..40 {
        let protocol = if seed % 2 == 0 {
            Protocol::Cooperative
        } else {
            Protocol::Eager
        };
        let mut run = Run::new(
            seed,
            Behaviour {
                protocol,
                poll_records: 20,
                faults: Faults {
                    offsets_left_out: 0.0,
                    ..Faults::MANY
                },
                ..Behaviour::default()
            },
        );
        (0..STEPS).for_each(|_| run.step());
        run.finish();
        let journal = run.journal.lock().expect("no panic");
        let missing = (0..KEYS).flat_map(|key| (0..run.next[key]).map(move |number| (format!("order-{key}"), number)));
        let missing: Vec<_> = missing.filter(|record| !journal.done.contains(record)).collect();
        assert!(missing.is_empty(), "seed {seed}: lost {missing:?}");
        assert!(journal.early.is_empty(), "seed {seed}: too early {:?}", journal.early);
    }
}
