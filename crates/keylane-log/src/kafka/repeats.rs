//! Notices records that librdkafka hands out twice.
//!
//! In every rebalance librdkafka pauses the partitions that a member keeps, and then goes on behind the last record
//! that it has handed out. A record that leaves its queue at that very moment does not count as handed out yet, so it
//! comes again.

use bytes::Bytes;

use crate::record::{Offset, Record, Timestamp, TopicPartition};

/// Knows the last record of each partition.
#[derive(Default)]
pub(super) struct Repeats {
    last: Vec<(TopicPartition, Fingerprint)>,
    /// The index of the entry that was used last, since records of a partition come together.
    current: usize,
}

/// What tells a record from another one that stands at the same offset after the log was truncated.
type Fingerprint = (Offset, Timestamp, Option<Bytes>, Option<Bytes>);

impl Repeats {
    /// Notes that `record` has come. Returns whether the last record of its partition was the same one.
    pub(super) fn note(&mut self, record: &Record) -> bool {
        let fingerprint = (
            record.offset,
            record.timestamp,
            record.key.clone(),
            record.value.clone(),
        );
        let of_partition = |(partition, _): &(TopicPartition, Fingerprint)| {
            partition.partition == record.partition && *partition.topic == *record.topic
        };
        if !self.last.get(self.current).is_some_and(of_partition) {
            let known = self.last.iter().position(of_partition);
            self.current = known.unwrap_or(self.last.len());
        }
        match self.last.get_mut(self.current) {
            Some((_, last)) => {
                let repeated = *last == fingerprint;
                *last = fingerprint;
                repeated
            }
            None => {
                self.last.push((record.topic_partition(), fingerprint));
                false
            }
        }
    }

    /// Forgets the last records of these partitions, which were assigned anew.
    pub(super) fn forget(&mut self, partitions: &[TopicPartition]) {
        self.last.retain(|(partition, _)| !partitions.contains(partition));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{Partition, TimestampType};

    fn record(partition: u32, offset: u64, timestamp: i64) -> Record {
        Record {
            topic: "orders".into(),
            partition: Partition(partition),
            offset: Offset(offset),
            timestamp: Timestamp(timestamp),
            timestamp_type: TimestampType::CreateTime,
            key: None,
            value: None,
            headers: Vec::new(),
        }
    }

    #[test]
    fn only_the_last_record_of_a_partition_is_a_repetition() {
        let mut repeats = Repeats::default();
        let mut seen = |partition, offset, timestamp| repeats.note(&record(partition, offset, timestamp));
        assert!(!seen(0, 7, 1));
        assert!(!seen(1, 7, 1), "another partition");
        assert!(seen(0, 7, 1));
        assert!(!seen(0, 8, 1));
        assert!(!seen(0, 7, 1), "the log has gone back further than to the last record");
        assert!(!seen(0, 7, 2), "another record stands there");
        assert!(seen(1, 7, 1));
        let other = Record {
            value: Some("other".into()),
            ..record(0, 7, 2)
        };
        assert!(!repeats.note(&other), "and another again");
        let forgotten = record(1, 7, 1).topic_partition();
        repeats.forget(&[forgotten]);
        assert!(!repeats.note(&record(1, 7, 1)), "the partition was assigned anew");
    }
}
