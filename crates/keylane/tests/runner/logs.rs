//! The runner on the embedded log, and on a Kafka whose address (`host:port`) is in `MALL_TEST_KAFKA`.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use keylane::{Handler, Metrics, Options};
use keylane_log::embedded::{EmbeddedLog, EmbeddedOptions};
use keylane_log::kafka::KafkaLog;
use keylane_log::{EventLog, LogError, NewRecord, Partition, Subscription};
use tempfile::TempDir;

use crate::bench::Running;
use crate::gated::Gated;
use crate::scripted::TIMEOUT;

/// A new topic on one of the logs.
struct Site {
    log: Arc<dyn EventLog>,
    topic: String,
    _folder: Option<TempDir>,
}

fn embedded(partitions: u32) -> Site {
    let folder = TempDir::new().unwrap();
    let log = EmbeddedLog::open(folder.path(), EmbeddedOptions::default()).unwrap();
    Site::new(Arc::new(log), partitions, Some(folder))
}

fn kafka(partitions: u32, properties: &[(&str, &str)]) -> Site {
    let properties = properties
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    let address = std::env::var("MALL_TEST_KAFKA")
        .expect("MALL_TEST_KAFKA must give the address (host:port) of a Kafka broker to test with");
    let log = KafkaLog::connect(&address, properties.collect()).unwrap();
    Site::new(Arc::new(log), partitions, None)
}

impl Site {
    fn new(log: Arc<dyn EventLog>, partitions: u32, folder: Option<TempDir>) -> Self {
        let since = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap().as_nanos();
        let topic = format!("keylane-test-{}-{since}", std::process::id());
        match log.create_topic(&topic, partitions) {
            // The call that was given up may have created the topic.
            Err(LogError::Unavailable(_)) => _ = answered(|| log.create_topic(&topic, partitions)),
            created => assert!(created.unwrap()),
        }
        Self {
            log,
            topic,
            _folder: folder,
        }
    }

    /// Appends a record with each of these keys to a partition.
    fn append<'a>(&self, partition: u32, keys: impl IntoIterator<Item = &'a str>) {
        let record = |key: &str| NewRecord {
            partition: Some(Partition(partition)),
            // Kafka deletes a record when its timestamp is seven days old.
            timestamp: SystemTime::now().into(),
            key: Some(Bytes::copy_from_slice(key.as_bytes())),
            value: Some(Bytes::from_static(b"{}")),
            headers: Vec::new(),
        };
        let records = keys.into_iter().map(record).collect();
        for placed in self.log.append(&self.topic, records, TIMEOUT) {
            placed.unwrap();
        }
    }

    fn join(&self, handler: impl Handler, options: Options) -> Running {
        let subscription = Subscription {
            group: self.topic.clone(),
            topics: vec![self.topic.clone()],
            member: "keylane-test".to_owned(),
            note: String::new(),
            session_timeout: Duration::from_secs(6),
            drain_timeout: TIMEOUT,
        };
        let consumer = answered(|| self.log.subscribe(&subscription));
        Running::start(consumer, handler, options.with_log(self.log.clone()))
    }
}

fn with_metrics(metrics: &Arc<Metrics>) -> Options {
    Options {
        metrics: metrics.clone(),
        ..Options::lanes(8)
    }
}

/// What the log answers. It gives a call up after five seconds, and a broker that has just started on a busy machine may
/// take longer, so that the call is made again.
fn answered<T>(call: impl Fn() -> keylane_log::Result<T>) -> T {
    let deadline = Instant::now() + TIMEOUT;
    loop {
        match call() {
            Err(LogError::Unavailable(_)) if Instant::now() < deadline => {}
            answer => return answer.unwrap(),
        }
    }
}

fn until(what: &str, wanted: impl Fn() -> bool) {
    let deadline = Instant::now() + TIMEOUT;
    while !wanted() {
        assert!(Instant::now() < deadline, "waited in vain until {what}");
        std::thread::yield_now();
    }
}

/// A member that joins gets a partition only once its owner has finished the records in flight, so that no record is
/// handled twice.
fn a_newcomer_waits_for_what_is_in_flight(site: &Site) {
    let (first, second) = (Gated::default(), Gated::default());
    ["0@0", "1@0"].iter().for_each(|place| first.hold(place));
    site.append(0, ["a", "a", "b"]);
    site.append(1, ["c", "c", "d"]);
    let metrics = Arc::<Metrics>::default();
    let old = site.join(first.clone(), with_metrics(&metrics));
    ["0@0", "1@0"].iter().for_each(|place| first.until_started(place));
    ["0@2", "1@2"].iter().for_each(|place| first.until_finished(place));
    let skipped = Arc::<Metrics>::default();
    let new = site.join(second.clone(), with_metrics(&skipped));
    until("a partition drains", || metrics.draining_partitions.get() > 0);
    second.look(|journal| assert!(journal.started.is_empty(), "{:?}", journal.started));
    ["0@0", "1@0"].iter().for_each(|place| first.release(place));
    second.until("the newcomer has handled something", |journal| {
        !journal.finished.is_empty()
    });
    let all = || first.look(|one| second.look(|two| [one.finished.clone(), two.finished.clone()].concat()));
    until("all is handled", || all().len() >= 6);
    new.stop().unwrap();
    old.stop().unwrap();
    let mut all = all();
    all.sort();
    assert_eq!(all, ["0@0", "0@1", "0@2", "1@0", "1@1", "1@2"]);
    assert_eq!(
        skipped.skipped.get(),
        1,
        "the commit named the record that was done behind the held one"
    );
}

/// Records that were done behind one record that hangs are not handled again by the partition's next owner.
fn a_restart_repeats_only_what_was_open(site: &Site) {
    let stuck = Gated::default();
    stuck.hold("0@100");
    let keys: Vec<String> = (0..2000).map(|number| format!("{number}")).collect();
    site.append(0, keys.iter().map(String::as_str));
    let metrics = Arc::<Metrics>::default();
    let options = Options {
        shutdown_timeout: Duration::ZERO,
        ..with_metrics(&metrics)
    };
    let running = site.join(stuck.clone(), options);
    stuck.until("all others are done", |journal| journal.finished.len() == 1999);
    // A handler ends before the runner notes that. A gauge that was set twice since is newer than that end.
    for _ in 0..2 {
        metrics.in_flight.set(u64::MAX);
        until("the gauge is set", || metrics.in_flight.get() != u64::MAX);
    }
    until("all others are noted as done", || metrics.in_flight.get() == 1);
    assert_eq!(running.stop().unwrap().unfinished, 1);
    let next = Gated::default();
    let running = site.join(next.clone(), Options::lanes(8));
    next.until_finished("0@100");
    site.append(0, ["behind"]);
    next.until_finished("0@2000");
    assert_eq!(running.stop().unwrap().done, 2);
    next.look(|journal| assert_eq!(journal.started, ["0@100", "0@2000"]));
    let committed = answered(|| site.log.committed(&site.topic, &site.topic));
    assert_eq!(committed, [Some(keylane_log::Offset(2001))]);
}

/// While members come and go under load, each record is handled once, and each key in order and by one member at a
/// time.
fn order_survives_members_that_come_and_go(site: &Site) {
    const EACH: usize = 1500;
    let witness = Gated::default();
    let load = |part: usize| {
        for partition in 0..4 {
            let keys: Vec<String> = (0..EACH / 3)
                .map(|number| format!("{partition}-{}", (part + number) % 9))
                .collect();
            site.append(partition, keys.iter().map(String::as_str));
        }
    };
    load(0);
    let first = site.join(witness.clone(), Options::lanes(8));
    witness.until("the first member works", |journal| journal.finished.len() > EACH / 10);
    let second = site.join(witness.clone(), Options::lanes(8));
    load(1);
    witness.until("both members work", |journal| journal.finished.len() > 2 * EACH);
    first.stop().unwrap();
    load(2);
    witness.until("all is done", |journal| journal.finished.len() >= 4 * EACH);
    second.stop().unwrap();
    witness.look(|journal| {
        assert_eq!(journal.overlaps, Vec::<String>::new());
        assert_eq!(journal.finished.len(), 4 * EACH, "a record was handled twice");
        let mut last: HashMap<(&str, usize), usize> = HashMap::new();
        for place in &journal.started {
            let (partition, offset) = place.split_once('@').unwrap();
            let offset: usize = offset.parse().unwrap();
            let key = (partition, (offset / (EACH / 3) + offset % (EACH / 3)) % 9);
            let before = last.insert(key, offset);
            assert!(
                before.is_none_or(|before| before < offset),
                "{place} came after {before:?}"
            );
        }
    });
}

macro_rules! on {
    ($name:ident, $site:expr) => {
        mod $name {
            #[test]
            fn a_newcomer_waits_for_what_is_in_flight() {
                super::a_newcomer_waits_for_what_is_in_flight(&$site(2));
            }

            #[test]
            fn a_restart_repeats_only_what_was_open() {
                super::a_restart_repeats_only_what_was_open(&$site(1));
            }

            #[test]
            fn order_survives_members_that_come_and_go() {
                super::order_survives_members_that_come_and_go(&$site(4));
            }
        }
    };
}

on!(embedded, super::embedded);
on!(kafka_cooperative, |partitions| super::kafka(partitions, &[]));
on!(kafka_eager, |partitions| super::kafka(
    partitions,
    &[("partition.assignment.strategy", "range")]
));
on!(kafka_848, |partitions| super::kafka(
    partitions,
    &[("group.protocol", "consumer")]
));
