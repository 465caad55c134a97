//! What a topic loses: by retention, and by elections of replicas that have not everything.
//!
//! # Invariants
//! * What is lost is kept aside, so that a history still knows it.

use keylane_log::{Offset, Partition, Record, TopicPartition};

use super::log::MOST_RECORDS;
use super::mall::Mall;
use super::roles::TOPIC;

/// The records that an election has taken count as a partition of their own from this number on, because others stand in their
/// places.
const LOST: u32 = 1_000;

impl Mall {
    /// Removes the records of a partition that the group has committed, as retention does.
    pub fn remove(&mut self, partition: u32) {
        let Some(Some(committed)) = self.committed().get(partition as usize).copied() else {
            return;
        };
        let partition = TopicPartition::new(TOPIC, Partition(partition));
        let mut records = self
            .log
            .outside()
            .read(&partition, Offset(0), MOST_RECORDS)
            .expect("the partition is there");
        records.retain(|record| record.offset < committed);
        self.removed.extend(records);
        let removed = self.log.delete_before(&partition, committed);
        removed.expect("a group commits nothing behind the end");
    }

    /// An unclean election takes the last records of a partition away, up to so many, as far as the group has handled them.
    /// What nobody has handled yet would be lost for good, against which nobody is safe. Returns whether there were any, and
    /// brokers.
    pub fn cut(&mut self, partition: u32, most: u32) -> bool {
        let number = Partition(partition);
        let records = self.log.look(number, Offset(0));
        let lost = self.watch.handled_at_the_end(&records, most as usize);
        let Some(first) = lost.first().filter(|_| self.log.is_kafka()) else {
            return false;
        };
        self.watch.cut(number, first.offset);
        self.published.cut(number, first.offset);
        let partition = TopicPartition::new(TOPIC, number);
        let elected = self.log.elect_uncleanly(&partition, first.offset);
        let partition = Partition(LOST + self.elections);
        self.elections += 1;
        let lost = lost.iter().cloned();
        self.removed.extend(lost.map(|record| Record { partition, ..record }));
        elected
    }

    /// The numbers of the partitions for which a history takes what elections have removed.
    pub fn lost(&self) -> impl Iterator<Item = Partition> + use<> {
        (LOST..LOST + self.elections).map(Partition)
    }

    /// The records that are gone from the log.
    pub fn removed(&self) -> &[Record] {
        &self.removed
    }
}
