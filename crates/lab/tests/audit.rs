//! The audit, over records that are made here.
#![allow(missing_docs)]

use bytes::Bytes;
use keylane_log::partitioner::partition_of;
use keylane_log::{Header, Offset, Partition, Record, Timestamp, TimestampType};
use lab::audit::{Audit, Auditor, Conclusion, Explanation, Locator, Question};

const PARTITIONS: u32 = 4;

fn audit(records: &[Record]) -> Audit {
    audit_by("key", "header:ce_sequence", records)
}

fn audit_by(key: &str, version: &str, records: &[Record]) -> Audit {
    let locator = |text: &str| text.parse::<Locator>().expect("a place in a record");
    let mut auditor = Auditor::new(Question {
        key: locator(key),
        version: locator(version),
        partitions: PARTITIONS,
    });
    let mut records: Vec<&Record> = records.iter().collect();
    records.sort_by_key(|record| (record.partition, record.offset));
    records.into_iter().for_each(|record| auditor.see(record));
    auditor.finish()
}

/// A record with this key and version, in the partition where Java's partitioner puts it.
fn record(key: &str, version: i64, offset: u64) -> Record {
    Record {
        topic: "orders".into(),
        partition: partition_of(key.as_bytes(), PARTITIONS),
        offset: Offset(offset),
        timestamp: Timestamp(0),
        timestamp_type: TimestampType::CreateTime,
        key: Some(Bytes::copy_from_slice(key.as_bytes())),
        value: Some(Bytes::from(format!(
            r#"{{"order":{{"id":"{key}"}},"version":{version}}}"#
        ))),
        headers: vec![Header::text("ce_sequence", format!("\"{version:020}\""))],
    }
}

fn good() -> Vec<Record> {
    (0..40)
        .map(|at| record(&(at % 4).to_string(), at as i64 / 4 + 1, at))
        .collect()
}

#[test]
fn a_topic_in_order_is_kept() {
    let audit = audit(&good());
    assert_eq!((audit.records, audit.keys, audit.versions), (40, 4, 40));
    assert_eq!(audit.answer(PARTITIONS), Conclusion::Kept, "{audit:?}");
    assert_eq!(audit.explanation, None);
}

#[test]
fn a_key_in_two_partitions_is_named_once() {
    let mut records = good();
    let elsewhere = Partition((records[0].partition.0 + 1) % PARTITIONS);
    for offset in [100, 101] {
        let mut moved = record("0", offset as i64, offset);
        moved.partition = elsewhere;
        records.push(moved);
    }
    let audit = audit(&records);
    assert_eq!((audit.split.count, audit.misplaced.count), (1, 2), "{audit:?}");
    assert!(audit.split.examples[0].starts_with("key 0: first P"), "{audit:?}");
    assert_eq!(audit.answer(PARTITIONS), Conclusion::Endangered);
}

#[test]
fn a_version_behind_a_higher_one_is_told_from_a_repetition() {
    let mut records = good();
    records.push(record("1", 14, 100));
    records.push(record("1", 12, 101));
    let place = record("1", 12, 101).partition;
    let found = audit(&records);
    let example = format!("key 1: v12 at P{place}@101 behind v14 at P{place}@100");
    assert_eq!((found.backwards.count, found.backwards.examples), (1, vec![example]));
    let mut records = good();
    records.push(record("1", 3, 100));
    let found = audit(&records);
    assert_eq!((found.backwards.count, found.repeated.count), (0, 1));
    assert_eq!(found.answer(PARTITIONS), Conclusion::Kept, "at least once is honest");
}

#[test]
fn records_without_a_key_endanger_the_order_where_there_are_several_partitions() {
    for key in [None, Some(Bytes::new())] {
        let mut records = good();
        records[0].key = key;
        let audit = audit(&records);
        assert_eq!(audit.keyless.count, 1);
        assert_eq!(
            (audit.answer(PARTITIONS), audit.answer(1)),
            (Conclusion::Endangered, Conclusion::Unknown),
            "in one partition nothing is in danger, but the versions without a key were not compared"
        );
    }
}

#[test]
fn keys_and_versions_are_found_where_the_question_says() {
    let records = good();
    for (key, version) in [("json:/order/id", "json:/version"), ("key", "json:/version")] {
        let audit = audit_by(key, version, &records);
        assert_eq!((audit.keys, audit.versions), (4, 40), "{key} {version}");
    }
    let blind = audit_by("header:order", "json:/version", &records);
    assert_eq!((blind.keys, blind.unidentified), (0, 40));
    assert_eq!(blind.answer(PARTITIONS), Conclusion::Unknown);
}

#[test]
fn nothing_compared_is_nothing_shown() {
    let empty = audit(&[]);
    assert_eq!(
        (empty.answer(PARTITIONS), empty.answer(1)),
        (Conclusion::Unknown, Conclusion::Unknown)
    );
    for wrong in [
        "header:version",
        "json:/order/version",
        "json:/order/id",
        "header:ce_source",
    ] {
        let found = audit_by("key", wrong, &[record("a", 1, 0)]);
        assert_eq!((found.versions, found.unversioned), (0, 1), "{wrong}");
        assert_eq!(found.answer(1), Conclusion::Unknown, "{wrong}");
    }
}

#[test]
fn one_record_that_could_not_be_compared_leaves_the_answer_open() {
    let mut records = good();
    records[7].headers.clear();
    let found = audit(&records);
    assert_eq!((found.versions, found.unversioned), (39, 1));
    assert_eq!(found.answer(PARTITIONS), Conclusion::Unknown);
    let mut records = good();
    records[7].value = Some(Bytes::from_static(b"nobody can read this"));
    let found = audit_by("json:/order/id", "header:ce_sequence", &records);
    assert_eq!((found.versions, found.unidentified), (39, 1));
    assert_eq!(found.answer(PARTITIONS), Conclusion::Unknown);
    records.push(record("1", 2, 101));
    let mut found = audit_by("json:/order/id", "header:ce_sequence", &records);
    found.backwards.count = 1;
    assert_eq!(
        found.answer(PARTITIONS),
        Conclusion::Endangered,
        "what was found stays found"
    );
}

#[test]
fn a_topic_that_grew_is_recognised() {
    let records: Vec<Record> = (0..50)
        .map(|at| {
            let key = at.to_string();
            let mut record = record(&key, 1, at);
            record.partition = partition_of(key.as_bytes(), 2);
            record
        })
        .collect();
    let audit = audit(&records);
    assert!(audit.misplaced.count > 10, "{audit:?}");
    assert_eq!(audit.explanation, Some(Explanation::Grown(2)));
}

#[test]
fn places_are_refused_by_name() {
    for wrong in ["", "value", "header:", "json:orderId", "key:x"] {
        let allowed = wrong.parse::<Locator>().expect_err(wrong);
        assert!(allowed.contains("header:NAME"), "{allowed}");
    }
}
