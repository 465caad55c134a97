//! Creates, grows and lists topics.

use rusqlite::{Connection, OptionalExtension};

use super::schema::{read, write};
use crate::port::{Extent, LogError, Result};
use crate::record::{Offset, Partition, TopicPartition};
use crate::topic::{NewTopic, PartitionInfo, TopicInfo};

/// The most partitions of a topic. It is enough for one machine, and keeps a mistyped number from creating millions of
/// rows.
const MAX_PARTITIONS: u32 = 10_000;

/// The number of partitions of a topic for which none was asked, as with Kafka's brokers by default.
const DEFAULT_PARTITIONS: u32 = 1;

/// The longest name of a topic in Kafka.
const MAX_NAME: usize = 249;

/// Creates a topic. Returns `false` if it exists already.
///
/// # Errors
/// [`LogError::Refused`], in Kafka's words, for what Kafka would not take either, and for what this log does not have:
/// copies on other nodes and settings of topics.
pub(super) fn create(conn: &Connection, topic: &NewTopic) -> Result<bool> {
    let (name, partitions) = (&topic.name, topic.partitions.unwrap_or(DEFAULT_PARTITIONS));
    check_name(name)?;
    check_count(partitions)?;
    check_extras(topic)?;
    write(conn, |tx| {
        if count(tx, name)? > 0 {
            return Ok(false);
        }
        check_collision(tx, name)?;
        add(tx, name, 0..partitions)?;
        Ok(true)
    })
}

/// Refuses what a log of a single node without settings can't do.
fn check_extras(topic: &NewTopic) -> Result<()> {
    let copies = topic.copies.unwrap_or(1);
    if copies != 1 {
        return Err(LogError::Refused(format!(
            "Unable to replicate the partition {copies} time(s): The target replication factor of {copies} cannot be \
             reached because only 1 broker(s) are registered."
        )));
    }
    if !topic.placement.is_empty() {
        return Err(LogError::Refused(
            "the embedded log has a single node: nothing can be placed".into(),
        ));
    }
    match topic.settings.keys().next() {
        Some(name) => Err(LogError::Refused(format!(
            "the embedded log keeps no settings of topics: {name}"
        ))),
        None => Ok(()),
    }
}

/// Refuses a name that differs from an existing one only in periods and underscores. Kafka does so because the names of
/// its metrics have no periods.
fn check_collision(conn: &Connection, topic: &str) -> Result<()> {
    let mut select = conn.prepare_cached(
        "select topic from partitions where replace(topic, '.', '_') = replace(?, '.', '_') order by topic limit 1",
    )?;
    let existing: Option<String> = select.query_row([topic], |row| row.get(0)).optional()?;
    match existing {
        Some(existing) => Err(LogError::Refused(format!(
            "Topic '{topic}' collides with existing topic: {existing}"
        ))),
        None => Ok(()),
    }
}

/// Grows `topic` to `partitions` partitions in all, and has every group take a step, so that the new ones get owners.
///
/// # Errors
/// [`LogError::Refused`] unless the topic exists and has fewer partitions.
pub(super) fn grow(conn: &Connection, topic: &str, partitions: u32) -> Result<()> {
    write(conn, |tx| {
        let now = self::partitions(tx, topic)?;
        if partitions <= now {
            return Err(LogError::Refused(match partitions == now {
                true => format!("Topic already has {now} partition(s)."),
                false => format!(
                    "The topic {topic} currently has {now} partition(s); {partitions} would not be an increase."
                ),
            }));
        }
        check_count(partitions)?;
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

/// Describes all topics, in the order of their names. Node 0 keeps all their partitions.
pub(super) fn describe(conn: &Connection) -> Result<Vec<TopicInfo>> {
    let partition = |number| PartitionInfo {
        partition: Partition(number),
        leader: Some(0),
        replicas: vec![0],
        isr: vec![0],
    };
    let info = |(name, partitions): (String, u32)| TopicInfo {
        name,
        internal: false,
        partitions: (0..partitions).map(partition).collect(),
    };
    Ok(list(conn)?.into_iter().map(info).collect())
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

/// The offset of a partition's next record.
///
/// # Errors
/// [`LogError::Refused`] if there is no such partition.
pub(super) fn end(conn: &Connection, partition: &TopicPartition) -> Result<Offset> {
    let mut select = conn.prepare_cached("select next from partitions where topic = ? and partition = ?")?;
    let place = (&*partition.topic, partition.partition.0);
    match select.query_row(place, |row| row.get::<_, i64>(0)).optional()? {
        Some(next) => Ok(Offset(next as u64)),
        None => {
            let count = partitions(conn, &partition.topic)?;
            Err(no_partition(&partition.topic, partition.partition, count))
        }
    }
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
    end(conn, partition).map(drop)
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
    let why = match topic {
        "" => "the empty string is not allowed".to_owned(),
        "." | ".." => format!("'{topic}' is not allowed"),
        _ if topic.len() > MAX_NAME => {
            format!("the length of '{topic}' is longer than the max allowed length {MAX_NAME}")
        }
        _ if !topic.chars().all(legal) => {
            format!("'{topic}' contains one or more characters other than ASCII alphanumerics, '.', '_' and '-'")
        }
        _ => return Ok(()),
    };
    Err(LogError::Refused(format!("Topic name is invalid: {why}")))
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
        assert!(create(&conn, &NewTopic::new("orders", 2)).unwrap());
        assert!(!create(&conn, &NewTopic::new("orders", 5)).unwrap());
        assert_eq!(partitions(&conn, "orders"), Ok(2));
        grow(&conn, "orders", 3).unwrap();
        assert_eq!(list(&conn).unwrap(), [("orders".to_owned(), 3)]);
        for refused in [
            grow(&conn, "orders", 3),
            grow(&conn, "nothing", 3),
            grow(&conn, "orders", 0),
            create(&conn, &NewTopic::new("or ders", 1)).map(drop),
            create(&conn, &NewTopic::new("none", 0)).map(drop),
            partitions(&conn, "nothing").map(drop),
            extents(&conn, "nothing").map(drop),
            committed(&conn, "group", "nothing").map(drop),
        ] {
            assert!(matches!(refused, Err(LogError::Refused(_))), "{refused:?}");
        }
    }

    #[test]
    fn names_that_differ_only_in_periods_and_underscores_collide() {
        let conn = in_memory();
        assert!(create(&conn, &NewTopic::new("a.b_c", 1)).unwrap());
        for (name, collides) in [
            ("a_b_c", true),
            ("a.b.c", true),
            ("a_b.c", true),
            ("a-b_c", false),
            ("a.b", false),
        ] {
            let created = create(&conn, &NewTopic::new(name, 1));
            let why = format!("Topic '{name}' collides with existing topic: a.b_c");
            assert_eq!(
                created,
                if collides {
                    Err(LogError::Refused(why))
                } else {
                    Ok(true)
                }
            );
        }
        assert_eq!(
            create(&conn, &NewTopic::new("a.b_c", 1)),
            Ok(false),
            "it exists already"
        );
    }

    #[test]
    fn what_needs_other_nodes_or_settings_is_refused() {
        let conn = in_memory();
        let plain = NewTopic::new("orders", 1);
        let copies = |copies| NewTopic {
            copies: Some(copies),
            ..plain.clone()
        };
        let placed = NewTopic {
            placement: vec![vec![0]],
            ..plain.clone()
        };
        let set = NewTopic {
            settings: [("retention.ms".to_owned(), "1".to_owned())].into(),
            ..plain.clone()
        };
        for topic in [copies(2), copies(0), placed, set] {
            let created = create(&conn, &topic);
            assert!(matches!(created, Err(LogError::Refused(_))), "{topic:?}: {created:?}");
        }
        let default = NewTopic {
            partitions: None,
            ..copies(1)
        };
        assert_eq!(create(&conn, &default), Ok(true));
        assert_eq!(partitions(&conn, "orders"), Ok(DEFAULT_PARTITIONS));
    }
}
