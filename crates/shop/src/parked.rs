//! A person's decisions about parked events. A decision only marks the event; a delivery instance acts on the mark.

use keylane_log::Timestamp;

use crate::domain::fence::{FenceCommand, FenceOutcome, Mark, Marked, ParkedKey};
use crate::domain::{OrderId, Version};
use crate::store::{FenceStore, Result};

/// The state of an order of which something is parked; none if nothing is.
///
/// # Errors
/// The store's error, if it can't be asked.
pub async fn key_of(store: &(impl FenceStore + ?Sized), order: OrderId) -> Result<Option<ParkedKey>> {
    let keys = store.parked_keys(OrderId(order.0.saturating_sub(1)), 1).await?;
    Ok(keys.into_iter().find(|key| key.order_id == order))
}

/// Marks an order's first parked event to be handled once more; those behind it follow. If the event waits for a version that
/// has not come, the order service is asked for that version at once; if the event can't be handled, the order service is
/// asked what was written as its version.
///
/// Returns the order's state before the mark and what came of marking, or none if nothing of the order is parked.
///
/// # Errors
/// The store's error, if it can't be asked or does not take the mark.
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

/// Marks one version of an order to be discarded: once it is the next one it is passed over, and it never takes effect.
///
/// # Errors
/// The store's error, if it does not take the mark.
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
        _ => unreachable!("the outcome of a mark is always `Marked`"),
    }
}
