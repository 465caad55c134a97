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
        Some((head, until)) => Ok(Pruned::Removed(remove(tx, &head, until)?)),
    })
}

struct Head {
    topic: String,
    partition: u32,
    appended: i64,
}

/// The partition to prune, and the first time to be kept.
fn due(conn: &Connection, retention: Retention, now: Timestamp) -> Result<Option<(Head, i64)>> {
    let Some(head) = oldest(conn)? else { return Ok(None) };
    if retention
        .bytes
        .is_some_and(|most| used(conn).is_ok_and(|used| used > most))
    {
        return Ok(Some((head, i64::MAX)));
    }
    let cutoff = retention.age.map(|age| now.0.saturating_sub(age.as_millis() as i64));
    Ok(cutoff
        .filter(|cutoff| head.appended < *cutoff)
        .map(|cutoff| (head, cutoff)))
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
    let number = |name: &str| conn.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
    let pages = number("page_count")? - number("freelist_count")?;
    Ok((pages * number("page_size")?) as u64)
}

/// Removes from the front only, and stops at the first record to be kept, so that no hole comes about.
fn remove(tx: &Connection, head: &Head, until: i64) -> Result<usize> {
    let place = (&head.topic, head.partition);
    let mut front = tx.prepare_cached(
        "select offset, appended from records where topic = ? and partition = ? order by offset limit ?",
    )?;
    let rows = front.query_map((place.0, place.1, STEP), |row| Ok((row.get(0)?, row.get(1)?)))?;
    let front: Vec<(i64, i64)> = rows.collect::<Result<_, _>>()?;
    let Some((last, _)) = front.into_iter().take_while(|(_, appended)| *appended < until).last() else {
        return Ok(0);
    };
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
        let retention = Retention {
            age: None,
            bytes: Some(used(&conn).unwrap() - 1),
        };
        assert_eq!(prune(&conn, retention, Timestamp(3_000)), Ok(Pruned::Removed(1000)));
        assert_eq!(prune(&conn, retention, Timestamp(3_000)), Ok(Pruned::Idle));
        assert_eq!(kept(&conn), [(0, 1000), (1000, 1000)]);
    }
}
