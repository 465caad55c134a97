//! How far a scan has come in the partitions that it reads together.

use rdkafka::topic_partition_list::TopicPartitionList;

use crate::kafka::{convert, fault};
use crate::port::{Extent, Result};
use crate::record::{Offset, Record};

/// The progress of a scan through the partitions of a topic, each within its extent.
pub(super) struct ScanProgress<'a> {
    /// The topic that is read.
    pub(super) topic: &'a str,
    extents: &'a [Extent],
    /// The next offset to be read of each partition.
    pub(super) next: Vec<Offset>,
    /// Whether more records of each partition are expected.
    open: Vec<bool>,
    /// How many partitions are open.
    left: usize,
}

impl<'a> ScanProgress<'a> {
    pub(super) fn new(topic: &'a str, extents: &'a [Extent]) -> Self {
        let open: Vec<bool> = extents.iter().map(|extent| extent.start < extent.end).collect();
        Self {
            topic,
            extents,
            next: extents.iter().map(|extent| extent.start.min(extent.end)).collect(),
            left: open.iter().filter(|open| **open).count(),
            open,
        }
    }

    /// Whether every partition has been read to its end.
    pub(super) fn is_done(&self) -> bool {
        self.left == 0
    }

    /// The list of the open partitions, each with its start.
    pub(super) fn assignment(&self) -> Result<TopicPartitionList> {
        let mut list = TopicPartitionList::with_capacity(self.left);
        for (number, extent) in self.extents.iter().enumerate().filter(|(number, _)| self.open[*number]) {
            let added = list.add_partition_offset(self.topic, number as i32, convert::native_offset(extent.start));
            added.map_err(|error| fault::sort(&format!("topic {} can't be read", self.topic), &error))?;
        }
        Ok(list)
    }

    /// Notes that a record was read. Returns whether it lies within its extent; records that were appended after the
    /// scan began do not.
    pub(super) fn takes(&mut self, record: &Record) -> bool {
        let number = record.partition.0 as usize;
        let Some(extent) = self.extents.get(number).filter(|_| self.open[number]) else {
            return false;
        };
        let wanted = record.offset < extent.end;
        self.next[number] = record.offset.next().min(extent.end);
        if self.next[number] >= extent.end {
            self.close(number);
        }
        wanted
    }

    /// Notes that a partition has no more records.
    pub(super) fn ended(&mut self, native: i32) {
        if let Ok(number) = usize::try_from(native) {
            self.close(number);
        }
    }

    fn close(&mut self, number: usize) {
        if self.open.get(number) == Some(&true) {
            self.open[number] = false;
            self.left -= 1;
        }
    }

    /// Names the open partitions: `kafka.scaling-3 and 7 more`.
    pub(super) fn awaited(&self) -> String {
        let first = self.open.iter().position(|open| *open).unwrap_or_default();
        let first = format!("{}-{first}", self.topic);
        match self.left {
            0 | 1 => first,
            left => format!("{first} and {} more", left - 1),
        }
    }
}
