//! Retention: removes the oldest records, a bounded number at a time, once every group that reads them has done so.
//!
//! ```text
//!   partition:  | read by all its groups, old | read by all, young | unread by a group … |
//!               └────────── removed ─────────┘└────────────── kept ───────────────────┘
//! ```
//!
//! # Invariants
//! * A record that a known group has yet to read is never removed, whatever its age, the log's size or the wall clock
//!   say. A group of a topic is known for ever from its first claim of a partition, or from a reset of its offsets.
//! * A record that no group reads at all counts as unread.
//! * Records are removed from the front of a partition only, so that there are never holes.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::Duration;

use rusqlite::Connection;

use super::schema::write;
use crate::port::Result;
use crate::record::{Offset, Partition, Timestamp};

/// The most records that one transaction removes, so that other writers wait only briefly.
const MAX_REMOVED: u32 = 1000;

/// Which of the records that every group has read are removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Retention {
    /// Records that were appended longer ago than this are due for removal; with `None` no record is, whatever its age.
    pub(super) age: Option<Duration>,
    /// While the file holds more bytes than this, its oldest records are due for removal; with `None` the file may
    /// grow. Freed space is used again, but the file does not shrink.
    pub(super) bytes: Option<u64>,
}

/// The result of [`prune`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Pruned {
    /// This many records were removed, and there may be more to remove.
    Removed(usize),
    /// No record could be removed. These keep records that are due; there are none if no record is due.
    Idle(BTreeSet<Holder>),
}

/// Why records that are due for removal are kept.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Holder {
    /// The records' topic.
    pub(super) topic: String,
    /// The group that has yet to read the records; `None` if no group reads this topic.
    pub(super) group: Option<String>,
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let topic = &self.topic;
        match &self.group {
            Some(group) => write!(f, "group {group} has yet to read old records of topic {topic}"),
            None => write!(f, "no group has read the old records of topic {topic}"),
        }
    }
}

impl Holder {
    /// Tells a person how to let the records be removed.
    pub(super) fn remedy(&self) -> String {
        let first = match &self.group {
            Some(_) => "start its members",
            None => "let a group read them",
        };
        format!("{first}, or give them up: reset the group's offsets to the topic's end")
    }
}

/// Removes up to [`MAX_REMOVED`] of the records that are due at `now`, from the partition that holds the oldest of
/// them.
pub(super) fn prune(conn: &Connection, retention: Retention, now: Timestamp) -> Result<Pruned> {
    // Nearly always no record is due, so this is found out first without a transaction for which other writers must
    // wait.
    if let Found::Nothing(holders) = look(conn, retention, now)? {
        return Ok(Pruned::Idle(holders));
    }
    write(conn, |tx| match look(tx, retention, now)? {
        Found::Nothing(holders) => Ok(Pruned::Idle(holders)),
        Found::Due(first, due) => Ok(Pruned::Removed(remove(tx, &first, &due)?)),
    })
}

enum Found {
    /// These records of the partition that begins with this record are due and have been read.
    Due(FirstRecord, Due),
    /// There is nothing to remove. These keep records that are due.
    Nothing(BTreeSet<Holder>),
}

/// The first record of a partition.
struct FirstRecord {
    topic: String,
    partition: Partition,
    offset: Offset,
    appended: i64,
}

/// Which records of a partition are to be removed.
struct Due {
    /// Only records that were appended before this time, in milliseconds since 1970.
    before: i64,
    /// Only records before this offset; the others have not been read by every group.
    unread: Offset,
    /// No more records than are needed to free this many bytes.
    bytes: i64,
}

fn look(conn: &Connection, retention: Retention, now: Timestamp) -> Result<Found> {
    let excess = match retention.bytes {
        Some(most) => used(conn)?.saturating_sub(most),
        None => 0,
    };
    let cutoff = retention.age.map(|age| now.0.saturating_sub(age.as_millis() as i64));
    let (before, bytes) = match (excess, cutoff) {
        (0, None) => return Ok(Found::Nothing(BTreeSet::new())),
        (0, Some(cutoff)) => (cutoff, i64::MAX),
        // Removing less than a page of the file frees no page.
        (excess, _) => (
            i64::MAX,
            i64::try_from(excess).unwrap_or(i64::MAX).max(page_size(conn)?),
        ),
    };
    let mut due = first_records(conn)?;
    due.retain(|first| first.appended < before);
    let readers = if due.is_empty() {
        Readers::default()
    } else {
        Readers::load(conn)?
    };
    let mut holders = BTreeSet::new();
    for first in due {
        let (unread, holder) = readers.unread(&first);
        if first.offset < unread {
            return Ok(Found::Due(first, Due { before, unread, bytes }));
        }
        holders.insert(holder);
    }
    Ok(Found::Nothing(holders))
}

/// The first record of every partition that has records, the oldest first.
fn first_records(conn: &Connection) -> Result<Vec<FirstRecord>> {
    let mut select = conn.prepare_cached(
        "select p.topic, p.partition, r.offset, r.appended from partitions p join records r
             on r.topic = p.topic and r.partition = p.partition and r.offset = (select min(offset) from records f
                 where f.topic = p.topic and f.partition = p.partition)
         order by r.appended, p.topic, p.partition",
    )?;
    let records = select.query_map([], |row| {
        Ok(FirstRecord {
            topic: row.get(0)?,
            partition: Partition(row.get(1)?),
            offset: Offset(row.get::<_, i64>(2)? as u64),
            appended: row.get(3)?,
        })
    })?;
    Ok(records.collect::<Result<_, _>>()?)
}

/// The committed offsets by topic, group and partition. A partition for which a group has committed no offset counts as
/// unread by it, because the group will begin at the first record.
#[derive(Default)]
struct Readers(BTreeMap<String, BTreeMap<String, BTreeMap<Partition, Offset>>>);

impl Readers {
    fn load(conn: &Connection) -> Result<Self> {
        let mut readers = Self::default();
        let mut select = conn.prepare_cached("select topic, name, partition, committed from group_partitions")?;
        let mut rows = select.query([])?;
        while let Some(row) = rows.next()? {
            let groups = readers.0.entry(row.get(0)?).or_default();
            let positions = groups.entry(row.get(1)?).or_default();
            if let Some(committed) = row.get::<_, Option<i64>>(3)? {
                positions.insert(Partition(row.get(2)?), Offset(committed as u64));
            }
        }
        Ok(readers)
    }

    /// The first offset of this record's partition that a group has yet to read, and that group.
    fn unread(&self, first: &FirstRecord) -> (Offset, Holder) {
        let positions = self
            .0
            .get(&first.topic)
            .into_iter()
            .flatten()
            .map(|(group, positions)| {
                let next = positions.get(&first.partition).copied().unwrap_or(Offset(0));
                (next, Some(group.clone()))
            });
        let (offset, group) = positions.min().unwrap_or((Offset(0), None));
        let topic = first.topic.clone();
        (offset, Holder { topic, group })
    }
}

/// How many bytes of the file are in use.
fn used(conn: &Connection) -> Result<u64> {
    let pages = number(conn, "page_count")? - number(conn, "freelist_count")?;
    Ok((pages * page_size(conn)?) as u64)
}

fn page_size(conn: &Connection) -> Result<i64> {
    number(conn, "page_size")
}

/// The number that a pragma of SQLite returns.
fn number(conn: &Connection, pragma: &str) -> Result<i64> {
    Ok(conn.pragma_query_value(None, pragma, |row| row.get(0))?)
}

/// Removes records from the front of a partition, up to the first one that is to be kept. Returns how many.
fn remove(tx: &Connection, first: &FirstRecord, due: &Due) -> Result<usize> {
    let place = (&first.topic, first.partition.0);
    let mut front = tx.prepare_cached(
        "select offset, appended,
             ifnull(length(key), 0) + ifnull(length(value), 0) + ifnull(length(headers), 0)
         from records where topic = ? and partition = ? and offset < ? order by offset limit ?",
    )?;
    let mut rows = front.query((place.0, place.1, due.unread.0 as i64, MAX_REMOVED))?;
    let (mut last, mut covered) = (None, 0_i64);
    while covered < due.bytes
        && let Some(row) = rows.next()?
        && row.get::<_, i64>(1)? < due.before
    {
        last = Some(row.get::<_, i64>(0)?);
        covered = covered.saturating_add(row.get(2)?);
    }
    let Some(last) = last else { return Ok(0) };
    let mut delete = tx.prepare_cached("delete from records where topic = ? and partition = ? and offset <= ?")?;
    Ok(delete.execute((place.0, place.1, last))?)
}

#[cfg(test)]
mod tests {
    use super::super::append::{Batch, MAX_RECORD_BYTES, RoundRobin, append};
    use super::super::schema::in_memory;
    use super::super::topics;
    use super::*;
    use crate::record::{NewRecord, Offset, Partition};
    use crate::topic::NewTopic;

    fn fill(conn: &Connection, partition: u32, count: usize, appended: i64) {
        let record = NewRecord {
            partition: Some(Partition(partition)),
            timestamp: Timestamp(0),
            key: None,
            value: Some(vec![7; 500].into()),
            headers: Vec::new(),
        };
        let batch = Batch {
            topic: "orders",
            records: &vec![record; count],
        };
        append(
            conn,
            &[batch],
            Timestamp(appended),
            MAX_RECORD_BYTES,
            &mut RoundRobin::default(),
        )
        .unwrap();
    }

    /// Gives a group these committed offsets by partition.
    fn read(conn: &Connection, group: &str, positions: &[(u32, Option<i64>)]) {
        for (partition, committed) in positions {
            conn.execute(
                "insert into group_partitions (name, topic, partition, generation, committed)
                 values (?1, 'orders', ?2, 1, ?3) on conflict do update set committed = ?3",
                (group, partition, committed),
            )
            .unwrap();
        }
    }

    const FOR_EVER: Retention = Retention { age: None, bytes: None };
    const MONTH: i64 = 31 * 24 * 60 * 60 * 1000;

    fn after_a_day() -> Retention {
        Retention {
            age: Some(Duration::from_secs(24 * 60 * 60)),
            bytes: None,
        }
    }

    /// Prunes until no more records are removed. Returns the groups that keep the others.
    fn prune_all(conn: &Connection, retention: Retention, now: i64) -> Vec<Option<String>> {
        loop {
            if let Pruned::Idle(holders) = prune(conn, retention, Timestamp(now)).unwrap() {
                return holders.into_iter().map(|holder| holder.group).collect();
            }
        }
    }

    fn group(name: &str) -> Vec<Option<String>> {
        vec![Some(name.to_owned())]
    }

    /// A jump of the clock looks the same as time that has really passed. Unread records are kept in both cases.
    #[test]
    fn a_clock_that_jumps_a_month_removes_nothing_unread() {
        let conn = in_memory();
        topics::create(&conn, &NewTopic::new("orders", 2)).unwrap();
        fill(&conn, 0, 10, 1_000);
        fill(&conn, 1, 10, 1_000);
        assert_eq!(
            prune_all(&conn, after_a_day(), MONTH),
            [None],
            "no group reads these records at all"
        );
        read(&conn, "delivery", &[(0, Some(4))]);
        assert_eq!(prune_all(&conn, after_a_day(), MONTH), group("delivery"));
        assert_eq!(
            kept(&conn),
            [(4, 10), (0, 10)],
            "partition 1 was never committed, so it is unread"
        );
        read(&conn, "delivery", &[(0, Some(10)), (1, Some(10))]);
        assert_eq!(prune_all(&conn, after_a_day(), MONTH), []);
        assert_eq!(kept(&conn), [(10, 10), (10, 10)]);
    }

    #[test]
    fn the_slowest_group_decides_and_other_topics_do_not_matter() {
        let conn = in_memory();
        topics::create(&conn, &NewTopic::new("orders", 1)).unwrap();
        topics::create(&conn, &NewTopic::new("letters", 1)).unwrap();
        fill(&conn, 0, 10, 1_000);
        read(&conn, "delivery", &[(0, Some(9))]);
        read(&conn, "billing", &[(0, Some(3))]);
        conn.execute(
            "insert into group_partitions values ('archive', 'letters', 0, null, 1, null, '')",
            [],
        )
        .unwrap();
        assert_eq!(prune_all(&conn, after_a_day(), MONTH), group("billing"));
        assert_eq!(kept(&conn), [(3, 10)]);
        read(&conn, "billing", &[(0, None)]);
        fill(&conn, 0, 1, MONTH);
        assert_eq!(
            prune_all(&conn, after_a_day(), MONTH),
            group("billing"),
            "the group was reset to the beginning"
        );
        assert_eq!(kept(&conn), [(3, 11)]);
    }

    #[test]
    fn a_log_that_is_too_large_keeps_what_is_unread_too() {
        let conn = in_memory();
        topics::create(&conn, &NewTopic::new("orders", 2)).unwrap();
        fill(&conn, 0, 500, 1_000);
        fill(&conn, 1, 500, 2_000);
        read(&conn, "delivery", &[(0, Some(20)), (1, Some(500))]);
        let small = Retention {
            bytes: Some(1),
            ..FOR_EVER
        };
        assert_eq!(prune_all(&conn, small, 3_000), group("delivery"));
        assert_eq!(kept(&conn), [(20, 500), (500, 500)]);
        assert_eq!(prune_all(&conn, FOR_EVER, MONTH), [], "nothing is due for ever");
    }

    fn kept(conn: &Connection) -> Vec<(u64, u64)> {
        let extents = topics::extents(conn, "orders").unwrap();
        extents.iter().map(|extent| (extent.start.0, extent.end.0)).collect()
    }

    #[test]
    fn old_records_are_removed_in_steps_and_offsets_go_on() {
        let conn = in_memory();
        topics::create(&conn, &NewTopic::new("orders", 2)).unwrap();
        fill(&conn, 0, 1500, 1_000);
        fill(&conn, 1, 10, 1_500);
        fill(&conn, 1, 10, 2_500);
        read(&conn, "delivery", &[(0, Some(1500)), (1, Some(20))]);
        let retention = Retention {
            age: Some(Duration::from_millis(500)),
            bytes: None,
        };
        let idle = Pruned::Idle(BTreeSet::new());
        assert_eq!(prune(&conn, retention, Timestamp(1_500)), Ok(idle.clone()));
        let steps: Vec<_> = (0..4)
            .map(|_| prune(&conn, retention, Timestamp(2_600)).unwrap())
            .collect();
        assert_eq!(
            steps,
            [Pruned::Removed(1000), Pruned::Removed(500), Pruned::Removed(10), idle]
        );
        assert_eq!(kept(&conn), [(1500, 1500), (10, 20)]);
        fill(&conn, 0, 1, 2_600);
        assert_eq!(topics::extents(&conn, "orders").unwrap()[0].start, Offset(1500));
    }

    #[test]
    fn a_log_that_is_too_large_loses_its_oldest_records_first() {
        let conn = in_memory();
        topics::create(&conn, &NewTopic::new("orders", 2)).unwrap();
        fill(&conn, 1, 1000, 1_000);
        fill(&conn, 0, 1000, 2_000);
        read(&conn, "delivery", &[(0, Some(1000)), (1, Some(1000))]);
        let retention = |bytes| Retention {
            age: None,
            bytes: Some(bytes),
        };
        let full = used(&conn).unwrap();
        let pruned = |bytes| {
            assert_eq!(prune_all(&conn, retention(bytes), 3_000), []);
            assert!(used(&conn).unwrap() <= bytes);
            kept(&conn)
        };
        let slightly = pruned(full - 1);
        assert_eq!(slightly[0], (0, 1000));
        assert!(
            (1..50).contains(&slightly[1].0),
            "many more records were removed than necessary: {slightly:?}"
        );
        let largely = pruned(full / 4);
        assert_eq!(largely[1], (1000, 1000), "the oldest records are removed first");
        assert!((500..700).contains(&largely[0].0), "{largely:?}");
    }
}
