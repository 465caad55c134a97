//! Looks at a sample of a topic's records: at the partitions in which they stand, and at their timestamps.

use std::collections::BTreeSet;

use keylane_log::Record;
use keylane_log::partitioner::partition_of;
use shop::text;

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
    let (count, all) = (misplaced.len(), records.len());
    let (place, right) = (place(example), partition_of(key, partitions));
    let key = String::from_utf8_lossy(key);
    Some(Fault {
        what: text!(
            "{count} of {all} sampled records of {topic} lie in another partition than their key says: key \"{key}\" is at \
             {place} and belongs in P{right}",
            "토픽 {topic}에서 확인한 레코드 {all}개 가운데 {count}개가 키에 맞지 않는 파티션에 있음: 키가 \"{key}\"인 레코드가 \
             {place} 자리에 있으나 P{right} 파티션에 있어야 함"
        ),
        remedy: text!(
            "let every producer use murmur2, Java's default (librdkafka: partitioner=murmur2_random), and choose no \
             partition by hand; otherwise an order's events lie in several partitions",
            "모든 프로듀서가 Java의 기본값인 murmur2를 쓰게 하고(librdkafka: partitioner=murmur2_random), 파티션을 직접 고르지 않게 \
             하세요. 그러지 않으면 한 주문의 이벤트가 여러 파티션에 흩어집니다"
        ),
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
    let (count, latest, ahead_s) = (places.len(), place(latest), ahead as f64 / 1000.0);
    (ahead > skew::TOLERATED_MS).then(|| Fault {
        what: text!(
            "{count} sampled record(s) of {topic} come from the future, {latest} by {ahead_s:.1} s (clock skew)",
            "토픽 {topic}에서 확인한 레코드 {count}개의 시각이 미래임: {latest} 레코드는 {ahead_s:.1}초 앞섬(시계 차이)"
        ),
        remedy: text!(
            "set the clocks of this machine and of the producers by NTP; order does not depend on them, retention and \
             times in logs do",
            "이 컴퓨터와 프로듀서의 시계를 NTP로 맞추세요. 순서는 시계와 상관없지만, 보존 기간과 로그의 시각은 시계를 따릅니다"
        ),
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
            wrong.what.english.contains("of 8 sampled") && wrong.what.english.contains("belongs in P6"),
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
                .english
                .starts_with("1 sampled record(s) of t come from the future, P1@7 by 60.0 s"),
            "{wrong:?}"
        );
    }
}
