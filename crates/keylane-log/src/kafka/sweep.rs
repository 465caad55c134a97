//! How far the partitions of a topic have come that are read together, from their starts to their ends as they were.

use rdkafka::topic_partition_list::TopicPartitionList;

use crate::kafka::{convert, fault};
use crate::port::{Extent, Result};
use crate::record::{Offset, Record};

/// How far the partitions of a topic have been read that are read together.
pub(super) struct Sweep<'a> {
    /// The topic that is read.
    pub topic: &'a str,
    extents: &'a [Extent],
    /// The next offset of each partition.
    pub next: Vec<Offset>,
    /// Whether more is expected of a partition.
    open: Vec<bool>,
    /// How many are open.
    left: usize,
}

impl<'a> Sweep<'a> {
    pub fn new(topic: &'a str, extents: &'a [Extent]) -> Self {
        let open: Vec<bool> = extents.iter().map(|extent| extent.start < extent.end).collect();
        Self {
            topic,
            extents,
            next: extents.iter().map(|extent| extent.start.min(extent.end)).collect(),
            left: open.iter().filter(|open| **open).count(),
            open,
        }
    }

    pub fn is_done(&self) -> bool {
        self.left == 0
    }

    /// Every open partition at its start.
    pub fn assignment(&self) -> Result<TopicPartitionList> {
        let mut list = TopicPartitionList::with_capacity(self.left);
        for (number, extent) in self.extents.iter().enumerate().filter(|(number, _)| self.open[*number]) {
            let added = list.add_partition_offset(self.topic, number as i32, convert::native_offset(extent.start));
            added.map_err(|error| fault::sort(&format!("topic {} can't be read", self.topic), &error))?;
        }
        Ok(list)
    }

    /// Whether this record is wanted: what was written after the reading began is not.
    pub fn takes(&mut self, record: &Record) -> bool {
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

    pub fn ended(&mut self, native: i32) {
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

    /// `kafka.scaling-3 and 7 more`
    pub fn awaited(&self) -> String {
        let first = self.open.iter().position(|open| *open).unwrap_or_default();
        let first = format!("{}-{first}", self.topic);
        match self.left {
            0 | 1 => first,
            left => format!("{first} and {} more", left - 1),
        }
    }
}
