//! What a person decides about parked events. A decision only marks the event; a delivery instance acts on it.

use keylane_log::Timestamp;

use crate::domain::fence::{FenceCommand, FenceOutcome, Mark, Marked, ParkedKey};
use crate::domain::{OrderId, Version};
use crate::store::{FenceStore, Result};

/// How it stands with what is parked of an order; none if nothing is.
///
/// # Errors
/// What the store answered.
pub async fn key_of(store: &(impl FenceStore + ?Sized), order: OrderId) -> Result<Option<ParkedKey>> {
    let keys = store.parked_keys(OrderId(order.0.saturating_sub(1)), 1).await?;
    Ok(keys.into_iter().find(|key| key.order_id == order))
}

/// Has an order's first parked event handled once more, and then, in order, what stands behind it: which one that is, if
/// something is parked, and what was found of it. If it waits for one that has not come, the order service is asked for that
/// one at once; if it can't be handled, the order service is asked what was written in its place.
///
/// # Errors
/// What the store answered.
pub async fn retry(
    store: &(impl FenceStore + ?Sized),
    order: OrderId,
    now: Timestamp,
) -> Result<Option<(ParkedKey, Marked)>> {
    let Some(key) = key_of(store, order).await? else {
        return Ok(None);
    };
    let marked = mark(store, order, key.lowest.version, Mark::Retry, now).await?;
    Ok(Some((key, marked)))
}

/// Has one version of an order passed over when its turn comes: it never takes effect.
///
/// # Errors
/// What the store answered.
pub async fn discard(
    store: &(impl FenceStore + ?Sized),
    order: OrderId,
    version: Version,
    now: Timestamp,
) -> Result<Marked> {
    mark(store, order, version, Mark::Discard, now).await
}

async fn mark(
    store: &(impl FenceStore + ?Sized),
    order_id: OrderId,
    version: Version,
    mark: Mark,
    now: Timestamp,
) -> Result<Marked> {
    let command = FenceCommand::Mark {
        order_id,
        version,
        mark,
    };
    let outcomes = store.run_fence(&[command], now).await?;
    match outcomes[..] {
        [FenceOutcome::Marked(marked)] => Ok(marked),
        _ => unreachable!("a mark is answered with what became of it"),
    }
}
