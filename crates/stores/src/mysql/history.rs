//! Reads the apply history from its beginning.

use std::sync::Arc;

use keylane_log::{Offset, Partition, Timestamp};
use sqlx::mysql::MySqlRow;

use super::rows::{column, statement};
use super::session::Session;
use shop::domain::decide::{ApplyKind, NewApply};
use shop::domain::{DeliveryId, EventType, OrderEventType, OrderId, Place, Provenance, Version};
use shop::store::{ApplyRow, RECENT_APPLIES, Result, StoreError};

const COLUMNS: &str = "seq, order_id, version, type, kind, delivery_id, version_before, version_after, instance, epoch, \
                       topic, cast(record_partition as signed), record_offset, applied_at";

/// The first `limit` rows of the apply history with numbers above `after`.
pub(super) async fn applies(session: &mut Session, after: i64, limit: usize) -> Result<Vec<ApplyRow>> {
    let sql = format!("select {COLUMNS} from delivery_apply where seq > ? order by seq limit ?");
    let query = statement(sql).bind(after).bind(limit as u64);
    session.fetch(query).await?.iter().map(apply).collect()
}

/// The rows about this order among the `span` numbers of the apply history above `after`; none if there are no such rows.
pub(super) async fn applies_of(
    session: &mut Session,
    order: OrderId,
    after: i64,
    span: i64,
) -> Result<Option<Vec<ApplyRow>>> {
    if newest_apply(session).await?.is_none_or(|newest| newest <= after) {
        return Ok(None);
    }
    let sql = format!(
        "select {COLUMNS} from delivery_apply force index (primary) where seq > ? and seq <= ? and order_id = ? order by seq"
    );
    let query = statement(sql)
        .bind(after)
        .bind(after.saturating_add(span))
        .bind(order.0);
    let rows: Result<_> = session.fetch(query).await?.iter().map(apply).collect();
    rows.map(Some)
}

async fn newest_apply(session: &mut Session) -> Result<Option<i64>> {
    let newest = session
        .fetch(statement("select max(seq) from delivery_apply".to_owned()))
        .await?;
    let newest = newest.first().map(|row| column::<Option<i64>>(row, 0)).transpose()?;
    Ok(newest.flatten())
}

/// The newest row about this version of this order among the last rows of the apply history. Where they begin is asked for
/// first, so that the server reads a range of the primary key whatever it thinks of subqueries.
pub(super) async fn recent_apply(session: &mut Session, order: OrderId, version: Version) -> Result<Option<ApplyRow>> {
    let Some(newest) = newest_apply(session).await? else {
        return Ok(None);
    };
    let sql = format!(
        "select {COLUMNS} from delivery_apply force index (primary) where seq > ? and order_id = ? and version = ? \
         order by seq desc limit 1"
    );
    let query = statement(sql)
        .bind(newest - RECENT_APPLIES)
        .bind(order.0)
        .bind(version.0);
    session.fetch(query).await?.first().map(apply).transpose()
}

fn apply(row: &MySqlRow) -> Result<ApplyRow> {
    let name: Option<String> = column(row, 3)?;
    let kind: String = column(row, 4)?;
    Ok(ApplyRow {
        seq: column(row, 0)?,
        apply: NewApply {
            order_id: OrderId(column(row, 1)?),
            version: column::<Option<i64>>(row, 2)?.map(Version),
            event_type: name.map(|name| event_type(&name)).transpose()?,
            kind: ApplyKind::from_name(&kind).ok_or_else(|| unknown(&kind))?,
            delivery_id: column::<Option<i64>>(row, 5)?.map(DeliveryId),
            before: Version(column(row, 6)?),
            after: Version(column(row, 7)?),
            provenance: Provenance {
                instance: column::<String>(row, 8)?.into(),
                epoch: column::<Option<i64>>(row, 9)?.map(i64::cast_unsigned),
                place: place(row)?,
            },
            at: Timestamp(column(row, 13)?),
        },
    })
}

fn place(row: &MySqlRow) -> Result<Option<Place>> {
    let topic: Option<String> = column(row, 10)?;
    let (partition, offset): (Option<i64>, Option<i64>) = (column(row, 11)?, column(row, 12)?);
    let (Some(topic), Some(partition), Some(offset)) = (topic, partition, offset) else {
        return Ok(None);
    };
    Ok(Some(Place {
        topic: Arc::from(topic),
        partition: Partition(u32::try_from(partition).map_err(|_| unknown(&partition.to_string()))?),
        offset: Offset(offset.cast_unsigned()),
    }))
}

fn event_type(name: &str) -> Result<OrderEventType> {
    match EventType::from_name(name) {
        Some(EventType::Order(event_type)) => Ok(event_type),
        _ => Err(unknown(name)),
    }
}

fn unknown(what: &str) -> StoreError {
    StoreError::Broken(format!("the apply history holds {what:?}, which nobody knows"))
}
