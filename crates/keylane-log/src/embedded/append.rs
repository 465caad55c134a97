//! Appends the records of any number of calls in one transaction.

use std::collections::HashMap;

use rusqlite::Connection;

use super::schema::write;
use super::topics::{no_partition, unknown};
use crate::headers;
use crate::partitioner::partition_of;
use crate::port::{LogError, Result};
use crate::record::{NewRecord, Offset, Partition, Placed, Timestamp};

/// The most bytes of a record's key, value and headers together. Kafka's default limit is 1 MiB.
pub(super) const MAX_RECORD_BYTES: usize = 16 << 20;

const INSERT: &str = "insert into records (topic, partition, offset, timestamp, appended, key, value, headers)
     values (?, ?, ?, ?, ?, ?, ?, ?)";

/// The records of one call.
#[derive(Debug, Clone, Copy)]
pub(super) struct Batch<'a> {
    /// The topic that the records are appended to.
    pub(super) topic: &'a str,
    /// The records, in order.
    pub(super) records: &'a [NewRecord],
}

/// By topic, the number of the next record without key and partition. Such records go to the partitions in turn.
#[derive(Debug, Default)]
pub(super) struct RoundRobin(HashMap<String, u32>);

/// Appends all `batches` in one transaction. `now` is the log's own time, and `largest` the most bytes of a record. Returns
/// one result for each record of each batch, in order; a record that can't be appended is [`LogError::Refused`] alone.
///
/// # Errors
/// If the transaction failed, so that nothing was written.
pub(super) fn append(
    conn: &Connection,
    batches: &[Batch<'_>],
    now: Timestamp,
    largest: usize,
    keyless: &mut RoundRobin,
) -> Result<Vec<Vec<Result<Placed>>>> {
    write(conn, |tx| {
        batches
            .iter()
            .map(|batch| append_one(tx, batch, now, largest, keyless))
            .collect()
    })
}

fn append_one(
    tx: &Connection,
    batch: &Batch<'_>,
    now: Timestamp,
    largest: usize,
    keyless: &mut RoundRobin,
) -> Result<Vec<Result<Placed>>> {
    let mut ends = Ends::load(tx, batch.topic)?;
    let mut insert = tx.prepare_cached(INSERT)?;
    let mut blob = Vec::new();
    let mut results = Vec::with_capacity(batch.records.len());
    for record in batch.records {
        let placed = check_size(record, largest).and_then(|()| ends.place(batch.topic, record, keyless));
        if let Ok(Placed { partition, offset }) = placed {
            blob.clear();
            headers::encode(&record.headers, &mut blob);
            let (at, key, value) = (offset.0 as i64, record.key.as_deref(), record.value.as_deref());
            insert.execute((
                batch.topic,
                partition.0,
                at,
                record.timestamp.0,
                now.0,
                key,
                value,
                &blob[..],
            ))?;
        }
        results.push(placed);
    }
    ends.store(tx, batch.topic)?;
    Ok(results)
}

/// The next offsets of a topic's partitions, and the next offsets before this append.
struct Ends {
    next: Vec<u64>,
    before: Vec<u64>,
}

impl Ends {
    fn load(tx: &Connection, topic: &str) -> Result<Self> {
        let mut select = tx.prepare_cached("select next from partitions where topic = ? order by partition")?;
        let rows = select.query_map([topic], |row| row.get::<_, i64>(0))?;
        let next: Vec<u64> = rows.map(|row| Ok(row? as u64)).collect::<Result<_>>()?;
        Ok(Self {
            before: next.clone(),
            next,
        })
    }

    /// Chooses the partition of a record, and takes its next offset.
    fn place(&mut self, topic: &str, record: &NewRecord, keyless: &mut RoundRobin) -> Result<Placed> {
        let count = self.next.len() as u32;
        if count == 0 {
            return Err(unknown(topic));
        }
        let partition = match (record.partition, &record.key) {
            (Some(partition), _) => partition,
            (None, Some(key)) => partition_of(key, count),
            (None, None) => keyless.next(topic, count),
        };
        let Some(next) = self.next.get_mut(partition.0 as usize) else {
            return Err(no_partition(topic, partition, count));
        };
        *next += 1;
        Ok(Placed {
            partition,
            offset: Offset(*next - 1),
        })
    }

    /// Writes the next offsets that have changed.
    fn store(&self, tx: &Connection, topic: &str) -> Result<()> {
        let mut update = tx.prepare_cached("update partitions set next = ? where topic = ? and partition = ?")?;
        for (partition, (next, before)) in self.next.iter().zip(&self.before).enumerate() {
            if next != before {
                update.execute((*next as i64, topic, partition as i64))?;
            }
        }
        Ok(())
    }
}

fn check_size(record: &NewRecord, largest: usize) -> Result<()> {
    let length = |bytes: &Option<bytes::Bytes>| bytes.as_ref().map_or(0, |bytes| bytes.len());
    let headers = record
        .headers
        .iter()
        .map(|header| header.name.len() + length(&header.value));
    let size = length(&record.key) + length(&record.value) + headers.sum::<usize>();
    if size > largest {
        return Err(LogError::Refused(format!(
            "a record of {size} bytes is too large; {largest} bytes are allowed"
        )));
    }
    Ok(())
}

impl RoundRobin {
    fn next(&mut self, topic: &str, count: u32) -> Partition {
        let number = match self.0.get_mut(topic) {
            Some(number) => number,
            None => self.0.entry(topic.to_owned()).or_default(),
        };
        let partition = Partition(*number % count);
        *number = number.wrapping_add(1);
        partition
    }
}

#[cfg(test)]
mod tests {
    use super::super::schema::in_memory;
    use super::super::topics;
    use super::*;
    use crate::topic::NewTopic;

    fn record(key: Option<&str>, partition: Option<u32>) -> NewRecord {
        NewRecord {
            partition: partition.map(Partition),
            timestamp: Timestamp(7),
            key: key.map(|key| bytes::Bytes::copy_from_slice(key.as_bytes())),
            value: None,
            headers: Vec::new(),
        }
    }

    fn places(answers: &[Result<Placed>]) -> Vec<(u32, u64)> {
        let place = |answer: &Result<Placed>| {
            answer
                .as_ref()
                .map(|placed| (placed.partition.0, placed.offset.0))
                .unwrap()
        };
        answers.iter().map(place).collect()
    }

    #[test]
    fn records_go_where_they_belong_and_offsets_ascend() {
        let conn = in_memory();
        topics::create(&conn, &NewTopic::new("orders", 4)).unwrap();
        let records = [
            record(None, None),
            record(None, None),
            record(Some("order-1"), None),
            record(Some("order-1"), None),
            record(Some("order-1"), Some(0)),
        ];
        let batch = Batch {
            topic: "orders",
            records: &records,
        };
        let answers = append(
            &conn,
            &[batch],
            Timestamp(0),
            MAX_RECORD_BYTES,
            &mut RoundRobin::default(),
        )
        .unwrap();
        assert_eq!(places(&answers[0]), [(0, 0), (1, 0), (2, 0), (2, 1), (0, 1)]);
    }

    #[test]
    fn one_bad_record_is_refused_alone() {
        let conn = in_memory();
        topics::create(&conn, &NewTopic::new("orders", 1)).unwrap();
        let huge = NewRecord {
            value: Some(vec![0; MAX_RECORD_BYTES + 1].into()),
            ..record(None, None)
        };
        let records = [record(None, Some(1)), huge, record(None, Some(0))];
        let batches = ["orders", "nothing"].map(|topic| Batch {
            topic,
            records: &records,
        });
        let answers = append(
            &conn,
            &batches,
            Timestamp(0),
            MAX_RECORD_BYTES,
            &mut RoundRobin::default(),
        )
        .unwrap();
        let refused = |answer: &Result<Placed>| matches!(answer, Err(LogError::Refused(_)));
        assert!(refused(&answers[0][0]) && refused(&answers[0][1]));
        assert_eq!(places(&answers[0][2..]), [(0, 0)]);
        assert!(answers[1].iter().all(refused));
        assert_eq!(topics::extents(&conn, "orders").unwrap()[0].end, Offset(1));
    }
}
