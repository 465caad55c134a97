//! Describes groups to their observers, and resets the offsets of a group without members.
//!
//! `ended` says whether the process of a member has certainly ended. Such a member counts as gone, although its row
//! stays until another member removes it.

use std::collections::BTreeMap;

use rusqlite::Connection;

use super::roster::bump_epoch;
use super::schema::{read, write};
use super::topics;
use crate::port::{GroupInfo, GroupMember, GroupState, LogError, Result};
use crate::record::{Offset, Partition, TopicPartition};

/// Name of the rule by which the members share out partitions: partition `p` belongs to member number `p mod n`.
const ASSIGNOR: &str = "modulo";

/// The host of every member, since all run on this machine.
const HOST: &str = "/127.0.0.1";

/// The names of all groups, in order.
pub(super) fn groups(conn: &Connection) -> Result<Vec<String>> {
    let mut select = conn.prepare_cached("select name from groups order by name")?;
    let names = select.query_map([], |row| row.get(0))?;
    Ok(names.collect::<Result<_, _>>()?)
}

/// Describes `group`; `None` if there is no such group.
pub(super) fn describe(conn: &Connection, group: &str, ended: impl Fn(&str) -> bool) -> Result<Option<GroupInfo>> {
    read(conn, |tx| {
        let known = tx
            .prepare_cached("select 1 from groups where name = ?")?
            .exists([group])?;
        if !known {
            return Ok(None);
        }
        let alive = members(tx, group)?.into_iter().filter(|member| !ended(member));
        let members: Vec<GroupMember> = alive.map(|id| member(tx, group, id)).collect::<Result<_>>()?;
        let idle = members.is_empty();
        Ok(Some(GroupInfo {
            state: if idle { GroupState::Empty } else { GroupState::Stable },
            assignor: (!idle).then(|| ASSIGNOR.to_owned()),
            coordinator: None,
            members,
            commits: commits(tx, group)?,
        }))
    })
}

/// Sets committed offsets in one transaction. No member owns these partitions afterwards.
///
/// # Errors
/// [`LogError::Refused`] while the group has members, or for a partition that does not exist; nothing is changed then.
pub(super) fn reset(
    conn: &Connection,
    group: &str,
    positions: &BTreeMap<TopicPartition, Offset>,
    ended: impl Fn(&str) -> bool,
) -> Result<()> {
    write(conn, |tx| {
        for member in members(tx, group)? {
            if !ended(&member) {
                return Err(LogError::Refused(format!(
                    "the offsets of group {group} can't be reset while {member} is in it: stop its members first"
                )));
            }
            tx.execute("delete from members where name = ? and member = ?", (group, &member))?;
        }
        tx.execute("insert or ignore into groups (name, epoch) values (?, 0)", [group])?;
        let mut upsert = tx.prepare_cached(
            "insert into group_partitions (name, topic, partition, generation, committed) values (?1, ?2, ?3, 0, ?4)
             on conflict do update set owner = null, committed = ?4, metadata = ''",
        )?;
        for (partition, offset) in positions {
            topics::check_partition(tx, partition)?;
            upsert.execute((group, &*partition.topic, partition.partition.0, offset.0 as i64))?;
        }
        bump_epoch(tx, group)
    })
}

/// The unique names of the members of `group`, in order.
fn members(conn: &Connection, group: &str) -> Result<Vec<String>> {
    let mut select = conn.prepare_cached("select member from members where name = ? order by member")?;
    let members = select.query_map([group], |row| row.get(0))?;
    Ok(members.collect::<Result<_, _>>()?)
}

fn member(conn: &Connection, group: &str, id: String) -> Result<GroupMember> {
    let mut select = conn.prepare_cached(
        "select topic, partition from group_partitions where name = ? and owner = ? order by topic, partition",
    )?;
    let rows = select.query_map((group, &id), |row| {
        Ok(TopicPartition::new(row.get::<_, String>(0)?, Partition(row.get(1)?)))
    })?;
    let partitions = rows.collect::<Result<_, _>>()?;
    // A unique name is the member's own name, a hyphen, and a number.
    let client = id.rsplit_once('-').map_or(id.as_str(), |(name, _)| name).to_owned();
    Ok(GroupMember {
        id,
        client,
        host: HOST.to_owned(),
        partitions,
    })
}

fn commits(conn: &Connection, group: &str) -> Result<BTreeMap<TopicPartition, Offset>> {
    let mut select = conn.prepare_cached(
        "select topic, partition, committed from group_partitions where name = ? and committed is not null",
    )?;
    let rows = select.query_map([group], |row| {
        let partition = TopicPartition::new(row.get::<_, String>(0)?, Partition(row.get(1)?));
        Ok((partition, Offset(row.get::<_, i64>(2)? as u64)))
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::member::Member;
    use super::super::membership::step;
    use super::super::schema::in_memory;
    use super::*;
    use crate::port::Subscription;
    use crate::topic::NewTopic;

    fn joined(conn: &Connection, name: &str) -> Member {
        let subscription = Subscription {
            group: "g".into(),
            topics: vec!["t".into()],
            member: name.into(),
            note: String::new(),
            session_timeout: Duration::from_secs(6),
            drain_timeout: Duration::from_secs(5),
        };
        let mut member = Member::new(&subscription, 1);
        step(conn, &mut member, Duration::ZERO, &[]).unwrap();
        member
    }

    fn to(partition: u32, offset: u64) -> BTreeMap<TopicPartition, Offset> {
        [(TopicPartition::new("t", Partition(partition)), Offset(offset))].into()
    }

    #[test]
    fn a_member_whose_process_has_ended_counts_as_gone() {
        let conn = in_memory();
        topics::create(&conn, &NewTopic::new("t", 2)).unwrap();
        let member = joined(&conn, "delivery-1");
        let seen = describe(&conn, "g", |_| false).unwrap().unwrap();
        assert_eq!(seen.state, GroupState::Stable);
        assert_eq!(
            (seen.members[0].client.as_str(), seen.members[0].partitions.len()),
            ("delivery-1", 2)
        );
        let refused = reset(&conn, "g", &to(0, 1), |_| false);
        assert!(
            matches!(&refused, Err(LogError::Refused(why)) if why.contains(member.id())),
            "{refused:?}"
        );

        let seen = describe(&conn, "g", |_| true).unwrap().unwrap();
        assert_eq!((seen.state, seen.members), (GroupState::Empty, Vec::new()));
        reset(&conn, "g", &to(0, 1), |_| true).unwrap();
        let seen = describe(&conn, "g", |_| false).unwrap().unwrap();
        assert_eq!((seen.state, seen.commits), (GroupState::Empty, to(0, 1)));
    }

    #[test]
    fn a_partition_that_is_not_there_changes_nothing() {
        let conn = in_memory();
        topics::create(&conn, &NewTopic::new("t", 2)).unwrap();
        let mut positions = to(0, 1);
        positions.extend(to(2, 1));
        let refused = reset(&conn, "g", &positions, |_| false);
        assert!(matches!(refused, Err(LogError::Refused(_))), "{refused:?}");
        assert_eq!(groups(&conn), Ok(Vec::new()));
    }
}
