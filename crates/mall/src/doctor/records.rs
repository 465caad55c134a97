//! Looks at a sample of a topic's records: at the partitions in which they stand, and at their timestamps.

use std::collections::BTreeSet;

use keylane_log::Record;
use keylane_log::partitioner::partition_of;

use super::report::Fault;
use super::skew;

/// Tells of records that lie in another partition than the Java client's murmur2 gives to their key, so that their producer
/// must use another partitioner. A record that lies where murmur2 put it while the topic had fewer partitions is no fault; the
/// topic has grown since.
pub fn partitioner(topic: &str, partitions: u32, records: &[Record]) -> Option<Fault> {
    let misplaced = |record: &&Record| {
        let key = record.key.as_deref().filter(|key| !key.is_empty());
        key.is_some_and(|key| (1..=partitions).all(|count| partition_of(key, count) != record.partition))
    };
    let misplaced: Vec<&Record> = records.iter().filter(misplaced).collect();
    let example = misplaced.first()?;
    let key = example.key.as_deref().unwrap_or_default();
    Some(Fault {
        what: format!(
            "{} of {} sampled records of {topic} lie in another partition than their key says: key \"{}\" is at P{}@{} \
             and belongs in P{}",
            misplaced.len(),
            records.len(),
            String::from_utf8_lossy(key),
            example.partition,
            example.offset,
            partition_of(key, partitions)
        ),
        remedy:
            "let every producer use murmur2, Java's default (librdkafka: partitioner=murmur2_random), and choose no \
                 partition by hand; otherwise an order's events lie in several partitions"
                .into(),
    })
}

/// Tells of records from the future.
pub fn clock(topic: &str, now: i64, records: &[Record]) -> Option<Fault> {
    let latest = records.iter().max_by_key(|record| record.timestamp.0)?;
    let ahead = latest.timestamp.0 - now;
    let places: BTreeSet<_> = records
        .iter()
        .filter(|record| record.timestamp.0 > now + skew::TOLERATED_MS)
        .map(place)
        .collect();
    (ahead > skew::TOLERATED_MS).then(|| Fault {
        what: format!(
            "{} sampled record(s) of {topic} come from the future, {} by {:.1} s (clock skew)",
            places.len(),
            place(latest),
            ahead as f64 / 1000.0
        ),
        remedy:
            "set the clocks of this machine and of the producers by NTP; order does not depend on them, retention and \
                 times in logs do"
                .into(),
    })
}

fn place(record: &Record) -> String {
    format!("P{}@{}", record.partition, record.offset)
}

#[cfg(test)]
mod tests {
    use keylane_log::{Offset, Partition, Timestamp, TimestampType};

    use super::*;

    fn record(key: &str, partition: u32, timestamp: i64) -> Record {
        Record {
            topic: "t".into(),
            partition: Partition(partition),
            offset: Offset(7),
            timestamp: Timestamp(timestamp),
            timestamp_type: TimestampType::CreateTime,
            key: (!key.is_empty()).then(|| key.to_owned().into()),
            value: None,
            headers: Vec::new(),
        }
    }

    #[test]
    fn what_another_partitioner_placed_is_noticed_and_a_growth_is_not() {
        // murmur2 puts "order-1" into the third of four partitions, and into the seventh of eight.
        let good = [record("order-1", 6, 0), record("order-1", 2, 0), record("", 5, 0)];
        assert_eq!(partitioner("t", 8, &good), None);
        let bad: Vec<_> = (0..8).map(|partition| record("order-1", partition, 0)).collect();
        let wrong = partitioner("t", 8, &bad).expect("some are misplaced");
        assert!(
            wrong.what.contains("of 8 sampled") && wrong.what.contains("belongs in P6"),
            "{wrong:?}"
        );
    }

    #[test]
    fn records_from_the_future_are_noticed() {
        assert_eq!(clock("t", 0, &[record("", 0, skew::TOLERATED_MS)]), None);
        let wrong = clock("t", 0, &[record("", 0, 0), record("", 1, 60_000)]).expect("it is ahead");
        assert!(
            wrong
                .what
                .starts_with("1 sampled record(s) of t come from the future, P1@7 by 60.0 s"),
            "{wrong:?}"
        );
    }
}
