//! Appends to the apply history: the effects of events on deliveries, in order.

use rusqlite::{Connection, params};

use shop::domain::EventType;
use shop::domain::decide::NewApply;

const APPEND: &str = "insert into delivery_apply (order_id, version, type, kind, delivery_id, version_before, \
                      version_after, instance, epoch, topic, record_partition, record_offset, applied_at) \
                      values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";

/// Appends rows in the order given.
pub(super) fn append(connection: &Connection, applies: &[NewApply]) -> rusqlite::Result<()> {
    let mut statement = connection.prepare_cached(APPEND)?;
    for apply in applies {
        let provenance = &apply.provenance;
        let place = provenance.place.as_ref();
        statement.execute(params![
            apply.order_id.0,
            apply.version.map(|version| version.0),
            apply.event_type.map(|event| EventType::Order(event).name()),
            apply.kind.name(),
            apply.delivery_id.map(|id| id.0),
            apply.before.0,
            apply.after.0,
            provenance.instance,
            provenance.epoch.map(u64::cast_signed),
            place.map(|place| &*place.topic),
            place.map(|place| place.partition.0),
            place.map(|place| place.offset.0.cast_signed()),
            apply.at.0
        ])?;
    }
    Ok(())
}
