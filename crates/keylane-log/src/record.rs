//! The records of a log, and the names of their places.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;

/// A partition's number, from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Partition(pub u32);

/// The number of a record in its partition, from 0. As a position it names the *next* record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Offset(pub u64);

/// Milliseconds since 1970-01-01T00:00:00Z.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(pub i64);

/// Who gave a record its time, in Kafka's words. A topic's setting `message.timestamp.type` decides it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TimestampType {
    /// The producer.
    CreateTime,
    /// The broker, when it took the record.
    LogAppendTime,
}

impl fmt::Display for TimestampType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::CreateTime => "CreateTime",
            Self::LogAppendTime => "LogAppendTime",
        })
    }
}

/// One partition of one topic.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TopicPartition {
    /// The topic's name.
    pub topic: Arc<str>,
    /// The partition's number.
    pub partition: Partition,
}

/// A header: a name and a value. Names may repeat, and their order is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    /// The header's name.
    pub name: String,
    /// The header's value. Kafka allows headers without one.
    pub value: Option<Bytes>,
}

/// A record that was read from a log. Its bytes may share memory with those of other records ([`Record::unshare`]).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// The topic that the record was read from.
    pub topic: Arc<str>,
    /// The partition that the record stands in.
    pub partition: Partition,
    /// The record's own offset, not the next one's.
    pub offset: Offset,
    /// The record's time.
    pub timestamp: Timestamp,
    /// Who gave the record its time.
    pub timestamp_type: TimestampType,
    /// The key's bytes; `None` for a record without a key.
    pub key: Option<Bytes>,
    /// The value's bytes; `None` for a tombstone.
    pub value: Option<Bytes>,
    /// The headers in the order in which they were written.
    pub headers: Vec<Header>,
}

/// A record that is about to be appended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewRecord {
    /// The partition that the record must go to; `None` leaves the choice to the partitioner.
    pub partition: Option<Partition>,
    /// The time that the producer gave the record.
    pub timestamp: Timestamp,
    /// The key's bytes; `None` for a record without a key.
    pub key: Option<Bytes>,
    /// The value's bytes; `None` for a tombstone.
    pub value: Option<Bytes>,
    /// The headers in the order in which they are to be written.
    pub headers: Vec<Header>,
}

/// Where an appended record stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Placed {
    /// The partition that the record stands in.
    pub partition: Partition,
    /// The record's own offset.
    pub offset: Offset,
}

impl TopicPartition {
    /// Names partition `partition` of `topic`.
    pub fn new(topic: impl Into<Arc<str>>, partition: Partition) -> Self {
        Self {
            topic: topic.into(),
            partition,
        }
    }
}

impl Header {
    /// Makes a header with a text value.
    pub fn text(name: impl Into<String>, value: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            value: Some(Bytes::from(value.into())),
        }
    }
}

impl Record {
    /// The record's partition together with its topic.
    pub fn topic_partition(&self) -> TopicPartition {
        TopicPartition {
            topic: self.topic.clone(),
            partition: self.partition,
        }
    }

    /// Moves the record's bytes into memory of its own. A log may hand out records that share memory, and all of it is
    /// kept as long as one of them is; so whoever keeps a single record for long calls this.
    pub fn unshare(&mut self) {
        let values = self.headers.iter_mut().map(|header| &mut header.value);
        for bytes in values.chain([&mut self.key, &mut self.value]).flatten() {
            *bytes = Bytes::copy_from_slice(bytes);
        }
    }

    /// The value of the last header of this name, like Kafka's `lastHeader`. `None` if there is no such header or it
    /// has no value.
    pub fn header(&self, name: &str) -> Option<&[u8]> {
        self.headers
            .iter()
            .rev()
            .find(|header| header.name == name)?
            .value
            .as_deref()
    }
}

impl Offset {
    /// The offset behind this one.
    pub fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

/// The timestamp is exact to the millisecond, and negative for times before 1970.
impl From<SystemTime> for Timestamp {
    fn from(time: SystemTime) -> Self {
        let millis = |distance: Duration| i64::try_from(distance.as_millis()).unwrap_or(i64::MAX);
        Self(match time.duration_since(UNIX_EPOCH) {
            Ok(after) => millis(after),
            Err(before) => -millis(before.duration()),
        })
    }
}

impl fmt::Display for Partition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for Offset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Writes `kafka.scaling-1`, as Kafka's own logs do.
impl fmt::Display for TopicPartition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.topic, self.partition)
    }
}
