//! Converts records and positions between the port's types and librdkafka's.

use std::sync::Arc;

use rdkafka::Offset as NativeOffset;
use rdkafka::message::{Header as NativeHeader, OwnedHeaders};
use rdkafka::topic_partition_list::{TopicPartitionList, TopicPartitionListElem};

use crate::port::Position;
use crate::record::{Header, Offset, Partition, TopicPartition};

/// Keeps one shared name for each topic, so that a record needs no copy of it.
#[derive(Default)]
pub(super) struct Topics(Vec<Arc<str>>);

impl Topics {
    pub(super) fn intern(&mut self, name: &[u8]) -> Arc<str> {
        if let Some(known) = self.0.iter().find(|known| known.as_bytes() == name) {
            return known.clone();
        }
        let new: Arc<str> = String::from_utf8_lossy(name).into();
        self.0.push(new.clone());
        new
    }

    /// Forgets the names, so that records to come don't share them with records that other threads have.
    pub(super) fn renew(&mut self) {
        self.0.clear();
    }
}

/// Headers for librdkafka; `None` if there are none.
pub(super) fn native_headers(headers: &[Header]) -> Option<OwnedHeaders> {
    if headers.is_empty() {
        return None;
    }
    let mut native = OwnedHeaders::new_with_capacity(headers.len());
    for header in headers {
        native = native.insert(NativeHeader {
            key: &header.name,
            value: header.value.as_deref(),
        });
    }
    Some(native)
}

/// The partition of a number of librdkafka. Negative numbers, which have special meanings there, must not come here.
pub(super) fn partition(native: i32) -> Partition {
    Partition(native.max(0) as u32)
}

/// A partition's number for librdkafka.
pub(super) fn native_partition(partition: Partition) -> i32 {
    i32::try_from(partition.0).unwrap_or(i32::MAX)
}

/// An offset for librdkafka.
pub(super) fn native_offset(offset: Offset) -> NativeOffset {
    NativeOffset::Offset(i64::try_from(offset.0).unwrap_or(i64::MAX))
}

/// The offset of an element, unless it is one of librdkafka's special values.
pub(super) fn offset(element: &TopicPartitionListElem<'_>) -> Option<Offset> {
    match element.offset() {
        NativeOffset::Offset(offset) => u64::try_from(offset).ok().map(Offset),
        _ => None,
    }
}

/// The partitions that a list names.
pub(super) fn partitions(list: &TopicPartitionList, topics: &mut Topics) -> Vec<TopicPartition> {
    let name = |element: TopicPartitionListElem<'_>| TopicPartition {
        topic: topics.intern(element.topic().as_bytes()),
        partition: partition(element.partition()),
    };
    list.elements().into_iter().map(name).collect()
}

/// Makes a list of these partitions.
pub(super) fn list<'a>(partitions: impl IntoIterator<Item = &'a TopicPartition>) -> TopicPartitionList {
    let mut list = TopicPartitionList::new();
    for named in partitions {
        list.add_partition(&named.topic, native_partition(named.partition));
    }
    list
}

/// Makes a list of the first `count` partitions of a topic.
pub(super) fn whole_topic(topic: &str, count: u32) -> TopicPartitionList {
    let mut list = TopicPartitionList::with_capacity(count as usize);
    for number in 0..count {
        list.add_partition(topic, native_partition(Partition(number)));
    }
    list
}

/// Makes the list for a commit of these positions.
pub(super) fn commit_list(positions: &[&Position]) -> TopicPartitionList {
    let mut list = TopicPartitionList::with_capacity(positions.len());
    for position in positions {
        let TopicPartition { topic, partition } = &position.partition;
        let mut element = list.add_partition(topic, native_partition(*partition));
        // This must be called only once for each element, because a second call leaks the first copy.
        if !position.metadata.is_empty() {
            element.set_metadata(&position.metadata);
        }
        let offset = native_offset(Offset(position.offset.0.min(i64::MAX as u64)));
        element
            .set_offset(offset)
            .expect("an offset that is not negative can be set");
    }
    list
}
