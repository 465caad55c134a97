//! Removes records on request, whoever has yet to read them: from a partition's front, as Kafka's `kafka-delete-records`
//! does, or from its end, as a log does that is restored from an older copy.

use rusqlite::Connection;

use super::schema::write;
use super::topics;
use crate::port::{LogError, Result};
use crate::record::{Offset, TopicPartition};

/// Removes the records of a partition before `offset`. Groups that have yet to read them go on behind them.
///
/// # Errors
/// [`LogError::Refused`] if there is no such partition, or `offset` lies behind its end; nothing is removed then.
pub(super) fn delete_before(conn: &Connection, partition: &TopicPartition, offset: Offset) -> Result<()> {
    write(conn, |tx| {
        check_offset(tx, partition, offset)?;
        let mut delete = tx.prepare_cached("delete from records where topic = ? and partition = ? and offset < ?")?;
        delete.execute((&*partition.topic, partition.partition.0, offset.0 as i64))?;
        Ok(())
    })
}

/// Removes the records of a partition from `end` on, so that the next record gets this offset. Positions that groups
/// have committed behind it become `end`, for they are kept in the same file; the metadata of the commits stays.
///
/// # Errors
/// As [`delete_before`].
pub(super) fn truncate(conn: &Connection, partition: &TopicPartition, end: Offset) -> Result<()> {
    write(conn, |tx| {
        check_offset(tx, partition, end)?;
        let place = (end.0 as i64, &*partition.topic, partition.partition.0);
        for change in [
            "delete from records where offset >= ?1 and topic = ?2 and partition = ?3",
            "update partitions set next = ?1 where topic = ?2 and partition = ?3",
            "update group_partitions set committed = ?1 where committed > ?1 and topic = ?2 and partition = ?3",
        ] {
            tx.prepare_cached(change)?.execute(place)?;
        }
        Ok(())
    })
}

fn check_offset(tx: &Connection, partition: &TopicPartition, offset: Offset) -> Result<()> {
    let end = topics::end(tx, partition)?;
    if offset > end {
        return Err(LogError::Refused(format!(
            "{partition} has no offset {offset}: its end is {end}"
        )));
    }
    Ok(())
}
