//! Reading a page of a partition.

use rusqlite::{Connection, Row};

use super::topics;
use crate::headers;
use crate::port::Result;
use crate::record::{Offset, Partition, Record, Timestamp, TopicPartition};

const SELECT: &str = "select offset, timestamp, key, value, headers from records
     where topic = ? and partition = ? and offset >= ? order by offset limit ?";

/// How much may be read at once: a long read keeps the write-ahead log growing, and memory is finite.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Budget {
    /// Records.
    pub records: usize,
    /// Bytes of keys, values and headers; the record that exceeds it is the last.
    pub bytes: usize,
}

impl Budget {
    /// What one poll hands out.
    pub const PAGE: Self = Self {
        records: 500,
        bytes: 8 << 20,
    };

    /// Nothing more may be read.
    pub fn spent(&self) -> bool {
        self.records == 0 || self.bytes == 0
    }
}

/// Records of a partition from `from` on, as many as `budget` allows; takes them off it.
pub fn read(conn: &Connection, partition: &TopicPartition, from: Offset, budget: &mut Budget) -> Result<Vec<Record>> {
    let mut select = conn.prepare_cached(SELECT)?;
    let Partition(number) = partition.partition;
    let limit = i64::try_from(budget.records).unwrap_or(i64::MAX);
    let from = i64::try_from(from.0).unwrap_or(i64::MAX);
    let mut rows = select.query((&*partition.topic, number, from, limit))?;
    let mut records = Vec::new();
    while !budget.spent() {
        let Some(row) = rows.next()? else { break };
        let (record, size) = record(partition, row)?;
        budget.records -= 1;
        budget.bytes = budget.bytes.saturating_sub(size);
        records.push(record);
    }
    Ok(records)
}

/// Up to `max` records of a partition from `from` on; never more than a page's bytes.
///
/// # Errors
/// [`crate::LogError::Refused`] if there is no such partition.
pub fn scan(conn: &Connection, partition: &TopicPartition, from: Offset, max: usize) -> Result<Vec<Record>> {
    let mut budget = Budget {
        records: max,
        ..Budget::PAGE
    };
    let records = read(conn, partition, from, &mut budget)?;
    if records.is_empty() {
        topics::check_partition(conn, partition)?;
    }
    Ok(records)
}

fn record(partition: &TopicPartition, row: &Row<'_>) -> Result<(Record, usize)> {
    let bytes = |column| Ok::<_, rusqlite::Error>(row.get_ref(column)?.as_blob_or_null()?);
    let (key, value, blob) = (bytes(2)?, bytes(3)?, bytes(4)?.unwrap_or_default());
    let size = key.map_or(0, <[u8]>::len) + value.map_or(0, <[u8]>::len) + blob.len();
    let record = Record {
        topic: partition.topic.clone(),
        partition: partition.partition,
        offset: Offset(row.get::<_, i64>(0)? as u64),
        timestamp: Timestamp(row.get(1)?),
        key: key.map(bytes::Bytes::copy_from_slice),
        value: value.map(bytes::Bytes::copy_from_slice),
        headers: headers::decode(blob)?,
    };
    Ok((record, size))
}
