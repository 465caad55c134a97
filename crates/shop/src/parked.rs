//! What a person decides about parked events. A decision only marks the event; a delivery instance acts on it.

use eventlog::Timestamp;

use crate::domain::fence::{FenceCommand, FenceOutcome, Mark, ParkedKey};
use crate::domain::{OrderId, Version};
use crate::store::{FenceStore, Result};

/// What became of a decision.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decided {
    /// This version is marked.
    Marked(Version),
    /// Nothing of that order, or not that version of it, is parked.
    NotParked,
}

/// How it stands with what is parked of an order; none if nothing is.
///
/// # Errors
/// What the store answered.
pub async fn key_of(store: &(impl FenceStore + ?Sized), order: OrderId) -> Result<Option<ParkedKey>> {
    let keys = store.parked_keys(OrderId(order.0.saturating_sub(1)), 1).await?;
    Ok(keys.into_iter().find(|key| key.order_id == order))
}

/// Has an order's first parked event handled once more, and then, in order, what stands behind it. If that event waits for
/// one that has not come, the order service is asked for that one at once.
///
/// # Errors
/// What the store answered.
pub async fn retry(store: &(impl FenceStore + ?Sized), order: OrderId, now: Timestamp) -> Result<Decided> {
    match key_of(store, order).await? {
        Some(key) => mark(store, order, key.lowest.version, Mark::Retry, now).await,
        None => Ok(Decided::NotParked),
    }
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
) -> Result<Decided> {
    mark(store, order, version, Mark::Discard, now).await
}

async fn mark(
    store: &(impl FenceStore + ?Sized),
    order_id: OrderId,
    version: Version,
    mark: Mark,
    now: Timestamp,
) -> Result<Decided> {
    let command = FenceCommand::Mark {
        order_id,
        version,
        mark,
    };
    let outcomes = store.run_fence(&[command], now).await?;
    Ok(match outcomes[..] {
        [FenceOutcome::Noted(true)] => Decided::Marked(version),
        _ => Decided::NotParked,
    })
}
