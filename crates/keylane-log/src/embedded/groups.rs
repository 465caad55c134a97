//! Describes groups to their observers, and resets the offsets of a group without members.
//!
//! `ended` says whether the process of a member has certainly ended. Such a member counts as gone, although its row
//! stays until another member removes it.

use std::collections::{BTreeMap, BTreeSet};

use rusqlite::Connection;

use super::roster::{bump_epoch, epoch};
use super::schema::{read, write};
use super::topics;
use crate::group::{GroupKind, GroupListing, GroupState, OffsetKept};
use crate::port::{GroupError, GroupInfo, GroupMember, LogError, Result};
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
        if !exists(tx, group)? {
            return Ok(None);
        }
        let alive = alive(tx, group, &ended)?.into_iter();
        let members: Vec<GroupMember> = alive.map(|id| member(tx, group, id)).collect::<Result<_>>()?;
        let idle = members.is_empty();
        Ok(Some(GroupInfo {
            state: state(idle),
            kind: GroupKind::Classic,
            assignor: (!idle).then(|| ASSIGNOR.to_owned()),
            coordinator: None,
            generation: Some(epoch(tx, group)?),
            members,
            commits: commits(tx, group)?,
            leader_epochs: BTreeMap::new(),
        }))
    })
}

/// All groups, in the order of their names. Their members share out the partitions themselves.
pub(super) fn list(conn: &Connection, ended: impl Fn(&str) -> bool) -> Result<Vec<GroupListing>> {
    read(conn, |tx| {
        let listing = |name: String| {
            let idle = alive(tx, &name, &ended)?.is_empty();
            Ok(GroupListing {
                name,
                kind: GroupKind::Classic,
                state: state(idle),
            })
        };
        groups(tx)?.into_iter().map(listing).collect()
    })
}

fn state(idle: bool) -> GroupState {
    match idle {
        true => GroupState::Empty,
        false => GroupState::Stable,
    }
}

/// Removes a group with all that it has committed.
pub(super) fn delete(conn: &Connection, group: &str, ended: impl Fn(&str) -> bool) -> Result<Result<(), GroupError>> {
    write(conn, |tx| {
        if !exists(tx, group)? {
            return Ok(Err(GroupError::NotFound));
        }
        if !alive(tx, group, &ended)?.is_empty() {
            return Ok(Err(GroupError::NotEmpty));
        }
        for table in ["groups", "members", "group_partitions"] {
            tx.execute(&format!("delete from {table} where name = ?"), [group])?;
        }
        Ok(Ok(()))
    })
}

/// What became of the offsets that were to be deleted.
pub(super) type Deleted = BTreeMap<TopicPartition, Result<(), OffsetKept>>;

/// Removes what a group has committed for these partitions, but not for topics that its members read.
pub(super) fn delete_offsets(
    conn: &Connection,
    group: &str,
    partitions: &BTreeSet<TopicPartition>,
    ended: impl Fn(&str) -> bool,
) -> Result<Result<Deleted, GroupError>> {
    write(conn, |tx| {
        if !exists(tx, group)? {
            return Ok(Err(GroupError::NotFound));
        }
        let subscribed = subscriptions(tx, &alive(tx, group, &ended)?)?;
        let mut forget = tx.prepare_cached(
            "update group_partitions set committed = null, metadata = ''
             where name = ? and topic = ? and partition = ?",
        )?;
        let mut deleted = Deleted::new();
        for partition in partitions {
            let outcome = match topics::check_partition(tx, partition) {
                Err(LogError::Refused(_)) => Err(OffsetKept::NoPartition),
                Err(error) => return Err(error),
                Ok(()) if subscribed.contains(&*partition.topic) => Err(OffsetKept::Subscribed),
                Ok(()) => Ok(()),
            };
            if outcome.is_ok() {
                forget.execute((group, &*partition.topic, partition.partition.0))?;
            }
            deleted.insert(partition.clone(), outcome);
        }
        Ok(Ok(deleted))
    })
}

fn exists(conn: &Connection, group: &str) -> Result<bool> {
    let mut select = conn.prepare_cached("select 1 from groups where name = ?")?;
    Ok(select.exists([group])?)
}

/// The members of `group` whose processes may still run.
fn alive(conn: &Connection, group: &str, ended: impl Fn(&str) -> bool) -> Result<Vec<String>> {
    let mut members = members(conn, group)?;
    members.retain(|member| !ended(member));
    Ok(members)
}

/// The topics that these members read.
fn subscriptions(conn: &Connection, members: &[String]) -> Result<BTreeSet<String>> {
    let mut select = conn.prepare_cached("select topics from members where member = ?")?;
    let mut topics = BTreeSet::new();
    for member in members {
        let subscribed: String = select.query_row([member], |row| row.get(0))?;
        topics.extend(subscribed.split('\n').map(str::to_owned));
    }
    Ok(topics)
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
        instance: None,
        host: HOST.to_owned(),
        partitions,
        target: None,
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

        let before = seen.generation;
        let seen = describe(&conn, "g", |_| true).unwrap().unwrap();
        assert_eq!((seen.state, seen.members), (GroupState::Empty, Vec::new()));
        assert_eq!(seen.generation, before, "to look changes nothing");
        reset(&conn, "g", &to(0, 1), |_| true).unwrap();
        let seen = describe(&conn, "g", |_| false).unwrap().unwrap();
        assert_eq!((seen.state, seen.commits), (GroupState::Empty, to(0, 1)));
        assert!(seen.generation > before, "{:?}", seen.generation);
    }

    #[test]
    fn offsets_are_deleted_unless_a_member_reads_their_topic() {
        let conn = in_memory();
        for topic in ["t", "u"] {
            topics::create(&conn, &NewTopic::new(topic, 1)).unwrap();
        }
        let of = |topic: &str, partition| TopicPartition::new(topic, Partition(partition));
        assert_eq!(
            delete_offsets(&conn, "g", &[of("t", 0)].into(), |_| false),
            Ok(Err(GroupError::NotFound))
        );
        let positions = [(of("t", 0), Offset(3)), (of("u", 0), Offset(4))].into();
        reset(&conn, "g", &positions, |_| false).unwrap();
        let _member = joined(&conn, "delivery-1");
        let all = [of("t", 0), of("u", 0), of("u", 7), of("v", 0)].into();
        let deleted = delete_offsets(&conn, "g", &all, |_| false).unwrap().unwrap();
        let outcomes: Vec<_> = deleted.into_values().collect();
        let no_partition = || Err(OffsetKept::NoPartition);
        assert_eq!(
            outcomes,
            [Err(OffsetKept::Subscribed), Ok(()), no_partition(), no_partition()]
        );
        let commits = |ended| describe(&conn, "g", |_| ended).unwrap().unwrap().commits;
        assert_eq!(commits(false), [(of("t", 0), Offset(3))].into());
        let deleted = delete_offsets(&conn, "g", &[of("t", 0)].into(), |_| true)
            .unwrap()
            .unwrap();
        assert_eq!(deleted[&of("t", 0)], Ok(()), "its member has gone");
        assert_eq!(commits(true), BTreeMap::new());
    }

    #[test]
    fn a_group_without_members_can_be_deleted() {
        let conn = in_memory();
        topics::create(&conn, &NewTopic::new("t", 1)).unwrap();
        assert_eq!(delete(&conn, "g", |_| false), Ok(Err(GroupError::NotFound)));
        let _member = joined(&conn, "delivery-1");
        let states = |ended| list(&conn, |_| ended).unwrap().into_iter().map(|group| group.state);
        assert_eq!(states(false).collect::<Vec<_>>(), [GroupState::Stable]);
        assert_eq!(delete(&conn, "g", |_| false), Ok(Err(GroupError::NotEmpty)));
        assert_eq!(states(true).collect::<Vec<_>>(), [GroupState::Empty]);
        assert_eq!(delete(&conn, "g", |_| true), Ok(Ok(())));
        assert_eq!(describe(&conn, "g", |_| false), Ok(None));
        for table in ["members", "group_partitions"] {
            let left: i64 = conn
                .query_row(&format!("select count(*) from {table}"), [], |row| row.get(0))
                .unwrap();
            assert_eq!(left, 0, "{table}");
        }
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
