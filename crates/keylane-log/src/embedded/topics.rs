//! Creates, grows and lists topics.

use rusqlite::Connection;

use super::schema::{read, write};
use crate::port::{Extent, LogError, Result};
use crate::record::{Offset, Partition, TopicPartition};

/// The most partitions of a topic. It is enough for one machine, and keeps a mistyped number from creating millions of
/// rows.
const MAX_PARTITIONS: u32 = 10_000;

/// Creates `topic`. Returns `false` if it exists already.
///
/// # Errors
/// [`LogError::Refused`] for a name or a number of partitions that Kafka would not take either.
pub(super) fn create(conn: &Connection, topic: &str, partitions: u32) -> Result<bool> {
    check_name(topic)?;
    check_count(partitions)?;
    write(conn, |tx| {
        if count(tx, topic)? > 0 {
            return Ok(false);
        }
        add(tx, topic, 0..partitions)?;
        Ok(true)
    })
}

/// Grows `topic` to `partitions` partitions in all, and has every group take a step, so that the new ones get owners.
///
/// # Errors
/// [`LogError::Refused`] unless the topic exists and has fewer partitions.
pub(super) fn grow(conn: &Connection, topic: &str, partitions: u32) -> Result<()> {
    check_count(partitions)?;
    write(conn, |tx| {
        let now = self::partitions(tx, topic)?;
        if partitions <= now {
            return Err(LogError::Refused(format!(
                "topic '{topic}' has {now} partitions already; it can only grow to more"
            )));
        }
        add(tx, topic, now..partitions)
    })
}

/// Adds partitions to a topic, and raises the epoch of every group.
fn add(tx: &Connection, topic: &str, partitions: std::ops::Range<u32>) -> Result<()> {
    let mut insert = tx.prepare_cached("insert into partitions (topic, partition) values (?, ?)")?;
    for partition in partitions {
        insert.execute((topic, partition))?;
    }
    tx.execute("update groups set epoch = epoch + 1", [])?;
    Ok(())
}

/// How many partitions `topic` has.
///
/// # Errors
/// [`LogError::Refused`] if there is no such topic.
pub(super) fn partitions(conn: &Connection, topic: &str) -> Result<u32> {
    match count(conn, topic)? {
        0 => Err(unknown(topic)),
        some => Ok(some),
    }
}

/// How many partitions `topic` has; 0 if there is no such topic.
fn count(conn: &Connection, topic: &str) -> Result<u32> {
    let mut select = conn.prepare_cached("select count(*) from partitions where topic = ?")?;
    Ok(select.query_row([topic], |row| row.get(0))?)
}

/// The names of all topics, in order, and how many partitions each has.
pub(super) fn list(conn: &Connection) -> Result<Vec<(String, u32)>> {
    let mut select = conn.prepare_cached("select topic, count(*) from partitions group by topic order by topic")?;
    let rows = select.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// What each partition of `topic` holds, in order.
///
/// # Errors
/// [`LogError::Refused`] if there is no such topic.
pub(super) fn extents(conn: &Connection, topic: &str) -> Result<Vec<Extent>> {
    read(conn, |tx| {
        let mut select =
            tx.prepare_cached("select partition, next from partitions where topic = ? order by partition")?;
        let rows = select.query_map([topic], |row| Ok((row.get(0)?, row.get(1)?)))?;
        let ends: Vec<(u32, i64)> = rows.collect::<Result<_, _>>()?;
        if ends.is_empty() {
            return Err(unknown(topic));
        }
        let extent = |(partition, end): (u32, i64)| {
            let start = start(tx, topic, Partition(partition))?;
            Ok(Extent {
                start,
                end: Offset(end as u64),
            })
        };
        ends.into_iter().map(extent).collect()
    })
}

/// The first offset that is kept of a partition; its end if it has no records.
pub(super) fn start(conn: &Connection, topic: &str, partition: Partition) -> Result<Offset> {
    let mut select = conn.prepare_cached(
        "select coalesce((select min(offset) from records where topic = ?1 and partition = ?2), next)
         from partitions where topic = ?1 and partition = ?2",
    )?;
    let start: i64 = select.query_row((topic, partition.0), |row| row.get(0))?;
    Ok(Offset(start as u64))
}

/// The offset that `group` has committed for each partition of `topic`, in order.
///
/// # Errors
/// [`LogError::Refused`] if there is no such topic.
pub(super) fn committed(conn: &Connection, group: &str, topic: &str) -> Result<Vec<Option<Offset>>> {
    let mut select = conn.prepare_cached(
        "select committed from partitions p left join group_partitions g
         on g.name = ? and g.topic = p.topic and g.partition = p.partition where p.topic = ? order by p.partition",
    )?;
    let rows = select.query_map((group, topic), |row| row.get::<_, Option<i64>>(0))?;
    let offsets: Vec<Option<Offset>> = rows
        .map(|row| Ok(row?.map(|offset| Offset(offset as u64))))
        .collect::<Result<_>>()?;
    if offsets.is_empty() {
        return Err(unknown(topic));
    }
    Ok(offsets)
}

/// Returns an error if the topic does not have this partition.
pub(super) fn check_partition(conn: &Connection, partition: &TopicPartition) -> Result<()> {
    let count = partitions(conn, &partition.topic)?;
    if partition.partition.0 < count {
        return Ok(());
    }
    Err(no_partition(&partition.topic, partition.partition, count))
}

/// The error for a partition that its topic does not have.
pub(super) fn no_partition(topic: &str, partition: Partition, count: u32) -> LogError {
    LogError::Refused(format!(
        "topic '{topic}' has no partition {partition}, only 0 to {}",
        count - 1
    ))
}

/// The error for a topic that does not exist.
pub(super) fn unknown(topic: &str) -> LogError {
    LogError::Refused(format!("topic '{topic}' does not exist"))
}

fn check_name(topic: &str) -> Result<()> {
    let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    if topic.is_empty() || topic.len() > 249 || matches!(topic, "." | "..") || !topic.chars().all(legal) {
        return Err(LogError::Refused(format!(
            "'{topic}' cannot be a topic's name: 1 to 249 of a-z, A-Z, 0-9, '.', '_' and '-' are allowed"
        )));
    }
    Ok(())
}

fn check_count(partitions: u32) -> Result<()> {
    if (1..=MAX_PARTITIONS).contains(&partitions) {
        return Ok(());
    }
    Err(LogError::Refused(format!(
        "a topic cannot have {partitions} partitions: 1 to {MAX_PARTITIONS} are allowed"
    )))
}

#[cfg(test)]
mod tests {
    use super::super::schema::in_memory;
    use super::*;

    #[test]
    fn a_topic_is_created_once_and_only_grows() {
        let conn = in_memory();
        assert!(create(&conn, "orders", 2).unwrap());
        assert!(!create(&conn, "orders", 5).unwrap());
        assert_eq!(partitions(&conn, "orders"), Ok(2));
        grow(&conn, "orders", 3).unwrap();
        assert_eq!(list(&conn).unwrap(), [("orders".to_owned(), 3)]);
        for refused in [
            grow(&conn, "orders", 3),
            grow(&conn, "nothing", 3),
            grow(&conn, "orders", 0),
            create(&conn, "or ders", 1).map(drop),
            create(&conn, "none", 0).map(drop),
            partitions(&conn, "nothing").map(drop),
            extents(&conn, "nothing").map(drop),
            committed(&conn, "group", "nothing").map(drop),
        ] {
            assert!(matches!(refused, Err(LogError::Refused(_))), "{refused:?}");
        }
    }
}
