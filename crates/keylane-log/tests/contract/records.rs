//! Topics and records, but no groups.

use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use keylane_log::{
    EventLog, Extent, Header, LogError, NewRecord, NewTopic, Offset, Partition, Placed, Record, Timestamp,
    TimestampType, partitioner,
};

use crate::member::{TIMEOUT, TestMember, answered, partition, until};
use crate::world::{World, subscription, unique};

/// A record with a key, and a value that tells it from other records. Its timestamp is now, because a broker removes
/// records that are older than seven days, 30 s after its start.
pub fn keyed(key: impl Into<Bytes>, value: impl Into<Bytes>) -> NewRecord {
    NewRecord {
        partition: None,
        timestamp: SystemTime::now().into(),
        key: Some(key.into()),
        value: Some(value.into()),
        headers: Vec::new(),
    }
}

/// A record without a key, for this partition.
pub fn placed_at(number: u32, value: impl Into<Bytes>) -> NewRecord {
    NewRecord {
        partition: Some(Partition(number)),
        key: None,
        ..keyed("", value)
    }
}

/// Appends records, all of which the log must take.
pub fn append(log: &dyn EventLog, topic: &str, records: Vec<NewRecord>) -> Vec<Placed> {
    let results = log.append(topic, records, TIMEOUT);
    results
        .into_iter()
        .map(|result| result.expect("the log takes the record"))
        .collect()
}

/// Creates a topic for one case.
pub fn topic(log: &dyn EventLog, what: &str, partitions: u32) -> String {
    let topic = unique(what);
    match log.create_topic(&topic, partitions) {
        // The call that was given up may have created the topic.
        Err(LogError::Unavailable(_)) => _ = answered(|| log.create_topic(&topic, partitions)),
        created => assert!(created.expect("the topic can be created")),
    }
    topic
}

fn text(value: &Option<Bytes>) -> String {
    String::from_utf8(value.as_ref().expect("there is a value").to_vec()).expect("the value is text")
}

pub fn keys_lie_where_java_puts_them(world: &dyn World) {
    let log = world.open();
    // These partitions are where Kafka's Java producer puts the key (Utils.murmur2 with the sign bit cleared).
    for (partitions, golden) in [(4, Partition(2)), (8, Partition(6))] {
        let topic = topic(&*log, "java", partitions);
        assert_eq!(append(&*log, &topic, vec![keyed("order-1", "v")])[0].partition, golden);
        let keys: Vec<String> = (0..50)
            .map(|order| order.to_string())
            .chain(["".into(), "주문".into()])
            .collect();
        let records = keys.iter().map(|key| keyed(key.clone(), "v")).collect();
        for (key, placed) in keys.iter().zip(append(&*log, &topic, records)) {
            assert_eq!(
                placed.partition,
                partitioner::partition_of(key.as_bytes(), partitions),
                "key {key:?}"
            );
        }
    }
}

pub fn a_partition_keeps_the_order(world: &dyn World) {
    let log = world.open();
    let topic = topic(&*log, "order", 2);
    let mut expected = vec![Vec::new(); 2];
    for batch in 0..5 {
        let records: Vec<NewRecord> = (0..700)
            .map(|n| keyed(format!("{}", n % 7), format!("{batch}/{n}")))
            .collect();
        let values: Vec<String> = records.iter().map(|record| text(&record.value)).collect();
        for (value, placed) in values.into_iter().zip(append(&*log, &topic, records)) {
            let held = &mut expected[placed.partition.0 as usize];
            assert_eq!(placed.offset, Offset(held.len() as u64), "offsets rise by one");
            held.push(value);
        }
    }
    for (number, expected) in expected.iter().enumerate() {
        let read = log
            .read(&partition(&topic, number as u32), Offset(0), 10_000)
            .expect("the partition is read");
        let values: Vec<String> = read.iter().map(|record| text(&record.value)).collect();
        assert_eq!(&values, expected, "partition {number}");
    }
}

pub fn records_come_back_as_they_were(world: &dyn World) {
    let log = world.open();
    let topic = topic(&*log, "fields", 1);
    let headers = vec![
        Header::text("type", "OrderPlaced"),
        Header::text("contentType", "\"application/json\""),
        Header {
            name: "none".into(),
            value: None,
        },
        Header {
            name: "empty".into(),
            value: Some(Bytes::new()),
        },
        Header {
            name: "bytes".into(),
            value: Some(Bytes::from_static(&[0, 255, 128])),
        },
        Header::text("type", "again"),
    ];
    let an_hour_ago = Timestamp::from(SystemTime::now()).0 - 3_600_000;
    let plain = |key: Option<&'static str>, value: Option<&'static str>| NewRecord {
        partition: Some(Partition(0)),
        timestamp: Timestamp(an_hour_ago),
        key: key.map(Bytes::from),
        value: value.map(Bytes::from),
        headers: Vec::new(),
    };
    let written = vec![
        NewRecord {
            headers,
            ..plain(Some("6"), Some("{\"id\":6}"))
        },
        plain(None, Some("keyless")),
        plain(Some("6"), None),
        plain(None, None),
        plain(Some(""), Some("")),
        NewRecord {
            value: Some(Bytes::from_static(&[0, 159, 146, 150])),
            ..plain(Some("\u{0}"), None)
        },
    ];
    append(&*log, &topic, written.clone());
    let read = log
        .read(&partition(&topic, 0), Offset(0), 100)
        .expect("the partition is read");
    assert_eq!(read, as_read(&topic, &written));
    assert_eq!(read[0].header("type"), Some(&b"again"[..]));

    let mut member = TestMember::join(&*log, &subscription(&unique("fields"), &topic, "reader"));
    until("all records are polled", &mut [&mut member], |members| {
        members[0].observed.read.len() >= written.len()
    });
    assert_eq!(member.observed.read, read, "a member of a group reads the same records");
}

/// The records as a reader must see them.
fn as_read(topic: &str, written: &[NewRecord]) -> Vec<Record> {
    let record = |(offset, new): (usize, &NewRecord)| Record {
        topic: topic.into(),
        partition: Partition(0),
        offset: Offset(offset as u64),
        timestamp: new.timestamp,
        timestamp_type: TimestampType::CreateTime,
        key: new.key.clone(),
        value: new.value.clone(),
        headers: new.headers.clone(),
    };
    written.iter().enumerate().map(record).collect()
}

pub fn a_megabyte_comes_back(world: &dyn World) {
    let log = world.open();
    let topic = topic(&*log, "large", 1);
    let value = |seed: u8| Bytes::from((0..1_000_000u32).map(|n| (n as u8) ^ seed).collect::<Vec<u8>>());
    let records = vec![keyed("1", value(1)), keyed("1", "small"), keyed("1", value(2))];
    append(&*log, &topic, records.clone());
    let read = log
        .read(&partition(&topic, 0), Offset(0), 10)
        .expect("the partition is read");
    let values: Vec<_> = read.into_iter().map(|record| record.value).collect();
    let written: Vec<_> = records.into_iter().map(|record| record.value).collect();
    assert!(values == written, "large values come back byte for byte");
}

pub fn an_explicit_partition_wins_over_the_key(world: &dyn World) {
    let log = world.open();
    let topic = topic(&*log, "explicit", 4);
    let records = (0..4).map(|number| NewRecord {
        partition: Some(Partition(number)),
        ..keyed("order-1", "v")
    });
    let placed = append(&*log, &topic, records.collect());
    assert_eq!(
        placed.iter().map(|placed| placed.partition.0).collect::<Vec<_>>(),
        [0, 1, 2, 3]
    );
    let anywhere = append(
        &*log,
        &topic,
        vec![NewRecord {
            partition: None,
            ..placed_at(0, "v")
        }],
    );
    assert!(anywhere[0].partition.0 < 4);
}

pub fn one_refused_record_does_not_refuse_the_others(world: &dyn World) {
    let log = world.open();
    let topic = topic(&*log, "refused", 2);
    assert_eq!(log.append(&topic, Vec::new(), TIMEOUT), []);
    let results = log.append(
        &topic,
        vec![placed_at(0, "a"), placed_at(2, "b"), placed_at(1, "c")],
        TIMEOUT,
    );
    assert_eq!(
        results[0],
        Ok(Placed {
            partition: Partition(0),
            offset: Offset(0)
        })
    );
    assert!(
        matches!(&results[1], Err(LogError::Refused(why)) if why.contains(&topic)),
        "{:?}",
        results[1]
    );
    assert_eq!(
        results[2],
        Ok(Placed {
            partition: Partition(1),
            offset: Offset(0)
        })
    );
}

pub fn pages_follow_each_other(world: &dyn World) {
    let log = world.open();
    let topic = topic(&*log, "pages", 1);
    let values = |from: u32, to: u32| (from..to).map(|n| placed_at(0, n.to_string())).collect::<Vec<_>>();
    append(&*log, &topic, values(0, 1_000));
    let place = partition(&topic, 0);
    let mut next = Offset(0);
    let mut seen = Vec::new();
    // The last read returns as many records as it asked for, and later records follow it all the same.
    for size in [1, 399, 600] {
        let batch = log.read(&place, next, size).expect("records are read");
        assert_eq!(batch.len(), size);
        next = batch.last().expect("there are records").offset.next();
        seen.extend(batch.iter().map(|record| text(&record.value)));
    }
    assert_eq!(log.read(&place, next, 10), Ok(Vec::new()));
    append(&*log, &topic, values(1_000, 1_010));
    let batch = log.read(&place, next, 100).expect("the rest is read");
    seen.extend(batch.iter().map(|record| text(&record.value)));
    assert_eq!(seen, (0..1_010).map(|n| n.to_string()).collect::<Vec<_>>());
}

pub fn reading_outside_of_a_partition(world: &dyn World) {
    let log = world.open();
    let topic = topic(&*log, "extents", 2);
    let place = partition(&topic, 0);
    let extent = |start, end| Extent {
        start: Offset(start),
        end: Offset(end),
    };
    assert_eq!(log.extents(&topic), Ok(vec![extent(0, 0), extent(0, 0)]));
    assert_eq!(log.read(&place, Offset(0), 10), Ok(Vec::new()));
    append(&*log, &topic, vec![placed_at(0, "a"), placed_at(0, "b")]);
    assert_eq!(log.extents(&topic), Ok(vec![extent(0, 2), extent(0, 0)]));
    assert_eq!(log.read(&place, Offset(2), 10), Ok(Vec::new()));
    assert_eq!(log.read(&place, Offset(1_000), 10), Ok(Vec::new()));
    assert_eq!(log.read(&place, Offset(1), 10).expect("the tail is read").len(), 1);
    let beyond = log.read(&partition(&topic, 2), Offset(0), 10);
    assert!(
        matches!(&beyond, Err(LogError::Refused(why)) if why.contains(&topic)),
        "{beyond:?}"
    );
}

pub fn an_unknown_topic_is_refused(world: &dyn World) {
    let log = world.open();
    let topic = unique("nowhere");
    let refused = |what: &str, error: Option<LogError>| {
        assert!(
            matches!(&error, Some(LogError::Refused(why)) if why.contains(&topic)),
            "{what}: {error:?}"
        );
    };
    refused("partitions", log.partitions(&topic).err());
    refused("extents", log.extents(&topic).err());
    refused("read", log.read(&partition(&topic, 0), Offset(0), 1).err());
    refused("grow", log.grow_topic(&topic, 2).err());
    refused("committed", log.committed("anybody", &topic).err());
    refused(
        "append",
        log.append(&topic, vec![keyed("1", "v")], TIMEOUT).remove(0).err(),
    );
    refused(
        "subscribe",
        log.subscribe(&subscription("anybody", &topic, "nobody")).err(),
    );
}

pub fn topics_are_created_once_and_only_grow(world: &dyn World) {
    let log = world.open();
    let other = world.open();
    let topic = topic(&*log, "topics", 2);
    assert_eq!(
        log.create_topic(&topic, 5),
        Ok(false),
        "the topic exists and stays as it is"
    );
    assert_eq!(other.partitions(&topic), Ok(2));
    for fewer in [0, 1, 2] {
        let grown = log.grow_topic(&topic, fewer);
        assert!(matches!(grown, Err(LogError::Refused(_))), "{fewer}: {grown:?}");
    }
    log.grow_topic(&topic, 3).expect("the topic can grow");
    assert_eq!(log.partitions(&topic), Ok(3));
    let deadline = Instant::now() + TIMEOUT;
    while other.partitions(&topic) != Ok(3) {
        assert!(Instant::now() < deadline, "another process sees the new partition");
        std::thread::sleep(Duration::from_millis(20));
    }
    let topics = log.topics().expect("topics are listed");
    let listed = topics
        .iter()
        .find(|listed| listed.name == topic)
        .expect("the topic is listed");
    let numbers: Vec<u32> = listed.partitions.iter().map(|info| info.partition.0).collect();
    assert_eq!(numbers, [0, 1, 2]);
    for listed in &topics {
        assert_eq!(listed.internal, listed.name.starts_with("__"), "{listed:?}");
    }
    assert!(topics.is_sorted_by(|a, b| a.name < b.name), "topics are listed by name");
    assert!(matches!(
        log.create_topic(&unique("none"), 0),
        Err(LogError::Refused(_))
    ));
}

pub fn a_refusal_to_create_gives_the_reason(world: &dyn World) {
    let log = world.open();
    let first = unique("a.b");
    log.create(&NewTopic::new(&first, 1)).expect("the first name is free");
    let second = first.replace("a.b", "a_b");
    let collides = format!("Topic '{second}' collides with existing topic: {first}");
    let wrong = format!("{first}/");
    let invalid = format!(
        "Topic name is invalid: '{wrong}' contains one or more characters other than ASCII alphanumerics, '.', '_' and '-'"
    );
    let many = NewTopic {
        copies: Some(200),
        ..NewTopic::new(unique("copies"), 1)
    };
    for (topic, says) in [
        (NewTopic::new(&second, 1), collides.as_str()),
        (NewTopic::new(&wrong, 1), &invalid),
        (
            many,
            "Unable to replicate the partition 200 time(s): The target replication factor of 200",
        ),
    ] {
        let created = log.create(&topic);
        assert!(
            matches!(&created, Err(LogError::Refused(why)) if why.starts_with(says)),
            "{topic:?}: {created:?}"
        );
    }
    let again = log.create(&NewTopic {
        partitions: None,
        ..NewTopic::new(&first, 1)
    });
    assert_eq!(again, Ok(false), "an existing topic stays as it is");
    let plain = NewTopic {
        partitions: None,
        copies: Some(1),
        ..NewTopic::new(unique("plain"), 1)
    };
    assert_eq!(log.create(&plain), Ok(true));
    let default = log.partitions(&plain.name).expect("it is there");
    let says = format!("Topic already has {default} partition(s).");
    assert_eq!(log.grow_topic(&plain.name, default), Err(LogError::Refused(says)));
}

pub fn a_new_partition_is_used_soon(world: &dyn World) {
    let log = world.open();
    let topic = topic(&*log, "used", 1);
    append(&*log, &topic, vec![keyed("order-1", "v")]);
    world.open().grow_topic(&topic, 4).expect("the topic grows");
    let grown = Instant::now();
    // With four partitions this key belongs to partition 2.
    while append(&*log, &topic, vec![keyed("order-1", "v")])[0].partition != Partition(2) {
        assert!(grown.elapsed() < TIMEOUT, "the key has not moved");
        std::thread::sleep(Duration::from_millis(50));
    }
}
