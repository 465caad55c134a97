//! What a topic has lost, for a history that still has to know it.

use keylane_log::{Partition, Record};

use crate::checker::OrderRecord;
use crate::translate::{self, TopicRecord};

/// The records that an election has taken count as a partition of their own from this number on, because others stand in their
/// places.
const ELECTIONS: u32 = 1_000;

/// The records that are gone from the log.
#[derive(Debug, Default)]
pub struct Removed {
    /// Those that had been handled.
    pub handled: Vec<Record>,
    /// Those that had not.
    pub unread: Vec<Record>,
    /// How many elections have removed some.
    elections: u32,
}

impl Removed {
    /// The order events that were removed before they had been handled.
    pub fn unread_events(&self) -> Vec<OrderRecord> {
        let found = self.unread.iter().filter_map(translate::found);
        found
            .filter_map(|found| match found {
                TopicRecord::Order(record) => Some(record),
                TopicRecord::Delivery(_) => None,
            })
            .collect()
    }

    /// An election has removed these records, which had been handled.
    pub fn add_election(&mut self, lost: &[Record]) {
        let partition = Partition(ELECTIONS + self.elections);
        self.elections += 1;
        let lost = lost.iter().cloned();
        self.handled.extend(lost.map(|record| Record { partition, ..record }));
    }

    /// The numbers of the partitions as which what elections have removed counts.
    pub fn partitions(&self) -> impl Iterator<Item = Partition> + use<> {
        (ELECTIONS..ELECTIONS + self.elections).map(Partition)
    }
}
