//! Appends to the apply history: the effects of events on deliveries, in order.

use super::rows::{self, statement};
use super::session::Session;
use shop::domain::EventType;
use shop::domain::decide::NewApply;
use shop::store::Result;

/// Appends rows in the order given, in the transaction of the effects, while their orders' cursors are locked.
pub(super) async fn append(session: &mut Session, applies: &[NewApply]) -> Result<()> {
    for piece in rows::pieces(applies) {
        let mut query = statement(format!(
            "insert into delivery_apply (order_id, version, type, kind, delivery_id, version_before, version_after, \
             instance, epoch, topic, record_partition, record_offset, applied_at) values {}",
            rows::tuples(piece.len(), 13)
        ));
        for apply in piece {
            let provenance = &apply.provenance;
            let place = provenance.place.as_ref();
            query = query
                .bind(apply.order_id.0)
                .bind(apply.version.map(|version| version.0));
            query = query.bind(apply.event_type.map(|event| EventType::Order(event).name()));
            query = query.bind(apply.kind.name()).bind(apply.delivery_id.map(|id| id.0));
            query = query.bind(apply.before.0).bind(apply.after.0);
            query = query
                .bind(&*provenance.instance)
                .bind(provenance.epoch.map(u64::cast_signed));
            query = query.bind(place.map(|place| &*place.topic));
            query = query.bind(place.map(|place| i64::from(place.partition.0)));
            query = query
                .bind(place.map(|place| place.offset.0.cast_signed()))
                .bind(apply.at.0);
        }
        session.execute(query).await?;
    }
    Ok(())
}
