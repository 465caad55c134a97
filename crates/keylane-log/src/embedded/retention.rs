//! Retention: the oldest records go, a bounded number at a time, once every group that reads them has done so.
//!
//! ```text
//!   partition:  | read by all its groups, old | read by all, young | unread by a group … |
//!               └────────── goes ────────────┘└────────────── stays ──────────────────┘
//! ```
//!
//! # Invariants
//! * A record that a known group has yet to read is never removed, whatever its age, the log's size or the wall clock
//!   say. A group is known from the first partition of a topic that it claims, or from a reset of its offsets, for ever.
//! * What no group reads at all counts as unread.
//! * Records go from the front of a partition only, so that no hole comes about.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::Duration;

use rusqlite::Connection;

use super::schema::write;
use crate::port::Result;
use crate::record::{Offset, Partition, Timestamp};

/// Records removed in one step: short enough for others to wait for.
const STEP: u32 = 1000;

/// What is kept of the records that have been read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retention {
    /// Records which the log got longer ago than this are due; `None` keeps them.
    pub age: Option<Duration>,
    /// While the file holds more bytes than this, its oldest records are due; `None` lets it grow. What is freed is
    /// used again, the file itself does not shrink.
    pub bytes: Option<u64>,
}

/// What a step of [`prune`] did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Pruned {
    /// So many records were removed; there may be more.
    Removed(usize),
    /// Nothing could be removed. These hold back records that are due; none if nothing is due.
    Idle(BTreeSet<Holder>),
}

/// Why records that are due stay.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Holder {
    /// The records' topic.
    pub topic: String,
    /// The group that has yet to read them; `None` if no group reads this topic.
    pub group: Option<String>,
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
    /// What lets the records go.
    pub fn remedy(&self) -> String {
        let (topic, group) = (&self.topic, self.group.as_deref().unwrap_or("NAME"));
        let first = match &self.group {
            Some(_) => "start its members",
            None => "let a group read them",
        };
        format!(
            "{first}, or give them up with mall kafka-consumer-groups --reset-offsets --group {group} --topic {topic} \
             --to-latest --execute"
        )
    }
}

/// Removes up to a thousand of the records that are due at `now`, from the partition that holds the oldest of them.
pub fn prune(conn: &Connection, retention: Retention, now: Timestamp) -> Result<Pruned> {
    // Looked at outside of the transaction first: nearly always nothing is due, and then nobody should wait.
    if let Found::Nothing(holders) = look(conn, retention, now)? {
        return Ok(Pruned::Idle(holders));
    }
    write(conn, |tx| match look(tx, retention, now)? {
        Found::Nothing(holders) => Ok(Pruned::Idle(holders)),
        Found::Due(head, due) => Ok(Pruned::Removed(remove(tx, &head, &due)?)),
    })
}

enum Found {
    Due(Head, Due),
    Nothing(BTreeSet<Holder>),
}

/// The first record of a partition.
struct Head {
    topic: String,
    partition: Partition,
    offset: Offset,
    appended: i64,
}

/// What is to be removed of a partition.
struct Due {
    /// Only what the log got before this time.
    before: i64,
    /// Only what stands before this offset: the rest has not been read.
    unread: Offset,
    /// No more than what covers so many bytes.
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
        // What is less than a page frees none.
        (excess, _) => (
            i64::MAX,
            i64::try_from(excess).unwrap_or(i64::MAX).max(page_size(conn)?),
        ),
    };
    let mut due = heads(conn)?;
    due.retain(|head| head.appended < before);
    let readers = if due.is_empty() {
        Readers::default()
    } else {
        Readers::load(conn)?
    };
    let mut holders = BTreeSet::new();
    for head in due {
        let (unread, holder) = readers.unread(&head);
        if head.offset < unread {
            return Ok(Found::Due(head, Due { before, unread, bytes }));
        }
        holders.insert(holder);
    }
    Ok(Found::Nothing(holders))
}

/// The first record of every partition that holds any, the oldest first.
fn heads(conn: &Connection) -> Result<Vec<Head>> {
    let mut select = conn.prepare_cached(
        "select p.topic, p.partition, r.offset, r.appended from partitions p join records r
             on r.topic = p.topic and r.partition = p.partition and r.offset = (select min(offset) from records f
                 where f.topic = p.topic and f.partition = p.partition)
         order by r.appended, p.topic, p.partition",
    )?;
    let heads = select.query_map([], |row| {
        Ok(Head {
            topic: row.get(0)?,
            partition: Partition(row.get(1)?),
            offset: Offset(row.get::<_, i64>(2)? as u64),
            appended: row.get(3)?,
        })
    })?;
    Ok(heads.collect::<Result<_, _>>()?)
}

/// Who reads which topic, and how far each has come. A partition that a group has not committed counts as unread,
/// because the group will begin at its first record.
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

    /// The first offset of the head's partition that somebody has yet to read, and who that is.
    fn unread(&self, head: &Head) -> (Offset, Holder) {
        let positions = self.0.get(&head.topic).into_iter().flatten().map(|(group, positions)| {
            let next = positions.get(&head.partition).copied().unwrap_or(Offset(0));
            (next, Some(group.clone()))
        });
        let (offset, group) = positions.min().unwrap_or((Offset(0), None));
        let topic = head.topic.clone();
        (offset, Holder { topic, group })
    }
}

/// The bytes of the file that are in use.
fn used(conn: &Connection) -> Result<u64> {
    let pages = number(conn, "page_count")? - number(conn, "freelist_count")?;
    Ok((pages * page_size(conn)?) as u64)
}

fn page_size(conn: &Connection) -> Result<i64> {
    number(conn, "page_size")
}

fn number(conn: &Connection, pragma: &str) -> Result<i64> {
    Ok(conn.pragma_query_value(None, pragma, |row| row.get(0))?)
}

/// Removes from the front only, and stops at the first record to be kept.
fn remove(tx: &Connection, head: &Head, due: &Due) -> Result<usize> {
    let place = (&head.topic, head.partition.0);
    let mut front = tx.prepare_cached(
        "select offset, appended,
             ifnull(length(key), 0) + ifnull(length(value), 0) + ifnull(length(headers), 0)
         from records where topic = ? and partition = ? and offset < ? order by offset limit ?",
    )?;
    let mut rows = front.query((place.0, place.1, due.unread.0 as i64, STEP))?;
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
    use super::super::append::{Batch, RoundRobin, append};
    use super::super::schema::in_memory;
    use super::super::topics;
    use super::*;
    use crate::record::{NewRecord, Offset, Partition};

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
        append(conn, &[batch], Timestamp(appended), &mut RoundRobin::default()).unwrap();
    }

    /// As a group whose members have come so far.
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

    /// Prunes until nothing more goes; who holds back what stays.
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

    /// Whether the clock jumped or the time really passed can't be told; what nobody has read stays either way.
    #[test]
    fn a_clock_that_jumps_a_month_removes_nothing_unread() {
        let conn = in_memory();
        topics::create(&conn, "orders", 2).unwrap();
        fill(&conn, 0, 10, 1_000);
        fill(&conn, 1, 10, 1_000);
        assert_eq!(
            prune_all(&conn, after_a_day(), MONTH),
            [None],
            "nobody reads them at all"
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
        topics::create(&conn, "orders", 1).unwrap();
        topics::create(&conn, "letters", 1).unwrap();
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
            "it was reset to the beginning"
        );
        assert_eq!(kept(&conn), [(3, 11)]);
    }

    #[test]
    fn a_log_that_is_too_large_keeps_what_is_unread_too() {
        let conn = in_memory();
        topics::create(&conn, "orders", 2).unwrap();
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
    fn what_is_too_old_goes_step_by_step_and_offsets_go_on() {
        let conn = in_memory();
        topics::create(&conn, "orders", 2).unwrap();
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
    fn what_is_too_much_goes_oldest_first() {
        let conn = in_memory();
        topics::create(&conn, "orders", 2).unwrap();
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
            "more than there was too much: {slightly:?}"
        );
        let largely = pruned(full / 4);
        assert_eq!(largely[1], (1000, 1000), "the oldest go first");
        assert!((500..700).contains(&largely[0].0), "{largely:?}");
    }
}
