//! Commits positions of a group, by themselves or while their partitions are released.
//!
//! A commit must name the partition's owner *and* its generation. With the generation alone, a member could still
//! commit after others have removed it and cleared the owner. With the owner alone, a late commit could land in a later
//! ownership of the same member.

use rusqlite::Connection;

use super::member::{Holding, Member};
use super::roster::bump_epoch;
use super::schema::write;
use crate::port::{LogError, Position, Result};
use crate::record::TopicPartition;

/// The most characters of metadata, as in Kafka by default.
const MAX_METADATA: usize = 4096;

const COMMIT: &str = "update group_partitions set committed = ?, metadata = ?
     where name = ? and topic = ? and partition = ? and owner = ? and generation = ?";
const RELEASE: &str = "update group_partitions set owner = null
     where name = ? and topic = ? and partition = ? and owner = ? and generation = ?";

/// Commits positions in one transaction. Returns the partitions whose commit was refused because they are not this
/// member's. No more of their records are handed out, and the next step reports them as lost.
///
/// # Errors
/// [`LogError::Refused`] for metadata that is too long or not ASCII; nothing is committed then.
pub(super) fn commit(conn: &Connection, member: &mut Member, positions: &[Position]) -> Result<Vec<TopicPartition>> {
    check(positions)?;
    let refused = write(conn, |tx| store(tx, member, positions))?;
    for partition in &refused {
        if let Some(holding) = member.held.get_mut(partition) {
            holding.closed = true;
        }
    }
    Ok(refused)
}

/// Commits positions and frees `partitions`, in one transaction. Returns the partitions that were no longer this
/// member's. The member drops all of `partitions` in either case.
///
/// # Errors
/// As [`commit`].
pub(super) fn release(
    conn: &Connection,
    member: &mut Member,
    partitions: &[TopicPartition],
    positions: &[Position],
) -> Result<Vec<TopicPartition>> {
    check(positions)?;
    let refused = write(conn, |tx| {
        store(tx, member, positions)?;
        let mut refused = Vec::new();
        for partition in partitions {
            if !change(tx, RELEASE, member, partition, None)? {
                refused.push(partition.clone());
            }
        }
        bump_epoch(tx, &member.group)?;
        Ok(refused)
    })?;
    member.held.retain(|key, _| !partitions.contains(key));
    Ok(refused)
}

/// Writes positions. Returns the partitions that are not this member's.
fn store(tx: &Connection, member: &Member, positions: &[Position]) -> Result<Vec<TopicPartition>> {
    let mut refused = Vec::new();
    for position in positions {
        if !change(tx, COMMIT, member, &position.partition, Some(position))? {
            refused.push(position.partition.clone());
        }
    }
    Ok(refused)
}

/// Runs one of the updates above. Returns whether the partition is this member's, so that its row was changed.
fn change(
    tx: &Connection,
    sql: &str,
    member: &Member,
    partition: &TopicPartition,
    position: Option<&Position>,
) -> Result<bool> {
    let Some(Holding { generation, .. }) = member.held.get(partition) else {
        return Ok(false);
    };
    let mut update = tx.prepare_cached(sql)?;
    let TopicPartition { topic, partition } = partition;
    let row = (&member.group, &**topic, partition.0, &member.id, generation);
    let changed = match position {
        Some(position) => {
            let (offset, metadata) = (position.offset.0 as i64, &position.metadata);
            update.execute((offset, metadata, row.0, row.1, row.2, row.3, row.4))?
        }
        None => update.execute(row)?,
    };
    Ok(changed == 1)
}

fn check(positions: &[Position]) -> Result<()> {
    let fits = |metadata: &str| metadata.len() <= MAX_METADATA && metadata.is_ascii();
    match positions.iter().find(|position| !fits(&position.metadata)) {
        None => Ok(()),
        Some(position) => Err(LogError::Refused(format!(
            "the metadata committed for {} is too long or not ASCII: up to {MAX_METADATA} ASCII characters are allowed",
            position.partition
        ))),
    }
}
