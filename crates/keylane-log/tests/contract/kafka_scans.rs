//! Scans of topics as only Kafka has them: with transaction markers, gaps, partitions without a leader, or very many
//! partitions.

use std::time::{Duration, Instant};

use keylane_log::{EventLog, LogError, Record};
use rdkafka::ClientConfig;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};

use crate::kafka_only::{delete_records, simulated};
use crate::member::TIMEOUT;
use crate::records::{append, placed_at, topic};
use crate::scans::{extent, scanned};
use crate::world::{Kafka, World};

/// Puts records into a partition as one transaction, which is then committed or aborted.
fn transaction(world: &Kafka, topic: &str, number: i32, records: usize, commit: bool) {
    let config = ClientConfig::from_iter([
        ("bootstrap.servers".to_owned(), world.bootstrap().to_owned()),
        ("transactional.id".to_owned(), format!("{topic}-{number}")),
    ]);
    let producer: BaseProducer = config.create().expect("a producer starts");
    producer.init_transactions(TIMEOUT).expect("transactions can be made");
    producer.begin_transaction().expect("one begins");
    for n in 0..records {
        let value = n.to_string();
        let record: BaseRecord<'_, str, str> = BaseRecord::to(topic).partition(number).payload(&value);
        producer.send(record).map_err(|(error, _)| error).expect("it is queued");
    }
    producer.flush(TIMEOUT).expect("it is sent");
    match commit {
        true => producer.commit_transaction(TIMEOUT).expect("it ends"),
        false => producer.abort_transaction(TIMEOUT).expect("it ends"),
    }
}

#[test]
fn markers_and_holes_do_not_make_a_scan_wait() {
    let world = Kafka::new();
    let log = world.open();
    let topic = topic(&*log, "markers", 5);
    append(&*log, &topic, (0..5).map(|number| placed_at(number, "plain")).collect());
    transaction(&world, &topic, 0, 3, true);
    transaction(&world, &topic, 1, 3, false);
    transaction(&world, &topic, 2, 0, true);
    append(&*log, &topic, vec![placed_at(3, "a"), placed_at(3, "b")]);
    let before = log.extents(&topic).expect("there are extents");
    assert_eq!(
        (before[0], before[1], before[3]),
        (extent(0, 5), extent(0, 5), extent(0, 3))
    );
    delete_records(&world, &topic, 3, 3);
    // These extents are from before the records were removed.
    let begun = Instant::now();
    let (shown, ends) = scanned(&*log, &topic, &before);
    assert_eq!(
        shown.get(&0),
        Some(&vec![0, 1, 2, 3]),
        "the transaction marker is not seen"
    );
    assert_eq!(
        shown.get(&1),
        Some(&vec![0]),
        "records of an aborted transaction are not seen"
    );
    assert_eq!(shown.get(&3), None, "all records of the partition were removed");
    assert_eq!((shown.get(&2), shown.get(&4)), (Some(&vec![0]), Some(&vec![0])));
    assert_eq!((ends[0], ends[4]), (4, 1));
    assert!(
        begun.elapsed() < TIMEOUT,
        "the scan does not wait for records that never come"
    );
}

/// What Kafka's console tools read unless they are told otherwise.
#[test]
fn uncommitted_records_are_read_where_the_isolation_level_says_so() {
    let world = Kafka::with(&[("isolation.level", "read_uncommitted")]);
    let log = world.open();
    let topic = topic(&*log, "uncommitted", 1);
    transaction(&world, &topic, 0, 3, false);
    append(&*log, &topic, vec![placed_at(0, "plain")]);
    let extents = log.extents(&topic).expect("there are extents");
    let (shown, _) = scanned(&*log, &topic, &extents);
    // The broker ends a transaction first and writes its marker then, so the other record is before or behind it.
    let offsets = shown.get(&0).expect("records");
    assert_eq!((offsets.len(), &offsets[..3]), (4, &[0, 1, 2][..]), "{offsets:?}");
}

#[test]
fn a_partition_that_is_away_is_reported_soon_and_read_once_it_is_back() {
    const TOPIC: &str = "leaderless";
    let (cluster, log) = simulated(TOPIC);
    append(&log, TOPIC, vec![placed_at(0, "a"), placed_at(0, "b")]);
    let extents = log.extents(TOPIC).expect("there are extents");
    // The topic has no second and third partition.
    let beyond = [&extents[..], &[extent(0, 5), extent(0, 5)]].concat();
    let refused = |extents| {
        let begun = Instant::now();
        let scanned = log.scan(TOPIC, extents, &mut |_: &Record| {});
        let why = match scanned {
            Err(LogError::Unavailable(why) | LogError::Refused(why)) => why,
            other => panic!("{other:?}"),
        };
        assert!(
            begun.elapsed() < Duration::from_secs(60),
            "the scan does not wait for ever"
        );
        why
    };
    let why = refused(&beyond);
    assert!(why.contains("leaderless-1 and 1 more"), "{why}");
    cluster.broker_down(-1).expect("the brokers go down");
    let why = refused(&extents);
    assert!(why.contains("leaderless-0"), "{why}");
    cluster.broker_up(-1).expect("the brokers come back");
    let deadline = Instant::now() + TIMEOUT;
    let shown = loop {
        let mut shown = Vec::new();
        match log.scan(TOPIC, &extents, &mut |record: &Record| shown.push(record.offset.0)) {
            Ok(_) => break shown,
            Err(error) => assert!(Instant::now() < deadline, "{error}"),
        }
    };
    assert_eq!(shown, [0, 1]);
}

/// Reading them one after the other would take a quarter of a second for each.
#[test]
fn hundreds_of_partitions_are_read_at_once() {
    let world = Kafka::new();
    let log = world.open();
    let topic = topic(&*log, "hundreds", 300);
    append(
        &*log,
        &topic,
        (0..600).map(|n| placed_at(n % 300, n.to_string())).collect(),
    );
    let extents = log.extents(&topic).expect("there are extents");
    let (shown, _) = scanned(&*log, &topic, &extents);
    assert_eq!(shown.len(), 300);
    assert!(shown.values().all(|offsets| *offsets == [0, 1]));
}
