//! Records as the delivery service keeps them: their content, and where they came from.

use std::sync::Arc;

use bytes::Bytes;
use keylane_log::{Header, Offset, Partition, Record, Timestamp};

/// Where a record stands in a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The topic's name.
    pub topic: Arc<str>,
    /// The partition of that topic.
    pub partition: Partition,
    /// The record's own offset.
    pub offset: Offset,
}

/// Where a record came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// The record was read from the log, at this place.
    Log(Place),
    /// The record was made from an event that the order service's journal holds.
    Journal,
    /// There is no record: a person has marked a version that never came.
    Nowhere,
}

/// A record that carries, or claims to carry, an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventRecord {
    /// Where the record came from.
    pub origin: Origin,
    /// The record's timestamp in the log, or the journal row's.
    pub timestamp: Timestamp,
    /// The record's key.
    pub key: Option<Bytes>,
    /// The record's value.
    pub value: Option<Bytes>,
    /// The record's headers, in order.
    pub headers: Vec<Header>,
}

impl Place {
    /// The place at which a record of the log stands.
    pub fn of(record: &Record) -> Self {
        Self {
            topic: record.topic.clone(),
            partition: record.partition,
            offset: record.offset,
        }
    }
}

impl Origin {
    /// The place in the log, if the record came from there.
    pub fn place(&self) -> Option<&Place> {
        match self {
            Self::Log(place) => Some(place),
            Self::Journal | Self::Nowhere => None,
        }
    }

    /// The name that the tables have for this origin.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Log(_) => "log",
            Self::Journal => "journal",
            Self::Nowhere => "nowhere",
        }
    }

    /// The origin with this name; `place` is the place that the table's row holds beside the name. `None` for a name that
    /// the mall doesn't know.
    pub fn from_name(name: &str, place: Place) -> Option<Self> {
        match name {
            "log" => Some(Self::Log(place)),
            "journal" => Some(Self::Journal),
            "nowhere" => Some(Self::Nowhere),
            _ => None,
        }
    }
}

impl From<&Record> for EventRecord {
    fn from(record: &Record) -> Self {
        Self {
            origin: Origin::Log(Place::of(record)),
            timestamp: record.timestamp,
            key: record.key.clone(),
            value: record.value.clone(),
            headers: record.headers.clone(),
        }
    }
}
