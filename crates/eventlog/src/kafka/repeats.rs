//! Records that librdkafka hands out twice.
//!
//! With every rebalance librdkafka pauses the partitions that a member keeps, and then goes on where the application
//! stands. A record that leaves its queue at that very moment has not been counted yet, so it comes once more.

use crate::record::{Offset, Record, Timestamp, TopicPartition};

/// Knows what was handed out last of each partition.
#[derive(Default)]
pub(super) struct Repeats {
    last: Vec<(TopicPartition, Offset, Timestamp)>,
    /// The entry used last: records of a partition come in runs.
    at: usize,
}

impl Repeats {
    /// Whether `record` was the last of its partition already; if not, it is now. One that stands at the same offset of a
    /// log that was truncated has another time.
    pub(super) fn contains(&mut self, record: &Record) -> bool {
        let here = (record.offset, record.timestamp);
        let of_partition = |(partition, ..): &(TopicPartition, _, _)| {
            partition.partition == record.partition && *partition.topic == *record.topic
        };
        if !self.last.get(self.at).is_some_and(of_partition) {
            let known = self.last.iter().position(of_partition);
            let Some(known) = known else {
                self.at = self.last.len();
                self.last.push((record.topic_partition(), here.0, here.1));
                return false;
            };
            self.at = known;
        }
        let (_, offset, timestamp) = &mut self.last[self.at];
        let repeated = (*offset, *timestamp) == here;
        (*offset, *timestamp) = here;
        repeated
    }

    /// These partitions begin anew.
    pub(super) fn forget(&mut self, partitions: &[TopicPartition]) {
        self.last.retain(|(partition, ..)| !partitions.contains(partition));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::Partition;

    fn record(partition: u32, offset: u64, timestamp: i64) -> Record {
        Record {
            topic: "orders".into(),
            partition: Partition(partition),
            offset: Offset(offset),
            timestamp: Timestamp(timestamp),
            key: None,
            value: None,
            headers: Vec::new(),
        }
    }

    #[test]
    fn only_the_last_record_of_a_partition_is_a_repetition() {
        let mut repeats = Repeats::default();
        let mut seen = |partition, offset, timestamp| repeats.contains(&record(partition, offset, timestamp));
        assert!(!seen(0, 7, 1));
        assert!(!seen(1, 7, 1), "another partition");
        assert!(seen(0, 7, 1));
        assert!(!seen(0, 8, 1));
        assert!(
            !seen(0, 7, 1),
            "the log has gone back, by more than the record that was on its way"
        );
        assert!(!seen(0, 7, 2), "another record stands there");
        assert!(seen(1, 7, 1));
        let forgotten = record(1, 7, 1).topic_partition();
        repeats.forget(&[forgotten]);
        assert!(!repeats.contains(&record(1, 7, 1)), "the partition was assigned anew");
    }
}
