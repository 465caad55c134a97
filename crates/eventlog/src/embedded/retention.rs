//! Retention: the oldest records go, a bounded number at a time.

use std::time::Duration;

use rusqlite::Connection;

use super::schema::write;
use crate::port::Result;
use crate::record::Timestamp;

/// Records removed in one step: short enough for others to wait for.
const STEP: u32 = 1000;

/// What is kept. A record that is due goes whether or not anybody has read it (A26), as on Kafka.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retention {
    /// Records which the log got longer ago than this are due; `None` keeps them.
    pub age: Option<Duration>,
    /// While the file holds more bytes than this, its oldest records are due; `None` lets it grow. What is freed is
    /// used again, the file itself does not shrink.
    pub bytes: Option<u64>,
}

/// What a step of [`prune`] did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pruned {
    /// So many records were removed; there may be more.
    Removed(usize),
    /// Nothing is due.
    Idle,
}

/// Removes up to a thousand of the records that are due at `now`, from the partition that holds the oldest.
pub fn prune(conn: &Connection, retention: Retention, now: Timestamp) -> Result<Pruned> {
    // Looked at outside of the transaction first: nearly always nothing is due, and then nobody should wait.
    if due(conn, retention, now)?.is_none() {
        return Ok(Pruned::Idle);
    }
    write(conn, |tx| match due(tx, retention, now)? {
        None => Ok(Pruned::Idle),
        Some((head, due)) => Ok(Pruned::Removed(remove(tx, &head, &due)?)),
    })
}

struct Head {
    topic: String,
    partition: u32,
    appended: i64,
}

/// What is to be removed of a partition.
struct Due {
    /// Only what the log got before this time.
    before: i64,
    /// No more than what covers so many bytes.
    bytes: i64,
}

/// The partition to prune, and how far.
fn due(conn: &Connection, retention: Retention, now: Timestamp) -> Result<Option<(Head, Due)>> {
    let Some(head) = oldest(conn)? else { return Ok(None) };
    let excess = match retention.bytes {
        Some(most) => used(conn)?.saturating_sub(most),
        None => 0,
    };
    if excess > 0 {
        let due = Due {
            before: i64::MAX,
            // What is less than a page frees none.
            bytes: i64::try_from(excess).unwrap_or(i64::MAX).max(page_size(conn)?),
        };
        return Ok(Some((head, due)));
    }
    let cutoff = retention.age.map(|age| now.0.saturating_sub(age.as_millis() as i64));
    let due = |before| Due {
        before,
        bytes: i64::MAX,
    };
    Ok(cutoff
        .filter(|cutoff| head.appended < *cutoff)
        .map(|cutoff| (head, due(cutoff))))
}

fn oldest(conn: &Connection) -> Result<Option<Head>> {
    let mut select = conn.prepare_cached(
        "select topic, partition, (select appended from records r
             where r.topic = p.topic and r.partition = p.partition order by offset limit 1) as first
         from partitions p where first is not null order by first limit 1",
    )?;
    let mut rows = select.query([])?;
    let Some(row) = rows.next()? else { return Ok(None) };
    Ok(Some(Head {
        topic: row.get(0)?,
        partition: row.get(1)?,
        appended: row.get(2)?,
    }))
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

/// Removes from the front only, and stops at the first record to be kept, so that no hole comes about.
fn remove(tx: &Connection, head: &Head, due: &Due) -> Result<usize> {
    let place = (&head.topic, head.partition);
    let mut front = tx.prepare_cached(
        "select offset, appended,
             ifnull(length(key), 0) + ifnull(length(value), 0) + ifnull(length(headers), 0)
         from records where topic = ? and partition = ? order by offset limit ?",
    )?;
    let mut rows = front.query((place.0, place.1, STEP))?;
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
        let retention = Retention {
            age: Some(Duration::from_millis(500)),
            bytes: None,
        };
        assert_eq!(prune(&conn, retention, Timestamp(1_500)), Ok(Pruned::Idle));
        let steps: Vec<_> = (0..4)
            .map(|_| prune(&conn, retention, Timestamp(2_600)).unwrap())
            .collect();
        assert_eq!(
            steps,
            [
                Pruned::Removed(1000),
                Pruned::Removed(500),
                Pruned::Removed(10),
                Pruned::Idle
            ]
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
        let retention = |bytes| Retention {
            age: None,
            bytes: Some(bytes),
        };
        let full = used(&conn).unwrap();
        let pruned = |bytes| {
            while prune(&conn, retention(bytes), Timestamp(3_000)).unwrap() != Pruned::Idle {}
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
