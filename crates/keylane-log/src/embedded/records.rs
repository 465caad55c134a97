//! Reads records of a partition.

use rusqlite::{Connection, Row};

use super::topics;
use crate::headers;
use crate::port::Result;
use crate::record::{Offset, Partition, Record, Timestamp, TimestampType, TopicPartition};

const SELECT: &str = "select offset, timestamp, key, value, headers from records
     where topic = ? and partition = ? and offset >= ? order by offset limit ?";

/// How much more may be read in one snapshot. A long read would keep the write-ahead log growing, and fill the memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Budget {
    /// How many records.
    pub(super) records: usize,
    /// How many bytes of keys, values and headers. The record that exceeds this is read as the last one.
    pub(super) bytes: usize,
}

impl Budget {
    /// The most that one poll hands out.
    pub(super) const POLL: Self = Self {
        records: 500,
        bytes: 8 << 20,
    };

    /// Whether nothing more may be read.
    pub(super) fn is_spent(&self) -> bool {
        self.records == 0 || self.bytes == 0
    }
}

/// Reads records of a partition from `from` on, as many as `budget` allows, and takes them off the budget.
pub(super) fn read(
    conn: &Connection,
    partition: &TopicPartition,
    from: Offset,
    budget: &mut Budget,
) -> Result<Vec<Record>> {
    let mut select = conn.prepare_cached(SELECT)?;
    let Partition(number) = partition.partition;
    let limit = i64::try_from(budget.records).unwrap_or(i64::MAX);
    let from = i64::try_from(from.0).unwrap_or(i64::MAX);
    let mut rows = select.query((&*partition.topic, number, from, limit))?;
    let mut records = Vec::new();
    while !budget.is_spent() {
        let Some(row) = rows.next()? else { break };
        let (record, size) = record(partition, row)?;
        budget.records -= 1;
        budget.bytes = budget.bytes.saturating_sub(size);
        records.push(record);
    }
    Ok(records)
}

/// Reads up to `max` records of a partition from `from` on, and no more bytes than one poll.
///
/// # Errors
/// [`crate::LogError::Refused`] if there is no such partition.
pub(super) fn read_up_to(
    conn: &Connection,
    partition: &TopicPartition,
    from: Offset,
    max: usize,
) -> Result<Vec<Record>> {
    let mut budget = Budget {
        records: max,
        ..Budget::POLL
    };
    let records = read(conn, partition, from, &mut budget)?;
    if records.is_empty() {
        topics::check_partition(conn, partition)?;
    }
    Ok(records)
}

/// A record from its row, and its size in bytes.
fn record(partition: &TopicPartition, row: &Row<'_>) -> Result<(Record, usize)> {
    let bytes = |column| Ok::<_, rusqlite::Error>(row.get_ref(column)?.as_blob_or_null()?);
    let (key, value, blob) = (bytes(2)?, bytes(3)?, bytes(4)?.unwrap_or_default());
    let size = key.map_or(0, <[u8]>::len) + value.map_or(0, <[u8]>::len) + blob.len();
    let record = Record {
        topic: partition.topic.clone(),
        partition: partition.partition,
        offset: Offset(row.get::<_, i64>(0)? as u64),
        timestamp: Timestamp(row.get(1)?),
        timestamp_type: TimestampType::CreateTime,
        key: key.map(bytes::Bytes::copy_from_slice),
        value: value.map(bytes::Bytes::copy_from_slice),
        headers: headers::decode(blob)?,
    };
    Ok((record, size))
}
