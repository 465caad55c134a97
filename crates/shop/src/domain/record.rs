//! Records as the delivery service keeps them: what they say, and where they came from.

use std::sync::Arc;

use bytes::Bytes;
use keylane_log::{Header, Offset, Partition, Record, Timestamp};

/// Where a record stands in a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The topic.
    pub topic: Arc<str>,
    /// Its partition.
    pub partition: Partition,
    /// The record's own offset.
    pub offset: Offset,
}

/// Where a record came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// It was read from the log.
    Log(Place),
    /// The order service told what its journal holds.
    Journal,
    /// There is no record: a person has marked a version that never came.
    Nowhere,
}

/// A record that carries, or claims to carry, an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventRecord {
    /// Where it came from.
    pub origin: Origin,
    /// When its producer made it, or the journal's row was written.
    pub timestamp: Timestamp,
    /// Its key.
    pub key: Option<Bytes>,
    /// Its value.
    pub value: Option<Bytes>,
    /// Its headers, in order.
    pub headers: Vec<Header>,
}

impl Place {
    /// The place of a record.
    pub fn of(record: &Record) -> Self {
        Self {
            topic: record.topic.clone(),
            partition: record.partition,
            offset: record.offset,
        }
    }
}

impl Origin {
    /// Where in the log it stands, if it came from there.
    pub fn place(&self) -> Option<&Place> {
        match self {
            Self::Log(place) => Some(place),
            Self::Journal | Self::Nowhere => None,
        }
    }

    /// Its name in the tables.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Log(_) => "log",
            Self::Journal => "journal",
            Self::Nowhere => "nowhere",
        }
    }

    /// The origin of this name; `place` is what the table holds beside it. `None` for a name that the mall doesn't know.
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
