//! What a topic loses: by retention, and by elections of replicas that have not everything.
//!
//! # Invariants
//! * What is lost is kept aside, so that a history still knows it.

use keylane_log::{Offset, Partition, TopicPartition};

use super::mall::Mall;
use super::roles::TOPIC;

impl Mall {
    /// Removes the records of a partition that the group has committed, as retention does.
    pub fn remove(&mut self, partition: u32) {
        if let Some(Some(committed)) = self.committed().get(partition as usize).copied() {
            self.remove_before(Partition(partition), committed);
        }
    }

    /// Removes the first records of a partition, up to so many, whether somebody has handled them or not. Returns whether there
    /// were any.
    pub fn expire(&mut self, partition: u32, most: u32) -> bool {
        let partition = Partition(partition);
        let records = self.log.look(partition, Offset(0));
        let last = records.iter().take(most as usize).next_back();
        if let Some(last) = last {
            self.remove_before(partition, last.offset.next());
        }
        last.is_some()
    }

    fn remove_before(&mut self, partition: Partition, end: Offset) {
        // What was published is looked at before it is gone.
        self.published.look(&self.log);
        let mut records = self.log.look(partition, Offset(0));
        records.retain(|record| record.offset < end);
        let (handled, unread): (Vec<_>, Vec<_>) = records.into_iter().partition(|record| self.watch.is_handled(record));
        self.removed.handled.extend(handled);
        self.removed.unread.extend(unread);
        self.watch.removed(partition, end);
        let removed = self.log.delete_before(&TopicPartition::new(TOPIC, partition), end);
        removed.expect("there are as many records");
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
        self.removed.add_election(lost);
        elected
    }
}
