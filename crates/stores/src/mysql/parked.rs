//! Reads and writes parked events.

use std::sync::Arc;

use bytes::Bytes;
use keylane_log::headers;
use keylane_log::{Header, Offset, Partition, Timestamp};
use sqlx::mysql::MySqlRow;

use super::rows::{self, column, statement};
use super::session::Session;
use shop::domain::decide::{FenceDecision, HeadChange, NewParked};
use shop::domain::fence::{Held, Mark, ParkReason, ParkedEvent, ParkedHead, ParkedKey};
use shop::domain::{EventRecord, OrderId, Origin, Place, Version};
use shop::records;
use shop::store::{Result, StoreError};

const HEAD: &str = "p.version, p.reason, p.mark, p.since, p.lease_holder, p.lease_until";
const REST: &str = "p.order_id, p.error, p.topic, cast(p.record_partition as signed), p.record_offset, \
                    p.record_timestamp, p.record_key, p.record_value, p.record_headers, p.origin";

/// The statement that reads the state of the orders that the subquery `orders` names, in their order.
fn page_of(orders: &str) -> String {
    format!(
        "select {HEAD}, c.order_id, coalesce(c.version, 0), cast(c.parked as signed) from ({orders}) k \
         join order_cursor c force index (primary) on c.order_id = k.order_id \
         join parked_event p force index (parked_event_version) on p.order_id = k.order_id and p.version = \
         (select min(q.version) from parked_event q force index (parked_event_version) \
         where q.order_id = k.order_id) order by k.order_id"
    )
}

fn keys_sql() -> String {
    page_of(
        "select m.order_id from parked_event m force index (parked_event_version) \
         where m.order_id > ? group by m.order_id order by m.order_id limit ?",
    )
}

fn marked_sql() -> String {
    page_of(
        "select m.order_id from parked_event m force index (parked_event_marked) \
         where m.mark = ? and m.order_id > ? group by m.order_id order by m.order_id limit ?",
    )
}

fn events_sql() -> String {
    format!(
        "select {HEAD}, {REST} from parked_event p force index (parked_event_version) \
         where p.order_id = ? and p.version > ? order by p.version limit ?"
    )
}

/// The statements that read parked events page by page, so that a test can ask a server how it plans them.
pub fn pages() -> [String; 3] {
    [keys_sql(), marked_sql(), events_sql()]
}

/// The first `limit` orders with parked events and with numbers above `after`.
pub(super) async fn keys(session: &mut Session, after: OrderId, limit: usize) -> Result<Vec<ParkedKey>> {
    let query = statement(keys_sql()).bind(after.0).bind(limit as u64);
    session.fetch(query).await?.iter().map(key).collect()
}

/// The first `limit` orders of which a person has marked an event with `mark`, with numbers above `after`.
pub(super) async fn marked(session: &mut Session, mark: Mark, after: OrderId, limit: usize) -> Result<Vec<ParkedKey>> {
    let query = statement(marked_sql()).bind(mark.name()).bind(after.0);
    let rows = session.fetch(query.bind(limit as u64)).await?;
    rows.iter().map(key).collect()
}

/// The first `limit` parked events of an order with versions above `after`.
pub(super) async fn events(
    session: &mut Session,
    order: OrderId,
    after: Version,
    limit: usize,
) -> Result<Vec<ParkedEvent>> {
    let query = statement(events_sql()).bind(order.0).bind(after.0).bind(limit as u64);
    session.fetch(query).await?.iter().map(parked_event).collect()
}

/// The parked event of this order and version, if there is one.
pub(super) async fn event(session: &mut Session, order: OrderId, version: Version) -> Result<Option<ParkedEvent>> {
    let sql = format!("select {HEAD}, {REST} from parked_event p where p.order_id = ? and p.version = ?");
    let rows = session.fetch(statement(sql).bind(order.0).bind(version.0)).await?;
    rows.first().map(parked_event).transpose()
}

/// The parked events of these versions, as the fence needs them. They need no lock of their own, because every transaction
/// that changes them locks the order's cursor first.
pub(super) async fn heads(session: &mut Session, order: OrderId, versions: &[Version]) -> Result<Vec<Held>> {
    let numbers: Vec<i64> = versions.iter().map(|version| version.0).collect();
    let mut heads = Vec::new();
    for list in rows::lists(&numbers) {
        let marks = rows::marks(list.len());
        let mut query = statement(format!(
            "select {HEAD}, {REST} from parked_event p where p.order_id = ? and p.version in ({marks})"
        ));
        query = query.bind(order.0);
        for version in list {
            query = query.bind(version);
        }
        for row in session.fetch(query).await? {
            heads.push(records::held(&parked_event(&row)?));
        }
    }
    Ok(heads)
}

/// Writes what a batch decides about parked events. Rows are removed first, as a batch may park another event in their place.
pub(super) async fn write(session: &mut Session, decision: &FenceDecision) -> Result<()> {
    for (order, version) in &decision.unparks {
        let sql = "delete from parked_event where order_id = ? and version = ?".to_owned();
        session.execute(statement(sql).bind(order.0).bind(version.0)).await?;
    }
    for piece in rows::pieces(&decision.parks) {
        park(session, piece).await?;
    }
    for changed in &decision.changes {
        change(session, changed).await?;
    }
    Ok(())
}

async fn park(session: &mut Session, parks: &[NewParked]) -> Result<()> {
    let mut query = statement(format!(
        "insert into parked_event (order_id, version, reason, error, topic, record_partition, record_offset, \
         record_timestamp, record_key, record_value, record_headers, since, mark, lease_holder, lease_until, origin) values {}",
        rows::tuples(parks.len(), 16)
    ));
    for new in parks {
        let (record, place) = (&new.record, new.record.origin.place());
        query = query.bind(new.order_id.0).bind(new.head.version.0);
        query = query.bind(new.head.reason.name()).bind(new.error.as_deref());
        query = query.bind(place.map_or("", |place| &*place.topic));
        query = query.bind(place.map_or(0, |place| i64::from(place.partition.0)));
        query = query.bind(place.map_or(0, |place| place.offset.0.cast_signed()));
        query = query.bind(record.timestamp.0);
        query = query.bind(record.key.as_deref()).bind(record.value.as_deref());
        query = query.bind(encoded(&record.headers)).bind(new.head.since.0);
        query = query.bind(new.head.mark.map(Mark::name)).bind(&new.head.lease_holder);
        query = query.bind(new.head.lease_until.0).bind(record.origin.name());
    }
    session.execute(query).await.map(drop)
}

async fn change(session: &mut Session, changed: &HeadChange) -> Result<()> {
    let sql = "update parked_event set reason = ?, mark = ?, lease_holder = ?, lease_until = ?, \
               error = coalesce(?, error) where order_id = ? and version = ?";
    let head = &changed.head;
    let query = statement(sql.to_owned())
        .bind(head.reason.name())
        .bind(head.mark.map(Mark::name));
    let query = query.bind(&head.lease_holder).bind(head.lease_until.0);
    let query = query
        .bind(changed.error.as_deref())
        .bind(changed.order_id.0)
        .bind(head.version.0);
    session.execute(query).await.map(drop)
}

/// Encodes headers as one column's value.
pub(super) fn encoded(list: &[Header]) -> Vec<u8> {
    let mut blob = Vec::new();
    headers::encode(list, &mut blob);
    blob
}

/// Reads headers that [`encoded`] has made, from the column `at`.
pub(super) fn decoded(row: &MySqlRow, at: usize) -> Result<Vec<Header>> {
    headers::decode(column(row, at)?).map_err(|error| StoreError::Broken(error.to_string()))
}

/// Reads bytes that may be null, from the column `at`.
pub(super) fn bytes(row: &MySqlRow, at: usize) -> Result<Option<Bytes>> {
    Ok(column::<Option<Vec<u8>>>(row, at)?.map(Bytes::from))
}

fn head(row: &MySqlRow) -> Result<ParkedHead> {
    let (reason, mark): (String, Option<String>) = (column(row, 1)?, column(row, 2)?);
    let foreign = || {
        StoreError::Broken(format!(
            "a parked event has the unknown reason {reason:?} or mark {mark:?}"
        ))
    };
    Ok(ParkedHead {
        version: Version(column(row, 0)?),
        reason: ParkReason::from_name(&reason).ok_or_else(foreign)?,
        mark: mark
            .as_deref()
            .map(|mark| Mark::from_name(mark).ok_or_else(foreign))
            .transpose()?,
        since: Timestamp(column(row, 3)?),
        lease_holder: column(row, 4)?,
        lease_until: Timestamp(column(row, 5)?),
    })
}

fn key(row: &MySqlRow) -> Result<ParkedKey> {
    Ok(ParkedKey {
        lowest: head(row)?,
        order_id: OrderId(column(row, 6)?),
        cursor: Version(column(row, 7)?),
        parked: column(row, 8)?,
    })
}

fn parked_event(row: &MySqlRow) -> Result<ParkedEvent> {
    Ok(ParkedEvent {
        head: head(row)?,
        order_id: OrderId(column(row, 6)?),
        error: column(row, 7)?,
        record: EventRecord {
            origin: origin(row)?,
            timestamp: Timestamp(column(row, 11)?),
            key: bytes(row, 12)?,
            value: bytes(row, 13)?,
            headers: decoded(row, 14)?,
        },
    })
}

fn origin(row: &MySqlRow) -> Result<Origin> {
    let partition: i64 = column(row, 9)?;
    let place = Place {
        topic: Arc::from(column::<String>(row, 8)?),
        partition: Partition(u32::try_from(partition).unwrap_or_default()),
        offset: Offset(column::<i64>(row, 10)?.cast_unsigned()),
    };
    let name: String = column(row, 15)?;
    Origin::from_name(&name, place)
        .ok_or_else(|| StoreError::Broken(format!("a parked event has the unknown origin {name:?}")))
}
