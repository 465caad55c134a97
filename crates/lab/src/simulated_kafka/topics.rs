//! The topics of a simulated Kafka.

use std::collections::BTreeMap;
use std::sync::Arc;

use keylane_log::{LogError, NewRecord, Offset, Partition, Record, Result, TimestampType, TopicPartition};

use super::partition_log::PartitionLog;

/// All topics by name.
#[derive(Debug, Default)]
pub(super) struct Topics {
    topics: BTreeMap<Arc<str>, Vec<PartitionLog>>,
    /// How many events there were after which a log went on differently: elections, and topics made anew.
    events: u64,
}

impl Topics {
    /// Creates a topic. Returns `false` if there is one of this name.
    pub(super) fn create(&mut self, topic: &str, partitions: u32) -> bool {
        if self.topics.contains_key(topic) {
            return false;
        }
        let event = self.event();
        let logs = (0..partitions).map(|_| PartitionLog::anew(event));
        self.topics.insert(topic.into(), logs.collect());
        true
    }

    /// Removes a topic with all its records. Returns whether there was one.
    pub(super) fn delete(&mut self, topic: &str) -> bool {
        self.topics.remove(topic).is_some()
    }

    pub(super) fn grow(&mut self, topic: &str, partitions: u32) -> Result<()> {
        let now = self.partitions(topic)?;
        if partitions <= now {
            return Err(LogError::Refused(match partitions == now {
                true => format!("Topic already has {now} partition(s)."),
                false => {
                    format!(
                        "The topic {topic} currently has {now} partition(s); {partitions} would not be an increase."
                    )
                }
            }));
        }
        let logs = self.topics.get_mut(topic).expect("a topic with partitions exists");
        logs.resize_with(partitions as usize, PartitionLog::default);
        Ok(())
    }

    /// The names of all topics, and how many partitions each has.
    pub(super) fn list(&self) -> impl Iterator<Item = (&Arc<str>, u32)> {
        self.topics.iter().map(|(name, logs)| (name, logs.len() as u32))
    }

    /// How many partitions a topic has.
    ///
    /// # Errors
    /// [`LogError::Refused`] if there is no such topic.
    pub(super) fn partitions(&self, topic: &str) -> Result<u32> {
        self.logs(topic).map(|logs| logs.len() as u32)
    }

    /// The logs of a topic.
    ///
    /// # Errors
    /// [`LogError::Refused`] if there is no such topic.
    pub(super) fn logs(&self, topic: &str) -> Result<&[PartitionLog]> {
        let logs = self.topics.get(topic).map(Vec::as_slice);
        logs.ok_or_else(|| LogError::Refused(format!("there is no topic {topic}")))
    }

    /// The log of a partition; `None` if there is no such partition.
    pub(super) fn log(&self, partition: &TopicPartition) -> Option<&PartitionLog> {
        self.topics.get(&partition.topic)?.get(partition.partition.0 as usize)
    }

    /// The error for a partition that does not exist.
    pub(super) fn no_partition(&self, partition: &TopicPartition) -> LogError {
        match self.partitions(&partition.topic) {
            Err(no_topic) => no_topic,
            Ok(count) => LogError::Refused(format!(
                "topic {} has {count} partitions, numbered from 0: there is no {}",
                partition.topic, partition.partition
            )),
        }
    }

    /// Appends a record to a partition, which exists, and leaves out the offset behind it if so asked.
    pub(super) fn append(
        &mut self,
        topic: &str,
        partition: Partition,
        new: NewRecord,
        leave_out: bool,
    ) -> Option<Offset> {
        let (name, _) = self.topics.get_key_value(topic)?;
        let name = name.clone();
        let log = self.topics.get_mut(topic)?.get_mut(partition.0 as usize)?;
        let offset = log.append(Record {
            topic: name,
            partition,
            offset: Offset(0),
            timestamp: new.timestamp,
            timestamp_type: TimestampType::CreateTime,
            key: new.key,
            value: new.value,
            headers: new.headers,
        });
        if leave_out {
            log.leave_out();
        }
        Some(offset)
    }

    /// Removes the records of a partition before `start`.
    pub(super) fn remove_before(&mut self, partition: &TopicPartition, start: Offset) -> Result<()> {
        self.log_mut(partition).map(|log| log.remove_before(start))
    }

    /// Removes the records of a partition from `end` on.
    pub(super) fn cut(&mut self, partition: &TopicPartition, end: Offset) -> Result<()> {
        let event = self.event();
        self.log_mut(partition).map(|log| log.cut(end, event))
    }

    /// The number of the next event after which a log goes on differently.
    pub(super) fn next_event(&self) -> u64 {
        self.events
    }

    fn event(&mut self) -> u64 {
        self.events += 1;
        self.events - 1
    }

    fn log_mut(&mut self, partition: &TopicPartition) -> Result<&mut PartitionLog> {
        if self.log(partition).is_none() {
            return Err(self.no_partition(partition));
        }
        let logs = self.topics.get_mut(&partition.topic);
        let log = logs.and_then(|logs| logs.get_mut(partition.partition.0 as usize));
        Ok(log.expect("it was just looked at"))
    }
}
