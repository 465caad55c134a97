//! Converts records and positions between the port's types and librdkafka's.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use bytes::Bytes;
use rdkafka::Offset as NativeOffset;
use rdkafka::message::{
    BorrowedMessage, Header as NativeHeader, Headers, Message, OwnedHeaders, Timestamp as NativeTimestamp,
};
use rdkafka::topic_partition_list::{TopicPartitionList, TopicPartitionListElem};

use crate::port::Position;
use crate::record::{Header, Offset, Partition, Record, Timestamp, TimestampType, TopicPartition};

/// Keeps one shared name for each topic, so that a record needs no copy of it.
#[derive(Default)]
pub(super) struct Topics(Vec<Arc<str>>);

impl Topics {
    pub(super) fn intern(&mut self, name: &str) -> Arc<str> {
        if let Some(known) = self.0.iter().find(|known| ***known == *name) {
            return known.clone();
        }
        let new: Arc<str> = name.into();
        self.0.push(new.clone());
        new
    }
}

/// Copies a message out of librdkafka's memory; `copy` copies each of its texts.
pub(super) fn record(
    message: &BorrowedMessage<'_>,
    topics: &mut Topics,
    mut copy: impl FnMut(&[u8]) -> Bytes,
) -> Record {
    Record {
        topic: topics.intern(message.topic()),
        partition: partition(message.partition()),
        offset: Offset(message.offset().max(0) as u64),
        timestamp: Timestamp(message.timestamp().to_millis().unwrap_or(0)),
        timestamp_type: match message.timestamp() {
            NativeTimestamp::LogAppendTime(_) => TimestampType::LogAppendTime,
            NativeTimestamp::CreateTime(_) | NativeTimestamp::NotAvailable => TimestampType::CreateTime,
        },
        key: message.key().map(&mut copy),
        value: message.payload().map(&mut copy),
        headers: message
            .headers()
            .map(|native| readable_headers(native, message, copy))
            .unwrap_or_default(),
    }
}

/// The headers of a message, or none if the name of one is not UTF-8. rdkafka panics at such a name, and a record that
/// can't be read would stop every member of every group.
fn readable_headers<H: Headers>(native: &H, message: &impl Message, copy: impl FnMut(&[u8]) -> Bytes) -> Vec<Header> {
    let read = catch_unwind(AssertUnwindSafe(|| headers(native, copy)));
    read.unwrap_or_else(|_| {
        let (topic, partition, offset) = (message.topic(), message.partition(), message.offset());
        tracing::warn!(
            tally = "headers left out",
            "the headers of {topic}-{partition}@{offset} are left out: a name of theirs is not UTF-8"
        );
        Vec::new()
    })
}

fn headers<H: Headers>(native: &H, mut copy: impl FnMut(&[u8]) -> Bytes) -> Vec<Header> {
    let header = |header: NativeHeader<'_, &[u8]>| Header {
        name: header.key.to_owned(),
        value: header.value.map(&mut copy),
    };
    native.iter().map(header).collect()
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
        topic: topics.intern(element.topic()),
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

#[cfg(test)]
mod tests {
    use rdkafka::message::OwnedMessage;

    use super::*;

    /// Behaves like rdkafka's own headers. It has one header that can be read, and one whose name is not UTF-8.
    struct Foreign;

    impl Headers for Foreign {
        fn count(&self) -> usize {
            2
        }

        fn try_get(&self, index: usize) -> Option<NativeHeader<'_, &[u8]>> {
            let name: &[u8] = [&b"fine"[..], b"\xff"].get(index)?;
            Some(NativeHeader {
                key: str::from_utf8(name).unwrap(),
                value: None,
            })
        }
    }

    #[test]
    fn headers_that_can_t_be_read_do_not_stop_their_record() {
        let message = OwnedMessage::new(None, None, "orders".into(), NativeTimestamp::NotAvailable, 0, 7, None);
        assert_eq!(readable_headers(&Foreign, &message, Bytes::copy_from_slice), []);
    }
}
