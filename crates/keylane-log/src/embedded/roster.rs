//! The SQL of membership. Each function is one or two statements within the transaction of a step.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use rusqlite::{Connection, OptionalExtension};

use super::heartbeats::Heartbeat;
use super::member::Member;
use super::topics;
use crate::port::{Assignment, Result};
use crate::record::{Offset, Partition, TopicPartition};

/// Counts one more heartbeat of the member. Returns `false` if it has no row, which means that other members have
/// removed it; the row is not made again here.
pub(super) fn heartbeat(tx: &Connection, member: &Member) -> Result<bool> {
    let mut update = tx.prepare_cached("update members set beat = beat + 1 where name = ? and member = ?")?;
    Ok(update.execute((&member.group, &member.id))? == 1)
}

/// Adds the member to its group. Its heartbeats are counted from the time `now`, so that a member that comes back does
/// not have the count with which it was last seen.
pub(super) fn join(tx: &Connection, member: &Member, now: Duration) -> Result<()> {
    let millis = |time: Duration| i64::try_from(time.as_millis()).unwrap_or(i64::MAX);
    let (group, topics) = (&member.group, member.topics.join("\n"));
    tx.prepare_cached("insert into members (name, member, topics, session_ms, beat) values (?, ?, ?, ?, ?)")?
        .execute((group, &member.id, topics, millis(member.session), millis(now)))?;
    tx.prepare_cached("insert or ignore into groups (name, epoch) values (?, 0)")?
        .execute([group])?;
    bump_epoch(tx, group)
}

/// Raises the epoch of a group, so that its members take a step soon and see what has changed.
pub(super) fn bump_epoch(tx: &Connection, group: &str) -> Result<()> {
    tx.prepare_cached("update groups set epoch = epoch + 1 where name = ?")?
        .execute([group])?;
    Ok(())
}

/// The epoch of a group; 0 if there is no such group.
pub(super) fn epoch(conn: &Connection, group: &str) -> Result<i64> {
    let mut select = conn.prepare_cached("select epoch from groups where name = ?")?;
    Ok(select
        .query_row([group], |row| row.get(0))
        .optional()?
        .unwrap_or_default())
}

/// Removes the members that are dead, by their silence or as one of `dead`, and frees their partitions. Returns their
/// names.
pub(super) fn remove_dead(tx: &Connection, member: &mut Member, now: Duration, dead: &[String]) -> Result<Vec<String>> {
    let others = others(tx, member)?;
    let mut removed = member.heartbeats.note(&others, now);
    let known = |name: &&String| !removed.contains(name) && others.iter().any(|other| other.member == **name);
    let known: Vec<String> = dead.iter().filter(known).cloned().collect();
    removed.extend(known);
    let mut delete = tx.prepare_cached("delete from members where name = ? and member = ?")?;
    for gone in &removed {
        delete.execute((&member.group, gone))?;
        bump_epoch(tx, &member.group)?;
    }
    free_orphans(tx, &member.group)?;
    Ok(removed)
}

/// Frees the partitions whose owners are no members any more. There are hardly ever any, and to look first costs little, while
/// SQLite sets a table of its own up for each such update.
fn free_orphans(tx: &Connection, group: &str) -> Result<()> {
    let mut any = tx.prepare_cached(
        "select exists (select 1 from group_partitions g where g.name = ?1 and g.owner is not null
         and not exists (select 1 from members m where m.name = ?1 and m.member = g.owner))",
    )?;
    if any.query_row([group], |row| row.get(0))? {
        let mut orphans = tx.prepare_cached(
            "update group_partitions set owner = null
             where name = ?1 and owner is not null and owner not in (select member from members where name = ?1)",
        )?;
        orphans.execute([group])?;
    }
    Ok(())
}

/// The heartbeats of the other members of the group.
fn others(tx: &Connection, member: &Member) -> Result<Vec<Heartbeat>> {
    let mut select =
        tx.prepare_cached("select member, beat, session_ms from members where name = ? and member <> ?")?;
    let rows = select.query_map((&member.group, &member.id), |row| {
        Ok(Heartbeat {
            member: row.get(0)?,
            count: row.get(1)?,
            session: Duration::from_millis(row.get::<_, i64>(2)? as u64),
        })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// The partitions that this member should own.
pub(super) fn share(tx: &Connection, member: &Member) -> Result<BTreeSet<TopicPartition>> {
    let mut select = tx.prepare_cached("select member, topics from members where name = ? order by member")?;
    let rows = select.query_map([&member.group], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let members: Vec<(String, String)> = rows.collect::<Result<_, _>>()?;
    let mut share = BTreeSet::new();
    for (topic, partitions) in topics::list(tx)?
        .into_iter()
        .filter(|(topic, _)| member.topics.contains(topic))
    {
        let subscribed = |topics: &str| topics.split('\n').any(|one| one == topic);
        let mut owners = members
            .iter()
            .filter(|(_, topics)| subscribed(topics))
            .map(|(id, _)| id)
            .cycle();
        let mine = (0..partitions).filter(|_| owners.next() == Some(&member.id));
        let topic: Arc<str> = topic.as_str().into();
        share.extend(mine.map(|number| TopicPartition::new(topic.clone(), Partition(number))));
    }
    Ok(share)
}

/// The partitions that this member owns according to the table, with their generations.
pub(super) fn owned(tx: &Connection, member: &Member) -> Result<BTreeMap<TopicPartition, i64>> {
    let mut select =
        tx.prepare_cached("select topic, partition, generation from group_partitions where name = ? and owner = ?")?;
    let rows = select.query_map((&member.group, &member.id), |row| {
        let partition = TopicPartition::new(row.get::<_, String>(0)?, Partition(row.get(1)?));
        Ok((partition, row.get(2)?))
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Frees a partition that this member owns according to the table, but does not know of.
pub(super) fn free(tx: &Connection, member: &Member, partition: &TopicPartition) -> Result<()> {
    let mut update = tx.prepare_cached(
        "update group_partitions set owner = null where name = ? and topic = ? and partition = ? and owner = ?",
    )?;
    update.execute((&member.group, &*partition.topic, partition.partition.0, &member.id))?;
    bump_epoch(tx, &member.group)
}

/// Makes this member the owner of a partition, and returns its new generation. Returns `None` if another member owns
/// it.
pub(super) fn claim(tx: &Connection, member: &Member, wanted: &TopicPartition) -> Result<Option<(i64, Assignment)>> {
    let mut upsert = tx.prepare_cached(
        "insert into group_partitions (name, topic, partition, owner, generation) values (?1, ?2, ?3, ?4, 1)
         on conflict do update set owner = ?4, generation = generation + 1 where owner is null or owner = ?4
         returning generation, committed, metadata",
    )?;
    let TopicPartition { topic, partition } = wanted;
    let row = upsert
        .query_row((&member.group, &**topic, partition.0, &member.id), |row| {
            Ok((row.get(0)?, row.get::<_, Option<i64>>(1)?, row.get(2)?))
        })
        .optional()?;
    let Some((generation, committed, metadata)) = row else {
        return Ok(None);
    };
    let position = match committed {
        Some(offset) => Offset(offset as u64),
        None => topics::start(tx, topic, *partition)?,
    };
    let assignment = Assignment {
        partition: wanted.clone(),
        position,
        metadata,
    };
    Ok(Some((generation, assignment)))
}
