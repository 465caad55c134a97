//! Notices records that librdkafka hands out twice.
//!
//! In every rebalance librdkafka pauses the partitions that a member keeps, and then goes on behind the last record
//! that it has handed out. A record that leaves its queue at that very moment does not count as handed out yet, so it
//! comes again.

use crate::record::{Offset, Record, TopicPartition};

/// Knows the last record of each partition.
#[derive(Default)]
pub(super) struct Repeats {
    last: Vec<Last>,
    /// The index of the entry that was used last, since records of a partition come together.
    current: usize,
}

/// The last record of a partition.
struct Last {
    partition: TopicPartition,
    offset: Offset,
    /// A copy of the record, made when its poll ended.
    copy: Option<Record>,
}

impl Repeats {
    /// Takes `record` to the `records` of a poll, unless the last record of its partition was the same one. At the same
    /// offset may stand another record, after the log was truncated.
    pub(super) fn push(&mut self, record: Record, records: &mut Vec<Record>) {
        let is_of =
            |partition: &TopicPartition| partition.partition == record.partition && *partition.topic == *record.topic;
        if !self.last.get(self.current).is_some_and(|last| is_of(&last.partition)) {
            let known = self.last.iter().position(|last| is_of(&last.partition));
            self.current = known.unwrap_or(self.last.len());
        }
        match self.last.get_mut(self.current) {
            Some(last) => {
                let copy = match last.offset == record.offset {
                    true => last.copy.as_ref().or_else(|| last_of(&last.partition, records)),
                    false => None,
                };
                if copy.is_some_and(|copy| is_same(copy, &record)) {
                    return;
                }
                (last.offset, last.copy) = (record.offset, None);
            }
            None => self.last.push(Last {
                partition: record.topic_partition(),
                offset: record.offset,
                copy: None,
            }),
        }
        records.push(record);
    }

    /// Copies the last records of their partitions out of the `records` of a poll, which are about to be handed out or
    /// thinned out.
    pub(super) fn keep(&mut self, records: &[Record]) {
        for last in self.last.iter_mut().filter(|last| last.copy.is_none()) {
            last.copy = last_of(&last.partition, records).map(|record| {
                let mut copy = record.clone();
                copy.headers.clear();
                copy.unshare();
                copy
            });
        }
    }

    /// Forgets the last records of these partitions, which were assigned anew.
    pub(super) fn forget(&mut self, partitions: &[TopicPartition]) {
        self.last.retain(|last| !partitions.contains(&last.partition));
    }
}

/// The last of these records that stands in `partition`.
fn last_of<'a>(partition: &TopicPartition, records: &'a [Record]) -> Option<&'a Record> {
    let stands_there = |record: &&Record| record.partition == partition.partition && *record.topic == *partition.topic;
    records.iter().rev().find(stands_there)
}

/// Whether two records of one partition and offset are the same one.
fn is_same(one: &Record, other: &Record) -> bool {
    one.timestamp == other.timestamp && one.key == other.key && one.value == other.value
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{Partition, Timestamp, TimestampType};

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

    /// Whether `record` is taken for a repetition, in polls that hand out so many records.
    fn seen(repeats: &mut Repeats, records: &mut Vec<Record>, per_poll: usize, record: Record) -> bool {
        let before = records.len();
        repeats.push(record, records);
        let repeated = records.len() == before;
        if records.len() >= per_poll {
            repeats.keep(records);
            records.clear();
        }
        repeated
    }

    #[test]
    fn only_the_last_record_of_a_partition_is_a_repetition() {
        for per_poll in [1, 2, 3, 100] {
            let (mut repeats, mut records) = (Repeats::default(), Vec::new());
            let mut seen = |record| seen(&mut repeats, &mut records, per_poll, record);
            assert!(!seen(record(0, 7, 1)));
            assert!(!seen(record(1, 7, 1)), "another partition");
            assert!(seen(record(0, 7, 1)));
            assert!(!seen(record(0, 8, 1)));
            assert!(
                !seen(record(0, 7, 1)),
                "the log has gone back further than to the last record"
            );
            assert!(!seen(record(0, 7, 2)), "another record stands there");
            assert!(seen(record(1, 7, 1)));
            let other = Record {
                value: Some("other".into()),
                ..record(0, 7, 2)
            };
            assert!(!seen(other), "and another again");
            let forgotten = record(1, 7, 1).topic_partition();
            repeats.forget(&[forgotten]);
            let before = records.len();
            repeats.push(record(1, 7, 1), &mut records);
            assert!(records.len() > before, "the partition was assigned anew");
        }
    }
}
