//! Records that librdkafka hands out twice.
//!
//! With every rebalance librdkafka pauses the partitions that a member keeps, and then goes on where the application
//! stands. A record that leaves its queue at that very moment has not been counted yet, so it comes once more.

use bytes::Bytes;

use crate::record::{Offset, Record, Timestamp, TopicPartition};

/// Knows what was handed out last of each partition.
#[derive(Default)]
pub(super) struct Repeats {
    last: Vec<(TopicPartition, Print)>,
    /// The entry used last: records of a partition come in runs.
    at: usize,
}

/// What tells a record from another that stands at its offset once a log was truncated.
type Print = (Offset, Timestamp, Option<Bytes>, Option<Bytes>);

impl Repeats {
    /// Notes that `record` comes now; `true` if it was the last of its partition already.
    pub(super) fn note(&mut self, record: &Record) -> bool {
        let print = (
            record.offset,
            record.timestamp,
            record.key.clone(),
            record.value.clone(),
        );
        let of_partition = |(partition, _): &(TopicPartition, Print)| {
            partition.partition == record.partition && *partition.topic == *record.topic
        };
        if !self.last.get(self.at).is_some_and(of_partition) {
            let known = self.last.iter().position(of_partition);
            self.at = known.unwrap_or(self.last.len());
        }
        match self.last.get_mut(self.at) {
            Some((_, last)) => {
                let repeated = *last == print;
                *last = print;
                repeated
            }
            None => {
                self.last.push((record.topic_partition(), print));
                false
            }
        }
    }

    /// These partitions begin anew.
    pub(super) fn forget(&mut self, partitions: &[TopicPartition]) {
        self.last.retain(|(partition, _)| !partitions.contains(partition));
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
        let mut seen = |partition, offset, timestamp| repeats.note(&record(partition, offset, timestamp));
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
