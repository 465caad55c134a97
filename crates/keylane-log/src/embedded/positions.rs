//! Positions of a group: committed, and committed as a partition is released.
//!
//! Both are fenced by owner *and* generation. Generation alone would let a zombie commit after its expiry cleared the
//! owner; owner alone would let it commit into a later ownership of its own.

use rusqlite::Connection;

use super::group::{Holding, Member};
use super::roster::bump;
use super::schema::write;
use crate::port::{LogError, Position, Result};
use crate::record::TopicPartition;

/// In characters, as Kafka's default limit.
const MAX_METADATA: usize = 4096;

const COMMIT: &str = "update group_partitions set committed = ?, metadata = ?
     where name = ? and topic = ? and partition = ? and owner = ? and generation = ?";
const RELEASE: &str = "update group_partitions set owner = null
     where name = ? and topic = ? and partition = ? and owner = ? and generation = ?";

/// Commits positions in one transaction; returns whose commit was refused because it is not this member's (any more).
/// Nothing more of those is handed out, and the next step reports them lost.
///
/// # Errors
/// [`LogError::Refused`] for metadata that is too long or not ASCII; nothing is committed then.
pub fn commit(conn: &Connection, member: &mut Member, positions: &[Position]) -> Result<Vec<TopicPartition>> {
    check(positions)?;
    let refused = write(conn, |tx| store(tx, member, positions))?;
    for partition in &refused {
        if let Some(holding) = member.held.get_mut(partition) {
            holding.closed = true;
        }
    }
    Ok(refused)
}

/// Gives `partitions` back, with the given positions, in one transaction. Returns those that were not this member's any
/// more; they are dropped all the same.
///
/// # Errors
/// As [`commit`].
pub fn release(
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
        bump(tx, &member.group)?;
        Ok(refused)
    })?;
    member.held.retain(|key, _| !partitions.contains(key));
    Ok(refused)
}

fn store(tx: &Connection, member: &Member, positions: &[Position]) -> Result<Vec<TopicPartition>> {
    let mut refused = Vec::new();
    for position in positions {
        if !change(tx, COMMIT, member, &position.partition, Some(position))? {
            refused.push(position.partition.clone());
        }
    }
    Ok(refused)
}

/// Whether the row was this member's, and so was changed.
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
